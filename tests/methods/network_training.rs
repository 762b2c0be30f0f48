//! Networks as a whole: determinism, evaluation against training, state, taps, errors.

use frbench::backbone;
use frbench::engine::checkpoint::Checkpoint;
use frbench::engine::{
    Affine, Conv, GraphBuilder, Layer, Network, OutputGrads, Sgd, TrainMode, Value,
};
use frbench::job::{BackboneSpec, OptimizerSpec};
use frbench::rng::Stream;
use serde_json::json;

#[test]
fn the_other_kernel_sets_pass_too() {
    crate::common::kernel_sets::run_on_every_other(
        "network_training",
        "the_other_kernel_sets_pass_too",
    );
}

fn random(seed: u64, shape: [usize; 4]) -> Value {
    let mut stream = Stream::derive(seed, "test", &[]);
    let len = shape.iter().product();
    Value::new(shape, (0..len).map(|_| stream.normal() as f32).collect()).unwrap()
}

fn net(name: &str, params: serde_json::Value, size: usize) -> Network {
    let spec = BackboneSpec {
        name: name.into(),
        embedding: 24,
        params: serde_json::from_value(params).unwrap(),
        conv: Default::default(),
    };
    let mut net = Network::new(backbone::build(&spec, size).unwrap());
    net.init(11);
    net
}

