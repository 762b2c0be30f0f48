//! A night of a suite: seeds are drawn, measured, held against the baseline, and what is suspected
//! is measured again.
//!
//! Seeds are drawn in one order: those of the baseline as they are numbered, from where the last
//! night of other code ended, round and round; in a night that has used all of them, the numbers
//! above. Code that was measured before is measured with the same seeds, so its jobs are done
//! already: nothing new is drawn.

use crate::baseline::{Baseline, cell};
use crate::collect::{Collected, Problem, code_of};
use crate::compare::{Cell, Comparison, compare};
use crate::findings::{CellFinding, ClaimFinding, Findings, expected};
use crate::history::{History, Past, cusum, drawn};
use crate::measured::{CellId, Measured, fingerprint};
use crate::procedure::{CONFIRMING, Confirmation, Reference, Screening, confirm, screen};
use crate::replicate::{Rig, seeds_per_night};
use crate::verdict::Verdict;
use frbench_base::{Error, Result};
use frbench_eval::stats::{
    self, BySeed, ClaimVerdict, Estimate, Family, Judgement, Sample, Tested,
};
use frbench_harness::suite::Resolved;
use frbench_harness::suite::resolve::{ResolvedClaim, ResolvedGate};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Of one network the evaluation has one result. Values that differ by more are another evaluation.
const EVALUATION: f64 = 1e-4;

/// A suite, what it is held against, and what runs it.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub suite: &'a Resolved,
    pub baseline: &'a Baseline,
    pub history: &'a History,
    pub rig: &'a Rig<'a>,
    /// When the night began, UTC.
    pub night: &'a str,
    /// Device, architecture and kernels.
    pub environment: &'a str,
}

/// A night under way: its seeds are measured, suspicions are open.
pub struct Night<'a> {
    context: Context<'a>,
    code: String,
    order: Vec<u64>,
    seeds: usize,
    further: usize,
    repeated: bool,
    collected: Collected,
    comparison: Comparison,
    watched: Vec<Watched>,
    /// Why not all seeds are measured.
    interrupted: Option<Error>,
    seconds: f64,
}

/// A gate on a night.
struct Watched {
    gate: ResolvedGate,
    reference: Option<Reference>,
    state: State,
}

enum State {
    /// Nothing to be screened: equal bits, or nothing that can be compared.
    Settled,
    Screened(Screening),
    Confirmed(Screening, Confirmation),
}

impl Watched {
    fn is_suspect(&self) -> bool {
        matches!(&self.state, State::Screened(s) if s.suspect)
    }
}

/// The seeds of a baseline from `start` on, round, then `more` numbers above them.
fn order(baseline: &[u64], start: usize, more: usize) -> Vec<u64> {
    let n = baseline.len();
    let own = (0..n).map(|i| baseline[(start + i) % n.max(1)]);
    let above = baseline.iter().max().map_or(0, |m| m.saturating_add(1));
    own.chain((0..more as u64).map(|i| above.saturating_add(i)))
        .collect()
}

