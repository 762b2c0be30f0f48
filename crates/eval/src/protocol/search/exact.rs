//! The search on the CPU with every score in f64.

use super::count::Count;
use super::tail::Tail;
use super::{BATCH, Gallery, Ladder, Vectors};
use crate::protocol::scores::{Kernel, Panels, fused};
use rayon::prelude::*;

/// Tiles of probes per task.
const GROUP: usize = 8;

/// Probes that one task scores.
struct Group<'a> {
    panels: std::ops::Range<usize>,
    counts: Vec<Count<'a>>,
    /// Scores that may belong to the tail.
    found: Vec<f64>,
}

pub(super) fn search(
    probes: &Vectors,
    ladders: &mut [Ladder],
    gallery: Gallery,
    keep: usize,
) -> Vec<f64> {
    let mut tail = Tail::new(keep, f64::NEG_INFINITY);
    let kernel = Kernel::best();
    let (mr, nr) = kernel.tile();
    let left = Panels::pack(&probes.rows, probes.dim, mr);
    let mut counts = ladders
        .iter()
        .zip(&probes.inverse_norms)
        .map(|(ladder, &norm)| Count::new(&ladder.scores, norm));
    let mut groups: Vec<Group> = (0..left.count())
        .step_by(GROUP)
        .map(|first| {
            let panels = first..(first + GROUP).min(left.count());
            Group {
                counts: counts.by_ref().take(panels.len() * mr).collect(),
                panels,
                found: Vec::new(),
            }
        })
        .collect();

    for batch in gallery.rows.chunks(BATCH) {
        let right = gallery.panels(batch, nr);
        let floor = tail.floor;
        groups.par_iter_mut().for_each(|group| {
            let mut tile = vec![0.0; mr * nr];
            for (panel, norms) in &right {
                for (p, counts) in group.panels.clone().zip(group.counts.chunks_mut(mr)) {
                    kernel.multiply(left.panel(p), panel.panel(0), &mut tile);
                    for (count, row) in counts.iter_mut().zip(tile.chunks_exact(nr)) {
                        let lowest = count.lowest();
                        for (dot, norm) in row.iter().zip(norms) {
                            let score = dot * (count.inverse_norm * norm);
                            if score >= lowest {
                                count.add(score);
                            }
                            if score >= floor {
                                group.found.push(score);
                            }
                        }
                    }
                }
            }
        });
        for group in &mut groups {
            tail.extend(&mut group.found);
        }
    }
    let counts = groups.into_iter().flat_map(|g| g.counts);
    let found: Vec<(Vec<u64>, u64)> = counts.map(Count::finish).collect();
    for (ladder, (above, ties)) in ladders.iter_mut().zip(found) {
        ladder.add(&above, ties);
    }
    tail.finish()
}

impl Gallery<'_> {
    /// Some of the rows in panels of `width`, each with the inverse norms of its rows.
    fn panels(&self, rows: &[usize], width: usize) -> Vec<(Panels, Vec<f64>)> {
        let pack = |rows: &[usize]| {
            let (flat, norms) = fused(self.part, rows.iter().copied());
            (Panels::pack(&flat, self.part.dim(), width), norms)
        };
        rows.par_chunks(width).map(pack).collect()
    }
}
