//! Whole networks: a training step (forward, backward, SGD) and evaluation.
//! `cargo bench --bench step -- iresnet18` selects by name; rates are images per second.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for the one who measures"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use frbench::backbone;
use frbench::engine::{Network, OutputGrads, Sgd, TrainMode, Value};
use frbench::job::{BackboneSpec, OptimizerSpec};
use frbench::rng::Stream;
use serde_json::json;
use std::time::Duration;

const BATCH: usize = 64;

fn random(shape: [usize; 4]) -> Value {
    let mut stream = Stream::derive(1, "bench", &[]);
    let len = shape.iter().product();
    Value::new(shape, (0..len).map(|_| stream.normal() as f32).collect()).unwrap()
}

fn nets(c: &mut Criterion) {
    let cases = [
        ("mobilefacenet", json!({"width": 0.5}), 64),
        ("mobilenetv2", json!({"width": 0.5, "stem_stride": 2}), 64),
        ("mobilenetv2", json!({"width": 0.5, "stem_stride": 1}), 64),
        ("iresnet18", json!({"width": 0.5}), 64),
        ("iresnet18", json!({}), 112),
    ];
    let mut group = c.benchmark_group("step");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements(BATCH as u64));
    for (name, params, size) in cases {
        let label = format!("{name} {params} @{size}");
        let spec = BackboneSpec {
            name: name.into(),
            embedding: 256,
            params: serde_json::from_value(params).unwrap(),
            conv: Default::default(),
        };
        let x = random([BATCH, size, size, 3]);
        let dy = random([BATCH, 1, 1, 256]);
        let optimizer = OptimizerSpec {
            momentum: 0.9,
            nesterov: false,
            weight_decay: 5e-4,
            clip: None,
            spare_norms: false,
        };
        let make = || {
            let mut net = Network::new(backbone::build(&spec, size).unwrap());
            net.init(1);
            let sgd = Sgd::new(&optimizer, net.params().values.len());
            (net, sgd)
        };
        let mode = TrainMode {
            bn_group: BATCH,
            seed: 1,
            step: 0,
        };
        let mut net = None;
        group.bench_function(format!("train {label}"), |b| {
            let (net, sgd) = net.get_or_insert_with(make);
            b.iter(|| {
                let (_, tape) = net.forward_train(&x, mode).unwrap();
                let grads = OutputGrads {
                    embedding: Some(dy.clone()),
                    ..OutputGrads::default()
                };
                net.backward(tape, grads, false).unwrap();
                let params = net.params_mut();
                sgd.step(&mut params.values, &mut params.grads, 1e-5);
            });
        });
        group.bench_function(format!("infer {label}"), |b| {
            let (net, _) = net.get_or_insert_with(make);
            b.iter(|| net.infer(&x).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, nets);
criterion_main!(benches);
