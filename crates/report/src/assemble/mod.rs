//! From run folders and a suite's plan to a report.

mod columns;
mod environment;
mod overlap;
mod rows;
#[cfg(test)]
mod support_tests;
mod trials;

use super::model::*;
use super::report::{Report, Standing};
use environment::Told;
use frbench_base::key::Key;
use frbench_harness::plan::layout::Layout;
use frbench_harness::run::{Failures, Store};
use frbench_harness::suite::resolve::ReferenceRow;
use frbench_job::result::{ImportResult, JobResult, ScoreResult, TrainResult};
use frbench_job::{BackboneSpec, InputSpec, Job, JobSpec, TrainSpec};
use std::collections::{BTreeMap, BTreeSet};

/// What a report is assembled from.
pub struct Sources<'a> {
    /// Which job of the plan fills which cell, and all that the suite says.
    pub layout: &'a Layout,
    /// The jobs of the plan, in dependency order.
    pub jobs: &'a [Job],
    /// Where their folders lie.
    pub store: &'a Store,
    /// Why jobs have no result, if that is known. What builds on sets that failed is not reported.
    pub failed: &'a Failures,
    /// The numbers to be shown beside the measured ones, such as [`load`](super::published::load)
    /// gives for the names in [`Layout::published`].
    pub published: Vec<PublishedRow>,
    /// The command line that makes the report again.
    pub command: String,
}

/// The report of all that has been run of a plan, by whichever process. Jobs without a folder
/// are missing in it; folders that are not as they were written count as missing, too, and
/// [`Standing::damaged`] names them.
pub fn assemble(sources: &Sources) -> Report {
    let Sources { jobs, store, .. } = *sources;
    let mut there = store.finished(jobs);
    let mut failed = sources.failed.clone();
    failed.cut(jobs, &mut there.finished);
    let damaged = there.damaged.iter().map(|(key, damage)| {
        let text = damage.text(&store.folder(key));
        format!("{text}; it is not reported, and `frbench run` makes it again")
    });
    let mut damaged: Vec<String> = damaged.collect();
    let told = environment::told(jobs, store, &mut damaged);
    let parts = Parts {
        layout: sources.layout,
        jobs: jobs.iter().map(|j| (&j.key, j)).collect(),
        finished: &there.finished,
        failed: &failed,
    };
    let input = collect(&parts, sources, told);
    let locate = |train: &str, file: &str| store.folder(&Key(train.to_string())).file(file);
    let mut report = Report::new(input, &locate);
    report.standing = Standing {
        jobs: jobs.len(),
        finished: there.finished.len(),
        damaged,
    };
    report
}

/// A plan and the results of its jobs.
struct Parts<'a> {
    layout: &'a Layout,
    jobs: BTreeMap<&'a Key, &'a Job>,
    finished: &'a BTreeMap<Key, JobResult>,
    failed: &'a Failures,
}

impl<'a> Parts<'a> {
    fn spec(&self, key: &Key) -> Option<&'a JobSpec> {
        Some(&self.jobs.get(key)?.spec)
    }

    fn train_spec(&self, key: &Key) -> Option<&'a TrainSpec> {
        match self.spec(key)? {
            JobSpec::Train(t) => Some(t),
            _ => None,
        }
    }

    /// The network that a job leaves, and what it takes.
    fn network(&self, key: &Key) -> Option<(&'a BackboneSpec, &'a InputSpec)> {
        match self.spec(key)? {
            JobSpec::Train(t) => Some((&t.backbone, &t.input)),
            JobSpec::Import(i) => Some((&i.backbone, &i.input)),
            _ => None,
        }
    }

    fn score(&self, key: &Key) -> Option<&'a ScoreResult> {
        match self.finished.get(key)? {
            JobResult::Score(r) => Some(r),
            _ => None,
        }
    }

    fn imported(&self, key: &Key) -> Option<&'a ImportResult> {
        match self.finished.get(key)? {
            JobResult::Import(r) => Some(r),
            _ => None,
        }
    }

    fn trained(&self, key: &Key) -> Option<&'a TrainResult> {
        match self.finished.get(key)? {
            JobResult::Train(r) => Some(r),
            _ => None,
        }
    }
}

