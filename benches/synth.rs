//! Rendering one aligned, JPEG-encoded 112 x 112 image of the face world on one core.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for the one who measures"
)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use frbench::job::SynthSpec;
use frbench::synth::twin;
use std::collections::BTreeMap;
use std::hint::black_box;

fn render(c: &mut Criterion) {
    let lfw = twin(&SynthSpec {
        world: "v1".into(),
        twin: "lfw".into(),
        size: BTreeMap::new(),
    })
    .expect("a twin that exists");
    let mut group = c.benchmark_group("synth");
    group.throughput(Throughput::Elements(1));
    let mut i = 0;
    group.bench_function("render and encode", |b| {
        b.iter(|| {
            i = (i + 1) % lfw.len();
            black_box(lfw.render_jpeg(i).expect("an image"))
        })
    });
}

criterion_group!(benches, render);
criterion_main!(benches);
