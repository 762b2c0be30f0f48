//! The highest score of each probe.

use super::scaled::{Block, ScaledProbes, bound, reaching, tasks};
use super::{BATCH, Gallery, Vectors};
use frbench_kernels::team::OneByOne;
use rayon::prelude::*;

/// The highest score of each probe among the rows of a gallery, minus infinity where it has none. Unlike
/// [`run`](super::run) it is computed on the CPU, whatever the device of the run: no device has an
/// interface for it yet. The memory that it takes does not grow with the gallery.
pub(in crate::protocol) fn highest(probes: &Vectors, gallery: Gallery) -> Vec<f64> {
    let bound = bound(probes.dim);
    let group = |range: std::ops::Range<usize>| Group {
        first: range.start,
        found: vec![f64::NEG_INFINITY; range.len()],
        probes: ScaledProbes::new(probes, range),
    };
    let mut groups: Vec<Group> = tasks(probes).into_iter().map(group).collect();
    for rows in gallery.rows.chunks(BATCH) {
        let blocks = Block::all(gallery, rows);
        let looks = groups.par_iter_mut().one_by_one();
        looks.for_each(|group| group.look(probes, &blocks, bound));
    }
    groups.into_iter().flat_map(|group| group.found).collect()
}

/// Probes that one task scores.
struct Group {
    /// The number of the first.
    first: usize,
    probes: ScaledProbes,
    /// The highest score of each so far.
    found: Vec<f64>,
}

impl Group {
    fn look(&mut self, probes: &Vectors, blocks: &[Block], bound: f64) {
        let mut open = Vec::new();
        for block in blocks {
            let lines = self.found.iter_mut().zip(self.probes.score(block));
            for (i, (found, scores)) in lines.enumerate() {
                // A row that f32 says is lower than the highest by more than both may be off, is lower.
                let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let reached = found.max(f64::from(top) - bound);
                let least = ((reached - bound) as f32).next_down();
                for (first, some) in reaching(scores, least) {
                    let places = (first..).zip(some).filter(|(_, s)| **s >= least);
                    open.extend(places.map(|(j, _)| j));
                }
                let i = self.first + i;
                let probe = (probes.row(i), probes.inverse_norms[i]);
                block.score(probe, &open, |score| *found = found.max(score));
                open.clear();
            }
        }
    }
}