impl<'a> Night<'a> {
    /// Measures the seeds of the night and screens them.
    ///
    /// # Errors
    /// What is wrong with the suite or the command. What fails otherwise is part of the night.
    pub fn begin(context: Context<'a>) -> Result<Night<'a>> {
        let started = Instant::now();
        let Context {
            suite,
            baseline,
            history,
            rig,
            ..
        } = context;
        let own = baseline.measured.seeds();
        let first = own.first().copied().unwrap_or(1);
        let code = fingerprint(&code_of(&rig.outlook(suite, first)?.jobs));
        let (before, same) = history.before(&baseline.id(), &code);
        let seeds = seeds_per_night(suite);
        let start = drawn(before, &baseline.id());
        let mut night = Night {
            order: order(&own, start, seeds + CONFIRMING),
            repeated: same.is_some(),
            context,
            code,
            seeds: 0,
            further: 0,
            collected: Collected::default(),
            comparison: Comparison::default(),
            watched: Vec::new(),
            interrupted: None,
            seconds: 0.0,
        };
        while night.seeds < seeds {
            let whole = night.run()?;
            let seed = night.order.get(night.seeds);
            let measured = &night.collected.measured;
            // Of a seed with which something failed there may be values, too.
            if whole || measured.runs.iter().any(|r| Some(&r.seed) == seed) {
                night.seeds += 1;
            }
            if !whole {
                break;
            }
        }
        night.comparison = compare(&baseline.measured, &night.collected.measured);
        night.watched = suite.gates.iter().map(|gate| night.watch(gate)).collect();
        night.seconds = started.elapsed().as_secs_f64();
        Ok(night)
    }

    /// Measures the next seed; false where that is not possible.
    fn run(&mut self) -> Result<bool> {
        let Some(&seed) = self.order.get(self.seeds + self.further) else {
            return Ok(false);
        };
        match self.context.rig.run(self.context.suite, seed) {
            Ok(more) => {
                let whole = more.problems.is_empty();
                self.collected.merge(more);
                Ok(whole)
            }
            Err(e @ Error::Usage(_)) => Err(e),
            Err(e @ (Error::Preempted(_) | Error::Incomplete(_))) => {
                self.interrupted = Some(e);
                Ok(false)
            }
            Err(e) => {
                self.collected.problems.push(Problem {
                    what: format!("the run with seed {seed}"),
                    reason: e.to_string(),
                    exit_code: e.exit_code(),
                });
                Ok(false)
            }
        }
    }

    fn watch(&self, gate: &ResolvedGate) -> Watched {
        let baseline = self.context.baseline;
        let reference = baseline.reference(gate);
        let id = cell(gate);
        let values = self.collected.measured.values(&id);
        let numbers = self.state(&id) == Some(Cell::Numbers);
        let sample = reference.as_ref().filter(|_| numbers);
        let sample = sample.and_then(|r| Some((r, r.sample(&values)?)));
        let state = match sample {
            Some((reference, sample)) => {
                let nights = self.context.history.before(&baseline.id(), &self.code).0;
                let before = cusum(nights, &baseline.id(), &id.to_string());
                State::Screened(screen(reference, sample, before))
            }
            None => State::Settled,
        };
        Watched {
            gate: gate.clone(),
            reference,
            state,
        }
    }

    /// How a cell compares. On other kernels one network gives other scores.
    fn state(&self, id: &CellId) -> Option<Cell> {
        let cell = self.comparison.cells.get(id)?.clone();
        let elsewhere = self.context.environment != self.context.baseline.recorded.environment;
        Some(match cell {
            Cell::Evaluation if elsewhere => Cell::Numbers,
            other => other,
        })
    }

    /// Whether the night was stopped before its seeds were measured.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.is_some()
    }

    /// Whether anything is left to be confirmed.
    pub fn is_open(&self) -> bool {
        self.watched.iter().any(Watched::is_suspect)
    }

    /// Measures further seeds for what is suspected, until `deadline`: a seed that was begun is
    /// brought to its end.
    ///
    /// # Errors
    /// As [`Night::begin`].
    pub fn confirm(&mut self, deadline: Option<Instant>) -> Result<()> {
        let started = Instant::now();
        let in_time = || deadline.is_none_or(|d| Instant::now() < d);
        let sound = self.collected.problems.is_empty() && self.interrupted.is_none();
        while sound && self.is_open() && self.further < CONFIRMING && in_time() && self.run()? {
            self.further += 1;
        }
        self.seconds += started.elapsed().as_secs_f64();
        if self.further < CONFIRMING {
            return Ok(());
        }
        self.comparison = compare(&self.context.baseline.measured, &self.collected.measured);
        let further: Vec<u64> = self.order[self.seeds..][..self.further].to_vec();
        for i in 0..self.watched.len() {
            let watched = &self.watched[i];
            let (Some(reference), State::Screened(screening)) =
                (&watched.reference, &watched.state)
            else {
                continue;
            };
            let values = self.values(&cell(&watched.gate), &further);
            if let Some(sample) = reference.sample(&values).filter(|_| screening.suspect) {
                let done = confirm(reference, screening, sample, watched.gate.tolerance);
                self.watched[i].state = State::Confirmed(*screening, done);
            }
        }
        Ok(())
    }

