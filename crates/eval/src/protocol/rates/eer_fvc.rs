//! `fvc`, as pyeer and the Fingerprint Verification Competitions: of all distinct scores from low to
//! high, t2 is the first with FMR at most FNMR and t1 the one before, or t2 where both rates are
//! equal. The one with the smaller sum of both is taken, t1 of equals.

use super::{EerRule, Scores};
use frbench_base::{Error, Result};

pub(super) const RULE: EerRule = EerRule {
    name: "fvc",
    threshold,
};

fn threshold(scores: &Scores) -> Result<f64> {
    let mut before = None;
    for step in scores.steps() {
        let (fmr, fnmr) = step.rates(scores);
        if fmr > fnmr {
            before = Some((fmr + fnmr, step.score));
            continue;
        }
        return Ok(match before {
            Some((sum, t1)) if fmr < fnmr && sum <= fmr + fnmr => t1,
            _ => step.score,
        });
    }
    Err(Error::Data(
        "no score has an FMR that is at most its FNMR, so that there is no EER by the rule `fvc`: \
         too many impostor scores are the highest score"
            .into(),
    ))
}
