//! `at-most`, as bob.measure's `far_threshold`: the smallest impostor score whose FMR is at most the
//! stated one; where even the largest accepts too many, the next number above it. At 1 it is the next
//! number below the smallest.

use super::{FmrRule, Ties, finite_from};

pub(super) const RULE: FmrRule = FmrRule {
    name: "at-most",
    ties: Ties::Match,
    threshold: |scores, fmr| threshold(&scores.impostor, fmr),
};

/// The same of any scores, which ascend. Some of them are above minus infinity.
pub(in crate::protocol) fn threshold(ascending: &[f64], rate: f64) -> f64 {
    let scored = &ascending[finite_from(ascending)..];
    let (Some(&lowest), Some(&highest)) = (scored.first(), scored.last()) else {
        return f64::INFINITY;
    };
    if rate >= 1.0 - f64::EPSILON {
        return lowest.next_down();
    }
    let total = ascending.len() as f64;
    // At its first place a score has all of its equals above it. Rates of places fall.
    let too_many = |place: usize| (ascending.len() - place) as f64 / total > rate;
    let (mut low, mut high) = (ascending.len() - scored.len(), ascending.len());
    while low < high {
        let middle = low.midpoint(high);
        match too_many(middle) {
            true => low = middle + 1,
            false => high = middle,
        }
    }
    // From `low` on there are few enough; but of a score that begins before it there are too many.
    let beyond = ascending.get(low).copied().unwrap_or(f64::INFINITY);
    let from = match low > 0 && ascending[low - 1] == beyond {
        true => ascending.partition_point(|&s| s <= beyond),
        false => low,
    };
    ascending.get(from).copied().unwrap_or(highest.next_up())
}
