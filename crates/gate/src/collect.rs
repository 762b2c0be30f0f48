//! What the jobs of a run have measured.

use crate::measured::{CellId, Column, Measured, Run, Score, short};
use frbench_base::Result;
use frbench_base::key::Key;
use frbench_eval::protocol;
use frbench_harness::plan::Layout;
use frbench_harness::plan::layout::{LayoutData, SeedRun};
use frbench_harness::run::Outcome;
use frbench_harness::run::explain::made_of;
use frbench_job::result::JobResult;
use frbench_job::{Job, JobSpec};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a run with one seed has measured, and what of it could not be.
#[derive(Clone, Debug, Default)]
pub struct Collected {
    pub measured: Measured,
    /// What failed by itself.
    pub problems: Vec<Problem>,
    /// Why planned cells have no value with this seed. Metrics are those that other cells of the
    /// column have, or none.
    pub without: BTreeMap<(String, String, u64), String>,
    /// Jobs that were executed.
    pub executed: usize,
}

/// Something that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    pub what: String,
    pub reason: String,
    /// That of a command which ends with it.
    pub exit_code: u8,
}

impl Collected {
    pub fn merge(&mut self, other: Collected) {
        self.measured.merge(other.measured);
        self.add_problems(other.problems);
        self.without.extend(other.without);
        self.executed += other.executed;
    }

    /// Each once.
    pub fn add_problems(&mut self, problems: Vec<Problem>) {
        for problem in problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
    }

    /// Why a cell has no value with some seed.
    pub fn why(&self, cell: &CellId) -> Option<&str> {
        let mut without = self.without.iter();
        let found =
            without.find(|((row, column, _), _)| *row == cell.row && *column == cell.column);
        found.map(|(_, reason)| reason.as_str())
    }
}

/// What a plan measures with the seed `seed`: its configurations, keys, code and data. Networks,
/// values and the identities of sets that nobody has made yet are empty.
///
/// # Errors
/// [`frbench_base::Error::Bug`] for a protocol that this build does not have.
pub fn planned(
    jobs: &[Job],
    layout: &Layout,
    data: &BTreeMap<Key, JobResult>,
    seed: u64,
) -> Result<Measured> {
    let by_key: BTreeMap<&Key, &Job> = jobs.iter().map(|j| (&j.key, j)).collect();
    let mut measured = Measured {
        suite: layout.suite.clone(),
        profile: layout.profile.clone(),
        code: code_of(jobs),
        ..Measured::default()
    };
    for set in &layout.data {
        let pinned = match by_key.get(&set.job).map(|job| &job.spec) {
            Some(JobSpec::Data(spec)) => spec.identity.as_deref(),
            _ => None,
        };
        let found = match data.get(&set.job) {
            Some(JobResult::Data(data)) => Some(data.pixels_sha256.as_str()),
            _ => pinned,
        };
        let identity = found.map_or(String::new(), short);
        measured.data.insert(set.name.clone(), identity);
    }
    for row in &layout.rows {
        for run in &row.runs {
            if let Some(job) = by_key.get(&run.train) {
                let settings = configuration(&made_of(job));
                measured.rows.insert(row.id.clone(), settings);
            }
            let cells = layout.cells.iter();
            let cells = cells.filter(|c| c.row == row.id && c.seed == run.seed);
            let scores = cells.map(|cell| {
                let score = Score {
                    key: short(&cell.score.0),
                    comparison: short(&cell.comparison.0),
                    values: BTreeMap::new(),
                };
                (cell.column.clone(), score)
            });
            measured.runs.push(Run {
                row: row.id.clone(),
                // A network from a file has no seed: it is the same under each.
                seed,
                key: short(&run.train.0),
                comparison: short(&run.comparison.0),
                model: String::new(),
                kernels: String::new(),
                scores: scores.collect(),
            });
        }
    }
    for cell in &layout.cells {
        let job = by_key.get(&cell.score);
        if let Some((job, JobSpec::Score(spec))) = job.map(|job| (job, &job.spec))
            && !measured.columns.contains_key(&cell.column)
        {
            let ids = (protocol::find(&spec.protocol.name)?.metrics)(&spec.protocol)?;
            let metrics = ids.into_iter().map(|id| {
                let higher = !protocol::is_error(&id);
                (id, higher)
            });
            let column = Column {
                configuration: configuration(&made_of(job)),
                metrics: metrics.collect(),
            };
            measured.columns.insert(cell.column.clone(), column);
        }
    }
    measured
        .runs
        .sort_by(|a, b| (&a.row, a.seed).cmp(&(&b.row, b.seed)));
    Ok(measured)
}

