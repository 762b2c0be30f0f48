//! Heads against hand-computed vectors and finite differences, and at the poles.

use candle_core::{Device, Tensor, Var};
use frbench::head::{self, Head, HeadInput, HeadOutput};
use frbench::job::HeadSpec;
use frbench::rng::Stream;
use serde_json::{Value, json};

fn build(name: &str, params: Value) -> Box<dyn Head> {
    head::build(&HeadSpec {
        name: name.into(),
        params: serde_json::from_value(params).unwrap(),
    })
    .unwrap()
}

fn forward(head: &mut dyn Head, x: &Tensor, w: &Tensor, labels: &[u32]) -> HeadOutput {
    head.forward(&HeadInput {
        embeddings: x,
        weight: w,
        weight_grad: None,
        labels,
        logits: true,
        epoch: 1,
        step: 0,
    })
    .unwrap()
}

/// Cosines 0.30 (target), 0.45, -0.20 and 0.10, whatever the lengths of the vectors.
fn four_classes() -> (Tensor, Tensor) {
    let x = Tensor::new(&[[3.0f64, 0.0]], &Device::Cpu).unwrap();
    let rows: Vec<Vec<f64>> = [0.30f64, 0.45, -0.20, 0.10]
        .iter()
        .map(|c| vec![0.7 * c, 0.7 * (1.0 - c * c).sqrt()])
        .collect();
    (x, Tensor::new(rows, &Device::Cpu).unwrap())
}

fn by_hand(name: &str, params: Value, target: f64, loss: f64) {
    let (x, w) = four_classes();
    let output = forward(&mut *build(name, params), &x, &w, &[0]);
    let logits = output.logits().unwrap().to_vec2::<f64>().unwrap().remove(0);
    for (got, want) in logits.iter().zip([target, 14.4, -6.4, 3.2]) {
        assert!((got - want).abs() < 2e-6, "{name}: {logits:?}");
    }
    let got = output.loss.to_scalar::<f64>().unwrap();
    assert!((got - loss).abs() < 2e-6, "{name}: loss {got}, want {loss}");
}

#[test]
fn one_sample_computed_by_hand() {
    by_hand("arcface", json!({"s": 32, "m": 0.5}), -6.210177, 20.610191);
    by_hand("cosface", json!({"s": 32, "m": 0.35}), -1.6, 16.000014);
    for gradient in ["exact", "identity"] {
        let params = json!({"s": 32, "m1": 1, "m2": 0.3, "m3": 0.2, "target_gradient": gradient});
        by_hand("combined-margin", params, -6.249836, 20.649849);
    }
}

/// Random `[B, D]` in f64.
fn normal(purpose: &str, rows: usize, cols: usize) -> Tensor {
    let mut stream = Stream::derive(11, purpose, &[]);
    let data: Vec<f64> = (0..rows * cols).map(|_| stream.normal()).collect();
    Tensor::from_vec(data, (rows, cols), &Device::Cpu).unwrap()
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let labels = [0u32, 3, 2, 3, 1];
    for (name, params) in [
        ("arcface", json!({"s": 16, "m": 0.5})),
        ("arcface", json!({"s": 16, "m": 0.5, "easy_margin": true})),
        ("cosface", json!({"s": 16, "m": 0.35})),
        (
            "combined-margin",
            json!({"s": 16, "m1": 1.35, "m2": 0.3, "m3": 0.2, "target_gradient": "exact"}),
        ),
    ] {
        let mut head = build(name, params);
        let leaves = [
            Var::from_tensor(&normal("embeddings", 5, 7)).unwrap(),
            Var::from_tensor(&normal("weight", 4, 7)).unwrap(),
        ];
        let loss = forward(&mut *head, &leaves[0], &leaves[1], &labels).loss;
        let grads = loss.backward().unwrap();
        for which in 0..2 {
            let gradient = grads.get(&leaves[which]).unwrap().flatten_all().unwrap();
            let gradient: Vec<f64> = gradient.to_vec1().unwrap();
            for (at, analytic) in gradient.into_iter().enumerate() {
                let mut shifted = |h: f64| {
                    let mut tensors =
                        [leaves[0].as_tensor().clone(), leaves[1].as_tensor().clone()];
                    let mut data: Vec<f64> =
                        tensors[which].flatten_all().unwrap().to_vec1().unwrap();
                    data[at] += h;
                    tensors[which] =
                        Tensor::from_vec(data, tensors[which].shape(), &Device::Cpu).unwrap();
                    let out = forward(&mut *head, &tensors[0], &tensors[1], &labels);
                    out.loss.to_scalar::<f64>().unwrap()
                };
                let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                assert!(
                    (numeric - analytic).abs() < 1e-7 * (1.0 + analytic.abs()),
                    "{name} leaf {which} at {at}: {analytic} against {numeric}"
                );
            }
        }
    }
}

