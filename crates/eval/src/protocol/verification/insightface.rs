//! The rule of insightface and CVLface (also ElasticFace, AdaDistill, TFace on `.bin`):
//! recognition/arcface_torch/eval/verification.py.
//!
//! The embeddings of image and mirror are added and L2-normalised; the score is the squared
//! distance d, all in f64. Thresholds are k * 0.01, k = 0..399; a pair is accepted if d < t;
//! the first threshold with the highest accuracy on the other folds judges the held-out fold.

use super::{Outcome, Pairs};
use frbench_base::Result;
use rayon::prelude::*;

/// FAR of the rule's "VAL", on a grid of k * 0.001, k = 0..3999.
const VAL_FAR: f64 = 1e-3;
/// The metric at that rate.
pub(super) const VAL: &str = "val@far=1e-3";

pub(super) fn score(pairs: &Pairs) -> Result<Outcome> {
    let distance: Vec<f64> = (0..pairs.same.len())
        .into_par_iter()
        .map(|i| {
            let unit = |image: usize| {
                let mut row = pairs.part.fused(image);
                let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                if norm > 0.0 {
                    row.iter_mut().for_each(|v| *v /= norm);
                }
                row
            };
            let Some((a, b)) = pairs.pairs[i] else {
                return f64::INFINITY;
            };
            let (a, b) = (unit(a as usize), unit(b as usize));
            a.iter().zip(&b).map(|(a, b)| (a - b) * (a - b)).sum()
        })
        .collect();

    let grid = Grid::count(pairs, &distance, 400, 0.01);
    let mut accuracy = Vec::with_capacity(pairs.folds);
    let mut threshold = Vec::with_capacity(pairs.folds);
    for fold in 0..pairs.folds {
        let train = grid.others(fold);
        // Positives accepted + negatives rejected; the denominator is the same for all k.
        let hits = |k: usize| train.true_accepts[k] + train.impostors - train.false_accepts[k];
        let mut best = 0;
        for k in 1..grid.thresholds.len() {
            if hits(k) > hits(best) {
                best = k;
            }
        }
        let test = &grid.folds[fold];
        let right = test.true_accepts[best] + test.impostors - test.false_accepts[best];
        accuracy.push(right as f64 / (test.genuine + test.impostors) as f64);
        threshold.push(grid.thresholds[best]);
    }
    let right = (0..distance.len())
        .map(|i| (distance[i] < threshold[pairs.fold[i] as usize]) == pairs.same[i])
        .collect();
    let (val, far) = val_at_far(pairs, &distance, VAL_FAR);
    Ok(Outcome {
        similarity: distance.iter().map(|d| -d).collect(),
        accuracy,
        right,
        folded: vec![val],
        threshold,
        notes: vec![format!(
            "{VAL}: the threshold is interpolated on the other folds; on held-out folds its mean false accept rate is {:.2e}",
            crate::protocol::mean(&far)
        )],
    })
}

/// VAL and FAR on each fold, at the threshold where the other folds reach `target`: linear
/// between the first grid point with FAR >= target and the one before; 0 if none reaches it.
fn val_at_far(pairs: &Pairs, distance: &[f64], target: f64) -> (Vec<f64>, Vec<f64>) {
    let grid = Grid::count(pairs, distance, 4000, 0.001);
    (0..pairs.folds)
        .map(|fold| {
            let train = grid.others(fold);
            let far = |k: usize| train.false_accepts[k] as f64 / train.impostors as f64;
            let t = &grid.thresholds;
            let threshold = match (1..t.len()).find(|&k| far(k) >= target) {
                Some(hi) => {
                    let lo = hi - 1;
                    let slope = (t[hi] - t[lo]) / (far(hi) - far(lo));
                    slope * (target - far(lo)) + t[lo]
                }
                None => 0.0,
            };
            let (mut accepted, mut total) = ([0u32; 2], [0u32; 2]);
            for (i, &d) in distance.iter().enumerate() {
                if pairs.fold[i] as usize == fold {
                    total[usize::from(pairs.same[i])] += 1;
                    accepted[usize::from(pairs.same[i])] += u32::from(d < threshold);
                }
            }
            let rate = |class: usize| f64::from(accepted[class]) / f64::from(total[class]);
            (rate(1), rate(0))
        })
        .unzip()
}

/// Accepted pairs at every threshold, for one fold or several.
#[derive(Clone)]
struct Counts {
    true_accepts: Vec<u64>,
    false_accepts: Vec<u64>,
    genuine: u64,
    impostors: u64,
}

struct Grid {
    thresholds: Vec<f64>,
    folds: Vec<Counts>,
    all: Counts,
}

impl Grid {
    fn count(pairs: &Pairs, distance: &[f64], steps: usize, step: f64) -> Self {
        let thresholds: Vec<f64> = (0..steps).map(|k| k as f64 * step).collect();
        let empty = Counts {
            true_accepts: vec![0; steps],
            false_accepts: vec![0; steps],
            genuine: 0,
            impostors: 0,
        };
        let mut folds = vec![empty.clone(); pairs.folds];
        for (i, &d) in distance.iter().enumerate() {
            // The first threshold that accepts the pair, and all after it do.
            let first = thresholds.partition_point(|&t| t <= d);
            let counts = &mut folds[pairs.fold[i] as usize];
            let (accepts, total) = if pairs.same[i] {
                (&mut counts.true_accepts, &mut counts.genuine)
            } else {
                (&mut counts.false_accepts, &mut counts.impostors)
            };
            *total += 1;
            if let Some(slot) = accepts.get_mut(first) {
                *slot += 1;
            }
        }
        let mut all = empty;
        for counts in &mut folds {
            accumulate(&mut counts.true_accepts);
            accumulate(&mut counts.false_accepts);
            all.genuine += counts.genuine;
            all.impostors += counts.impostors;
            add(&mut all.true_accepts, &counts.true_accepts);
            add(&mut all.false_accepts, &counts.false_accepts);
        }
        Grid {
            thresholds,
            folds,
            all,
        }
    }

    /// Counts over every fold but one.
    fn others(&self, fold: usize) -> Counts {
        let minus = |all: &[u64], one: &[u64]| all.iter().zip(one).map(|(a, o)| a - o).collect();
        let one = &self.folds[fold];
        Counts {
            true_accepts: minus(&self.all.true_accepts, &one.true_accepts),
            false_accepts: minus(&self.all.false_accepts, &one.false_accepts),
            genuine: self.all.genuine - one.genuine,
            impostors: self.all.impostors - one.impostors,
        }
    }
}

fn accumulate(counts: &mut [u64]) {
    let mut sum = 0;
    for c in counts {
        sum += *c;
        *c = sum;
    }
}

fn add(to: &mut [u64], from: &[u64]) {
    to.iter_mut().zip(from).for_each(|(t, f)| *t += f);
}
