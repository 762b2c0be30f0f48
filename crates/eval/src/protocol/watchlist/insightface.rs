//! `insightface`, as recognition/_evaluation_/ijb/ijb_evals.py: of the highest scores of n unknown
//! probes, from high to low, the one at place max(int(n fpir) - 1, 0), where int cuts the rounded
//! product; what is above it is accepted. Of two galleries each has its own thresholds. A probe that
//! neither knows counts as missed in the rates of ranks over both.

use super::Rule;
use crate::protocol::rates::Ties;

pub(super) const RULE: Rule = Rule {
    name: "insightface",
    threshold,
    ties: Ties::NonMatch,
    unknown_are_missed: true,
};

fn threshold(ascending: &[f64], fpir: f64) -> f64 {
    let n = ascending.len();
    let place = ((n as f64 * fpir) as usize).saturating_sub(1);
    // Not below what could not be compared, which raises no alarm at any threshold.
    ascending
        .iter()
        .rev()
        .nth(place)
        .copied()
        .unwrap_or(f64::NEG_INFINITY)
}
