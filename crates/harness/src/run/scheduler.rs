//! Runs the jobs of a plan, round by round, together with any other process that works on
//! the same runs directory.

use super::columns;
use super::context::Context;
use super::executors::Executor;
use super::failures::Failures;
use super::folder::{JobLock, now};
use super::observer::Observer;
use super::options::Options;
use super::precision;
use super::program::Program;
use super::stock::Stock;
use super::stop::Stop;
use super::store::{Jobs, Store};
use super::verify::{missing_files, verify_data};
use crate::plan::{self, Known, Layout, Next, Round};
use crate::suite::Resolved;
use crate::suite::resolve::{ModelSource, Row};
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_job::result::JobResult;
use frbench_job::{Job, JobSpec};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Results by cache key.
pub type Finished = BTreeMap<Key, JobResult>;

/// How a run ended, when no error stopped it.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Every job of the last round, in dependency order.
    pub jobs: Vec<Job>,
    /// Which job fills which cell of the report.
    pub layout: Layout,
    pub finished: Finished,
    /// Jobs this process executed.
    pub executed: usize,
    /// What failed here.
    pub failed: Failures,
    /// Jobs left to other shards.
    pub left: usize,
}

/// Run until the planner has no further jobs: finished results in, next jobs out. `executor`
/// does each of them.
pub fn execute(
    suite: &Resolved,
    program: &Program,
    store: &Store,
    options: &Options,
    observer: &dyn Observer,
    stop: &Stop,
    executor: Executor,
) -> Result<Outcome> {
    let file = |row: &Row| match &row.model {
        ModelSource::File(file) => Some((file.sha256.clone(), file.path.clone())),
        ModelSource::Trained(_) => None,
    };
    let mut session = Session {
        suite,
        program,
        store,
        options,
        observer,
        stop,
        executor,
        env: super::environment::capture(&program.build, &options.device),
        models: suite.rows.iter().filter_map(file).collect(),
        stock: Stock::new(store, observer),
        executed: 0,
        failed: Failures::default(),
        verified: BTreeSet::new(),
    };
    let code = &program.code;
    let (outcome, finished) = plan::rounds(suite, code, plan::plan, |round, known| {
        let whole = round.finished;
        let now = session.round(round)?;
        if whole || now.failed.list.is_empty() || now.finished.len() > known.results.len() {
            return Ok(match whole {
                true => Next::Done((now, true)),
                false => Next::Known(now.finished.clone(), (now, false)),
            });
        }
        // Some set cannot be had. What does not build on it is done all the same.
        let known = Known {
            results: now.finished,
        };
        let all = plan::outlook(suite, &known, code);
        Ok(Next::Done((session.round(all)?, true)))
    })?;
    match finished {
        true => Ok(outcome),
        false => Err(Error::Bug("planning does not come to an end".into())),
    }
}

/// What all rounds of a run share.
struct Session<'a> {
    suite: &'a Resolved,
    program: &'a Program,
    store: &'a Store,
    options: &'a Options,
    observer: &'a dyn Observer,
    stop: &'a Stop,
    executor: Executor,
    env: Value,
    /// Files of weights by their sha256.
    models: BTreeMap<String, PathBuf>,
    stock: Stock<'a>,
    executed: usize,
    failed: Failures,
    /// Data sets that were held against their records.
    verified: BTreeSet<Key>,
}

