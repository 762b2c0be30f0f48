//! One pass of all probes over a gallery, in memory that does not grow with the gallery: where
//! given scores stand among those of its rows, and the highest scores there are.
//!
//! A score is the cosine, as [`super::scores`] computes it, in f64. Every device gives the same bits.
//! Where it pays, scores are computed in f32 first, and in f64 those that this leaves open.

mod count;
mod exact;
mod gpu;
mod highest;
mod places;
mod sample;
mod scaled;
mod screened;
#[cfg(test)]
mod screened_tests;
mod tail;

pub(super) use highest::highest;

use super::input::Part;
use super::scores::{dot, fused, inverse_norm};
use frbench_base::Result;
use frbench_engine::Device;

/// Embeddings that others are searched for.
pub(super) struct Vectors {
    pub dim: usize,
    /// Row-major, views added, in f32.
    pub rows: Vec<f32>,
    pub inverse_norms: Vec<f64>,
}

impl Vectors {
    pub fn of(part: &Part, rows: impl Iterator<Item = usize>) -> Self {
        let (rows, inverse_norms) = fused(part, rows);
        Vectors {
            dim: part.dim(),
            rows,
            inverse_norms,
        }
    }

    pub fn len(&self) -> usize {
        self.inverse_norms.len()
    }

    pub fn row(&self, i: usize) -> &[f32] {
        &self.rows[i * self.dim..(i + 1) * self.dim]
    }

    /// Sets row `i`, of as many columns.
    pub fn replace(&mut self, i: usize, row: &[f32]) {
        self.rows[i * self.dim..][..self.dim].copy_from_slice(row);
        self.inverse_norms[i] = inverse_norm(row);
    }

    /// The first `count` rows, or as many as there are.
    pub fn first(&self, count: usize) -> Vectors {
        let count = count.min(self.len());
        Vectors {
            dim: self.dim,
            rows: self.rows[..count * self.dim].to_vec(),
            inverse_norms: self.inverse_norms[..count].to_vec(),
        }
    }

    /// The score of row `i` and row `j` of `other`.
    pub fn score(&self, i: usize, other: &Vectors, j: usize) -> f64 {
        let scale = self.inverse_norms[i] * other.inverse_norms[j];
        dot(self.row(i), other.row(j)) * scale
    }
}

/// Scores of a probe, and where they stand among its scores with the rows of a gallery.
#[derive(Clone, Debug, Default)]
pub(super) struct Ladder {
    /// Ascending, each once.
    pub scores: Vec<f64>,
    /// Rows that score strictly above each.
    pub above: Vec<u64>,
    /// Rows that score exactly one of them.
    pub ties: u64,
}

impl Ladder {
    pub fn new(mut scores: Vec<f64>) -> Self {
        scores.sort_by(f64::total_cmp);
        scores.dedup();
        Ladder {
            above: vec![0; scores.len()],
            scores,
            ties: 0,
        }
    }

    fn add(&mut self, above: &[u64], ties: u64) {
        for (sum, rows) in self.above.iter_mut().zip(above) {
            *sum += rows;
        }
        self.ties += ties;
    }
}

/// What is searched.
#[derive(Clone, Copy)]
pub(super) struct Gallery<'a> {
    pub part: &'a Part<'a>,
    /// The rows of the part that count.
    pub rows: &'a [usize],
}

/// Rows of a gallery that the CPU packs at once.
const BATCH: usize = 2048;

/// Adds what `gallery` holds to the ladders, one for each probe. Returns the `keep` highest of
/// all scores, at most as many as there are, descending, and every score tied with the last.
///
/// # Errors
/// Those of the device.
pub(super) fn run(
    device: &Device,
    probes: &Vectors,
    ladders: &mut [Ladder],
    gallery: Gallery,
    keep: usize,
) -> Result<Vec<f64>> {
    let vectors = (probes.rows.as_slice(), probes.inverse_norms.as_slice());
    let scores: Vec<&[f64]> = ladders.iter().map(|l| l.scores.as_slice()).collect();
    match device.search(vectors, &scores, gallery.rows.len(), keep > 0)? {
        None => Ok(screened::search(probes, ladders, gallery, keep)),
        Some(search) => gpu::search(search, probes, ladders, gallery, keep),
    }
}
