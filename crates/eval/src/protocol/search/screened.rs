//! The search on the CPU: in f32 first, and in f64 what that leaves open. Counts, ties and the highest
//! scores are those of [`exact`], bit for bit.

use super::count::Count;
use super::places::Places;
use super::scaled::{Block, LOOK, ScaledProbes, bound, reaching, tasks};
use super::tail::Tail;
use super::{BATCH, Gallery, Ladder, Vectors, exact, sample};
use frbench_kernels::team::OneByOne;
use rayon::prelude::*;

/// Where f32 leaves open more than one score in so many, it costs more than it saves.
const OPEN: usize = 16;

pub(super) fn search(
    probes: &Vectors,
    ladders: &mut [Ladder],
    gallery: Gallery,
    keep: usize,
) -> Vec<f64> {
    let mut generous = 1;
    loop {
        let floor = sample::floor(probes, gallery, keep, generous);
        if keep > 0 && floor == f64::NEG_INFINITY {
            break;
        }
        let mut tail = Tail::new(keep, floor);
        let Some(found) = pass(probes, ladders, gallery, &mut tail) else {
            break;
        };
        if tail.is_full() {
            for (ladder, (above, ties)) in ladders.iter_mut().zip(found) {
                ladder.add(&above, ties);
            }
            return tail.finish();
        }
        // The sample promised too much.
        generous *= 8;
    }
    exact::search(probes, ladders, gallery, keep)
}

/// One pass over the gallery: for each ladder the rows above each of its scores, and ties. What may
/// belong to the tail goes there. None where too much is open.
pub(super) fn pass(
    probes: &Vectors,
    ladders: &[Ladder],
    gallery: Gallery,
    tail: &mut Tail,
) -> Option<Vec<(Vec<u64>, u64)>> {
    let bound = bound(probes.dim);
    let line = |i: usize| Line::new(probes.row(i), &ladders[i], probes.inverse_norms[i], bound);
    let group = |range: std::ops::Range<usize>| Group {
        probes: ScaledProbes::new(probes, range.clone()),
        lines: range.map(line).collect(),
        found: Vec::new(),
        open: Vec::new(),
        opened: 0,
    };
    let mut groups: Vec<Group> = tasks(probes).into_iter().map(group).collect();
    let mut looked_at = 0;
    for rows in gallery.rows.chunks(BATCH) {
        let blocks = Block::all(gallery, rows);
        let floor = tail.floor;
        let looks = groups.par_iter_mut().one_by_one();
        looks.for_each(|group| group.look(&blocks, floor, bound));
        for group in &mut groups {
            tail.extend(&mut group.found);
        }
        looked_at += rows.len() * probes.len();
        let opened: usize = groups.iter().map(|group| group.opened).sum();
        if opened > looked_at / OPEN {
            return None;
        }
    }
    let lines = groups.into_iter().flat_map(|g| g.lines);
    Some(lines.map(|line| line.count.finish()).collect())
}

/// Probes that one task scores.
struct Group<'a> {
    probes: ScaledProbes,
    lines: Vec<Line<'a>>,
    /// Scores that may belong to the tail.
    found: Vec<f64>,
    /// Rows that f32 leaves open for a probe, and how many there were.
    open: Vec<usize>,
    opened: usize,
}

impl Group<'_> {
    fn look(&mut self, blocks: &[Block], floor: f64, bound: f64) {
        let from_floor = ((floor - bound) as f32).next_down();
        for block in blocks {
            for (line, scores) in self.lines.iter_mut().zip(self.probes.score(block)) {
                line.look(scores, from_floor, |j| self.open.push(j));
                let probe = (line.row, line.count.inverse_norm);
                let lowest = line.count.lowest();
                block.score(probe, &self.open, |score| {
                    if score >= lowest {
                        line.count.add(score);
                    }
                    if score >= floor {
                        self.found.push(score);
                    }
                });
                self.opened += self.open.len();
                self.open.clear();
            }
        }
    }
}

/// A probe, and the scores of its ladder as f32 sees them.
struct Line<'a> {
    row: &'a [f32],
    count: Count<'a>,
    places: Places,
}

impl<'a> Line<'a> {
    fn new(row: &'a [f32], ladder: &'a Ladder, inverse_norm: f64, bound: f64) -> Self {
        Line {
            row,
            places: Places::new(&ladder.scores, bound),
            count: Count::new(&ladder.scores, inverse_norm),
        }
    }

    /// Counts the scores whose place is plain, and calls `open` with the places of the others.
    fn look(&mut self, scores: &[f32], from_floor: f32, mut open: impl FnMut(usize)) {
        let least = self.places.lowest().min(from_floor);
        for (first, some) in reaching(scores, least) {
            let mut together = [f32::NEG_INFINITY; LOOK];
            together[..some.len()].copy_from_slice(some);
            let cells = self.places.cells(&together);
            for (j, (&s, cell)) in some.iter().zip(cells).enumerate() {
                // Those below the ladder are counted with what is above none of it.
                match self.places.of(s, cell) {
                    Some(below) if s < from_floor => self.count.between[below] += 1,
                    _ => open(first + j),
                }
            }
        }
    }
}
