//! The highest score of each probe.

use super::single::{Batch, Left, at_least, bound};
use super::{BATCH, Gallery, PROBES, Vectors};
use rayon::prelude::*;

/// The highest score of each probe among the rows of a gallery, minus infinity where it has none. Unlike
/// [`run`](super::run) it is computed on the CPU, whatever the device of the run: no device has an
/// interface for it yet. The memory that it takes does not grow with the gallery.
pub(in crate::protocol) fn highest(probes: &Vectors, gallery: Gallery) -> Vec<f64> {
    let bound = bound(probes.dim);
    let mut found = vec![f64::NEG_INFINITY; probes.len()];
    let starts = (0..probes.len()).step_by(PROBES);
    let ranges = starts.map(|first| first..(first + PROBES).min(probes.len()));
    let mut lefts: Vec<Left> = ranges.map(|range| Left::new(probes, range)).collect();
    for rows in gallery.rows.chunks(BATCH) {
        let batch = Batch::of(gallery, rows);
        let groups = lefts.par_iter_mut().zip(found.par_chunks_mut(PROBES));
        groups.enumerate().for_each(|(g, (left, found))| {
            let mut open = Vec::new();
            for block in batch.blocks() {
                let (first, scores) = left.score(&batch, block);
                for ((i, found), scores) in found.iter_mut().enumerate().zip(scores) {
                    // What f32 says is lower than the highest by more than it may be off, is lower.
                    let least = ((*found - bound) as f32).next_down();
                    at_least(scores, least, |j, _| open.push(first + j));
                    let i = g * PROBES + i;
                    let probe = (probes.row(i), probes.inverse_norms[i]);
                    batch.score(probe, &open, |score| *found = found.max(score));
                    open.clear();
                }
            }
        });
    }
    found
}
