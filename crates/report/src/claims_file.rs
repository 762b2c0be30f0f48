//! `claims.csv`: claims with their margins and verdicts, one line each, with six digits; p of any size.

use super::claims::ClaimResult;
use super::csv_file::{number, text};
use super::derive::Derived;
use super::model::{Claim, ReportInput};
use frbench_base::{Error, Result};

const HEADER: [&str; 24] = [
    "suite",
    "profile",
    "claim",
    "text",
    "source",
    "better",
    "than",
    "column",
    "family",
    "margin",
    "margin_source",
    "why",
    "reconstructed",
    "verdict",
    "seeds",
    "people",
    "difference",
    "confidence",
    "interval_low",
    "interval_high",
    "p",
    "p_adjusted",
    "p_equivalent",
    "detectable",
];

pub(super) fn csv(input: &ReportInput, derived: &Derived) -> Result<String> {
    let wrong = |e: String| Error::Bug(format!("claims.csv: {e}"));
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(HEADER).map_err(|e| wrong(e.to_string()))?;
    for (claim, result) in input.claims.iter().zip(&derived.claims) {
        out.write_record(record(input, claim, result))
            .map_err(|e| wrong(e.to_string()))?;
    }
    let bytes = out.into_inner().map_err(|e| wrong(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| wrong(e.to_string()))
}

fn record(input: &ReportInput, claim: &Claim, result: &ClaimResult) -> [String; 24] {
    let (difference, judged) = (result.difference, &result.judgement);
    let count = |n: Option<usize>| n.map_or(String::new(), |n| n.to_string());
    [
        text(&input.suite.name),
        text(&input.suite.profile),
        text(&claim.id),
        text(&claim.text),
        text(&claim.source),
        text(&claim.better),
        text(&claim.than),
        text(&claim.on),
        result.family.name().into(),
        number(Some(claim.margin)),
        text(&claim.margin_source),
        text(&claim.why),
        text(&claim.reconstructed),
        result.verdict.name().into(),
        count(difference.map(|d| d.seeds)),
        count(difference.and_then(|d| d.people)),
        number(difference.map(|d| d.mean)),
        number(Some(judged.confidence)),
        number(judged.interval.map(|i| i.0)),
        number(judged.interval.map(|i| i.1)),
        chance(judged.p),
        chance(judged.p_adjusted),
        chance(judged.p_equivalent),
        number(result.detectable),
    ]
}

/// A p, with as many digits however small it is: `1.68066e-2`.
fn chance(p: Option<f64>) -> String {
    p.filter(|p| p.is_finite())
        .map_or(String::new(), |p| format!("{p:.5e}"))
}

#[cfg(test)]
mod tests {
    use super::chance;

    #[test]
    fn a_small_p_is_not_zero() {
        let p = [0.0168066, 3.2e-9, 1.0].map(|p| chance(Some(p)));
        assert_eq!(p, ["1.68066e-2", "3.20000e-9", "1.00000e0"]);
        assert_eq!(chance(None), "");
    }
}
