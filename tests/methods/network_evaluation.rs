//! Networks in evaluation mode have a way back: against finite differences of `infer`.

use frbench::backbone;
use frbench::engine::{Network, OutputGrads, TrainMode, Value};
use frbench::rng::Stream;
use serde_json::json;

const BATCH: usize = 4;
const SIDE: usize = 32;
const DIM: usize = 16;

fn normal(name: &str, len: usize) -> Vec<f32> {
    let mut stream = Stream::derive(7, name, &[]);
    (0..len).map(|_| stream.normal() as f32).collect()
}

fn images(name: &str) -> Value {
    let pixels = normal(name, BATCH * SIDE * SIDE * 3);
    Value::new([BATCH, SIDE, SIDE, 3], pixels).unwrap()
}

/// A network whose running statistics are those of some noise, scales and shifts included.
fn network(name: &str, width: f64) -> Network {
    let spec = json!({"name": name, "embedding": DIM, "params": {"width": width}});
    let graph = backbone::build(&serde_json::from_value(spec).unwrap(), SIDE).unwrap();
    let mut net = Network::new(graph);
    net.init(4);
    let noise = normal("params", net.params().values.len());
    for (value, noise) in net.params_mut().values.iter_mut().zip(noise) {
        *value += 0.03 * noise;
    }
    for step in 0..20 {
        let mode = TrainMode {
            bn_group: BATCH,
            seed: 0,
            step,
        };
        net.forward_train(&images(&format!("warm {step}")), mode)
            .unwrap();
    }
    net
}

/// The sum of all embeddings times constants, in f64.
fn scalar(net: &Network, x: &Value, factors: &[f32]) -> f64 {
    let y = net.infer(x).unwrap().embedding;
    let products = y.data().iter().zip(factors);
    products.map(|(y, f)| f64::from(*y) * f64::from(*f)).sum()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    let products = a.iter().zip(b);
    products.map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

fn moved(x: &[f32], by: &[f32], h: f32) -> Vec<f32> {
    x.iter().zip(by).map(|(x, d)| x + h * d).collect()
}

/// Forward against `infer`, both gradients against central differences along directions. The
/// gradient itself is among them, so that the derivative is not lost in rounding; steps are
/// short, as activations have kinks.
#[track_caller]
fn check(name: &str, width: f64) {
    let mut net = network(name, width);
    let x = images("x");
    let before = net.state_dict();
    let factors = normal("factors", BATCH * DIM);
    let (output, tape) = net.trace_evaluation(&x).unwrap();
    let want = net.infer(&x).unwrap().embedding.to_vec();
    let largest = want.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (got, want) in output.embedding.data().iter().zip(&want) {
        assert!((got - want).abs() < 2e-5 * largest, "{got} {want}");
    }
    let grads = OutputGrads {
        embedding: Some(Value::new([BATCH, 1, 1, DIM], factors.clone()).unwrap()),
        ..OutputGrads::default()
    };
    let got = net.gradients(tape, grads).unwrap();
    assert_eq!(net.state_dict(), before, "nothing has moved");
    assert!(net.params().grads.iter().all(|g| *g == 0.0));

    let norm = |v: &[f32]| dot(v, v).sqrt();
    let near = |what: &str, got: f64, numeric: f64, gradient: f64| {
        let off = (got - numeric).abs() / gradient;
        assert!(off < 3e-3, "{name}, {what}: {got} against {numeric}");
    };
    let dx = got.input.data();
    // Along a unit vector, the derivative is at most the length of the gradient.
    for (what, direction) in [("dx", dx.to_vec()), ("x", normal("along", dx.len()))] {
        let length = norm(&direction);
        let h = (0.05 / length) as f32;
        let at = |h| {
            let moved = Value::new(x.shape(), moved(x.data(), &direction, h)).unwrap();
            scalar(&net, &moved, &factors)
        };
        let numeric = (at(h) - at(-h)) / (2.0 * f64::from(h) * length);
        near(what, dot(dx, &direction) / length, numeric, norm(dx));
    }
    let start = net.params().values.clone();
    for (what, direction) in [
        ("dw", got.params.clone()),
        ("w", normal("along", start.len())),
    ] {
        let length = norm(&direction);
        let h = (0.005 / length) as f32;
        let mut at = |h| {
            net.params_mut().values = moved(&start, &direction, h);
            scalar(&net, &x, &factors)
        };
        let numeric = (at(h) - at(-h)) / (2.0 * f64::from(h) * length);
        let along = dot(&got.params, &direction) / length;
        near(what, along, numeric, norm(&got.params));
    }
}

#[test]
fn iresnet_goes_back_in_evaluation() {
    check("iresnet18", 0.125);
}

#[test]
fn mobilefacenet_goes_back_in_evaluation() {
    check("mobilefacenet", 0.25);
}

#[test]
fn cbam_iresnet_goes_back_in_evaluation() {
    check("cbam-iresnet18", 0.125);
}

/// A training pass and its trace are the same bits, and the trace leaves the network alone.
#[test]
fn a_trace_moves_nothing() {
    let mut net = network("cbam-iresnet18", 0.125);
    let x = images("x");
    let mode = TrainMode {
        bn_group: BATCH / 2,
        seed: 3,
        step: 5,
    };
    let grads = || OutputGrads {
        embedding: Some(Value::new([BATCH, 1, 1, DIM], normal("dy", BATCH * DIM)).unwrap()),
        ..OutputGrads::default()
    };
    let before = net.state_dict();
    let (traced, tape) = net.trace_training(&x, mode).unwrap();
    let alone = net.gradients(tape, grads()).unwrap();
    assert_eq!(net.state_dict(), before);
    let (trained, tape) = net.forward_train(&x, mode).unwrap();
    assert_eq!(traced.embedding.data(), trained.embedding.data());
    let dx = net.backward(tape, grads(), true).unwrap().unwrap();
    assert_eq!(alone.input.data(), dx.data());
    assert_eq!(alone.params, net.params().grads);
    assert_ne!(net.state_dict(), before, "running statistics have moved");
}
