//! What a night says of each value.

use super::{Night, State, Watched};
use crate::baseline::cell;
use crate::compare::Cell;
use crate::findings::{CellFinding, expected};
use crate::history::Past;
use crate::measured::CellId;
use crate::procedure::{CONFIRMING, Confirmation, PRIMARIES, SCREEN, Screening};
use crate::verdict::Verdict;
use frbench_eval::stats::{self, BySeed};
use std::collections::BTreeMap;

/// Of one network the evaluation has one result. Values that differ by more are another evaluation.
const EVALUATION: f64 = 1e-4;

impl Night<'_> {
    pub(super) fn finding(&self, id: &CellId) -> CellFinding {
        let baseline = self.context.baseline;
        let watched = self.watched.iter().find(|w| cell(&w.gate) == *id);
        let values = self.collected.measured.values(id);
        let was = baseline.measured.values(id);
        let mut finding = CellFinding {
            cell: id.clone(),
            gate: watched.map(|w| w.gate.id.clone()),
            verdict: Verdict::Pass,
            reason: String::new(),
            mean: (!values.is_empty())
                .then(|| stats::mean(&values.values().copied().collect::<Vec<_>>())),
            expected: expected(&was),
            interval: None,
            p: None,
            p_further: None,
            past: None,
            values,
        };
        let reference = match watched {
            Some(watched) => watched.reference.clone(),
            None => baseline.reference_of(id, 0.0),
        };
        if let Some(reference) = reference {
            let sample = reference.sample(&finding.values);
            finding.interval = sample.map(|s| reference.change(&s));
        }
        (finding.verdict, finding.reason) = self.judge(id, watched, &mut finding);
        finding
    }

    fn judge(
        &self,
        id: &CellId,
        watched: Option<&Watched>,
        finding: &mut CellFinding,
    ) -> (Verdict, String) {
        if let Some(reason) = self.collected.why(id) {
            return (self.without(), reason.to_string());
        }
        let mut bits = self.comparison.bits.iter();
        if let Some(bits) = bits.find(|b| b.concerns(id)) {
            return (
                Verdict::Failed,
                format!("the same code and kernels gave other bits: {bits}"),
            );
        }
        match self.comparison.cells.get(id) {
            Some(Cell::Equal) => {
                finding.past = watched.map(|_| Past {
                    equal: true,
                    screened: None,
                    further: None,
                });
                (Verdict::Pass, "the same bits as the baseline".into())
            }
            Some(Cell::Configuration(why)) => (
                Verdict::Incomparable,
                format!("another configuration: {}", why.join("; ")),
            ),
            Some(Cell::New) => (
                Verdict::Incomparable,
                "the baseline has no such value; `frbench baseline accept` records it".into(),
            ),
            Some(Cell::Gone) | None => match self.unfinished() {
                true => (self.without(), "it was not measured".into()),
                false => (
                    Verdict::Incomparable,
                    "the suite yields no such value any more".into(),
                ),
            },
            Some(Cell::Evaluation) => self.evaluation(id),
            Some(Cell::Numbers) => match watched {
                Some(watched) => numbers(watched, finding),
                None => (Verdict::Pass, "other bits; no gate watches it".into()),
            },
        }
    }

    /// Whether the night came to no end, so that values can be missing.
    fn unfinished(&self) -> bool {
        self.interrupted.is_some() || !self.collected.problems.is_empty()
    }

    pub(super) fn without(&self) -> Verdict {
        match self.collected.problems.is_empty() {
            true => Verdict::Missing,
            false => Verdict::Failed,
        }
    }

    /// One network, other scores: the difference is of the evaluation, and no chance is in it.
    fn evaluation(&self, id: &CellId) -> (Verdict, String) {
        let was = self.context.baseline.measured.values(id);
        let is = self.collected.measured.values(id);
        let differences = is
            .iter()
            .filter_map(|(seed, v)| Some((seed, v - was.get(seed)?)));
        let largest = differences.max_by(|a, b| a.1.abs().total_cmp(&b.1.abs()));
        let Some((seed, difference)) = largest else {
            return (Verdict::Pass, "the same networks".into());
        };
        let points = 100.0 * difference;
        match difference.abs() > EVALUATION {
            true => (
                Verdict::Regressed,
                format!(
                    "the same network is scored otherwise, by {points:+.2} points with seed {seed}: \
                     the evaluation changed, which no seed explains"
                ),
            ),
            false => (
                Verdict::Pass,
                format!("the same networks, scored alike to {points:+.3} points"),
            ),
        }
    }

    /// Planned cells that have no value in the baseline either.
    pub(super) fn unmeasured(&self, known: &[CellFinding]) -> Vec<CellFinding> {
        let mut out: BTreeMap<CellId, CellFinding> = BTreeMap::new();
        for ((row, column, _), reason) in &self.collected.without {
            let here = |c: &CellFinding| c.cell.row == *row && c.cell.column == *column;
            if known.iter().any(here) {
                continue;
            }
            let id = CellId {
                row: row.clone(),
                column: column.clone(),
                metric: "any metric".into(),
            };
            out.entry(id.clone()).or_insert_with(|| CellFinding {
                cell: id,
                gate: None,
                verdict: self.without(),
                reason: reason.clone(),
                values: BySeed::new(),
                mean: None,
                expected: None,
                interval: None,
                p: None,
                p_further: None,
                past: None,
            });
        }
        out.into_values().collect()
    }
}

