//! The rule of Face_Pytorch, which A-SKD and BoundaryFace took over: evaluation/eval_agedb.py
//! and eval/eval_lfw.py of their repositories.
//!
//! The embeddings of image and mirror stand side by side. For each fold the mean of all features
//! of the other folds (left and right together) is subtracted, features are L2-normalised, and
//! the score is their dot product, all in f64. Of the thresholds k / 10,000, k = -10,000..10,000,
//! the *mean of all* with the highest accuracy on the other folds judges the held-out fold.
//! A genuine pair wants a score above the threshold and an impostor one below: equal is wrong
//! for both.

use super::{Outcome, Pairs};
use frbench_base::Result;
use rayon::prelude::*;

/// Thresholds on either side of 0.
const STEPS: i64 = 10_000;

pub(super) fn score(pairs: &Pairs) -> Result<Outcome> {
    let dim = pairs.part.matrix.dim();
    // Sums over folds: of all, and of each.
    let mut sums = vec![vec![0.0f64; dim]; pairs.folds];
    let mut counts = vec![0usize; pairs.folds];
    for (pair, &fold) in pairs.pairs.iter().zip(pairs.fold) {
        let fold = fold as usize;
        // An image counts as often as there are pairs with it.
        for image in pair.iter().flat_map(|&(a, b)| [a, b]) {
            counts[fold] += 1;
            for (sum, v) in sums[fold]
                .iter_mut()
                .zip(pairs.part.matrix.row(image as usize))
            {
                *sum += f64::from(*v);
            }
        }
    }
    let images: usize = counts.iter().sum();
    let n = pairs.same.len();
    let mut outcome = Outcome {
        similarity: vec![0.0; n],
        accuracy: Vec::with_capacity(pairs.folds),
        right: vec![false; n],
        folded: Vec::new(),
        threshold: Vec::with_capacity(pairs.folds),
        notes: vec![
            "pairs are scored as they are held out: less the mean of the other folds".into(),
        ],
    };
    for (fold, own) in counts.iter().enumerate() {
        let others = (images - own).max(1) as f64;
        let mean: Vec<f64> = (0..dim)
            .map(|d| {
                let all = sums.iter().enumerate().filter(|(f, _)| *f != fold);
                all.map(|(_, sum)| sum[d]).sum::<f64>() / others
            })
            .collect();
        let cosine: Vec<f64> = (0..n)
            .into_par_iter()
            .map(|i| {
                let unit = |image| unit(pairs.part.matrix.row(image), &mean);
                let Some((a, b)) = pairs.pairs[i] else {
                    return f64::NEG_INFINITY;
                };
                let (a, b) = (unit(a as usize), unit(b as usize));
                a.iter().zip(&b).map(|(a, b)| a * b).sum()
            })
            .collect();
        let held_out = |i: &usize| pairs.fold[*i] as usize == fold;
        let threshold = threshold(
            (0..n)
                .filter(|i| !held_out(i))
                .map(|i| (cosine[i], pairs.same[i])),
        );
        outcome.threshold.push(threshold);
        let mut right = 0usize;
        let mut total = 0usize;
        for i in (0..n).filter(held_out) {
            let c = cosine[i];
            outcome.similarity[i] = c;
            outcome.right[i] = if pairs.same[i] {
                c > threshold
            } else {
                c < threshold
            };
            right += usize::from(outcome.right[i]);
            total += 1;
        }
        outcome.accuracy.push(right as f64 / total as f64);
    }
    Ok(outcome)
}

/// A feature less the mean, of length 1; one that is the mean stays 0.
fn unit(row: &[f32], mean: &[f64]) -> Vec<f64> {
    let mut row: Vec<f64> = row
        .iter()
        .zip(mean)
        .map(|(v, m)| f64::from(*v) - m)
        .collect();
    let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
    if norm > 0.0 {
        row.iter_mut().for_each(|v| *v /= norm);
    }
    row
}

/// The mean of all thresholds under which most pairs are judged rightly.
fn threshold(pairs: impl Iterator<Item = (f64, bool)>) -> f64 {
    let at = |k: i64| (k - STEPS) as f64 / STEPS as f64;
    let size = (2 * STEPS + 1) as usize;
    // Changes of the number of right pairs from one threshold to the next.
    let mut gain = vec![0i64; size + 1];
    for (score, same) in pairs {
        let below = |test: &dyn Fn(f64) -> bool| {
            // Thresholds ascend, so those that pass come first.
            let (mut low, mut high) = (0, size);
            while low < high {
                let middle = low.midpoint(high);
                if test(at(middle as i64)) {
                    low = middle + 1;
                } else {
                    high = middle;
                }
            }
            low
        };
        if same {
            // Right under the thresholds below the score.
            gain[0] += 1;
            gain[below(&|t| t < score)] -= 1;
        } else {
            gain[below(&|t| t <= score)] += 1;
        }
    }
    let mut right = 0;
    let (mut best, mut sum, mut count) = (i64::MIN, 0.0, 0usize);
    for (k, gain) in gain[..size].iter().enumerate() {
        right += gain;
        if right > best {
            (best, sum, count) = (right, 0.0, 0);
        }
        if right == best {
            sum += at(k as i64);
            count += 1;
        }
    }
    sum / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the authors' code does it: every threshold, every pair.
    fn counted(pairs: &[(f64, bool)]) -> f64 {
        let thresholds: Vec<f64> = (-STEPS..=STEPS).map(|k| k as f64 / STEPS as f64).collect();
        let right = |t: f64| {
            let ok = |(s, same): &&(f64, bool)| if *same { *s > t } else { *s < t };
            pairs.iter().filter(ok).count()
        };
        let hits: Vec<usize> = thresholds.iter().map(|t| right(*t)).collect();
        let most = hits.iter().max().unwrap();
        let best: Vec<f64> = thresholds
            .iter()
            .zip(&hits)
            .filter(|(_, h)| *h == most)
            .map(|(t, _)| *t)
            .collect();
        best.iter().sum::<f64>() / best.len() as f64
    }

    #[test]
    fn the_threshold_is_the_mean_of_all_best_ones() {
        let apart = [(0.8, true), (0.4, true), (0.1, false), (-0.3, false)];
        let t = threshold(apart.into_iter());
        assert!((t - 0.25).abs() < 1e-9, "{t}");
        // On the grid, with ties, mixed, and beyond it.
        let mixed = [
            (0.5, true),
            (0.5, false),
            (0.25, true),
            (0.3, false),
            (1.0, true),
            (-1.0, false),
            (0.12345, true),
            (0.6, false),
        ];
        for n in 1..=mixed.len() {
            let t = threshold(mixed[..n].iter().copied());
            assert!((t - counted(&mixed[..n])).abs() < 1e-9, "{n}: {t}");
        }
    }
}
