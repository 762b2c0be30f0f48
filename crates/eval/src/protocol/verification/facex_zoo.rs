//! The rule of FaceX-Zoo: test_protocol/lfw/lfw_evaluator.py.
//!
//! The score is the cosine of the two images, in f64; their mirrors are not used. For each fold,
//! thresholds are 1,000 equal steps over the scores of the other folds, min + k (max - min) / 1000,
//! k = 1..1000; the first with the largest TPR - FPR there judges the held-out fold. A genuine pair
//! wants a score above the threshold and an impostor one below: equal is wrong for both. The script
//! gives the standard error over folds behind its +-, which is smaller than a deviation by the root
//! of their number.

use super::{Outcome, Pairs};
use frbench_base::{Error, Result};
use frbench_job::Views;
use rayon::prelude::*;

/// Thresholds over the range of the scores.
const STEPS: usize = 1000;

pub(super) fn score(pairs: &Pairs) -> Result<Outcome> {
    let matrix = pairs.part.matrix;
    let dim = match pairs.part.views {
        Views::Both => matrix.dim() / 2,
        Views::Original => matrix.dim(),
        Views::Sum => {
            return Err(Error::Data(
                "the rule facex-zoo scores pictures without their mirrors, and these rows are \
                 sums with them"
                    .into(),
            ));
        }
    };
    let cosine = |a: &[f32], b: &[f32]| {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
            products.sum()
        };
        let norms = (dot(a, a) * dot(b, b)).sqrt();
        // A vector without a direction is like no other.
        if norms > 0.0 { dot(a, b) / norms } else { 0.0 }
    };
    let similarity: Vec<f64> = (0..pairs.same.len())
        .into_par_iter()
        .map(|i| match pairs.pairs[i] {
            Some((a, b)) => {
                let row = |image: u32| &matrix.row(image as usize)[..dim];
                cosine(row(a), row(b))
            }
            None => f64::NEG_INFINITY,
        })
        .collect();
    let n = similarity.len();
    let mut accuracy = Vec::with_capacity(pairs.folds);
    let mut right = vec![false; n];
    let mut thresholds = Vec::with_capacity(pairs.folds);
    for fold in 0..pairs.folds {
        let held_out = |i: &usize| pairs.fold[*i] as usize == fold;
        let others = (0..n).filter(|i| !held_out(i));
        let t = threshold(others.map(|i| (similarity[i], pairs.same[i])));
        thresholds.push(t);
        let (mut hits, mut total) = (0usize, 0usize);
        for i in (0..n).filter(held_out) {
            right[i] = match pairs.same[i] {
                true => similarity[i] > t,
                false => similarity[i] < t,
            };
            hits += usize::from(right[i]);
            total += 1;
        }
        accuracy.push(hits as f64 / total as f64);
    }
    Ok(Outcome {
        similarity,
        accuracy,
        right,
        folded: Vec::new(),
        threshold: thresholds,
        notes: vec!["mirrors are not used".into()],
    })
}

/// The first of the thresholds with the largest difference of true and false accept rate.
fn threshold(pairs: impl Iterator<Item = (f64, bool)>) -> f64 {
    let (mut genuine, mut impostor) = (Vec::new(), Vec::new());
    for (score, same) in pairs {
        match same {
            true => genuine.push(score),
            false => impostor.push(score),
        }
    }
    genuine.sort_unstable_by(f64::total_cmp);
    impostor.sort_unstable_by(f64::total_cmp);
    // What cannot be scored is below every threshold, and does not widen their range.
    let all = || genuine.iter().chain(&impostor).filter(|s| s.is_finite());
    let least = all().copied().fold(f64::INFINITY, f64::min);
    let most = all().copied().fold(f64::NEG_INFINITY, f64::max);
    let step = (most - least) / STEPS as f64;
    // Rates as the script divides them: of two that tie, a last bit decides.
    let rate = |scores: &[f64], t: f64| {
        let above = scores.len() - scores.partition_point(|s| *s <= t);
        above as f64 / scores.len() as f64
    };
    let (mut best, mut found) = (f64::NEG_INFINITY, least);
    for k in 1..=STEPS {
        let t = least + k as f64 * step;
        let gain = rate(&genuine, t) - rate(&impostor, t);
        if gain > best {
            (best, found) = (gain, t);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_threshold_with_the_largest_gap_is_taken() {
        let pairs = [(1.0, true), (0.5, true), (0.2, false), (0.0, false)];
        // Above 0.2 all impostors are rejected and no genuine pair is lost up to 0.5.
        let t = threshold(pairs.into_iter());
        assert!((t - 0.2).abs() < 1e-9, "{t}");
        // Pairs that cannot be scored are below every threshold.
        let lost = [(f64::NEG_INFINITY, true), (f64::NEG_INFINITY, false)];
        assert_eq!(threshold(pairs.into_iter().chain(lost)), t);
    }
}
