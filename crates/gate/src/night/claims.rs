//! What a night says of each claim: judged in the baseline, and now.

use super::Night;
use crate::compare::Cell;
use crate::findings::ClaimFinding;
use crate::measured::{CellId, Measured};
use crate::verdict::Verdict;
use frbench_eval::stats::{self, ClaimVerdict, Estimate, Family, Judgement, Sample, Tested};
use frbench_harness::suite::resolve::ResolvedClaim;

impl Night<'_> {
    /// The claims that the profile can put to the test, judged together, before and now.
    pub(super) fn claims(&self) -> Vec<ClaimFinding> {
        let (before, now) = (&self.context.baseline.measured, &self.collected.measured);
        let claims: Vec<&ResolvedClaim> = self
            .context
            .suite
            .claims
            .iter()
            .filter(|c| {
                let (better, than) = sides(c);
                let of =
                    |m: &Measured| !(m.values(&better).is_empty() && m.values(&than).is_empty());
                c.column.is_some() && (of(before) || of(now))
            })
            .collect();
        let judged = |measured: &Measured| {
            let tested: Vec<Tested> = claims
                .iter()
                .map(|c| tested(c, measured, before.higher_is_better(&sides(c).0)))
                .collect();
            let judged = stats::judge(&tested, 0.95);
            tested.into_iter().zip(judged).collect::<Vec<_>>()
        };
        let (was, is) = (judged(before), judged(now));
        claims
            .iter()
            .enumerate()
            .map(|(i, claim)| self.claim(claim, was[i].1, is[i]))
            .collect()
    }

    fn claim(
        &self,
        claim: &ResolvedClaim,
        was: Judgement,
        (tested, is): (Tested, Judgement),
    ) -> ClaimFinding {
        let (better, than) = sides(claim);
        let now = &self.collected.measured;
        let turned =
            was.verdict == ClaimVerdict::Reproduced && is.verdict == ClaimVerdict::Contradicted;
        let configured = |id: &CellId| {
            matches!(
                self.comparison.cells.get(id),
                Some(Cell::Configuration(_) | Cell::New)
            )
        };
        let (verdict, reason) = if configured(&better) || configured(&than) {
            (
                Verdict::Incomparable,
                "one of its values is not comparable".to_string(),
            )
        } else if now.values(&better).is_empty() || now.values(&than).is_empty() {
            (self.without(), "one of its values was not measured".into())
        } else if turned {
            (
                Verdict::Regressed,
                "it was reproduced in the baseline and is contradicted now".into(),
            )
        } else {
            (
                Verdict::Pass,
                format!(
                    "{} in the baseline, {} on {} seeds of this night",
                    was.verdict.name(),
                    is.verdict.name(),
                    now.values(&better).len()
                ),
            )
        };
        ClaimFinding {
            id: claim.id.clone(),
            text: claim.text.clone(),
            cell: better,
            than: claim.than.clone(),
            verdict,
            was: was.verdict.name().to_string(),
            is: is.verdict.name().to_string(),
            reason,
            difference: tested.difference.map(|d| d.mean),
            interval: is.interval,
        }
    }
}

/// The cells of the row that is said to be better, and of the other one.
fn sides(claim: &ResolvedClaim) -> (CellId, CellId) {
    let of = |row: &str| CellId {
        row: row.to_string(),
        column: claim.column.clone().unwrap_or_default(),
        metric: claim.metric.clone(),
    };
    (of(&claim.better), of(&claim.than))
}

/// A claim on the seeds that both of its rows have.
fn tested(claim: &ResolvedClaim, measured: &Measured, higher_is_better: bool) -> Tested {
    let (better, than) = sides(claim);
    let sign = if higher_is_better { 1.0 } else { -1.0 };
    let than = measured.values(&than);
    let differences: Vec<f64> = measured
        .values(&better)
        .iter()
        .filter_map(|(seed, value)| Some(sign * (value - than.get(seed)?)))
        .collect();
    let sample = Sample {
        values: differences,
        trials: None,
    };
    Tested {
        difference: Estimate::of(&sample, None),
        margin: claim.margin,
        family: Family::of(claim.question, claim.primary),
    }
}
