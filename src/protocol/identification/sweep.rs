//! One pass over all distractors: ranks of the genuine pairs and the highest impostor scores,
//! in memory that does not grow with the number of distractors.

use super::{Pair, Probes};
use crate::protocol::input::Part;
use crate::protocol::operating;
use crate::protocol::scores::{Kernel, Panels, fused};
use crate::{Error, Result};
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Distractors scored between two trims of the tail.
const BATCH: usize = 2048;
/// Tiles of probes per task.
const GROUP: usize = 8;

pub(super) struct Swept {
    /// Rank of each pair, 0-based.
    pub ranks: Vec<u32>,
    /// Distractor scores equal to a genuine score of their probe.
    pub ties: u64,
    /// The highest impostor scores, descending: those that the largest FAR needs, and every
    /// score tied with the last.
    pub tail: Vec<f64>,
    pub impostors: u64,
    pub distractors: usize,
}

/// Genuine scores of one probe and how many distractors fell between them.
struct Ladder {
    inverse_norm: f64,
    /// Distinct genuine scores, ascending.
    genuine: Vec<f64>,
    /// `above[k]`: distractors strictly above exactly the first k of `genuine`.
    above: Vec<u64>,
    /// Distractors equal to a genuine score.
    ties: u64,
}

impl Ladder {
    fn count(&mut self, score: f64) {
        let k = self.genuine.partition_point(|&g| g < score);
        self.above[k] += 1;
        if self.genuine.get(k) == Some(&score) {
            self.ties += 1;
        }
    }

    /// Distractors strictly above the `k`-th genuine score.
    fn rank(&self, k: usize) -> u64 {
        self.above[k + 1..].iter().sum()
    }
}

/// Probes that one task scores.
struct Group {
    panels: std::ops::Range<usize>,
    ladders: Vec<Ladder>,
    /// Scores that may belong to the tail.
    found: Vec<f64>,
}

pub(super) fn run(
    probes: &Probes,
    pairs: &[Pair],
    distractors: &Part,
    noisy: &BTreeSet<usize>,
    fars: &[f64],
) -> Result<Swept> {
    let count = distractors.matrix.rows() - noisy.len();
    if count == 0 {
        return Err(Error::Data("there are no distractors left".into()));
    }
    let impostors = count as u64 * probes.index.len() as u64;
    let largest = fars.iter().copied().fold(0.0, f64::max);
    let mut tail =
        Tail::new(operating::allowed(largest, impostors).min(impostors - 1) as usize + 1);

    let kernel = Kernel::best();
    let (mr, nr) = kernel.tile();
    let left = Panels::pack(&probes.rows, probes.dim, mr);
    let mut ladders = ladders(probes, pairs).into_iter();
    let mut groups: Vec<Group> = (0..left.count())
        .step_by(GROUP)
        .map(|first| {
            let panels = first..(first + GROUP).min(left.count());
            Group {
                ladders: ladders.by_ref().take(panels.len() * mr).collect(),
                panels,
                found: Vec::new(),
            }
        })
        .collect();

    let rows: Vec<usize> = (0..distractors.matrix.rows())
        .filter(|row| !noisy.contains(row))
        .collect();
    for batch in rows.chunks(BATCH) {
        let right: Vec<(Panels, Vec<f64>)> = batch
            .par_chunks(nr)
            .map(|rows| {
                let (flat, norms) = fused(distractors, rows.iter().copied());
                (Panels::pack(&flat, probes.dim, nr), norms)
            })
            .collect();
        let floor = tail.floor;
        groups.par_iter_mut().for_each(|group| {
            let mut tile = vec![0.0; mr * nr];
            for (panel, norms) in &right {
                for (p, ladders) in group.panels.clone().zip(group.ladders.chunks_mut(mr)) {
                    kernel.multiply(left.panel(p), panel.panel(0), &mut tile);
                    for (ladder, row) in ladders.iter_mut().zip(tile.chunks_exact(nr)) {
                        let lowest = ladder.genuine.first().copied().unwrap_or(f64::INFINITY);
                        for (dot, norm) in row.iter().zip(norms) {
                            let score = dot * (ladder.inverse_norm * norm);
                            if score >= lowest {
                                ladder.count(score);
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
    let ladders: Vec<Ladder> = groups.into_iter().flat_map(|g| g.ladders).collect();
    Ok(Swept {
        ranks: ranks(probes, pairs, &ladders),
        ties: ladders.iter().map(|l| l.ties).sum(),
        tail: tail.finish(),
        impostors,
        distractors: count,
    })
}

fn ladders(probes: &Probes, pairs: &[Pair]) -> Vec<Ladder> {
    let mut of: Vec<Vec<f64>> = vec![Vec::new(); probes.index.len()];
    for (group, slot) in by_probe(probes, pairs) {
        of[slot] = group.iter().map(|p| p.score).collect();
    }
    of.into_iter()
        .zip(&probes.inverse_norm)
        .map(|(mut genuine, &inverse_norm)| {
            genuine.sort_by(f64::total_cmp);
            genuine.dedup();
            Ladder {
                inverse_norm,
                above: vec![0; genuine.len() + 1],
                genuine,
                ties: 0,
            }
        })
        .collect()
}

fn ranks(probes: &Probes, pairs: &[Pair], ladders: &[Ladder]) -> Vec<u32> {
    by_probe(probes, pairs)
        .flat_map(|(group, slot)| {
            let ladder = &ladders[slot];
            group.iter().map(|pair| {
                let k = ladder.genuine.partition_point(|&g| g < pair.score);
                u32::try_from(ladder.rank(k)).unwrap_or(u32::MAX)
            })
        })
        .collect()
}

/// The pairs of each probe that has any, and the probe's place among the kept probes.
fn by_probe<'a>(
    probes: &'a Probes,
    pairs: &'a [Pair],
) -> impl Iterator<Item = (&'a [Pair], usize)> {
    pairs.chunk_by(|a, b| a.probe == b.probe).map(|group| {
        let slot = probes.index.binary_search(&group[0].probe);
        (group, slot.expect("pairs are of kept probes"))
    })
}

/// The highest scores seen, and every score tied with the lowest of them.
struct Tail {
    keep: usize,
    scores: Vec<f64>,
    /// Scores below cannot belong to the tail any more.
    floor: f64,
}

impl Tail {
    fn new(keep: usize) -> Self {
        Tail {
            keep,
            scores: Vec::new(),
            floor: f64::NEG_INFINITY,
        }
    }

    fn extend(&mut self, found: &mut Vec<f64>) {
        let floor = self.floor;
        self.scores.extend(found.drain(..).filter(|&s| s >= floor));
        if self.scores.len() > 2 * self.keep.max(1 << 16) {
            self.trim();
        }
    }

    fn trim(&mut self) {
        if self.scores.len() > self.keep {
            let (_, &mut floor, _) = self
                .scores
                .select_nth_unstable_by(self.keep - 1, |a, b| b.total_cmp(a));
            self.floor = floor;
            self.scores.retain(|&s| s >= floor);
        }
    }

    fn finish(mut self) -> Vec<f64> {
        self.trim();
        operating::sort_descending(&mut self.scores);
        self.scores
    }
}
