//! `nearest`, as pyeer's `get_fmr_op`: of all distinct scores, genuine and impostor, from low to high,
//! the first whose FMR is nearest to the stated one.

use super::{FmrRule, Ties};

pub(super) const RULE: FmrRule = FmrRule {
    name: "nearest",
    ties: Ties::Match,
    threshold: |scores, fmr| {
        let (mut best, mut found) = (f64::INFINITY, f64::INFINITY);
        for step in scores.steps() {
            let distance = (step.rates(scores).0 - fmr).abs();
            if distance < best {
                (best, found) = (distance, step.score);
            }
        }
        found
    },
};
