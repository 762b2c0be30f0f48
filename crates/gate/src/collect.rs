//! What the jobs of a run have measured.

use crate::measured::{CellId, Column, Measured, Run, Score, short};
use frbench_base::key::Key;
use frbench_harness::run::Outcome;
use frbench_harness::run::explain::made_of;
use frbench_harness::run::failures::NOT_RUN;
use frbench_job::result::JobResult;
use frbench_job::{Job, JobSpec};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
        for problem in other.problems {
            if !self.problems.contains(&problem) {
                self.problems.push(problem);
            }
        }
        self.without.extend(other.without);
        self.executed += other.executed;
    }

    /// Why a cell has no value with some seed.
    pub fn why(&self, cell: &CellId) -> Option<&str> {
        let mut without = self.without.iter();
        let found =
            without.find(|((row, column, _), _)| *row == cell.row && *column == cell.column);
        found.map(|(_, reason)| reason.as_str())
    }
}

/// Reads the result of a run with the seed `seed`.
pub fn collect(outcome: &Outcome, seed: u64) -> Collected {
    let jobs: BTreeMap<&Key, &Job> = outcome.jobs.iter().map(|j| (&j.key, j)).collect();
    let layout = &outcome.layout;
    let mut measured = Measured {
        suite: layout.suite.clone(),
        profile: layout.profile.clone(),
        code: code_of(&outcome.jobs),
        ..Measured::default()
    };
    for set in &layout.data {
        if let Some(JobResult::Data(data)) = outcome.finished.get(&set.job) {
            let identity = short(&data.pixels_sha256);
            measured.data.insert(set.name.clone(), identity);
        }
    }
    let mut without = BTreeMap::new();
    for row in &layout.rows {
        for run in &row.runs {
            let job = jobs.get(&run.train);
            if let Some(job) = job {
                let settings = configuration(&made_of(job));
                measured.rows.insert(row.id.clone(), settings);
            }
            let Some((model, kernels)) = network(outcome.finished.get(&run.train)) else {
                continue;
            };
            measured.runs.push(Run {
                row: row.id.clone(),
                // A network from a file has no seed: it is the same under each.
                seed,
                key: short(&run.train.0),
                comparison: short(&run.comparison.0),
                model: short(model),
                kernels: kernels.to_string(),
                scores: BTreeMap::new(),
            });
        }
    }
    for cell in &layout.cells {
        let result = match outcome.finished.get(&cell.score) {
            Some(JobResult::Score(result)) => result,
            _ => {
                let reason = outcome.failed.jobs.get(&cell.score);
                let reason = reason.map_or("it was not computed", String::as_str);
                let cell = (cell.row.clone(), cell.column.clone(), seed);
                without.insert(cell, reason.to_string());
                continue;
            }
        };
        let metrics = result.metrics.iter();
        let metrics = metrics
            .map(|m| (m.id.clone(), m.higher_is_better))
            .collect();
        let configuration = jobs
            .get(&cell.score)
            .map(|job| configuration(&made_of(job)));
        let column = Column {
            configuration: configuration.unwrap_or(Value::Null),
            metrics,
        };
        measured.columns.insert(cell.column.clone(), column);
        let run = measured.runs.iter_mut().find(|r| r.row == cell.row);
        if let Some(run) = run {
            let values = result.metrics.iter().map(|m| (m.id.clone(), m.value));
            let score = Score {
                key: short(&cell.score.0),
                comparison: short(&cell.comparison.0),
                values: values.collect(),
            };
            run.scores.insert(cell.column.clone(), score);
        }
    }
    measured
        .runs
        .sort_by(|a, b| (&a.row, a.seed).cmp(&(&b.row, b.seed)));
    let problems = outcome.failed.list.iter().map(|f| Problem {
        what: f.what.clone(),
        reason: f.reason.clone(),
        exit_code: f.exit_code,
    });
    Collected {
        problems: problems.collect(),
        measured,
        without,
        executed: outcome.executed,
    }
}

/// Whether a cell has no value because something else failed, or was never begun.
pub fn follows(reason: &str) -> bool {
    reason.starts_with(NOT_RUN)
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
