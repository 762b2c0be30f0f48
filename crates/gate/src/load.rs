//! What was measured, from wherever it was kept: a baseline, a report, a folder of runs.

use crate::baseline::Baseline;
use crate::collect::{add_code, configuration};
use crate::measured::{Column, Measured, Run, Score, short};
use frbench_base::{Error, Result, files};
use frbench_harness::run::Store;
use frbench_harness::run::explain::{Past, past};
use frbench_job::result::JobResult;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What is kept at `path`: the file of a baseline, a report's folder or its `results.json`, or a
/// folder of runs. Reports do not say configurations; rows of one name are taken as the same.
///
/// # Errors
/// [`Error::Usage`] for what is none of these, [`Error::Data`] for what cannot be read as one.
pub fn load(path: &Path) -> Result<Measured> {
    let results = path.join("results.json");
    if path.is_dir() {
        return match results.is_file() {
            true => report(&results),
            false => runs(path),
        };
    }
    if !path.is_file() {
        return Err(Error::Usage(format!(
            "{}: there is no such file or folder; want a baseline, a report or a folder of runs",
            path.display()
        )));
    }
    let document: Value = files::read_json(path)?;
    match (document.get("measured"), document.get("input")) {
        (Some(_), _) => Ok(Baseline::load(path)?.measured),
        (None, Some(_)) => report(path),
        (None, None) => Err(Error::Data(format!(
            "{}: neither a baseline nor the `results.json` of a report",
            path.display()
        ))),
    }
}

fn report(path: &Path) -> Result<Measured> {
    let document: Value = files::read_json(path)?;
    let input = &document["input"];
    let text = |v: &Value| v.as_str().unwrap_or_default().to_string();
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let mut measured = Measured {
        suite: text(&input["suite"]["name"]),
        profile: text(&input["suite"]["profile"]),
        ..Measured::default()
    };
    for row in list(&input["rows"]) {
        for run in list(&row["runs"]) {
            let mut scores: BTreeMap<String, Score> = BTreeMap::new();
            let metrics = run["metrics"].as_object().into_iter().flatten();
            for (column, metric) in metrics {
                let (id, value) = (text(&metric["id"]), metric["value"].as_f64());
                let column = column.strip_suffix(&format!("/{id}")).unwrap_or(column);
                let higher = metric["higher_is_better"].as_bool().unwrap_or(true);
                let known = measured.columns.entry(column.to_string());
                let known = known.or_insert_with(|| Column {
                    configuration: Value::Null,
                    metrics: BTreeMap::new(),
                });
                known.metrics.insert(id.clone(), higher);
                let score = scores.entry(column.to_string()).or_insert_with(|| Score {
                    key: String::new(),
                    comparison: String::new(),
                    values: BTreeMap::new(),
                });
                score.values.extend(value.map(|v| (id, v)));
            }
            measured.runs.push(Run {
                row: text(&row["id"]),
                seed: run["seed"].as_u64().unwrap_or(0),
                key: short(&text(&run["train_key"])),
                comparison: String::new(),
                model: short(&text(&run["model_sha256"])),
                kernels: text(&input["environment"]["kernels"]),
                scores,
            });
        }
    }
    Ok(measured)
}