/// Reads the result of a run with the seed `seed`.
///
/// # Errors
/// As [`planned`].
pub fn collect(outcome: &Outcome, seed: u64) -> Result<Collected> {
    let layout = &outcome.layout;
    let mut measured = planned(&outcome.jobs, layout, &outcome.finished, seed)?;
    // A pin says what a set should be, not that it is there.
    let there = |name: &String| {
        let made = |set: &&LayoutData| outcome.finished.contains_key(&set.job);
        layout.data.iter().filter(made).any(|set| set.name == *name)
    };
    measured.data.retain(|name, _| there(name));
    let mut without = BTreeMap::new();
    for cell in &layout.cells {
        let run = measured.runs.iter_mut().find(|r| r.row == cell.row);
        match (outcome.finished.get(&cell.score), run) {
            (Some(JobResult::Score(result)), Some(run)) => {
                if let Some(score) = run.scores.get_mut(&cell.column) {
                    let values = result.metrics.iter().map(|m| (m.id.clone(), m.value));
                    score.values = values.collect();
                }
            }
            (_, run) => {
                if let Some(run) = run {
                    run.scores.remove(&cell.column);
                }
                let reason = outcome.failed.jobs.get(&cell.score);
                let reason = reason.map_or("it was not computed", String::as_str);
                let cell = (cell.row.clone(), cell.column.clone(), seed);
                without.insert(cell, reason.to_string());
            }
        }
    }
    let networks = layout.rows.iter().flat_map(|row| {
        let found = |run: &SeedRun| network(outcome.finished.get(&run.train));
        row.runs
            .iter()
            .filter_map(move |run| Some((&row.id, found(run)?)))
    });
    let networks: BTreeMap<&String, (&str, &str)> = networks.collect();
    measured
        .runs
        .retain_mut(|run| match networks.get(&run.row) {
            Some((model, kernels)) => {
                run.model = short(model);
                run.kernels = kernels.to_string();
                true
            }
            None => false,
        });
    let scored: BTreeSet<String> = measured
        .runs
        .iter()
        .flat_map(|r| r.scores.keys().cloned())
        .collect();
    measured.columns.retain(|id, _| scored.contains(id));
    let problems = outcome.failed.list.iter().map(|f| Problem {
        what: f.what.clone(),
        reason: f.reason.clone(),
        exit_code: f.exit_code,
    });
    Ok(Collected {
        problems: problems.collect(),
        measured,
        without,
        executed: outcome.executed,
    })
}

/// The hash of the network that a job left, and the kernels that computed it.
fn network(result: Option<&JobResult>) -> Option<(&str, &str)> {
    match result? {
        JobResult::Train(t) => Some((&t.model_sha256, &t.kernels)),
        JobResult::Import(i) => Some((&i.model_sha256, "")),
        _ => None,
    }
}

/// Adds the sources and crates of a job.
pub fn add_code(code: &mut BTreeMap<String, String>, made_of: &Value) {
    let texts = |part: &str| {
        let map = made_of["code"][part].as_object();
        let pairs = map.into_iter().flatten();
        pairs.filter_map(|(name, v)| Some((name.clone(), v.as_str()?.to_string())))
    };
    code.extend(texts("sources").map(|(path, hash)| (path, short(&hash))));
    code.extend(texts("crates").map(|(name, version)| (format!("crate {name}"), version)));
}

/// The code of all jobs of a plan but those that make data, which count by what they make.
pub fn code_of(jobs: &[Job]) -> BTreeMap<String, String> {
    let mut code = BTreeMap::new();
    for job in jobs.iter().filter(|j| !matches!(j.spec, JobSpec::Data(_))) {
        add_code(&mut code, &made_of(job));
    }
    code
}

/// What a job is made of without its code, its seed and the jobs that it builds on, which are rows
/// of their own.
pub fn configuration(made_of: &Value) -> Value {
    let mut spec = made_of["spec"].clone();
    if let Some(spec) = spec.as_object_mut() {
        spec.remove("seed");
    }
    blank(&mut spec);
    json!({ "spec": spec, "dtype": made_of["dtype"], "device": made_of["device"] })
}

fn blank(value: &mut Value) {
    match value {
        Value::String(text) if text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit()) => {
            *text = "another job".into();
        }
        Value::String(text) if text.starts_with("data ") => *text = text.chars().take(21).collect(),
        Value::Array(items) => items.iter_mut().for_each(blank),
        Value::Object(map) => map.values_mut().for_each(blank),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_without_seed_code_and_other_jobs() {
        let hash = "a".repeat(64);
        let job = json!({
            "code": {"sources": {"engine/sgd.rs": hash}, "crates": {"gemm": "0.19"}},
            "dtype": "f32",
            "device": "cpu",
            "spec": {"seed": 3, "batch": 32, "teacher": hash, "data": format!("data {hash}")},
        });
        let data = format!("data {}", "a".repeat(16));
        let want = json!({
            "spec": {"batch": 32, "teacher": "another job", "data": data},
            "dtype": "f32",
            "device": "cpu",
        });
        assert_eq!(configuration(&job), want);
        let mut code = BTreeMap::new();
        add_code(&mut code, &job);
        let want = [("crate gemm", "0.19"), ("engine/sgd.rs", &hash[..16])];
        let want = want.map(|(a, b)| (a.to_string(), b.to_string()));
        assert_eq!(code, BTreeMap::from(want));
    }
}
