//! `above`, as [`operating::at_far`]: what is above the `floor(fmr * impostors) + 1`-th highest impostor
//! score is a match, so that at most the stated rate is.

use super::{FmrRule, Ties};
use crate::protocol::operating;

pub(super) const RULE: FmrRule = FmrRule {
    name: "above",
    ties: Ties::NonMatch,
    threshold: |scores, fmr| {
        let allowed = operating::allowed(fmr, scores.impostor.len() as u64);
        let from_high = scores.impostor.iter().rev();
        let threshold = from_high.copied().nth(allowed as usize);
        threshold.unwrap_or(f64::NEG_INFINITY)
    },
};
