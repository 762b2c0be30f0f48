//! The search on the CPU: all scores in f32, and in f64 those of which f32 cannot say where they
//! stand.
//!
//! Rows are scaled to length 1 first. A product of `k` columns then differs from the score in f64 by
//! at most `(k + 8) 2^-24` (1 + 10^-3) + 10^-12: `k` roundings of sums (Higham, *Accuracy and Stability of Numerical
//! Algorithms*, 3.1), one for each scaled element of either row, and what f64 itself may be off; the
//! inequality of Cauchy and Schwarz bounds the sum of the terms' sizes by 1. So counts, ties and the
//! highest scores are those of [`exact`], bit for bit.

use super::count::Count;
use super::tail::Tail;
use super::{BATCH, Gallery, Ladder, Vectors, exact, sample};
use crate::protocol::scores::fused;
use frbench_kernels::ops::gemm::{Mat, gemm_packed, pack, packed_len};
use rayon::prelude::*;

/// Probes that one task scores.
const PROBES: usize = 96;
/// Rows of the gallery that they are scored with at once: what comes of it stays in the cache.
const ROWS: usize = 512;
/// Scores that are looked at together.
const LOOK: usize = 16;
/// Products in f64 that are summed side by side, as each by itself waits for its last sum.
const SIDE: usize = 8;

pub(super) fn search(
    probes: &Vectors,
    ladders: &mut [Ladder],
    gallery: Gallery,
    keep: usize,
) -> Vec<f64> {
    let mut generous = 2;
    loop {
        let floor = sample::floor(probes, gallery, keep, generous);
        if keep > 0 && floor == f64::NEG_INFINITY {
            return exact::search(probes, ladders, gallery, keep);
        }
        let mut tail = Tail::new(keep, floor);
        let found = pass(probes, ladders, gallery, &mut tail);
        if tail.is_full() {
            for (ladder, (above, ties)) in ladders.iter_mut().zip(found) {
                ladder.add(&above, ties);
            }
            return tail.finish();
        }
        // The sample promised too much.
        generous *= 8;
    }
}

/// How far a score in f32 may be from that in f64.
fn bound(dim: usize) -> f64 {
    (dim as f64 + 8.0) * 2f64.powi(-24) * (1.0 + 1e-3) + 1e-12
}

/// The scaled row.
fn unit(row: &[f32], inverse_norm: f64) -> impl Iterator<Item = f32> + '_ {
    row.iter()
        .map(move |&v| (f64::from(v) * inverse_norm) as f32)
}

/// One pass over the gallery: for each ladder rows above each of its scores, and ties. What may
/// belong to the tail goes there.
fn pass(
    probes: &Vectors,
    ladders: &[Ladder],
    gallery: Gallery,
    tail: &mut Tail,
) -> Vec<(Vec<u64>, u64)> {
    let bound = bound(probes.dim);
    let mut groups: Vec<Group> = (0..probes.len())
        .step_by(PROBES)
        .map(|first| Group::new(probes, ladders, first, bound))
        .collect();
    for rows in gallery.rows.chunks(BATCH) {
        let batch = Batch::of(gallery, rows);
        let floor = tail.floor;
        groups
            .par_iter_mut()
            .for_each(|group| group.look(&batch, floor, bound));
        for group in &mut groups {
            tail.extend(&mut group.found);
        }
    }
    let counts = groups.into_iter().flat_map(|g| g.lines);
    counts.map(|line| line.count.finish()).collect()
}

/// Rows of the gallery that are scored at once.
struct Batch {
    dim: usize,
    /// As they are.
    rows: Vec<f32>,
    inverse_norms: Vec<f64>,
    /// Scaled and packed, [`ROWS`] together.
    packed: Vec<Vec<f32>>,
}