    fn values(&self, id: &CellId, seeds: &[u64]) -> BySeed {
        let values = self.collected.measured.values(id);
        let of = values.into_iter().filter(|(seed, _)| seeds.contains(seed));
        of.collect()
    }

    /// What was found, and what stopped it before its end.
    pub fn conclude(self) -> (Findings, Option<Error>) {
        let baseline = self.context.baseline;
        let build = &self.context.rig.program.build;
        let cells = self.comparison.cells.keys().map(|id| self.finding(id));
        let mut cells: Vec<CellFinding> = cells.collect();
        cells.extend(self.unmeasured(&cells));
        cells.sort_by(|a, b| a.cell.cmp(&b.cell));
        let claims = self.claims();
        let mut notes = Vec::new();
        if self.context.environment != baseline.recorded.environment {
            notes.push(format!(
                "tonight on {}, the baseline on {}: bits are not compared",
                self.context.environment, baseline.recorded.environment
            ));
        }
        notes.extend(self.context.history.cut.iter().cloned());
        if let Some(e) = &self.interrupted {
            notes.push(format!("stopped before its end: {e}"));
        }
        let findings = Findings {
            suite: baseline.measured.suite.clone(),
            profile: baseline.measured.profile.clone(),
            night: self.context.night.to_string(),
            commit: build.revision.to_string(),
            code: self.code.clone(),
            baseline: baseline.id(),
            environment: self.context.environment.to_string(),
            baseline_environment: baseline.recorded.environment.clone(),
            seeds: self.order[..self.seeds].to_vec(),
            further: self.order[self.seeds..][..self.further].to_vec(),
            repeated: self.repeated,
            executed: self.collected.executed,
            bits: self.comparison.bits.clone(),
            changed: self.comparison.changed.clone(),
            sources: self.comparison.code.clone(),
            problems: self.collected.problems.clone(),
            cells,
            claims,
            notes,
            seconds: self.seconds,
            measured: self.collected.measured.clone(),
        };
        (findings, self.interrupted)
    }

    fn finding(&self, id: &CellId) -> CellFinding {
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
        let higher = baseline.measured.higher_is_better(id);
        let tolerance = watched.map_or(0.0, |w| w.gate.tolerance);
        if let Some(reference) = Reference::new(was, higher, tolerance, 0.0) {
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
        let own = |bits: &&String| {
            let train = format!("train {} seed ", id.row);
            let score = format!("score {} seed ", id.row);
            bits.starts_with(&train)
                || (bits.starts_with(&score) && bits.ends_with(&format!(" {}", id.column)))
        };
        if let Some(bits) = self.comparison.bits.iter().find(own) {
            return (
                Verdict::Failed,
                format!("the same code and kernels gave other bits: {bits}"),
            );
        }
        match self.state(id) {
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

    fn without(&self) -> Verdict {
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
    fn unmeasured(&self, known: &[CellFinding]) -> Vec<CellFinding> {
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

    /// The claims that the profile can put to the test, judged together, before and now.
    fn claims(&self) -> Vec<ClaimFinding> {
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
        let configured =
            |id: &CellId| matches!(self.state(id), Some(Cell::Configuration(_) | Cell::New));
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
        family: match (claim.question, claim.primary) {
            (true, _) => Family::Question,
            (false, true) => Family::Primary,
            (false, false) => Family::Exploratory,
        },
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
            "other bits, and the baseline has too few seeds for a verdict".into(),
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
    let level = crate::procedure::SCREEN / crate::procedure::PRIMARIES as f64;
    match s.p < level {
        true => format!("a loss was suspected (p = {:.1e})", s.p),
        false => "a small loss over several nights was suspected".into(),
    }
}

/// The time at which no further seed is begun.
pub fn deadline(budget: Option<Duration>) -> Option<Instant> {
    budget.and_then(|b| Instant::now().checked_add(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_come_in_the_order_of_the_baseline_and_go_on_above_it() {
        assert_eq!(order(&[1, 2, 3, 4], 2, 2), [3, 4, 1, 2, 5, 6]);
        assert_eq!(order(&[1, 2, 3, 4], 9, 0), [2, 3, 4, 1]);
        assert_eq!(order(&[], 0, 1), [0]);
    }
}