impl Session<'_> {
    /// Runs what can be run of a round: its data, and what follows from those that are sound.
    fn round(&mut self, round: Round) -> Result<Outcome> {
        let (store, observer) = (self.store, self.observer);
        let selected = select(&round.jobs, self.options.shard);
        let mut now = Outcome {
            left: round.jobs.len() - selected.len(),
            finished: self.stock.take(&selected)?,
            jobs: round.jobs,
            layout: round.layout,
            executed: self.executed,
            failed: self.failed.clone(),
        };
        let open = |now: &Outcome| {
            let open = selected.iter();
            let open = open.filter(|j| !now.finished.contains_key(&j.key));
            open.collect::<Vec<&Job>>()
        };
        if !open(&now).is_empty() {
            self.computable(&now.finished)?;
        }
        self.verify(&selected, &mut now)?;
        let open = open(&now);
        observer.planned(&open, selected.len() - open.len());

        let data: Vec<Job> = selected.iter().filter(|j| is_data(j)).cloned().collect();
        self.jobs(&data, &mut now)?;
        let (layout, done) = (&now.layout, &now.finished);
        columns::check(
            &selected,
            layout,
            done,
            store,
            observer,
            self.stop,
            &mut now.failed,
        )?;
        now.failed.spread(&selected, |key| done.contains_key(key));
        self.jobs(&selected, &mut now)?;
        (self.executed, self.failed) = (now.executed, now.failed.clone());
        Ok(now)
    }

    /// Looks at the data that are there. Sets that are missing or not what was recorded fail, and
    /// with them all that builds on them.
    ///
    /// # Errors
    /// [`Error::Data`] with all of them where nothing else is left to do; a stop signal.
    fn verify(&mut self, selected: &[Job], now: &mut Outcome) -> Result<()> {
        let usable = |now: &mut Outcome| -> Vec<Job> {
            now.failed.cut(selected, &mut now.finished);
            let usable = selected.iter().filter(|j| !now.failed.has(&j.key));
            usable.cloned().collect()
        };
        let told = now.failed.list.len();
        for (job, error) in missing_files(&usable(now), self.store, self.program) {
            now.failed.add(&job.label, &error, [&job.key]);
        }
        let refused = verify_data(
            &usable(now),
            &mut now.finished,
            self.store,
            self.options,
            self.observer,
            self.stop,
            &mut self.verified,
        )?;
        for (job, error) in refused {
            now.failed.add(&job.label, &error, [&job.key]);
        }
        usable(now);
        let refused = &now.failed.list[told..];
        let Some(first) = refused.first() else {
            return Ok(());
        };
        if !self.is_anything_left(now) {
            let reasons: Vec<&str> = refused.iter().map(|f| f.reason.as_str()).collect();
            return Err(first.error(reasons.join("\n\n")));
        }
        for job in selected.iter().filter(|j| is_data(j)) {
            if let Some(failure) = refused.iter().find(|f| f.what == job.label) {
                self.observer.failed(job, &failure.reason);
            }
        }
        Ok(())
    }

    /// Whether anything can be computed or shown without what has failed, in all that is planned.
    fn is_anything_left(&self, now: &Outcome) -> bool {
        let known = Known {
            results: now.finished.clone(),
        };
        let all = plan::outlook(self.suite, &known, &self.program.code).jobs;
        let mut failed = now.failed.clone();
        failed.cut(&all, &mut now.finished.clone());
        failed.spread(&all, |_| false);
        let mut computed = all.iter().filter(|j| !is_data(j));
        computed.any(|j| !failed.has(&j.key))
    }

    /// Refuses arithmetic that the device lacks, also in what will be built on data that are
    /// still to be made.
    fn computable(&self, finished: &Finished) -> Result<()> {
        let known = Known {
            results: finished.clone(),
        };
        let all = plan::outlook(self.suite, &known, &self.program.code).jobs;
        let selected = select(&all, self.options.shard);
        let finished = self.store.finished(&selected).finished;
        let open = selected.iter().filter(|j| !finished.contains_key(&j.key));
        precision::check(&open.collect::<Vec<_>>(), &all, &self.options.device)
    }

    /// Run what can be run of `selected`, until only jobs that failed or wait for a failed
    /// one are left.
    fn jobs(&self, selected: &[Job], outcome: &mut Outcome) -> Result<()> {
        let by_key: BTreeMap<Key, Job> = outcome
            .jobs
            .iter()
            .map(|j| (j.key.clone(), j.clone()))
            .collect();
        loop {
            self.stock
                .drop_outdated(&mut outcome.finished, Jobs(&by_key))?;
            let open: Vec<&Job> = selected
                .iter()
                .filter(|j| !outcome.finished.contains_key(&j.key) && !outcome.failed.has(&j.key))
                .collect();
            let mut taken = Vec::new();
            let mut progressed = false;
            for job in &open {
                self.stop.check(&format!("{} jobs left", open.len()))?;
                if outcome.failed.mark(job, &by_key) {
                    progressed = true;
                } else if job.needs.iter().all(|k| outcome.finished.contains_key(k)) {
                    match self.attempt(job, Jobs(&by_key), outcome)? {
                        Attempt::Settled => progressed = true,
                        Attempt::Taken => taken.push(*job),
                    }
                }
            }
            if open.is_empty() || (!progressed && taken.is_empty()) {
                return Ok(());
            }
            if !progressed {
                self.wait(&taken)?;
            }
        }
    }

    fn attempt(&self, job: &Job, jobs: Jobs, outcome: &mut Outcome) -> Result<Attempt> {
        if let Some(need) = self.stock.damaged(job, jobs)? {
            outcome.finished.remove(&need);
            return Ok(Attempt::Settled);
        }
        let folder = self.store.folder(&job.key);
        if !folder.is_done() {
            let Some(lock) = folder.claim()? else {
                return Ok(Attempt::Taken);
            };
            // Another process may have finished it between the look and the lock.
            if !folder.is_done() {
                match self.run(job, lock, jobs) {
                    Ok(()) => outcome.executed += 1,
                    Err(e @ (Error::Incomplete(_) | Error::Preempted(_) | Error::Usage(_))) => {
                        return Err(e);
                    }
                    Err(e) => {
                        self.observer.failed(job, &e.to_string());
                        outcome.failed.add(&job.label, &e, [&job.key]);
                        return Ok(Attempt::Settled);
                    }
                }
            }
        }
        match self.store.result(&job.key) {
            Some(Ok(result)) => {
                outcome.finished.insert(job.key.clone(), result);
            }
            Some(Err(_)) => self.stock.reopen(job, jobs)?,
            // Another process has found it damaged.
            None => {}
        }
        Ok(Attempt::Settled)
    }

    /// Execute one job whose folder is ours.
    fn run(&self, job: &Job, mut lock: JobLock, jobs: Jobs) -> Result<()> {
        let started = now();
        lock.begin(job, &self.env)?;
        self.observer.started(job);
        let mut context = Context {
            job,
            jobs,
            store: self.store,
            observer: self.observer,
            stop: self.stop,
            options: self.options,
            models: &self.models,
            lock: &mut lock,
        };
        match (self.executor)(&job.spec, &mut context) {
            Ok(result) => {
                let seconds = now() - started;
                let inputs = self.store.inputs(&job.needs);
                lock.finish(&job.key, &result, inputs, seconds)?;
                self.observer.finished(job, seconds);
                Ok(())
            }
            Err(e) => {
                lock.event(
                    "stopped",
                    json!({ "error": e.to_string(), "exit_code": e.exit_code() }),
                )?;
                Err(e)
            }
        }
    }

    /// Give other processes a moment to finish what they have taken.
    fn wait(&self, taken: &[&Job]) -> Result<()> {
        self.observer.waiting(taken);
        let until = Instant::now() + Duration::from_millis(500);
        while Instant::now() < until {
            self.stop.check("waiting for another process")?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

enum Attempt {
    /// Finished or failed.
    Settled,
    /// Another process has it.
    Taken,
}

fn is_data(job: &Job) -> bool {
    matches!(job.spec, JobSpec::Data(_))
}

fn leaves_network(job: &Job) -> bool {
    matches!(job.spec, JobSpec::Train(_) | JobSpec::Import(_))
}

/// The jobs of one shard: every n-th training and what it needs, with the embeddings and
/// scores that follow from it. What several shards need, the first to lock it does.
fn select(jobs: &[Job], shard: Option<(usize, usize)>) -> Vec<Job> {
    let Some((m, n)) = shard else {
        return jobs.to_vec();
    };
    // What there is to share follows from data that all shards need: the first to lock them
    // makes them.
    if jobs.iter().all(is_data) {
        return jobs.to_vec();
    }
    let needed_by_training: BTreeSet<&Key> = jobs
        .iter()
        .filter(|j| matches!(j.spec, JobSpec::Train(_) | JobSpec::Derive(_)))
        .flat_map(|j| &j.needs)
        .collect();
    let mut keep: BTreeSet<&Key> = jobs
        .iter()
        .filter(|j| leaves_network(j) && !needed_by_training.contains(&j.key))
        .enumerate()
        .filter(|(i, _)| i % n == m - 1)
        .map(|(_, j)| &j.key)
        .collect();
    if m == 1 {
        // Trainings that others build on (the teacher) are scored by the first shard.
        keep.extend(
            jobs.iter()
                .filter(|j| leaves_network(j) && needed_by_training.contains(&j.key))
                .map(|j| &j.key),
        );
    }
    for job in jobs {
        let model_is_ours = match &job.spec {
            JobSpec::Embed(e) => keep.contains(&e.model),
            JobSpec::Score(s) => s.embeddings.values().any(|k| keep.contains(k)),
            _ => false,
        };
        if model_is_ours {
            keep.insert(&job.key);
        }
    }
    for job in jobs.iter().rev() {
        if keep.contains(&job.key) {
            keep.extend(&job.needs);
        }
    }
    jobs.iter()
        .filter(|j| keep.contains(&j.key))
        .cloned()
        .collect()
}