/// A gate whose networks have other bits.
fn numbers(watched: &Watched, finding: &mut CellFinding) -> (Verdict, String) {
    let past = |s: &Screening, c: Option<&Confirmation>| Past {
        equal: false,
        screened: Some(s.sample),
        further: c.map(|c| c.sample),
    };
    match &watched.state {
        State::Settled => (
            Verdict::Undecided,
            match &watched.reference {
                None => "other bits, and the baseline has too few seeds for a verdict",
                Some(_) => "other bits with further seeds alone, which are not screened",
            }
            .into(),
        ),
        State::Screened(s) => {
            finding.p = Some(s.p);
            finding.past = Some(past(s, None));
            if s.suspect {
                return (
                    Verdict::Undecided,
                    format!(
                        "{}; there was no time for the {CONFIRMING} further seeds that decide",
                        suspicion(s)
                    ),
                );
            }
            match s.improved {
                true => (Verdict::Improved, "better beyond chance".into()),
                false => (
                    Verdict::Pass,
                    format!(
                        "other bits; {} beyond what seeds explain",
                        match s.sample.loss > 0.0 {
                            true => "no loss",
                            false => "no change",
                        }
                    ),
                ),
            }
        }
        State::Confirmed(s, c) => {
            (finding.p, finding.p_further) = (Some(s.p), Some(c.p));
            finding.past = Some(past(s, Some(c)));
            let loss = watched.reference.as_ref().map_or(0.0, |r| c.loss * r.sd);
            match c.regressed {
                true => (
                    Verdict::Regressed,
                    format!(
                        "worse by {:.2} points over {} seeds, confirmed by {} of them (p = {:.1e}); \
                         up to {:.2} points are tolerated",
                        100.0 * loss,
                        s.sample.n + c.sample.n,
                        c.sample.n,
                        c.p,
                        100.0 * watched.gate.tolerance
                    ),
                ),
                false => (
                    Verdict::Pass,
                    format!(
                        "{}; {} further seeds did not confirm it (p = {:.2})",
                        suspicion(s),
                        c.sample.n,
                        c.p
                    ),
                ),
            }
        }
    }
}

fn suspicion(s: &Screening) -> String {
    let level = SCREEN / PRIMARIES as f64;
    match s.p < level {
        true => format!("a loss was suspected (p = {:.1e})", s.p),
        false => "a small loss over several nights was suspected".into(),
    }
}
