//! A night of a suite: seeds are drawn, measured, held against the baseline, and what is suspected
//! is measured again.
//!
//! Seeds are drawn in one order: those of the baseline as they are numbered, from where the last
//! night of other code ended, round and round; in a night that has used all of them, the numbers
//! above. Code that was measured before is measured with the same seeds, so its jobs are done
//! already: nothing new is drawn.

mod cells;
mod claims;
mod twice;

use crate::baseline::{Baseline, cell};
use crate::collect::{Collected, Problem, code_of};
use crate::compare::{Bits, Cell, Comparison, compare};
use crate::findings::{CellFinding, Findings};
use crate::history::{History, cusum, drawn};
use crate::measured::{CellId, fingerprint};
use crate::procedure::{CONFIRMING, Confirmation, Reference, Screening, confirm, screen};
use crate::replicate::{Rig, seeds_per_night};
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_eval::stats::BySeed;
use frbench_harness::plan::Round;
use frbench_harness::suite::Resolved;
use frbench_harness::suite::resolve::ResolvedGate;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

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
    /// The places of the jobs of a seed in the order in which they are made.
    places: Places,
    seeds: usize,
    further: usize,
    repeated: bool,
    collected: Collected,
    comparison: Comparison,
    /// How many codes were measured before.
    turn: usize,
    /// The network that was made twice, and what had other bits then.
    twice: Option<String>,
    bits: Vec<Bits>,
    watched: Vec<Watched>,
    /// Why not all seeds are measured.
    interrupted: Option<Error>,
    seconds: f64,
}

/// By row, and column where it is a score.
type Places = BTreeMap<(String, Option<String>), usize>;

fn places(round: &Round) -> Places {
    let jobs = round.jobs.iter().enumerate();
    let jobs: BTreeMap<&Key, usize> = jobs.map(|(i, job)| (&job.key, i)).collect();
    let rows = round.layout.rows.iter().flat_map(|row| {
        let networks = row.runs.iter();
        networks.map(|run| ((row.id.clone(), None), &run.train))
    });
    let cells = round.layout.cells.iter();
    let cells = cells.map(|c| ((c.row.clone(), Some(c.column.clone())), &c.score));
    let all = rows.chain(cells);
    all.filter_map(|(what, key)| Some((what, *jobs.get(key)?)))
        .collect()
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
        let round = rig.outlook(suite, first)?;
        let code = fingerprint(&code_of(&round.jobs));
        let (before, repeated) = history.before(&baseline.id(), &code);
        let seeds = seeds_per_night(suite);
        let start = drawn(before, &baseline.id());
        let mut night = Night {
            order: order(&own, start, seeds + CONFIRMING),
            places: places(&round),
            repeated,
            context,
            code,
            seeds: 0,
            further: 0,
            collected: Collected::default(),
            comparison: Comparison::default(),
            turn: before
                .iter()
                .map(|n| &n.code)
                .collect::<BTreeSet<_>>()
                .len(),
            twice: None,
            bits: Vec::new(),
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
        if night.is_sound() {
            night.twice()?;
        }
        night.compare();
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
            Err(e) => {
                self.stopped_by(e, format!("the run with seed {seed}"))?;
                Ok(false)
            }
        }
    }

    /// Keeps what ended `what`, unless it ends the night.
    fn stopped_by(&mut self, e: Error, what: String) -> Result<()> {
        match e {
            Error::Usage(_) => return Err(e),
            Error::Preempted(_) | Error::Incomplete(_) => self.interrupted = Some(e),
            e => self.collected.add_problems(vec![Problem {
                what,
                reason: e.to_string(),
                exit_code: e.exit_code(),
            }]),
        }
        Ok(())
    }

    /// Whether nothing has failed and nothing has stopped it.
    fn is_sound(&self) -> bool {
        self.collected.problems.is_empty() && self.interrupted.is_none()
    }

    /// Holds what is measured against the baseline.
    fn compare(&mut self) {
        let baseline = &self.context.baseline.measured;
        let mut found = compare(baseline, &self.collected.measured);
        if self.is_elsewhere() {
            found = found.elsewhere();
        }
        let place = |b: &Bits| {
            let seed = self.order.iter().position(|s| *s == b.seed);
            let job = self.places.get(&(b.row.clone(), b.column.clone()));
            (seed, job.copied().unwrap_or(usize::MAX))
        };
        found.bits.extend(self.bits.iter().cloned());
        found.bits.sort_by_key(place);
        self.comparison = found;
    }

    /// Whether the baseline is of a machine that computes otherwise.
    fn is_elsewhere(&self) -> bool {
        self.context.environment != self.context.baseline.recorded.environment
    }

    fn watch(&self, gate: &ResolvedGate) -> Watched {
        let baseline = self.context.baseline;
        let reference = baseline.reference(gate);
        let id = cell(gate);
        let values = self.collected.measured.values(&id);
        let numbers = self.comparison.cells.get(&id) == Some(&Cell::Numbers);
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

    /// Whether the night was stopped before its seeds were measured.
    pub fn is_interrupted(&self) -> bool {
        self.interrupted.is_some()
    }

    /// Whether anything is left to be confirmed.
    fn is_open(&self) -> bool {
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
        let sound = self.is_sound();
        while sound && self.is_open() && self.further < CONFIRMING && in_time() && self.run()? {
            self.further += 1;
        }
        self.seconds += started.elapsed().as_secs_f64();
        self.compare();
        if self.further < CONFIRMING {
            return Ok(());
        }
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
        if self.is_elsewhere() {
            notes.push(format!(
                "tonight on {}, the baseline on {}: bits are not compared",
                self.context.environment, baseline.recorded.environment
            ));
        }
        if let Some(network) = self.twice.as_ref().filter(|_| !self.bits.is_empty()) {
            notes.push(format!(
                "{network} was made twice tonight: its bits are not those of the code alone"
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
            twice: self.twice.clone(),
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
}

/// The time at which no further seed is begun; none that is too far away to be told.
pub fn deadline(budget: Duration) -> Option<Instant> {
    Instant::now().checked_add(budget)
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