/// Everything that is known about a suite's runs, in the order of the suite.
fn collect(s: &Parts, sources: &Sources, told: Told) -> ReportInput {
    let layout = s.layout;
    let mut notes = BTreeSet::new();
    let trials = trials::load(s, sources.store, &mut notes);
    let columns = columns::columns(s, &trials, sources.store.data_root(), &mut notes);
    let rows = rows::rows(s, &columns, &trials, &mut notes);
    let seeds: BTreeSet<u64> = layout
        .rows
        .iter()
        .flat_map(|r| r.runs.iter().map(|run| run.seed))
        .collect();
    // A claim about a row or a set that is not part of this profile is not an open question
    // of this report.
    let has = |id: &String| layout.rows.iter().any(|r| r.id == *id);
    let (tested, untested): (Vec<_>, Vec<_>) = layout
        .claims
        .iter()
        .partition(|c| has(&c.better) && has(&c.than) && c.column.is_some());
    if !untested.is_empty() {
        let ids: Vec<&str> = untested.iter().map(|c| c.id.as_str()).collect();
        notes.insert(format!(
            "Claims of the suite that profile `{}` does not test: {}.",
            layout.profile,
            ids.join(", ")
        ));
    }
    notes.extend(mixed_kernels(&told.facts));
    let failures = s.failed.list.iter();
    notes.extend(
        failures.map(|f| format!("Failed: {}: {}.", f.what, f.reason.trim_end_matches('.'))),
    );
    ReportInput {
        suite: SuiteInfo {
            name: layout.suite.clone(),
            title: layout.title.clone(),
            profile: layout.profile.clone(),
            paper: layout.paper.clone().unwrap_or_default(),
            analysis: layout.analysis.clone(),
        },
        claims: tested
            .into_iter()
            .map(|c| Claim {
                id: c.id.clone(),
                text: c.text.clone(),
                better: c.better.clone(),
                than: c.than.clone(),
                on: column_id(c.column.as_deref().unwrap_or(&c.on), &c.metric),
                margin: c.margin,
                margin_source: c.margin_source.clone().unwrap_or_default(),
                why: c.why.clone().unwrap_or_default(),
                question: c.question,
                primary: c.primary,
                reconstructed: c.reconstructed.clone().unwrap_or_default(),
                source: c.source.clone().unwrap_or_default(),
            })
            .collect(),
        columns,
        conditions: used(&layout.conditions, &rows),
        rows,
        published: sources
            .published
            .iter()
            .cloned()
            .chain(layout.references.iter().map(|r| stated(layout, r)))
            .collect(),
        data: layout
            .data
            .iter()
            .filter_map(|d| match (s.finished.get(&d.job)?, s.spec(&d.job)?) {
                (JobResult::Data(result), JobSpec::Data(spec)) => Some(DataSet {
                    result: result.clone(),
                    pinned: spec.identity.is_some(),
                }),
                _ => None,
            })
            .collect(),
        seeds: seeds.into_iter().collect(),
        environment: told.facts,
        command: sources.command.clone(),
        started: told.started,
        finished: told.finished,
        notes: notes.into_iter().collect(),
    }
}

/// What to know where trainings ran on different kernels: each set has bits of its own.
fn mixed_kernels(environment: &BTreeMap<String, String>) -> Option<String> {
    let sets = environment.get("kernels").filter(|k| k.contains("; "))?;
    Some(format!(
        "Trainings ran on different kernels ({sets}; `env.json` in the folder of each says on \
         which). Sets agree to rounding, and training amplifies it: rows compared by seed are \
         not paired to the bit."
    ))
}

/// What is said about the conditions that rows have.
fn used(said: &BTreeMap<String, String>, rows: &[Row]) -> BTreeMap<String, String> {
    let has = |label: &String| rows.iter().any(|r| r.condition == *label);
    let of = said.iter().filter(|(label, _)| has(label));
    of.map(|(label, note)| (label.clone(), note.clone()))
        .collect()
}

/// A number that the suite itself states. Its context is prose, so it is shown and never held
/// against a measured one.
fn stated(layout: &Layout, r: &ReferenceRow) -> PublishedRow {
    let row = layout.rows.iter().find(|row| row.entry == r.entry);
    PublishedRow {
        paper: layout.title.clone(),
        table: String::new(),
        method: row.map_or(&r.entry, |row| &row.label).clone(),
        dataset: r.data.clone(),
        protocol: String::new(),
        metric: r.metric.clone(),
        value: r.value,
        unit: String::new(),
        training_data: r.context.clone(),
        backbone: String::new(),
        checkpoint: String::new(),
        runs: String::new(),
        source: r.source.clone(),
        status: match r.value {
            Some(_) => Status::Verified,
            None => Status::Unavailable,
        },
    }
}

fn column_id(column: &str, metric: &str) -> String {
    format!("{column}/{metric}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_kernels_are_named_and_one_set_is_not() {
        let with = |sets: &str| {
            let facts = BTreeMap::from([("kernels".to_string(), sets.to_string())]);
            mixed_kernels(&facts)
        };
        assert_eq!(with("avx512"), None);
        let note = with("avx512; plain").unwrap();
        assert!(note.contains("(avx512; plain;"), "{note}");
        assert_eq!(mixed_kernels(&BTreeMap::new()), None);
    }
}
