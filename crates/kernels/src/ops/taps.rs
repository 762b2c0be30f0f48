//! What losses take of a tap: powers of it, averaged over the channels, and its squared distance
//! to another.

use super::{BLOCK, block_rows};
use crate::team::OneByOne;
use rayon::prelude::*;

const LANES: usize = 8;
/// Values that a lane adds up in 32 bits before it turns to 64.
const RUN: usize = 32;

type Part = [f32; LANES];

/// A slice in parts, of which the last is filled up by zeros.
fn parts(x: &[f32]) -> impl Iterator<Item = Part> {
    let (whole, rest) = x.as_chunks();
    let last = (!rest.is_empty()).then(|| {
        let mut part = [0.0; LANES];
        part[..rest.len()].copy_from_slice(rest);
        part
    });
    whole.iter().copied().chain(last)
}

fn sum(parts: impl Iterator<Item = Part>) -> f64 {
    let (mut total, mut run, mut count) = ([0.0f64; LANES], [0.0f32; LANES], 0);
    let mut turn = |run: &mut Part| {
        for (total, run) in total.iter_mut().zip(run) {
            *total += f64::from(*run);
            *run = 0.0;
        }
    };
    parts.for_each(|part| {
        for (run, v) in run.iter_mut().zip(part) {
            *run += v;
        }
        count += 1;
        if count % RUN == 0 {
            turn(&mut run);
        }
    });
    turn(&mut run);
    total.iter().sum()
}

/// `x^p`; `p` is 1 or more.
fn power(x: Part, p: u32) -> Part {
    let mut y = x;
    for _ in 1..p {
        for (y, x) in y.iter_mut().zip(x) {
            *y *= x;
        }
    }
    y
}

/// The mean over the channels of `x^p` for every pixel: `[pixels, c]` to `[pixels]`.
pub fn channel_powers(x: &[f32], c: usize, p: u32, y: &mut [f32]) {
    let rows = block_rows(c);
    y.par_chunks_mut(rows)
        .zip(x.par_chunks(rows * c))
        .one_by_one()
        .for_each(|(y, x)| {
            for (y, x) in y.iter_mut().zip(x.chunks_exact(c)) {
                // Those that are wanted most, without a loop inside.
                let sum = match p {
                    1 => sum(parts(x)),
                    2 => sum(parts(x).map(|x| power(x, 2))),
                    _ => sum(parts(x).map(|x| power(x, p))),
                };
                *y = (sum / c as f64) as f32;
            }
        });
}

/// Backward of [`channel_powers`].
pub fn channel_powers_backward(x: &[f32], c: usize, p: u32, dy: &[f32], dx: &mut [f32]) {
    let rows = block_rows(c);
    let factor = p as f32 / c as f32;
    dx.par_chunks_mut(rows * c)
        .zip(x.par_chunks(rows * c))
        .zip(dy.par_chunks(rows))
        .one_by_one()
        .for_each(|((dx, x), dy)| {
            let pixels = dx.chunks_exact_mut(c).zip(x.chunks_exact(c));
            for ((dx, x), dy) in pixels.zip(dy) {
                dx.fill(dy * factor);
                for _ in 1..p {
                    dx.iter_mut().zip(x).for_each(|(d, x)| *d *= x);
                }
            }
        });
}

/// The sum of the squared differences.
pub fn square_distance(a: &[f32], b: &[f32]) -> f64 {
    let blocks = a.par_chunks(BLOCK).zip(b.par_chunks(BLOCK));
    let square =
        |(a, b): (Part, Part)| -> Part { std::array::from_fn(|i| (a[i] - b[i]) * (a[i] - b[i])) };
    let sums: Vec<f64> = blocks
        .map(|(a, b)| sum(parts(a).zip(parts(b)).map(square)))
        .collect();
    sums.iter().sum()
}

/// `da = factor (a - b)`.
pub fn square_distance_backward(a: &[f32], b: &[f32], factor: f32, da: &mut [f32]) {
    da.par_chunks_mut(BLOCK)
        .zip(a.par_chunks(BLOCK))
        .zip(b.par_chunks(BLOCK))
        .one_by_one()
        .for_each(|((da, a), b)| {
            for ((d, a), b) in da.iter_mut().zip(a).zip(b) {
                *d = factor * (a - b);
            }
        });
}

#[cfg(test)]
mod tests {
    use super::*;
    use frbench_base::compare::relative_error;
    use frbench_base::rng::Stream;

    fn normal(seed: &str, n: usize) -> Vec<f32> {
        let mut stream = Stream::derive(7, seed, &[]);
        (0..n).map(|_| stream.normal() as f32).collect()
    }

    fn wide(x: &[f32]) -> Vec<f64> {
        x.iter().map(|&v| f64::from(v)).collect()
    }

    /// Powers with their way back, and the distance with its.
    fn all(c: usize, p: u32, a: &[f32], b: &[f32], dy: &[f32]) -> [Vec<f32>; 4] {
        let mut y = vec![0.0; a.len() / c];
        let [mut dx, mut da] = [0; 2].map(|_| vec![0.0; a.len()]);
        channel_powers(a, c, p, &mut y);
        channel_powers_backward(a, c, p, dy, &mut dx);
        square_distance_backward(a, b, 0.5, &mut da);
        [y, dx, vec![square_distance(a, b) as f32], da]
    }

    #[test]
    fn taps_are_taken_as_plain_loops_do_with_any_number_of_threads() {
        for (pixels, c) in [(7, 1), (5, 8), (70, 37), (130, 600)] {
            let [a, b] = ["a", "b"].map(|seed| normal(seed, pixels * c));
            let dy = normal("dy", pixels);
            let [wa, wb, wdy] = [&a, &b, &dy].map(|x| wide(x));
            for p in 1..=4i32 {
                let mean = |x: &[f64]| x.iter().map(|v| v.powi(p)).sum::<f64>() / c as f64;
                let slope = |i: usize| wdy[i / c] * f64::from(p) / c as f64 * wa[i].powi(p - 1);
                let gaps: Vec<f64> = wa.iter().zip(&wb).map(|(a, b)| a - b).collect();
                let want = [
                    wa.chunks(c).map(mean).collect(),
                    (0..a.len()).map(slope).collect(),
                    vec![gaps.iter().map(|d| d * d).sum()],
                    gaps.iter().map(|d| d / 2.0).collect(),
                ];
                let got = all(c, p as u32, &a, &b, &dy);
                for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                    let off = relative_error(&wide(got), want);
                    assert!(off < 1e-6, "{i} of {pixels} x {c}, p = {p}: {off}");
                }
                for threads in [1, 3] {
                    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
                    let pool = pool.build().unwrap();
                    let again = pool.install(|| all(c, p as u32, &a, &b, &dy));
                    assert_eq!(again, got, "{threads} threads");
                }
            }
        }
    }
}
