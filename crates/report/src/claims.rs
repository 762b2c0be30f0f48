//! Verdicts on the suite's claims, and each in one sentence.

use super::derive::{CONFIDENCE, DerivedRow};
use super::finding::{Found, Pair, closing};
use super::format::fixed;
use super::model::{Claim, ReportInput};
use frbench_eval::stats::{self, ClaimRule, ClaimVerdict, Difference};
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
    /// The same in one sentence that ends in the verdict, where the claim is the question of
    /// the paper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

impl ClaimResult {
    /// A verdict that would not survive the correction for all claims of the suite.
    pub fn falls_by_holm(&self) -> bool {
        let decided = self.verdict != ClaimVerdict::Inconclusive;
        decided && self.p_adjusted.is_some_and(|p| p >= 1.0 - CONFIDENCE)
    }
}

/// The word a reader sees.
pub fn name(verdict: ClaimVerdict) -> &'static str {
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
        if result.falls_by_holm() {
            let note = format!(
                " Judged together with the other claims it would not stand (Holm, {} claims: p = {}).",
                p.len(),
                fixed(adjusted, 2)
            );
            result.sentence.push_str(&note);
            if let Some(answer) = &mut result.answer {
                answer.push_str(&note);
            }
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
        answer: claim
            .question
            .then(|| closing(sentence.trim_end_matches('.'), ClaimVerdict::Inconclusive)),
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
    for i in [better, than] {
        let cell = &rows[i].cells[c];
        if cell.values.is_empty() {
            let why = cell.reasons.first().map_or("no run", String::as_str);
            let label = input.name(&input.rows[i]);
            return silent(format!("{label} has no value on {} ({why}).", column.label));
        }
    }
    let pair = Pair::of(input, &input.rows[better], &input.rows[than]);
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
            "{}{} and {} have no seed in common, so they cannot be paired.",
            pair.under, pair.better, pair.than
        ));
    };
    let found = Found {
        pair,
        column,
        margin: claim.margin,
        verdict: judged.verdict,
        difference,
    };
    ClaimResult {
        id: claim.id.clone(),
        verdict: judged.verdict,
        difference: Some(difference),
        p: judged.p,
        p_adjusted: None,
        sentence: found.sentence(),
        answer: claim.question.then(|| found.answer()),
    }
}
