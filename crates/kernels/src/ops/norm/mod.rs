//! Batch norm over the rows of a `[rows, c]` matrix, fused with a following activation.

mod back;

pub use back::{Backward, Dy, GradSums, Spread};

use super::act::{self, Act, Epilogue};
use super::block_rows;
use super::moments::{self, Moments};
use crate::team::OneByOne;
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
        .one_by_one()
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
