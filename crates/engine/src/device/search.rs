//! Searches of probes in a gallery, and scores of listed pairs. Scores are compared and returned
//! with the bits that the CPU gives them.

use super::Device;
use frbench_base::Result;
use std::fmt::Debug;

impl Device {
    /// Copies probes to the GPU, `(rows, 1 / norms)`, `[P, d]` and `[P]`, with room for as much of a
    /// gallery of `rows` rows as fits. What is counted stands between the scores of `ladders`,
    /// ascending, one ladder for each probe; with `tail`, the highest scores can be asked for.
    ///
    /// # Errors
    /// [`Error::Compute`](frbench_base::Error::Compute) if the memory does not suffice for probes
    /// and one tile of the gallery, or the gallery has more than a kernel counts.
    pub fn search(
        &self,
        probes: (&[f32], &[f64]),
        ladders: &[&[f64]],
        rows: usize,
        tail: bool,
    ) -> Result<Option<Box<dyn Search>>> {
        let search = self
            .gpu()
            .map(|gpu| gpu.search(probes, ladders, rows, tail));
        search.transpose()
    }

    /// Dot products of pairs of `rows`, `[n, d]`: of row `pairs[0][i]` and row `pairs[1][i]`, for
    /// every i.
    ///
    /// # Errors
    /// [`Error::Compute`](frbench_base::Error::Compute) if the memory does not suffice for the rows
    /// and some pairs.
    pub fn pair_scores(
        &self,
        rows: &[f64],
        d: usize,
        pairs: [&[u32]; 2],
    ) -> Result<Option<Vec<f64>>> {
        let scores = self.gpu().map(|gpu| gpu.pair_scores(rows, d, pairs));
        scores.transpose()
    }
}

/// Probes, and as much of a gallery as fits, on a GPU.
pub trait Search: Debug {
    /// Rows of the gallery that can be there at once.
    fn room(&self) -> usize;

    /// Forgets the gallery.
    fn clear(&mut self);

    /// Adds rows of the gallery, `[n, d]`, and their 1 / norms, `[n]`.
    ///
    /// # Panics
    /// If there is no room for them.
    fn push(&mut self, rows: &[f32], scales: &[f64]) -> Result<()>;

    /// Sets all counts to 0.
    fn start(&mut self) -> Result<()>;

    /// Holds all probes against the part of the gallery that is there. Every score of `floor` or
    /// more is handed to `take`, perhaps with some below, tile by tile and in no order; what it
    /// returns is the floor from then on. Without a tail, `take` is never called.
    fn pass(&mut self, floor: f64, take: &mut dyn FnMut(&mut Vec<f64>) -> f64) -> Result<()>;

    /// What was counted since the start, for each ladder: rows that score strictly above each of
    /// its scores, and rows that score exactly one of them.
    fn found(&self) -> Result<Vec<(Vec<u64>, u64)>>;
}
