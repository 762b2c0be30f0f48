//! How long a search of MegaFace's size takes on a GPU: 3,530 probes with 43 mates each, a million
//! distractors (`FRBENCH_BENCH_DISTRACTORS` says another number), and the highest 1/1000 of all
//! scores. The upload is told apart.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for the one who measures"
)]

use frbench_base::rng::Stream;
use frbench_engine::{Device, DeviceChoice};
use std::time::Instant;

/// `count` images, `per` of each person, of people no other `seed` has.
fn faces(count: usize, per: usize, dim: usize, noise: f64, seed: u64) -> Vec<f32> {
    (0..count)
        .flat_map(|i| {
            let mut centre = Stream::derive(seed, "person", &[(i / per) as u64]);
            let mut own = Stream::derive(seed, "image", &[i as u64]);
            (0..dim)
                .map(|_| (centre.normal() + noise * own.normal()) as f32)
                .collect::<Vec<f32>>()
        })
        .collect()
}

fn main() {
    let gpu = match Device::open(DeviceChoice::Cuda(0)) {
        Ok((gpu, _)) => gpu,
        Err(why) => return println!("skipped: {why}"),
    };
    let rows = std::env::var("FRBENCH_BENCH_DISTRACTORS");
    let rows: usize = rows.map_or(1_000_000, |n| n.parse().expect("a number of distractors"));
    let (probes, dim) = (3530, 512);
    let scales = |rows: &[f32]| -> Vec<f64> {
        let norm = |r: &[f32]| r.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        rows.chunks(dim).map(|r| 1.0 / norm(r)).collect()
    };
    let own = faces(probes, 44, dim, 1.5, 1);
    let some = faces(rows.min(1 << 15), 1, dim, 1.0, 2);
    let (own_scales, some_scales) = (scales(&own), scales(&some));
    // Genuine scores as a fair model has them: a few among those of impostors.
    let ladder: Vec<f64> = (0..43).map(|i| 0.02 * f64::from(i)).collect();
    let ladders = vec![ladder.as_slice(); probes];
    let search = gpu.search((&own, &own_scales), &ladders, rows, true);
    let mut search = search.unwrap().unwrap();
    assert!(search.room() == rows, "they are to be on the GPU at once");
    let start = Instant::now();
    for first in (0..rows).step_by(some_scales.len()) {
        let count = some_scales.len().min(rows - first);
        let (rows, scales) = (&some[..count * dim], &some_scales[..count]);
        search.push(rows, scales).unwrap();
    }
    gpu.synchronize().unwrap();
    println!("upload: {:.3} s", start.elapsed().as_secs_f64());
    // Of scores with a deviation of 1 / sqrt(512).
    let floor = 3.09 / (dim as f64).sqrt();
    let operations = 2.0 * (probes * rows * dim) as f64;
    for what in ["the first time", "again", "without the highest scores"] {
        let floor = if what.starts_with("without") {
            2.0
        } else {
            floor
        };
        let mut taken = 0;
        let start = Instant::now();
        search.start().unwrap();
        let mut take = |found: &mut Vec<f64>| {
            taken += found.len();
            floor
        };
        search.pass(floor, &mut take).unwrap();
        let above = search.found().unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let rate = operations / seconds / 1e12;
        println!(
            "{what}: {seconds:.3} s, {rate:.1} T/s; {taken} taken, {:?}",
            &above[0].0[..3]
        );
    }
}
