//! Verdicts on the suite's claims, and each in one sentence.

use super::compare::{self, Difference, Series};
use super::derive::{CONFIDENCE, DerivedRow};
use super::finding::{Found, Pair, closing};
use super::model::{Claim, ReportInput};
use frbench_eval::stats::{
    self, ClaimVerdict, Family, Judgement, Needed, POWER, Tested, Variances,
};
use serde::Serialize;

/// A judged claim.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClaimResult {
    pub id: String,
    pub verdict: ClaimVerdict,
    pub family: Family,
    /// Of the row said to be better over the other; positive where the claim holds.
    pub difference: Option<Difference>,
    /// The test that the verdict follows from.
    pub judgement: Judgement,
    /// The difference that this design sees with a chance of 80 %, at the level of the test.
    pub detectable: Option<f64>,
    /// What would let a difference of the margin be seen, where the claim is undecided.
    pub needed: Option<Needed>,
    /// What was found, in words.
    pub sentence: String,
    /// The same in one sentence that ends in the verdict, where the claim is the question of
    /// the paper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
}

/// Judges all claims together.
pub(super) fn judge_all(input: &ReportInput, rows: &[DerivedRow]) -> Vec<ClaimResult> {
    let found: Vec<Result<Compared, String>> = input
        .claims
        .iter()
        .map(|claim| compared(claim, input, rows))
        .collect();
    let tested: Vec<Tested> = input
        .claims
        .iter()
        .zip(&found)
        .map(|(claim, found)| Tested {
            difference: found.as_ref().ok().map(|f| f.difference.estimate()),
            margin: claim.margin,
            family: claim.family(),
        })
        .collect();
    let judged = stats::judge(&tested, CONFIDENCE);
    let claims = input.claims.iter().zip(found).zip(judged);
    claims
        .map(|((claim, found), judged)| result(claim, found, judged, input))
        .collect()
}

/// The two rows of a claim on its column.
struct Compared {
    better: usize,
    than: usize,
    column: usize,
    difference: Difference,
}

/// The difference that a claim is about, or why there is none.
fn compared(claim: &Claim, input: &ReportInput, rows: &[DerivedRow]) -> Result<Compared, String> {
    let (Some(better), Some(than), Some(c)) = (
        input.row(&claim.better),
        input.row(&claim.than),
        input.column(&claim.on),
    ) else {
        return Err(format!(
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
            return Err(format!("{label} has no value on {} ({why}).", column.label));
        }
    }
    let series = |i: usize| Series::of(&input.rows[i], column);
    match compare::difference(&series(better), &series(than), column) {
        Some(difference) => Ok(Compared {
            better,
            than,
            column: c,
            difference,
        }),
        None => {
            let pair = Pair::of(input, &input.rows[better], &input.rows[than]);
            Err(format!(
                "{}{} and {} have no seed in common, so they cannot be paired.",
                pair.under, pair.better, pair.than
            ))
        }
    }
}

fn result(
    claim: &Claim,
    found: Result<Compared, String>,
    judgement: Judgement,
    input: &ReportInput,
) -> ClaimResult {
    let mut out = ClaimResult {
        id: claim.id.clone(),
        verdict: judgement.verdict,
        family: claim.family(),
        difference: None,
        judgement,
        detectable: None,
        needed: None,
        sentence: String::new(),
        answer: None,
    };
    let compared = match found {
        Ok(compared) => compared,
        Err(why) => {
            let answer = || closing(why.trim_end_matches('.'), judgement.verdict, claim);
            out.answer = claim.question.then(answer);
            out.sentence = why;
            return out;
        }
    };
    let difference = compared.difference;
    let column = &input.columns[compared.column];
    let design = Variances::of(&difference.estimate());
    out.difference = Some(difference);
    let interval = judgement.interval;
    out.judgement.interval = interval.map(|i| compare::within(column, i));
    out.detectable = difference
        .error
        .map(|e| stats::detectable(&e, judgement.confidence, POWER));
    let open = claim.margin > 0.0 && judgement.verdict == ClaimVerdict::Undecided;
    out.needed = design.filter(|_| open).map(|(variances, people)| {
        let now = (difference.seeds, people);
        variances.needed(claim.margin, now, judgement.confidence, POWER)
    });
    let found = Found {
        pair: Pair::of(
            input,
            &input.rows[compared.better],
            &input.rows[compared.than],
        ),
        column,
        claim,
        result: &out,
        difference,
    };
    let (sentence, answer) = (found.sentence(), found.answer());
    out.sentence = sentence;
    out.answer = claim.question.then_some(answer);
    out
}
