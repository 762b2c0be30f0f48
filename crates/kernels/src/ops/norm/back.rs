//! The way back through a batch norm and its activation, in two parts that other kernels can
//! do as they go: sums over all rows, gathered by whoever makes the gradient, and then a map
//! from row to row, applied by whoever reads it. The gradient of a batch norm's input thus
//! need not be written at all.

use super::super::act::{self, Act};
use super::super::block_rows;
use super::super::moments::add_f64;
use super::super::rows::{Distribute, Norm, Reduce};
use super::{EPS, Params, Stats};
use crate::team::OneByOne;
use rayon::prelude::*;
use std::ops::Range;

/// Evaluates `$body` with the const generic `ACT` of an activation.
macro_rules! with_act {
    ($kind:expr, $ACT:ident => $body:expr) => {
        match $kind {
            act::PRELU => {
                const $ACT: u8 = act::PRELU;
                $body
            }
            act::RELU => {
                const $ACT: u8 = act::RELU;
                $body
            }
            act::RELU6 => {
                const $ACT: u8 = act::RELU6;
                $body
            }
            _ => {
                const $ACT: u8 = act::NONE;
                $body
            }
        }
    };
}

/// A batch norm and its activation as their way back sees them. All vectors are `[c]`.
#[derive(Debug)]
pub struct Backward {
    act: u8,
    scale: Vec<f32>,
    shift: Vec<f32>,
    mean: Vec<f32>,
    slope: Vec<f32>,
    /// Learned scale.
    weight: Vec<f64>,
    /// `1 / sqrt(var + eps)`.
    rstd: Vec<f64>,
}

impl Backward {
    pub fn new(params: Params, act: Act, stats: &Stats) -> Self {
        let c = stats.mean.len();
        let (scale, shift) = params.of(stats);
        Backward {
            act: act.kind(),
            scale,
            shift,
            mean: stats.mean.iter().map(|&m| m as f32).collect(),
            slope: match act {
                Act::Prelu(slope) => slope.to_vec(),
                _ => vec![0.0; c],
            },
            weight: (0..c).map(|i| params.weight(i)).collect(),
            rstd: stats.var.iter().map(|v| 1.0 / (v + EPS).sqrt()).collect(),
        }
    }

    fn channels(&self) -> usize {
        self.scale.len()
    }

    fn norm(&self) -> Norm<'_> {
        Norm {
            scale: &self.scale,
            shift: &self.shift,
            mean: &self.mean,
            slope: &self.slope,
        }
    }

    /// Adds what some rows contribute to one block's sums, `[3][c]`; `x` is the batch norm's
    /// input, `dy` the gradient behind the activation.
    pub fn gather(&self, x: &[f32], dy: &[f32], sums: &mut [f32]) {
        let norm = self.norm();
        with_act!(self.act, ACT => Reduce::<ACT> { x, dy, norm, sums }.run());
    }

    /// The sums over a whole matrix.
    pub fn sums(&self, x: &[f32], dy: &[f32]) -> GradSums {
        let c = self.channels();
        let block = block_rows(c) * c;
        let mut sums = GradSums::default();
        sums.blocks(x.len().div_ceil(block), c)
            .par_chunks_mut(3 * c)
            .zip(x.par_chunks(block))
            .zip(dy.par_chunks(block))
            .one_by_one()
            // What was written last is still in cache.
            .backwards()
            .for_each(|((sums, x), dy)| self.gather(x, dy, sums));
        sums
    }

    /// Adds the gradients of weight, bias and PReLU slope to the three thirds of `grads`
    /// (`[3][c]`). The statistics are those of the `rows` rows that have been gathered, or
    /// constants: then the rows have nothing to do with each other, and `k1 = k2 = 0`.
    pub fn finish(self, sums: &GradSums, rows: Option<usize>, grads: &mut [f32]) -> Spread {
        let c = self.channels();
        let sums = sums.total(c);
        let (mut k1, mut k2) = (vec![0.0; c], vec![0.0; c]);
        for i in 0..c {
            let (plain, centred) = (sums[i], sums[c + i]);
            let rstd = self.rstd[i];
            let k0 = self.weight[i] * rstd;
            if let Some(rows) = rows {
                k1[i] = (-k0 * rstd * rstd * centred / rows as f64) as f32;
                k2[i] = (-k0 * plain / rows as f64) as f32;
            }
            grads[i] += (centred * rstd) as f32;
            grads[c + i] += plain as f32;
            grads[2 * c + i] += sums[2 * c + i] as f32;
        }
        Spread { back: self, k1, k2 }
    }
}

/// Per channel: the sums of the gradient before the activation, of its product with the
/// centred input, and of what the slopes get. In blocks, joined in their order.
#[derive(Clone, Debug, Default)]
pub struct GradSums {
    blocks: Vec<f32>,
}

impl GradSums {
    /// Room for `blocks` blocks of `[3][c]`, all 0.
    pub fn blocks(&mut self, blocks: usize, c: usize) -> &mut [f32] {
        self.blocks = vec![0.0; blocks * 3 * c];
        &mut self.blocks
    }

    fn total(&self, c: usize) -> Vec<f64> {
        let mut total = vec![0.0f64; 3 * c];
        for block in self.blocks.chunks_exact(3 * c) {
            add_f64(&mut total, block);
        }
        total
    }
}

/// What the sums have told: from here on each row finds its way back by itself,
/// `dx = d scale + (x - mean) k1 + k2`, where d is the gradient before the activation.
#[derive(Debug)]
pub struct Spread {
    back: Backward,
    k1: Vec<f32>,
    k2: Vec<f32>,
}

impl Spread {
    /// Writes some rows.
    pub fn write(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let (norm, k1, k2) = (self.back.norm(), &self.k1, &self.k2);
        with_act!(self.back.act, ACT => Distribute::<ACT> { x, dy, norm, k1, k2, dx }.run());
    }

    /// Writes a whole matrix.
    pub fn write_all(&self, x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let c = self.k1.len();
        let block = block_rows(c) * c;
        dx.par_chunks_mut(block)
            .zip(x.par_chunks(block))
            .zip(dy.par_chunks(block))
            .one_by_one()
            .for_each(|((dx, x), dy)| self.write(x, dy, dx));
    }
}

/// The gradient of a layer's output as the layer reads it: numbers, and the batch norm (its
/// input and its way back) that they have still to go through.
#[derive(Clone, Copy)]
pub struct Dy<'a> {
    pub data: &'a [f32],
    pub norm: Option<(&'a [f32], &'a Spread)>,
}

impl<'a> Dy<'a> {
    pub fn plain(data: &'a [f32]) -> Self {
        Dy { data, norm: None }
    }

    /// What some floats are read from.
    pub fn parts(&self, at: Range<usize>) -> [&'a [f32]; 2] {
        let through = self.norm.map_or(&[][..], |(x, _)| &x[at.clone()]);
        [&self.data[at], through]
    }

    /// `memory.len()` floats from float `at` on; in `memory` if they are not there already.
    pub fn read<'m>(&self, at: usize, memory: &'m mut [f32]) -> &'m [f32]
    where
        'a: 'm,
    {
        match self.norm {
            None => &self.data[at..at + memory.len()],
            Some(_) => {
                self.write(at, memory);
                memory
            }
        }
    }

    /// Copies the floats from float `at` on.
    pub fn write(&self, at: usize, out: &mut [f32]) {
        let part = at..at + out.len();
        match self.norm {
            None => out.copy_from_slice(&self.data[part]),
            Some((x, spread)) => spread.write(&x[part.clone()], &self.data[part], out),
        }
    }
}
