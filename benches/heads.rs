//! Margin heads: forward and backward at 512 dimensions, 10,000 classes, batch 128.
//! Sub-center ArcFace has three centres per class; `normface x3` is its yardstick.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for the one who measures"
)]

use candle_core::{Device, Tensor, Var};
use criterion::{Criterion, criterion_group, criterion_main};
use frbench::head::{self, HEADS, HeadInput, WeightGrad};
use frbench::job::HeadSpec;
use frbench::rng::Stream;
use serde_json::json;
use std::time::Duration;

const BATCH: usize = 128;
const CLASSES: usize = 10_000;
const DIM: usize = 512;

fn normal(rows: usize) -> Var {
    let mut stream = Stream::derive(1, "bench/heads", &[rows as u64]);
    let data: Vec<f32> = (0..rows * DIM).map(|_| stream.normal() as f32).collect();
    Var::from_tensor(&Tensor::from_vec(data, (rows, DIM), &Device::Cpu).unwrap()).unwrap()
}

/// The head with the constants of its first preset.
fn spec(name: &str) -> HeadSpec {
    let head = HEADS.iter().find(|h| h.info.name == name).unwrap();
    HeadSpec {
        name: name.into(),
        params: match (head.presets.first(), name) {
            (Some(preset), _) => preset.params(),
            (None, "normface") => serde_json::from_value(json!({"s": 64})).unwrap(),
            (None, _) => Default::default(),
        },
    }
}

fn heads(c: &mut Criterion) {
    let mut group = c.benchmark_group("heads");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    let x = normal(BATCH);
    let names = HEADS.iter().map(|h| h.info.name);
    for (name, times) in names.map(|n| (n, 1)).chain([("normface", 3)]) {
        let mut head = head::build(&spec(name)).unwrap();
        let classes = CLASSES * times;
        let w = normal(classes * head.rows_per_class());
        let labels: Vec<u32> = (0..BATCH).map(|i| (i * 37 % classes) as u32).collect();
        let label = match times {
            1 => name.to_string(),
            _ => format!("{name} x{times}"),
        };
        // As in a training.
        let weight_grad = WeightGrad::default();
        group.bench_function(label, |b| {
            b.iter(|| {
                let input = HeadInput {
                    embeddings: &x,
                    weight: &w,
                    weight_grad: Some(&weight_grad),
                    labels: &labels,
                    logits: false,
                    epoch: 20,
                    step: 0,
                };
                let loss = head.forward(&input).unwrap().loss;
                let grads = loss.backward().unwrap();
                weight_grad.take(|grad| std::hint::black_box(grad[0]));
                grads
            });
        });
    }
    group.finish();
}

criterion_group!(benches, heads);
criterion_main!(benches);