/// The last finished jobs of each name.
fn runs(path: &Path) -> Result<Measured> {
    let store = Store::new("", path);
    let kinds = ["train ", "import ", "derive ", "embed ", "score "];
    let mut jobs = past(&store, &|label, _| {
        kinds.iter().any(|k| label.starts_with(k))
    })?;
    jobs.retain(|job| job.done);
    if jobs.is_empty() {
        return Err(Error::Usage(format!(
            "{}: neither a report nor a folder of runs with finished jobs",
            path.display()
        )));
    }
    jobs.sort_by_key(|job| {
        let done = store.folder(&job.key).file("done");
        done.metadata().and_then(|m| m.modified()).ok()
    });
    let mut measured = Measured::default();
    for job in &jobs {
        add_code(&mut measured.code, &job.made_of);
        let Some(Ok(result)) = store.result(&job.key) else {
            continue;
        };
        match (&result, name(&job.label)) {
            (JobResult::Train(t), Some((row, seed, _))) => {
                let kernels = t.kernels.clone();
                network(&mut measured, job, row, seed, &t.model_sha256, kernels);
            }
            (JobResult::Import(i), _) => {
                let row = job.label.trim_start_matches("import ");
                // It has no seed, and plans score it under this one.
                network(&mut measured, job, row, 0, &i.model_sha256, String::new());
            }
            _ => {}
        }
    }
    for job in &jobs {
        let (Some(Ok(JobResult::Score(result))), Some((row, seed, column))) =
            (store.result(&job.key), name(&job.label))
        else {
            continue;
        };
        let metrics = result.metrics.iter();
        let known = Column {
            configuration: configuration(&job.made_of),
            metrics: metrics
                .map(|m| (m.id.clone(), m.higher_is_better))
                .collect(),
        };
        measured.columns.insert(column.to_string(), known);
        let run = measured.runs.iter_mut();
        let mut run = run.filter(|r| r.row == row && r.seed == seed);
        // What was scored of an earlier network of that name is no score of the last.
        let of = result.model.as_ref().map(|m| short(&m.model_sha256));
        if let Some(run) = run.find(|r| of.as_ref().is_none_or(|of| *of == r.model)) {
            let values = result.metrics.iter().map(|m| (m.id.clone(), m.value));
            let score = Score {
                key: short(&job.key.0),
                comparison: short(&job.comparison.0),
                values: values.collect(),
            };
            run.scores.insert(column.to_string(), score);
        }
    }
    measured
        .runs
        .sort_by(|a, b| (&a.row, a.seed).cmp(&(&b.row, b.seed)));
    Ok(measured)
}

fn network(
    measured: &mut Measured,
    job: &Past,
    row: &str,
    seed: u64,
    model: &str,
    kernels: String,
) {
    let settings = configuration(&job.made_of);
    measured.rows.insert(row.to_string(), settings);
    measured
        .runs
        .retain(|r| (r.row.as_str(), r.seed) != (row, seed));
    measured.runs.push(Run {
        row: row.to_string(),
        seed,
        key: short(&job.key.0),
        comparison: short(&job.comparison.0),
        model: short(model),
        kernels,
        scores: BTreeMap::new(),
    });
}

/// Row, seed and column of a label such as `score fcd seed 1 synth-lfw/ten-fold`.
fn name(label: &str) -> Option<(&str, u64, &str)> {
    let (_, rest) = label.split_once(' ')?;
    let (row, rest) = rest.rsplit_once(" seed ")?;
    let (seed, column) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((row, seed.parse().ok()?, column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read() {
        assert_eq!(name("train fcd seed 12"), Some(("fcd", 12, "")));
        let of = name("score k:a=1@c30 seed 3 synth-lfw/ten-fold");
        assert_eq!(of, Some(("k:a=1@c30", 3, "synth-lfw/ten-fold")));
        assert_eq!(name("data lfw"), None);
    }

    #[test]
    fn what_is_nothing_of_it_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let why = |path: &Path| load(path).unwrap_err().to_string();
        assert!(why(&dir.path().join("none")).contains("no such file or folder"));
        assert!(why(dir.path()).contains("neither a report nor a folder of runs"));
        let path = dir.path().join("a.json");
        std::fs::write(&path, "{}").unwrap();
        assert!(why(&path).contains("neither a baseline nor"));
    }

    #[test]
    fn a_report_is_read_by_row_seed_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let metric = serde_json::json!({"id": "accuracy", "value": 0.5, "higher_is_better": true});
        let document = serde_json::json!({"schema": 1, "input": {
            "suite": {"name": "one", "profile": "demo"},
            "environment": {"kernels": "plain"},
            "rows": [{"id": "m", "runs": [
                {"seed": 3, "train_key": "k", "model_sha256": "h", "metrics": {"d/p/accuracy": metric}},
            ]}],
        }});
        std::fs::write(dir.path().join("results.json"), document.to_string()).unwrap();
        let found = load(dir.path()).unwrap();
        assert_eq!(found.runs[0].scores["d/p"].values["accuracy"], 0.5);
        assert_eq!((found.runs[0].seed, found.runs[0].model.as_str()), (3, "h"));
    }
}
