//! Single operations of a network at the shapes of iResNet and MobileFaceNet, batch 32, through
//! the public interface: graphs of one layer, evaluated and trained.
//!
//! `cargo bench --bench ops -- "conv 3x3"` selects by name.
//!
//! `forward` is evaluation. `train` is the forward pass of training, and backward into input and
//! weights from a gradient for the whole output, which enters at a tap. The embedding that
//! every graph must have is one pixel of the input and costs nothing.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for the one who measures"
)]

use criterion::{Criterion, criterion_group, criterion_main};
use frbench_base::rng::Stream;
use frbench_engine::{Affine, Conv, GraphBuilder, Network, NodeId, OutputGrads, TrainMode, Value};
use std::time::Duration;

const BATCH: usize = 32;

fn random(shape: [usize; 4]) -> Value {
    let mut stream = Stream::derive(1, "bench", &[]);
    let len = shape.iter().product();
    Value::new(shape, (0..len).map(|_| stream.normal() as f32).collect()).expect("its own shape")
}

/// A network of the one layer that `layer` adds, for maps of `side` x `side` x `channels`.
fn network(side: usize, channels: usize, layer: Layer) -> Network {
    let mut b = GraphBuilder::new([side, side, channels]);
    let x = b.input();
    let y = layer(&mut b, x);
    b.tap("y", y);
    let end = b.conv(x, "end", Conv::new(1, 1).stride(side));
    let mut network = Network::new(b.finish(end).expect("a graph of one layer"));
    network.init(1);
    network
}

type Layer<'a> = &'a dyn Fn(&mut GraphBuilder, NodeId) -> NodeId;

fn measure(c: &mut Criterion, name: &str, side: usize, channels: usize, layer: Layer) {
    let mut network = network(side, channels, layer);
    let x = random([BATCH, side, side, channels]);
    let mode = TrainMode {
        bn_group: BATCH,
        seed: 1,
        step: 0,
    };
    let mut group = c.benchmark_group("ops");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    group.bench_function(format!("{name} forward"), |b| {
        b.iter(|| network.infer(&x).expect("the input fits"));
    });
    let dy = random(network.infer(&x).expect("the input fits").taps["y"].shape());
    group.bench_function(format!("{name} train"), |b| {
        b.iter(|| {
            let (_, tape) = network.forward_train(&x, mode).expect("the input fits");
            let mut grads = OutputGrads::default();
            grads.taps.insert("y".into(), dy.clone());
            network
                .backward(tape, grads, true)
                .expect("the gradient fits")
        });
    });
    group.finish();
}

/// Channels and side of the four stages of iResNet.
const STAGES: [(usize, usize); 4] = [(64, 56), (128, 28), (256, 14), (512, 7)];

fn convolutions(c: &mut Criterion) {
    for (channels, side) in STAGES {
        let name = format!("conv 3x3 {channels}@{side}");
        let conv = Conv::new(channels, 3);
        measure(c, &name, side, channels, &|b, x| b.conv(x, "conv", conv));
    }
    // The strided convolution at the start of a stage, from the larger map.
    for (channels, side) in [(64, 112), (128, 56), (128, 28), (256, 28), (512, 14)] {
        let name = format!("conv 3x3 {channels}@{side} stride 2");
        let conv = Conv::new(channels, 3).stride(2);
        measure(c, &name, side, channels, &|b, x| b.conv(x, "conv", conv));
    }
    for (from, to, side, stride) in [
        (64, 128, 56, 1),
        (128, 256, 14, 1),
        (128, 128, 28, 1),
        (64, 128, 56, 2),
    ] {
        let name = format!("conv 1x1 {from}>{to}@{side} stride {stride}");
        let conv = Conv::new(to, 1).stride(stride);
        measure(c, &name, side, from, &|b, x| b.conv(x, "conv", conv));
    }
    let stem = Conv::new(64, 3);
    measure(c, "conv 3x3 3>64@112", 112, 3, &|b, x| {
        b.conv(x, "conv", stem)
    });
}

fn depthwise(c: &mut Criterion) {
    for (channels, side) in STAGES {
        for stride in [1, 2] {
            let name = format!("depthwise 3x3 {channels}@{side} stride {stride}");
            let conv = Conv::new(channels, 3).stride(stride).groups(channels);
            measure(c, &name, side, channels, &|b, x| b.conv(x, "conv", conv));
        }
    }
    let whole = Conv::new(512, 7).pad(0).groups(512);
    measure(c, "depthwise 7x7 512@7", 7, 512, &|b, x| {
        b.conv(x, "conv", whole)
    });
}

fn batch_norm(c: &mut Criterion) {
    for (channels, side) in STAGES {
        let at = format!("{channels}@{side}");
        measure(c, &format!("BN {at}"), side, channels, &|b, x| {
            b.batch_norm(x, "bn", Affine::Learned)
        });
        measure(c, &format!("BN + PReLU {at}"), side, channels, &|b, x| {
            let y = b.batch_norm(x, "bn", Affine::Learned);
            b.prelu(y, "prelu")
        });
        let sum = format!("BN + residual {at}");
        measure(c, &sum, side, channels, &|b, x| {
            let y = b.batch_norm(x, "bn", Affine::Learned);
            b.add(y, x)
        });
        measure(c, &format!("PReLU {at}"), side, channels, &|b, x| {
            b.prelu(x, "prelu")
        });
    }
}

/// What the light networks are made of: expand, filter, project.
fn chains(c: &mut Criterion) {
    for (channels, side, middle) in [(64, 28, 128), (128, 14, 256), (128, 7, 256)] {
        let name = format!("bottleneck {channels}>{middle}@{side}");
        measure(c, &name, side, channels, &|b, x| {
            let mut unit = |x, name: &str, conv, act| {
                let y = b.conv(x, &format!("{name}.conv"), conv);
                let y = b.batch_norm(y, &format!("{name}.bn"), Affine::Learned);
                match act {
                    true => b.prelu(y, &format!("{name}.prelu")),
                    false => y,
                }
            };
            let y = unit(x, "expand", Conv::new(middle, 1), true);
            let y = unit(y, "filter", Conv::new(middle, 3).groups(middle), true);
            unit(y, "project", Conv::new(channels, 1), false)
        });
    }
}

criterion_group!(benches, convolutions, depthwise, batch_norm, chains);
criterion_main!(benches);
