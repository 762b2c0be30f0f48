//! `eval/det`: error rates of scores.

use super::Case;
use super::check::{Check, PROTOCOL};
use super::protocol::stated;
use frbench_base::registry::Args;
use frbench_base::{Error, Result};
use frbench_eval::protocol::rates::{self, ErrorRates, Scores};
use serde_json::json;

/// FNMR at stated FMRs and the EER, by `params.fmr_rule` and `params.eer_rule`. `input.genuine` and
/// `input.impostor`: scores.
pub(super) fn det(case: &Case) -> Result<Vec<Check>> {
    case.only_params(&["accept", "eer_rule", "fmr_rule", "fmrs"])?;
    stated(case, "accept", &json!("score >= threshold"))?;
    let args = Args::new(&case.op, &case.params);
    let fmr_rule = rates::fmr_rule(args.text("fmr_rule")?)?;
    let eer_rule = rates::eer_rule(args.text("eer_rule")?)?;
    let fmrs = args.floats("fmrs")?;
    if let Some(bad) = fmrs.iter().find(|f| !(0.0..=1.0).contains(*f)) {
        let what = format!(
            "`{}`: rate {bad} in `fmrs`, want rates from 0 to 1",
            case.op
        );
        return Err(Error::Usage(what));
    }
    let of = |tensor: &str| {
        let scores = case.f64(tensor)?;
        match scores.iter().position(|s| !s.is_finite()) {
            None => Ok(scores),
            Some(i) => {
                let what = format!("holds {} at place {i}, want finite numbers", scores[i]);
                Err(case.wrong(tensor, &what))
            }
        }
    };
    let scores = Scores::new(of("input.genuine")?, of("input.impostor")?)?;
    let at: Vec<ErrorRates> = fmrs.iter().map(|f| scores.at_fmr(*f, fmr_rule)).collect();
    let eer = [scores.at_eer(eer_rule)?];
    let rates = |at: &[ErrorRates], of: fn(&ErrorRates) -> f64| at.iter().map(of).collect();
    let found: [(&str, Vec<f64>); 7] = [
        ("expect.threshold", rates(&at, |r| r.threshold)),
        ("expect.fmr", rates(&at, ErrorRates::fmr)),
        ("expect.fnmr", rates(&at, ErrorRates::fnmr)),
        ("expect.eer", rates(&eer, ErrorRates::half_total)),
        ("expect.eer_threshold", rates(&eer, |r| r.threshold)),
        ("expect.eer_fmr", rates(&eer, ErrorRates::fmr)),
        ("expect.eer_fnmr", rates(&eer, ErrorRates::fnmr)),
    ];
    let checks = found
        .iter()
        .map(|(tensor, got)| Check::absolute(case, tensor, got, PROTOCOL));
    checks.collect()
}
