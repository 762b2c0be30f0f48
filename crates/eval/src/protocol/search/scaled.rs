//! Scores in f32 with a proven bound, and in f64 those that the bound leaves open.
//!
//! Rows are scaled to length 1 first. Columns are multiplied slice by slice, and the slices' sums added.
//! A product of `s` slices of `k` columns then differs from the score in f64 by less than `e / (1 - e)`
//! with `e = (k + s + 16) 2^-24`. No term is rounded more often than `k + s` times (Higham, *Accuracy
//! and Stability of Numerical Algorithms*, 3.1 and 4.2), and each scaled element of either row once.
//! What f64 itself is off is far less. The inequality of Cauchy and Schwarz bounds the sum of the
//! terms' sizes by 1.

use super::{Gallery, Vectors};
use crate::protocol::scores::{SIDE, dot, dots, fused};
use frbench_kernels::ops::gemm::{Mat, gemm_packed, pack, packed_len};
use rayon::prelude::*;
use std::ops::Range;

/// Rows of the gallery that are scored at once: what comes of them stays in the cache.
const ROWS: usize = 256;
/// Scores that are looked at together.
pub(super) const LOOK: usize = 16;

/// Probes of a task, and the fewest that are worth one.
const EACH: usize = 96;
const LEAST: usize = 12;

/// Columns of a slice: shorter sums are rounded less often, and leave less open.
const SLICE: usize = 128;

/// How far a score of `dim` columns in f32 may be from that in f64.
pub(super) fn bound(dim: usize) -> f64 {
    let rounded = SLICE.min(dim) + dim.div_ceil(SLICE);
    let off = (rounded as f64 + 16.0) * 2f64.powi(-24);
    off / (1.0 - off)
}

/// Probes of each task: whole ones for all threads, turn by turn, and what is left of them split among
/// the threads.
pub(super) fn tasks(probes: &Vectors) -> Vec<Range<usize>> {
    tasks_of(probes.len(), rayon::current_num_threads())
}

fn tasks_of(probes: usize, threads: usize) -> Vec<Range<usize>> {
    let whole = probes / (EACH * threads) * threads * EACH;
    let rest = (probes - whole).div_ceil(threads).max(LEAST);
    let chunk = |range: Range<usize>, each: usize| {
        let end = range.end;
        range
            .step_by(each)
            .map(move |first| first..(first + each).min(end))
    };
    chunk(0..whole, EACH)
        .chain(chunk(whole..probes, rest))
        .collect()
}

/// Columns in slices.
fn slices(dim: usize) -> impl Iterator<Item = Range<usize>> {
    let starts = (0..dim).step_by(SLICE);
    starts.map(move |first| first..(first + SLICE).min(dim))
}

/// The scaled row.
fn unit(row: &[f32], inverse_norm: f64) -> impl Iterator<Item = f32> + '_ {
    row.iter()
        .map(move |&v| (f64::from(v) * inverse_norm) as f32)
}

/// Rows of a gallery that are scored at once.
pub(super) struct Block {
    dim: usize,
    /// As they are.
    rows: Vec<f32>,
    inverse_norms: Vec<f64>,
    /// Scaled and packed, slice by slice.
    packed: Vec<Vec<f32>>,
}

impl Block {
    /// Some rows of a gallery in blocks.
    pub fn all(gallery: Gallery, rows: &[usize]) -> Vec<Block> {
        let blocks = rows.par_chunks(ROWS);
        blocks.map(|rows| Block::of(gallery, rows)).collect()
    }

    fn of(gallery: Gallery, rows: &[usize]) -> Block {
        let (dim, count) = (gallery.part.dim(), rows.len());
        let (rows, inverse_norms) = fused(gallery.part, rows.iter().copied());
        let lines = rows.chunks_exact(dim).zip(&inverse_norms);
        let scaled: Vec<f32> = lines.flat_map(|(row, &norm)| unit(row, norm)).collect();
        let packed = slices(dim).map(|slice| {
            let mut packed = vec![0.0; packed_len(slice.len(), count)];
            let value = |k: usize, j: usize| scaled[j * dim + slice.start + k];
            pack([slice.len(), count], value, &mut packed);
            packed
        });
        let packed = packed.collect();
        Block {
            dim,
            rows,
            inverse_norms,
            packed,
        }
    }

    fn row(&self, j: usize) -> &[f32] {
        &self.rows[j * self.dim..][..self.dim]
    }

    /// Calls `found` with the score in f64 of each of these rows; the probe is given with its inverse
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
            let rows = std::array::from_fn(|i| self.row(eight[i]));
            for (&j, dot) in eight.iter().zip(dots(probe, rows)) {
                add(j, dot);
            }
        }
        for &j in eights.remainder() {
            add(j, dot(probe, self.row(j)));
        }
    }
}

/// Probes that one task scores.
pub(super) struct ScaledProbes {
    dim: usize,
    rows: Vec<f32>,
    /// Scores with the rows of one block, probe by probe, and what one slice adds to them.
    scores: Vec<f32>,
    sums: Vec<f32>,
}

impl ScaledProbes {
    pub fn new(probes: &Vectors, range: Range<usize>) -> Self {
        let rows = range.flat_map(|i| unit(probes.row(i), probes.inverse_norms[i]));
        ScaledProbes {
            dim: probes.dim,
            rows: rows.collect(),
            scores: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Scores of each probe with the rows of a block.
    pub fn score(&mut self, block: &Block) -> impl Iterator<Item = &[f32]> {
        let (probes, rows) = (self.rows.len() / self.dim, block.inverse_norms.len());
        self.scores.resize(probes * rows, 0.0);
        self.sums.resize(probes * rows, 0.0);
        for (slice, packed) in slices(self.dim).zip(&block.packed) {
            let left = Mat::rows(&self.rows[slice.start..], self.dim);
            let (shape, first) = ([probes, rows, slice.len()], slice.start == 0);
            let out = if first {
                &mut self.scores
            } else {
                &mut self.sums
            };
            gemm_packed(shape, left, packed, out, rows, false, None);
            if !first {
                let sums = self.scores.iter_mut().zip(&self.sums);
                sums.for_each(|(score, sum)| *score += sum);
            }
        }
        self.scores.chunks_exact(rows)
    }
}

/// Scores that are looked at together, each with the place of the first, where any is at least
/// `least`.
pub(super) fn reaching(scores: &[f32], least: f32) -> impl Iterator<Item = (usize, &[f32])> {
    let together = scores.chunks(LOOK).enumerate();
    // Without a branch for each.
    let any = move |some: &[f32]| some.iter().fold(false, |any, &s| any | (s >= least));
    together.filter_map(move |(i, some)| any(some).then_some((i * LOOK, some)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_probe_is_in_one_task_and_threads_have_as_many() {
        for threads in [1, 2, 3, 16] {
            for probes in [0, 1, 11, 12, 95, 96, 97, 191, 192, 1000, 3530] {
                let tasks = tasks_of(probes, threads);
                let all: Vec<usize> = tasks.iter().cloned().flatten().collect();
                assert_eq!(all, (0..probes).collect::<Vec<_>>());
                assert!(tasks.iter().all(|task| task.len() <= EACH));
                let turns = |tasks: usize| tasks.is_multiple_of(threads);
                assert!(turns(tasks.len()) || probes % (EACH * threads) < LEAST * threads);
            }
        }
    }
}
