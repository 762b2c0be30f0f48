//! Verdicts on the suite's claims, and each in one sentence.

use super::derive::{CONFIDENCE, DerivedRow};
use super::format::{Unit, fixed};
use super::model::{Claim, Column, ReportInput};
use crate::stats::{self, ClaimRule, ClaimVerdict, Difference, MIN_SEEDS};
use serde::Serialize;

/// A judged claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClaimResult {
    pub id: String,
    pub verdict: ClaimVerdict,
    /// Of the row said to be better over the other; positive where the claim holds.
    pub difference: Option<Difference>,
    /// Two-sided p of a difference beyond the margin, alone and corrected for all claims of
    /// the suite (Holm).
    pub p: Option<f64>,
    pub p_adjusted: Option<f64>,
    /// What was found, in words.
    pub sentence: String,
}

/// The word a reader sees.
pub(super) fn name(verdict: ClaimVerdict) -> &'static str {
    match verdict {
        ClaimVerdict::Reproduced => "reproduced",
        ClaimVerdict::Contradicted => "contradicted",
        ClaimVerdict::Inconclusive => "inconclusive",
    }
}

/// Judges every claim by its own interval, and says where a verdict would not survive the
/// correction for all of them.
pub(super) fn judge_all(input: &ReportInput, rows: &[DerivedRow]) -> Vec<ClaimResult> {
    let mut results: Vec<ClaimResult> = input
        .claims
        .iter()
        .map(|claim| judge(claim, input, rows))
        .collect();
    let tested: Vec<usize> = (0..results.len())
        .filter(|&i| results[i].p.is_some())
        .collect();
    let p: Vec<f64> = tested.iter().filter_map(|&i| results[i].p).collect();
    for (&i, adjusted) in tested.iter().zip(stats::holm(&p)) {
        let result = &mut results[i];
        result.p_adjusted = Some(adjusted);
        if result.verdict != ClaimVerdict::Inconclusive && adjusted >= 1.0 - CONFIDENCE {
            result.sentence.push_str(&format!(
                " Judged together with the other claims it would not stand (Holm, {} claims: p = {}).",
                p.len(),
                fixed(adjusted, 2)
            ));
        }
    }
    results
}

fn judge(claim: &Claim, input: &ReportInput, rows: &[DerivedRow]) -> ClaimResult {
    let silent = |sentence: String| ClaimResult {
        id: claim.id.clone(),
        verdict: ClaimVerdict::Inconclusive,
        difference: None,
        p: None,
        p_adjusted: None,
        sentence,
    };
    let row = |id: &str| input.rows.iter().position(|r| r.id == id);
    let (Some(better), Some(than), Some(c)) = (
        row(&claim.better),
        row(&claim.than),
        input.columns.iter().position(|c| c.id == claim.on),
    ) else {
        return silent(format!(
            "This report lacks `{}`, `{}` or the column `{}`, so nothing can be said.",
            claim.better, claim.than, claim.on
        ));
    };
    let column = &input.columns[c];
    let labels = (&*input.rows[better].label, &*input.rows[than].label);
    for (i, label) in [(better, labels.0), (than, labels.1)] {
        let cell = &rows[i].cells[c];
        if cell.values.is_empty() {
            let why = cell.reasons.first().map_or("no run", String::as_str);
            return silent(format!("{label} has no value on {} ({why}).", column.label));
        }
    }
    let judged = stats::judge(
        &rows[better].cells[c].values,
        &rows[than].cells[c].values,
        column.higher_is_better,
        ClaimRule {
            margin: claim.margin,
            confidence: CONFIDENCE,
        },
    );
    let Some(difference) = judged.difference else {
        return silent(format!(
            "{} and {} have no seed in common, so they cannot be paired.",
            labels.0, labels.1
        ));
    };
    ClaimResult {
        id: claim.id.clone(),
        verdict: judged.verdict,
        difference: Some(difference),
        p: judged.p,
        p_adjusted: None,
        sentence: sentence(labels, column, claim.margin, judged.verdict, difference),
    }
}

fn sentence(
    (a, b): (&str, &str),
    column: &Column,
    margin: f64,
    verdict: ClaimVerdict,
    found: Difference,
) -> String {
    let unit = Unit::of(&column.unit);
    let found_so = format!(
        "{a} is {} {b} on {}",
        apart(&unit, found.mean),
        column.label
    );
    let Some((low, high)) = found.interval else {
        let s = if found.n == 1 { "" } else { "s" };
        return format!(
            "{found_so}, but {} seed{s} in common give no interval ({MIN_SEEDS} are needed).",
            found.n
        );
    };
    let size = format!("{} {}", unit.value(margin), unit.difference);
    let size = size.trim_end();
    let against = match (verdict, margin > 0.0) {
        (ClaimVerdict::Inconclusive, _) if low >= -margin && high <= margin => {
            format!(", all within the margin of {size}: no difference that matters")
        }
        (ClaimVerdict::Inconclusive, true) => format!(", not clear of the margin of {size}"),
        (ClaimVerdict::Inconclusive, false) => ", which includes no difference".into(),
        (_, true) => format!(", clear of the margin of {size}"),
        (_, false) => String::new(),
    };
    format!(
        "{found_so}: 95 % interval {} over {} seeds in pairs{against}.",
        unit.range((low, high)),
        found.n
    )
}

/// `0.42 points better than`.
fn apart(unit: &Unit, mean: f64) -> String {
    let size = unit.value(mean.abs());
    let word = if mean >= 0.0 { "better" } else { "worse" };
    format!("{size} {} {word} than", unit.difference).replace("  ", " ")
}