impl Batch {
    fn of(gallery: Gallery, rows: &[usize]) -> Self {
        let dim = gallery.part.dim();
        let parts: Vec<_> = rows
            .par_chunks(ROWS)
            .map(|rows| {
                let (flat, norms) = fused(gallery.part, rows.iter().copied());
                let lines = flat.chunks_exact(dim).zip(&norms);
                let scaled: Vec<f32> = lines.flat_map(|(row, &norm)| unit(row, norm)).collect();
                let mut packed = vec![0.0; packed_len(dim, rows.len())];
                pack([dim, rows.len()], |k, j| scaled[j * dim + k], &mut packed);
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
        &self.rows[j * self.dim..(j + 1) * self.dim]
    }
}

/// Probes that one task scores.
struct Group<'a> {
    /// Scaled rows.
    scaled: Vec<f32>,
    lines: Vec<Line<'a>>,
    /// Scores that may belong to the tail.
    found: Vec<f64>,
    /// Scores in f32 of all probes with some rows, and the rows that f32 leaves open for a probe.
    scores: Vec<f32>,
    open: Vec<usize>,
}

impl<'a> Group<'a> {
    fn new(probes: &'a Vectors, ladders: &'a [Ladder], first: usize, bound: f64) -> Self {
        let range = first..(first + PROBES).min(probes.len());
        let scaled = range.clone();
        let scaled = scaled.flat_map(|i| unit(probes.row(i), probes.inverse_norms[i]));
        Group {
            scaled: scaled.collect(),
            lines: range
                .map(|i| {
                    let count = Count::new(&ladders[i].scores, probes.inverse_norms[i]);
                    Line::new(probes.row(i), count, bound)
                })
                .collect(),
            found: Vec::new(),
            scores: Vec::new(),
            open: Vec::new(),
        }
    }

    fn look(&mut self, batch: &Batch, floor: f64, bound: f64) {
        let below_floor = (floor - bound).max(-2.0) as f32;
        let below_floor = below_floor.next_down();
        for (i, packed) in batch.packed.iter().enumerate() {
            let first = i * ROWS;
            let rows = ROWS.min(batch.inverse_norms.len() - first);
            let shape = [self.lines.len(), rows, batch.dim];
            self.scores.resize(self.lines.len() * rows, 0.0);
            let probes = Mat::rows(&self.scaled, batch.dim);
            gemm_packed(shape, probes, packed, &mut self.scores, rows, false, None);
            for (line, scores) in self.lines.iter_mut().zip(self.scores.chunks_exact(rows)) {
                line.look(scores, first, below_floor, &mut self.open);
                line.score(batch, &self.open, floor, &mut self.found);
                self.open.clear();
            }
        }
    }
}

/// A probe, and the scores of its ladder as f32 sees them.
struct Line<'a> {
    row: &'a [f32],
    count: Count<'a>,
    /// What is below the first is below the ladder's score, above the second is above it.
    from: Vec<f32>,
    to: Vec<f32>,
}

impl<'a> Line<'a> {
    fn new(row: &'a [f32], count: Count<'a>, bound: f64) -> Self {
        let scores = count.scores.iter();
        Line {
            row,
            from: scores
                .clone()
                .map(|s| ((s - bound) as f32).next_down())
                .collect(),
            to: scores.map(|s| ((s + bound) as f32).next_up()).collect(),
            count,
        }
    }

    /// Counts the scores whose place is plain, and gives the rows of the others.
    fn look(&mut self, scores: &[f32], first: usize, below_floor: f32, open: &mut Vec<usize>) {
        let lowest = self.from.first().copied().unwrap_or(f32::INFINITY);
        let least = lowest.min(below_floor);
        for (i, some) in scores.chunks(LOOK).enumerate() {
            if !some.iter().fold(false, |any, &s| any | (s >= least)) {
                continue;
            }
            for (j, &s) in some.iter().enumerate() {
                if s < least {
                    continue;
                }
                // For the whole of the ladder, or for what is above it alone.
                let (above, not_below) = (
                    passed(&self.to, |to| to < s),
                    passed(&self.from, |from| from <= s),
                );
                if above != not_below || s >= below_floor {
                    open.push(first + i * LOOK + j);
                } else {
                    self.count.between[above] += 1;
                }
            }
        }
    }

    /// Scores the open rows in f64.
    fn score(&mut self, batch: &Batch, open: &[usize], floor: f64, found: &mut Vec<f64>) {
        let lowest = self.count.lowest();
        let mut add = |j: usize, dot: f64| {
            let score = dot * (self.count.inverse_norm * batch.inverse_norms[j]);
            if score >= lowest {
                self.count.add(score);
            }
            if score >= floor {
                found.push(score);
            }
        };
        let mut eights = open.chunks_exact(SIDE);
        for eight in &mut eights {
            let rows: [&[f32]; SIDE] = std::array::from_fn(|i| batch.row(eight[i]));
            for (&j, dot) in eight.iter().zip(dots(self.row, rows)) {
                add(j, dot);
            }
        }
        for &j in eights.remainder() {
            let [dot] = dots(self.row, [batch.row(j)]);
            add(j, dot);
        }
    }
}

/// How many of an ascending list fulfil what its first ones do.
fn passed(list: &[f32], of: impl Fn(f32) -> bool) -> usize {
    // Short ones are counted without a branch.
    match list.len() <= 64 {
        true => list.iter().map(|&v| usize::from(of(v))).sum(),
        false => list.partition_point(|&v| of(v)),
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
