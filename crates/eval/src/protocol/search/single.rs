//! Scores in f32 with a proven bound, and in f64 those that the bound leaves open.
//!
//! Rows are scaled to length 1 first. A product of `k` columns then differs from the score in f64 by
//! less than `(k + 16) 2^-24`. Sums are rounded `k` times (Higham, *Accuracy and Stability of Numerical
//! Algorithms*, 3.1), and each scaled element of either row once. What f64 itself is off is far less.
//! The inequality of Cauchy and Schwarz bounds the sum of the terms' sizes by 1.

use super::{Gallery, Vectors};
use crate::protocol::scores::fused;
use frbench_kernels::ops::gemm::{Mat, gemm_packed, pack, packed_len};
use rayon::prelude::*;
use std::ops::Range;

/// Rows of the gallery that are scored at once: what comes of them stays in the cache.
const ROWS: usize = 512;
/// Products in f64 that are summed side by side, as each by itself waits for its last sum.
const SIDE: usize = 8;

/// How far a score of `dim` columns in f32 may be from that in f64.
pub(super) fn bound(dim: usize) -> f64 {
    (dim as f64 + 16.0) * 2f64.powi(-24)
}

/// The scaled row.
fn unit(row: &[f32], inverse_norm: f64) -> impl Iterator<Item = f32> + '_ {
    row.iter()
        .map(move |&v| (f64::from(v) * inverse_norm) as f32)
}

/// Rows of a gallery, as many as are read at once.
pub(super) struct Batch {
    dim: usize,
    /// As they are.
    rows: Vec<f32>,
    pub inverse_norms: Vec<f64>,
    /// Scaled and packed, [`ROWS`] together.
    packed: Vec<Vec<f32>>,
}

impl Batch {
    pub fn of(gallery: Gallery, rows: &[usize]) -> Self {
        let dim = gallery.part.dim();
        let parts: Vec<_> = rows
            .par_chunks(ROWS)
            .map(|rows| {
                let (flat, norms) = fused(gallery.part, rows.iter().copied());
                let lines = flat.chunks_exact(dim).zip(&norms);
                let scaled: Vec<f32> = lines.flat_map(|(row, &norm)| unit(row, norm)).collect();
                let mut packed = vec![0.0; packed_len(dim, rows.len())];
                let shape = [dim, rows.len()];
                pack(shape, |k, j| scaled[j * dim + k], &mut packed);
                (flat, norms, packed)
            })
            .collect();
        let mut batch = Batch {
            dim,
            rows: Vec::with_capacity(rows.len() * dim),
            inverse_norms: Vec::with_capacity(rows.len()),
            packed: Vec::with_capacity(parts.len()),
        };
        for (flat, norms, packed) in parts {
            batch.rows.extend(flat);
            batch.inverse_norms.extend(norms);
            batch.packed.push(packed);
        }
        batch
    }

    fn row(&self, j: usize) -> &[f32] {
        &self.rows[j * self.dim..][..self.dim]
    }

    /// What is scored at once, by number.
    pub fn blocks(&self) -> Range<usize> {
        0..self.packed.len()
    }

    /// Calls `found` with each of the rows and its score in f64; the probe is given with its inverse
    /// norm.
    pub fn score(
        &self,
        (probe, inverse_norm): (&[f32], f64),
        rows: &[usize],
        mut found: impl FnMut(f64),
    ) {
        let mut add = |j: usize, dot: f64| found(dot * (inverse_norm * self.inverse_norms[j]));
        let mut eights = rows.chunks_exact(SIDE);
        for eight in &mut eights {
            let rows: [&[f32]; SIDE] = std::array::from_fn(|i| self.row(eight[i]));
            for (&j, dot) in eight.iter().zip(dots(probe, rows)) {
                add(j, dot);
            }
        }
        for &j in eights.remainder() {
            let [dot] = dots(probe, [self.row(j)]);
            add(j, dot);
        }
    }
}

/// Probes that one task scores.
pub(super) struct Left {
    dim: usize,
    /// Scaled rows.
    rows: Vec<f32>,
    /// Scores with the rows of one block, probe by probe.
    scores: Vec<f32>,
}

impl Left {
    pub fn new(probes: &Vectors, range: Range<usize>) -> Self {
        let rows = range.flat_map(|i| unit(probes.row(i), probes.inverse_norms[i]));
        Left {
            dim: probes.dim,
            rows: rows.collect(),
            scores: Vec::new(),
        }
    }

    /// Scores of each probe with the rows of a block, and the number of the first of these rows.
    pub fn score(&mut self, batch: &Batch, block: usize) -> (usize, impl Iterator<Item = &[f32]>) {
        let first = block * ROWS;
        let rows = ROWS.min(batch.inverse_norms.len() - first);
        let probes = self.rows.len() / self.dim;
        self.scores.resize(probes * rows, 0.0);
        let (left, right) = (Mat::rows(&self.rows, self.dim), &batch.packed[block]);
        let shape = [probes, rows, self.dim];
        gemm_packed(shape, left, right, &mut self.scores, rows, false, None);
        (first, self.scores.chunks_exact(rows))
    }
}

/// Scores that are looked at together.
const LOOK: usize = 16;

/// Calls `found` with the place and value of each score that is at least `least`.
pub(super) fn at_least(scores: &[f32], least: f32, mut found: impl FnMut(usize, f32)) {
    for (i, some) in scores.chunks(LOOK).enumerate() {
        // Without a branch for each.
        if !some.iter().fold(false, |any, &s| any | (s >= least)) {
            continue;
        }
        for (j, &s) in some.iter().enumerate() {
            if s >= least {
                found(i * LOOK + j, s);
            }
        }
    }
}

/// Products in column order, as [`dot`](crate::protocol::scores::dot) sums them.
fn dots<const N: usize>(a: &[f32], rows: [&[f32]; N]) -> [f64; N] {
    let rows = rows.map(|row| &row[..a.len()]);
    let mut sums = [0.0; N];
    for (k, &a) in a.iter().enumerate() {
        for (sum, row) in sums.iter_mut().zip(rows) {
            *sum += f64::from(a) * f64::from(row[k]);
        }
    }
    sums
}
