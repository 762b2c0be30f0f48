//! `bob`, as bob.measure's `eer_threshold`: thresholds are the lowest score and the middles between
//! neighbouring distinct scores, from low to high up to the first where FMR is 0 or FNMR is 1. The one
//! with the smallest difference of FMR and FNMR is taken; of equals the last, but not that end.

use super::{EerRule, Scores};
use frbench_base::Result;

pub(super) const RULE: EerRule = EerRule {
    name: "bob",
    threshold,
};

fn threshold(scores: &Scores) -> Result<f64> {
    let (genuine, impostors) = (scores.genuine.len() as i128, scores.impostor.len() as i128);
    let mut before: Option<f64> = None;
    let (mut best, mut found) = (i128::MAX, f64::INFINITY);
    for step in scores.steps() {
        let threshold = match before.replace(step.score) {
            None => step.score,
            Some(last) => (last + step.score) / 2.0,
        };
        let matches = impostors - i128::from(step.impostor_below);
        let non_matches = i128::from(step.genuine_below);
        // In whole numbers, so that equals are equal.
        let difference = (matches * genuine - non_matches * impostors).abs();
        let end = matches == 0 || non_matches == genuine;
        if difference < best || (difference == best && !end) {
            (best, found) = (difference, threshold);
        }
        if end {
            break;
        }
    }
    Ok(found)
}
