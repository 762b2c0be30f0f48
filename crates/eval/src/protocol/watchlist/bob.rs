//! `bob`, as bob.measure joins `far_threshold`, `detection_identification_rate` and
//! `false_alarm_rate`: the smallest of the unknown probes' highest scores whose FPIR is at most the
//! stated one, else the next number above the largest; at 1 the next number below the smallest.
//! What is equal to the threshold is accepted.

use super::Rule;
use crate::protocol::rates::{Ties, threshold_at_most};

pub(super) const RULE: Rule = Rule {
    name: "bob",
    threshold: threshold_at_most,
    ties: Ties::Match,
    unknown_are_missed: false,
};
