//! Single kernels, forward and backward, on shapes of iResNet and MobileFaceNet.

use criterion::{Criterion, criterion_group, criterion_main};
use frbench::nn::ops::act::{Act, Epilogue, Input};
use frbench::nn::ops::conv::{self, Shape};
use frbench::nn::ops::norm::{self, Params};
use frbench::plan::spec::ConvMode;
use frbench::rng::Stream;
use std::time::Duration;

fn random(len: usize) -> Vec<f32> {
    let mut stream = Stream::derive(1, "bench", &[len as u64]);
    (0..len).map(|_| stream.normal() as f32).collect()
}

fn square(
    n: usize,
    side: usize,
    ci: usize,
    co: usize,
    kernel: usize,
    stride: usize,
    groups: usize,
) -> Shape {
    let out = (side + 2 * (kernel / 2) - kernel) / stride + 1;
    Shape {
        n,
        h: side,
        w: side,
        ci,
        oh: out,
        ow: out,
        co,
        kernel,
        stride,
        pad: kernel / 2,
        groups,
    }
}

fn convolutions(c: &mut Criterion) {
    let mut group = c.benchmark_group("conv");
    group.sample_size(10);
    group.warm_up_time(Duration::from_millis(300));
    group.measurement_time(Duration::from_secs(1));
    let cases = [
        ("3x3 64@56", square(32, 56, 64, 64, 3, 1, 1)),
        ("3x3 128@28", square(32, 28, 128, 128, 3, 1, 1)),
        ("3x3 256@14", square(32, 14, 256, 256, 3, 1, 1)),
        ("3x3 512@7", square(32, 7, 512, 512, 3, 1, 1)),
        ("3x3 3>64@112", square(32, 112, 3, 64, 3, 1, 1)),
        ("3x3 128@28 stride 2", square(32, 28, 128, 128, 3, 2, 1)),
        ("3x3 512@14 stride 2", square(32, 14, 512, 512, 3, 2, 1)),
        ("1x1 64>128@56", square(32, 56, 64, 128, 1, 1, 1)),
        ("1x1 128>256@14", square(32, 14, 128, 256, 1, 1, 1)),
        ("1x1 32>64@16", square(64, 16, 32, 64, 1, 1, 1)),
        ("depthwise 64@56", square(32, 56, 64, 64, 3, 1, 64)),
        ("depthwise 128@28", square(32, 28, 128, 128, 3, 1, 128)),
        ("depthwise 256@14", square(32, 14, 256, 256, 3, 1, 256)),
        (
            "depthwise 128@28 stride 2",
            square(32, 28, 128, 128, 3, 2, 128),
        ),
    ];
    for (name, s) in cases {
        let x = random(s.n * s.h * s.w * s.ci);
        let dy = random(s.n * s.oh * s.ow * s.co);
        let w = random(s.co * s.ci / s.groups * s.kernel * s.kernel);
        let (mut y, mut dx, mut dw) = (dy.clone(), x.clone(), w.clone());
        let mode = ConvMode::Fast;
        let algorithm = conv::algorithm(&s, mode);
        let mut packed = vec![0.0; conv::packed_len(&s, algorithm)];
        group.bench_function(format!("{name} forward"), |b| {
            b.iter(|| {
                conv::pack(&w, &s, algorithm, &mut packed);
                let weights = (algorithm, packed.as_slice());
                conv::forward(Input::plain(&x), weights, &s, &Epilogue::NONE, None, &mut y);
            });
        });
        group.bench_function(format!("{name} input gradient"), |b| {
            b.iter(|| conv::input_grad(&dy, &w, &s, mode, &mut dx));
        });
        group.bench_function(format!("{name} weight gradient"), |b| {
            b.iter(|| conv::weight_grad(Input::plain(&x), &dy, &s, mode, &mut dw));
        });
    }
    group.finish();
}

fn batch_norm(c: &mut Criterion) {
    let mut group = c.benchmark_group("batch norm + PReLU");
    group.sample_size(10);
    group.measurement_time(Duration::from_secs(1));
    for (side, channels) in [(56, 64), (14, 256)] {
        let x = random(32 * side * side * channels);
        let w = random(channels);
        let params = Params {
            weight: Some(&w),
            bias: Some(&w),
        };
        let (mut y, mut dx, mut sums) = (x.clone(), x.clone(), vec![0.0; 3 * channels]);
        group.bench_function(format!("{channels}@{side} forward and backward"), |b| {
            b.iter(|| {
                let act = Act::Prelu(&w);
                let stats = norm::stats(&x, channels);
                norm::forward(&x, channels, params, &stats, act, None, None, &mut y);
                norm::backward(&x, channels, params, act, &stats, &y, &mut dx, &mut sums);
            });
        });
    }
    group.finish();
}

criterion_group!(benches, convolutions, batch_norm);
criterion_main!(benches);
