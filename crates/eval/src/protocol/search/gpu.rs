//! The search on a GPU: which part of the gallery is there, and which scores are worth taking.

use super::tail::Tail;
use super::{Gallery, Ladder, Vectors, sample};
use crate::protocol::scores::fused;
use frbench_base::Result;
use frbench_engine::device::Search;
use rayon::prelude::*;

/// Rows made ready at a time, and rows that one task makes ready.
const BATCH: usize = 1 << 16;
const TASK: usize = 1 << 10;

/// Scores that can belong to the tail are known only in the end, but must be taken on the way:
/// those above a floor that a sample of the gallery suggests. Where it proves too high, the pass
/// is made once more with a lower one.
pub(super) fn search(
    mut search: Box<dyn Search>,
    probes: &Vectors,
    ladders: &mut [Ladder],
    gallery: Gallery,
    keep: usize,
) -> Result<Vec<f64>> {
    let mut chunks: Vec<&[usize]> = gallery.rows.chunks(search.room()).collect();
    let mut there = None;
    let mut generous = 2;
    loop {
        let floor = sample::floor(probes, gallery, keep, generous);
        let mut tail = Tail::new(keep, floor);
        search.start()?;
        for &chunk in &chunks {
            if there != Some(chunk.as_ptr()) {
                search.clear();
                for batch in chunk.chunks(BATCH) {
                    for (rows, inverse_norms) in ready(gallery, batch) {
                        search.push(&rows, &inverse_norms)?;
                    }
                }
                there = Some(chunk.as_ptr());
            }
            search.pass(tail.floor, &mut |found| {
                tail.extend(found);
                tail.floor
            })?;
        }
        if floor == f64::NEG_INFINITY || tail.is_full() {
            for (ladder, (above, ties)) in ladders.iter_mut().zip(search.found()?) {
                ladder.add(&above, ties);
            }
            return Ok(tail.finish());
        }
        generous *= 8;
        // Back over the chunks, from the one that is there.
        chunks.reverse();
    }
}

/// Rows of the gallery as the device takes them: `(rows, 1 / norms)`, in order.
fn ready(gallery: Gallery, rows: &[usize]) -> Vec<(Vec<f32>, Vec<f64>)> {
    let tasks = rows.par_chunks(TASK);
    tasks
        .map(|rows| fused(gallery.part, rows.iter().copied()))
        .collect()
}
