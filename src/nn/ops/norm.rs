//! Batch norm over the rows of a `[rows, c]` matrix, fused with a following activation.

use super::act::{self, Act, Epilogue};
use super::block_rows;
use super::moments::{self, Moments};
use super::rows::{Distribute, Norm, Reduce};
use rayon::prelude::*;

/// As in PyTorch.
pub const EPS: f64 = 1e-5;
/// As in PyTorch: `running = 0.9 running + 0.1 batch`.
pub const MOMENTUM: f64 = 0.1;

/// Per-channel statistics of one group of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    pub mean: Vec<f64>,
    /// Biased (divided by the number of rows).
    pub var: Vec<f64>,
}

/// Mean and variance per channel.
pub fn stats(x: &[f32], c: usize) -> Stats {
    let block = block_rows(c) * c;
    let mut moments = Moments::new(c);
    let (rows, sums) = moments.blocks(x.len().div_ceil(block));
    x.par_chunks(block)
        .zip(rows.par_iter_mut())
        .zip(sums.par_chunks_mut(3 * c))
        .for_each(|((x, rows), sums)| {
            *rows = x.len() / c;
            moments::of_rows(x, c, sums);
        });
    moments.stats()
}

/// Learned scale and shift; a missing one is 1 or 0.
#[derive(Clone, Copy)]
pub struct Params<'a> {
    pub weight: Option<&'a [f32]>,
    pub bias: Option<&'a [f32]>,
}

impl Params<'_> {
    fn weight(&self, i: usize) -> f64 {
        self.weight.map_or(1.0, |w| f64::from(w[i]))
    }

    /// The affine map that normalisation with the statistics of a batch is.
    pub fn of(&self, stats: &Stats) -> (Vec<f32>, Vec<f32>) {
        self.affine(|i| stats.mean[i], |i| stats.var[i], stats.mean.len())
    }

    /// The affine map that normalisation with these statistics is: scale and shift, `[c]`.
    pub fn affine(
        &self,
        mean: impl Fn(usize) -> f64,
        var: impl Fn(usize) -> f64,
        c: usize,
    ) -> (Vec<f32>, Vec<f32>) {
        let one = |i: usize| {
            let scale = self.weight(i) / (var(i) + EPS).sqrt();
            let shift = self.bias.map_or(0.0, |b| f64::from(b[i])) - mean(i) * scale;
            (scale as f32, shift as f32)
        };
        (0..c).map(one).unzip()
    }
}

/// `y = act(bn(x)) + residual` with the statistics of the batch. `moments` gathers those of `y`.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    x: &[f32],
    c: usize,
    params: Params,
    stats: &Stats,
    act: Act,
    residual: Option<&[f32]>,
    moments: Option<&mut Moments>,
    y: &mut [f32],
) {
    let (scale, shift) = params.of(stats);
    let epilogue = Epilogue {
        affine: Some((&scale, &shift)),
        act,
        residual,
    };
    act::forward(x, c, &epilogue, moments, y);
}

/// Backward of [`forward`] without its residual (whose gradient is `dy` itself). Adds the
/// gradients of weight, bias and PReLU slope to the three thirds of `grads`, `[3][c]`.
#[allow(clippy::too_many_arguments)]
pub fn backward(
    x: &[f32],
    c: usize,
    params: Params,
    act: Act,
    stats: &Stats,
    dy: &[f32],
    dx: &mut [f32],
    grads: &mut [f32],
) {
    match act {
        Act::None => backward_as::<{ act::NONE }>(x, c, params, &[], stats, dy, dx, grads),
        Act::Prelu(s) => backward_as::<{ act::PRELU }>(x, c, params, s, stats, dy, dx, grads),
        Act::Relu => backward_as::<{ act::RELU }>(x, c, params, &[], stats, dy, dx, grads),
        Act::Relu6 => backward_as::<{ act::RELU6 }>(x, c, params, &[], stats, dy, dx, grads),
    }
}

#[allow(clippy::too_many_arguments)]
fn backward_as<const ACT: u8>(
    x: &[f32],
    c: usize,
    params: Params,
    slope: &[f32],
    stats: &Stats,
    dy: &[f32],
    dx: &mut [f32],
    grads: &mut [f32],
) {
    debug_assert_eq!(stats.mean.len(), c);
    let zeros = vec![0.0f32; c];
    let slope = if slope.is_empty() { &zeros } else { slope };
    let (scale, shift) = params.of(stats);
    let mean: Vec<f32> = stats.mean.iter().map(|&m| m as f32).collect();
    let norm = Norm {
        scale: &scale,
        shift: &shift,
        mean: &mean,
        slope,
    };
    let block = block_rows(c) * c;
    let partial: Vec<Vec<f32>> = x
        .par_chunks(block)
        .zip(dy.par_chunks(block))
        .map(|(x, dy)| {
            let mut sums = vec![0.0; 3 * c];
            let sums_of = Reduce::<ACT> {
                x,
                dy,
                norm,
                sums: &mut sums,
            };
            sums_of.run();
            sums
        })
        .collect();
    let mut sums = vec![0.0f64; 3 * c];
    for block in &partial {
        sums.iter_mut()
            .zip(block)
            .for_each(|(a, b)| *a += f64::from(*b));
    }
    let rows = (x.len() / c) as f64;
    // dx = d k0 + (x - mean) k1 + k2, where d is the gradient of the normalised, scaled value.
    let (mut k1, mut k2) = (vec![0.0; c], vec![0.0; c]);
    for i in 0..c {
        let rstd = 1.0 / (stats.var[i] + EPS).sqrt();
        let (plain, centred) = (sums[i], sums[c + i]);
        let k0 = params.weight(i) * rstd;
        k1[i] = (-k0 * rstd * rstd * centred / rows) as f32;
        k2[i] = (-k0 * plain / rows) as f32;
        grads[i] += (centred * rstd) as f32;
        grads[c + i] += plain as f32;
        grads[2 * c + i] += sums[2 * c + i] as f32;
    }
    dx.par_chunks_mut(block)
        .zip(x.par_chunks(block))
        .zip(dy.par_chunks(block))
        .for_each(|((dx, x), dy)| {
            let distribute = Distribute::<ACT> {
                x,
                dy,
                norm,
                k1: &k1,
                k2: &k2,
                dx,
            };
            distribute.run();
        });
}