const ALL: [(&str, &str); 4] = [
    ("iresnet18", r#"{"width": 0.25, "dropout": 0.3}"#),
    ("mobilefacenet", r#"{"width": 0.25}"#),
    ("mobilefacenet-mbf", r#"{"width": 0.125}"#),
    ("mobilenetv2", r#"{"width": 0.25, "stem_stride": 2}"#),
];

fn mode(step: u64, bn_group: usize) -> TrainMode {
    TrainMode {
        bn_group,
        seed: 7,
        step,
    }
}

/// Two optimiser steps; the checkpoint's bytes.
fn train(net: &mut Network) -> Vec<u8> {
    let optimizer = OptimizerSpec {
        momentum: 0.9,
        nesterov: true,
        weight_decay: 5e-4,
        clip: Some(5.0),
        spare_norms: false,
    };
    let mut sgd = Sgd::new(&optimizer, net.params().values.len());
    for step in 0..2 {
        let x = random(step, [6, 32, 32, 3]);
        let (output, tape) = net.forward_train(&x, mode(step, 3)).unwrap();
        let mut grads = OutputGrads {
            embedding: Some(random(9, [6, 1, 1, 24])),
            ..OutputGrads::default()
        };
        let stage = output.taps["stage2"].clone();
        grads.taps.insert("stage2".into(), stage);
        net.backward(tape, grads, false).unwrap();
        let params = net.params_mut();
        sgd.step(&mut params.values, &mut params.grads, 0.01)
            .unwrap();
    }
    let mut checkpoint = Checkpoint::default();
    checkpoint.insert_all("model/", net.state_dict());
    let velocity = sgd.velocity().to_vec();
    checkpoint
        .tensors
        .insert("velocity".into(), (vec![velocity.len()], velocity));
    checkpoint.to_bytes()
}

#[test]
fn batch_norms_can_be_spared_the_decay() {
    for name in ["iresnet18", "mobilefacenet"] {
        let mut net = net(name, json!({"width": 0.25}), 32);
        let norms: Vec<String> = net
            .graph()
            .nodes()
            .iter()
            .filter(|node| matches!(node.layer, Layer::BatchNorm(_)))
            .map(|node| format!("{}.", node.name))
            .collect();
        net.params_mut().values.fill(2.0);
        let optimizer = OptimizerSpec {
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.5,
            clip: None,
            spare_norms: true,
        };
        let mut sgd = net.sgd(&optimizer);
        net.step(&mut sgd, 0.1).unwrap();
        let mut spared = 0;
        for (at, slot) in net.params().slots().iter().enumerate() {
            let norm = norms.iter().any(|norm| slot.name.starts_with(norm));
            let want = if norm { 2.0 } else { 2.0 - 0.1 * (0.5 * 2.0) };
            let values = net.params().get(at);
            assert!(values.iter().all(|v| *v == want), "{}", slot.name);
            spared += usize::from(norm);
        }
        assert!(spared > 30, "{name}: {spared}");
        let mut all = net.sgd(&OptimizerSpec {
            spare_norms: false,
            ..optimizer
        });
        net.step(&mut all, 0.1).unwrap();
        assert!(net.params().values.iter().all(|v| *v < 2.0));
    }
}

#[test]
fn the_number_of_threads_does_not_show() {
    for (name, params) in ALL {
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new()
                .num_threads(threads)
                .build()
                .unwrap();
            pool.install(|| train(&mut net(name, serde_json::from_str(params).unwrap(), 32)))
        };
        let one = run(1);
        assert!(one == run(2), "{name}: 1 and 2 threads differ");
        assert!(one == run(3), "{name}: 1 and 3 threads differ");
    }
}

#[test]
fn evaluation_is_training_with_frozen_statistics() {
    // After many passes over one batch, running statistics are the batch's, except that the
    // variance is unbiased; with that undone, both passes compute the same.
    for (name, params) in ALL {
        let mut params: serde_json::Value = serde_json::from_str(params).unwrap();
        params["dropout"] = json!(0.0);
        let mut net = net(name, params, 32);
        let x = random(3, [8, 32, 32, 3]);
        let mut last = None;
        for step in 0..250 {
            last = Some(net.forward_train(&x, mode(step, 8)).unwrap().0);
        }
        let mut state = net.state_dict();
        for node in net.graph().nodes() {
            if let Layer::BatchNorm(_) = node.layer {
                let rows = (8 * node.shape[0] * node.shape[1]) as f32;
                let (_, var) = state
                    .get_mut(&format!("{}.running_var", node.name))
                    .unwrap();
                var.iter_mut().for_each(|v| *v *= (rows - 1.0) / rows);
            }
        }
        net.load_state_dict(&state).unwrap();
        let train = last.unwrap().embedding;
        let eval = net.infer(&x).unwrap().embedding;
        let square = |a: f32| f64::from(a * a);
        let off: f64 = train
            .data()
            .iter()
            .zip(eval.data())
            .map(|(a, b)| square(a - b))
            .sum();
        let size: f64 = train.data().iter().map(|a| square(*a)).sum();
        let off = (off / size).sqrt();
        assert!(off < 1e-3, "{name}: {off:e}");
        // An image's embedding does not depend on its batch.
        let first = Value::new([1, 32, 32, 3], x.data()[..32 * 32 * 3].to_vec()).unwrap();
        let alone = net.infer(&first).unwrap().embedding;
        for (a, b) in alone.data().iter().zip(eval.data()) {
            assert!((a - b).abs() <= 1e-4 * (1.0 + b.abs()), "{name}: {a} {b}");
        }
    }
}

#[test]
fn fused_evaluation_is_layer_by_layer_evaluation() {
    // Taps everywhere forbid all fusion.
    let build = |taps: bool| {
        let mut b = GraphBuilder::new([7, 7, 3]);
        let mut seen = Vec::new();
        let x = b.input();
        let c = b.conv(x, "c", Conv::new(6, 3).with_bias());
        let n = b.batch_norm(c, "n", Affine::Learned);
        let p = b.prelu(n, "p");
        let d = b.conv(p, "d", Conv::new(6, 3).groups(6));
        let m = b.batch_norm(d, "m", Affine::Learned);
        let s = b.add(p, m);
        let f = b.linear(s, "f", 4, true);
        let e = b.batch_norm(f, "e", Affine::FrozenScale);
        seen.extend([c, n, p, d, m, s, f]);
        if taps {
            seen.into_iter()
                .enumerate()
                .for_each(|(i, id)| b.tap(&format!("t{i}"), id));
        }
        let mut net = Network::new(b.finish(e).unwrap());
        net.init(2);
        let mut state = net.state_dict();
        for (name, (_, values)) in &mut state {
            let mut stream = Stream::derive(1, name, &[]);
            values
                .iter_mut()
                .for_each(|v| *v += 0.3 * stream.uniform() as f32);
        }
        net.load_state_dict(&state).unwrap();
        net
    };
    let x = random(1, [2, 7, 7, 3]);
    let plain = build(true).infer(&x).unwrap();
    let fused = build(false).infer(&x).unwrap();
    assert_eq!(plain.taps.len(), 7);
    for (a, b) in plain.embedding.data().iter().zip(fused.embedding.data()) {
        assert!((a - b).abs() <= 1e-5 * (1.0 + a.abs()), "{a} {b}");
    }
}

#[test]
fn running_statistics_follow_pytorch() {
    let mut b = GraphBuilder::new([1, 1, 1]);
    let x = b.input();
    let y = b.batch_norm(x, "n", Affine::None);
    let mut net = Network::new(b.finish(y).unwrap());
    let x = Value::new([4, 1, 1, 1], vec![1.0, 3.0, 10.0, 20.0]).unwrap();
    net.forward_train(&x, mode(0, 4)).unwrap();
    // Mean 8.5; unbiased variance (56.25 + 30.25 + 2.25 + 132.25) / 3 = 73.6667.
    let state = net.state_dict();
    assert!((state["n.running_mean"].1[0] - 0.85).abs() < 1e-6);
    assert!((state["n.running_var"].1[0] - (0.9 + 7.366_667)).abs() < 1e-5);
    // Two groups: the mean of (2, 15) and of the variances (2, 50).
    net.init(0);
    net.forward_train(&x, mode(0, 2)).unwrap();
    let state = net.state_dict();
    assert!((state["n.running_mean"].1[0] - 0.85).abs() < 1e-6);
    assert!((state["n.running_var"].1[0] - (0.9 + 2.6)).abs() < 1e-5);
    assert!(net.forward_train(&x, mode(0, 3)).is_err());
    assert!(net.forward_train(&x, mode(0, 1)).is_err());
}

#[test]
fn state_dicts_must_fit_exactly() {
    let source = net("mobilefacenet", json!({"width": 0.25}), 32);
    let mut state = source.state_dict();
    state.insert("bn.num_batches_tracked".into(), (vec![], vec![3.0]));
    let mut target = net("mobilefacenet", json!({"width": 0.25}), 32);
    target.init(99);
    assert_ne!(target.state_dict(), source.state_dict());
    target.load_state_dict(&state).unwrap();
    assert_eq!(target.state_dict(), source.state_dict());

    let before = target.state_dict();
    let (shape, values) = state.remove("linear.weight").unwrap();
    state.insert("module.linear.weight".into(), (shape, values));
    state.insert("bn.bias".into(), (vec![3], vec![0.0; 3]));
    let error = target.load_state_dict(&state).unwrap_err();
    assert_eq!(error.exit_code(), 5);
    for part in [
        "`linear.weight`",
        "is missing",
        "`module.linear.weight` is unexpected",
        "`bn.bias` is [3], want [24]",
    ] {
        assert!(error.to_string().contains(part), "{part}: {error}");
    }
    assert_eq!(target.state_dict(), before);
}

#[test]
fn taps_get_and_give_gradients() {
    let mut b = GraphBuilder::new([4, 4, 2]);
    let x = b.input();
    let c = b.conv(x, "c", Conv::new(3, 1));
    b.tap("map", c);
    let y = b.global_avg_pool(c);
    let mut net = Network::new(b.finish(y).unwrap());
    net.init(1);
    let x = random(1, [2, 4, 4, 2]);
    let (output, tape) = net.forward_train(&x, mode(0, 2)).unwrap();
    assert_eq!(output.taps["map"].shape(), [2, 4, 4, 3]);
    let mut grads = OutputGrads::default();
    grads.taps.insert(
        "map".into(),
        Value::new([2, 4, 4, 3], vec![1.0; 96]).unwrap(),
    );
    net.backward(tape, grads, false).unwrap();
    // d sum(map) / d weight[o][i] = sum of input channel i.
    let sum: f32 = x.data().iter().step_by(2).sum();
    assert!((net.params().grads[0] - sum).abs() < 1e-4);

    let (_, tape) = net.forward_train(&x, mode(0, 2)).unwrap();
    let mut grads = OutputGrads::default();
    grads.taps.insert("nothing".into(), output.embedding);
    assert!(
        net.backward(tape, grads, false)
            .unwrap_err()
            .to_string()
            .contains("`nothing`")
    );
    assert!(net.infer(&random(1, [2, 5, 4, 2])).is_err());
}

#[test]
fn dropout_is_keyed_by_step_and_keeps_the_mean() {
    let mut b = GraphBuilder::new([1, 1, 4000]);
    let x = b.input();
    let y = b.dropout(x, 0.4);
    let mut net = Network::new(b.finish(y).unwrap());
    let x = Value::new([1, 1, 1, 4000], vec![1.0; 4000]).unwrap();
    let mut at = |step| {
        net.forward_train(&x, mode(step, 1))
            .unwrap()
            .0
            .embedding
            .to_vec()
    };
    let (first, again, next) = (at(0), at(0), at(1));
    assert_eq!(first, again);
    assert_ne!(first, next);
    let mean = first.iter().sum::<f32>() / 4000.0;
    assert!((mean - 1.0).abs() < 0.05, "{mean}");
    assert_eq!(net.infer(&x).unwrap().embedding.data(), x.data());
}