/// With the identity gradient, the logits' gradient reaches the cosines as if unmargined:
/// the gradient is that of a plain softmax whose probabilities are those of the margined logits.
#[test]
fn identity_and_exact_gradients_differ_by_the_slope_alone() {
    let (x, w) = four_classes();
    let gradient = |target_gradient: &str| {
        let params = json!({
            "s": 32, "m1": 1, "m2": 0.5, "m3": 0, "target_gradient": target_gradient
        });
        let w = Var::from_tensor(&w).unwrap();
        let loss = forward(&mut *build("combined-margin", params), &x, &w, &[0]).loss;
        let grads = loss.backward().unwrap();
        grads.get(&w).unwrap().to_vec2::<f64>().unwrap()
    };
    let (exact, identity) = (gradient("exact"), gradient("identity"));
    let theta = 0.3f64.acos();
    let slope = (theta + 0.5).sin() / theta.sin();
    for d in 0..2 {
        assert!((exact[0][d] - slope * identity[0][d]).abs() < 1e-9);
        assert!((exact[1][d] - identity[1][d]).abs() < 1e-12);
    }
}

#[test]
fn gradients_are_finite_at_the_poles_and_for_zero_rows() {
    let x = [[2.0f32, 0.0], [-3.0, 0.0], [0.0, 0.0]];
    let w = [[1.0f32, 0.0], [0.0, 0.0]];
    for (name, params) in [
        ("arcface", json!({"s": 64, "m": 0.5})),
        ("arcface", json!({"s": 64, "m": 0.5, "easy_margin": true})),
        ("cosface", json!({"s": 64, "m": 0.4})),
        (
            "combined-margin",
            json!({"s": 64, "m1": 1, "m2": 0.5, "m3": 0.1, "target_gradient": "exact"}),
        ),
        (
            "combined-margin",
            json!({"s": 64, "m1": 1, "m2": 0.5, "m3": 0.1, "target_gradient": "identity"}),
        ),
    ] {
        let x = Var::new(&x, &Device::Cpu).unwrap();
        let w = Var::new(&w, &Device::Cpu).unwrap();
        let loss = forward(&mut *build(name, params), &x, &w, &[0, 0, 1]).loss;
        let grads = loss.backward().unwrap();
        assert!(loss.to_scalar::<f32>().unwrap().is_finite(), "{name}");
        for leaf in [&x, &w] {
            let gradient = grads.get(leaf).unwrap().flatten_all().unwrap();
            let gradient: Vec<f32> = gradient.to_vec1().unwrap();
            assert!(
                gradient.iter().all(|g| g.is_finite()),
                "{name}: {gradient:?}"
            );
        }
    }
}

#[test]
fn mistakes_are_errors_that_say_what_is_wrong() {
    let message = |name: &str, params: Value| {
        head::build(&HeadSpec {
            name: name.into(),
            params: serde_json::from_value(params).unwrap(),
        })
        .err()
        .expect("an error")
        .to_string()
    };
    assert!(message("arcfce", json!({})).contains("did you mean `arcface`?"));
    assert!(message("arcface", json!({"s": 64})).contains("`m`"));
    assert!(message("arcface", json!({"s": 64, "m": 2.0})).contains("`m` is 2"));

    let (x, w) = four_classes();
    let input = HeadInput {
        embeddings: &x,
        weight: &w,
        weight_grad: None,
        labels: &[4],
        logits: true,
        epoch: 1,
        step: 0,
    };
    let error = build("arcface", json!({"s": 64, "m": 0.5})).forward(&input);
    let message = error.err().expect("an error").to_string();
    assert!(message.contains("label 4") && message.contains("4 classes"));
}
