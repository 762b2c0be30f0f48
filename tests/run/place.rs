//! A folder with data, declarations and runs, in which a suite is run by executors of a test.

use crate::common::runs;
use frbench::job::result::JobResult;
use frbench::job::{DataFormat, Job, JobSpec};
use frbench::key::Key;
use frbench::plan::DeviceKind;
use frbench::run::context::Context;
use frbench::run::executors::Executor;
use frbench::run::{self, Observer, Options, Outcome, Program, Stop, Store, scheduler};
use frbench::suite::source::Source;
use frbench::{build, embedded, suite};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A suite that scores one small training on sets; `protocols` are its tables, `columns` each a
/// set and a protocol.
pub fn suite_of_sets(protocols: &str, columns: &[(&str, &str)]) -> String {
    const SUITE: &str = r#"
schema = 1
name = "sets"
title = "Sets"
analysis = "Nothing follows from it."

[[baseline]]
id = "a"
label = "A"
method = { name = "margin-softmax" }
head = { name = "arcface", s = 32.0, m = 0.3 }
network = "small"
training = "short"
@protocols
[profile.demo]
train-data = "tr"
seeds = [1]
entries = ["a"]
evaluate = [@columns]

[profile.demo.network.small]
@network

[profile.demo.training.short]
epochs = 4
batch = 2
lr = 0.05
decay = { kind = "constant" }
@sgd
"#;
    let column = |(data, protocol): &(&str, &str)| {
        format!("\n  {{ data = {data:?}, protocol = {protocol:?} }},")
    };
    let columns: String = columns.iter().map(column).collect();
    runs::suite(SUITE)
        .replace("@protocols", protocols)
        .replace("@columns", &format!("{columns}\n"))
}

pub struct Place {
    dir: tempfile::TempDir,
    suite: String,
    executor: Executor,
    pub options: Options,
}

/// What a run did.
pub struct Ran {
    /// The jobs that were begun, by label.
    pub begun: BTreeSet<String>,
    pub notes: Vec<String>,
    /// How many images were decoded to describe data.
    pub decoded: usize,
    pub outcome: Outcome,
}

impl Place {
    pub fn new(suite: String, executor: Executor) -> Place {
        Place {
            dir: tempfile::tempdir().unwrap(),
            suite,
            executor,
            options: Options::default(),
        }
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// The folder of declarations.
    pub fn declared(&self) -> PathBuf {
        self.dir.path().join("datasets")
    }

    pub fn runs(&self) -> PathBuf {
        self.dir.path().join("runs")
    }

    pub fn run(&self) -> frbench::Result<Ran> {
        self.run_with(&Stop::default())
    }

    pub fn run_with(&self, stop: &Stop) -> frbench::Result<Ran> {
        let declared = self.declared();
        let known = embedded::catalogue(Some(&declared))?;
        let parsed = suite::parse(Source::new("all.toml", self.suite.clone()))?;
        suite::validate(&parsed, &known)?;
        let resolved = suite::resolve(&parsed, "demo", &known)?;
        let program = Program {
            build: build::BUILD,
            code: build::code(DeviceKind::Cpu),
            declarations: embedded::declarations(Some(&declared))?,
        };
        let store = Store::new(self.data(), self.runs());
        let (options, log) = (&self.options, Log::default());
        let executor = self.executor;
        let outcome =
            scheduler::execute(&resolved, &program, &store, options, &log, stop, executor)?;
        let (jobs, notes) = log.told.into_inner().unwrap();
        let decoded = log.decoded.into_inner();
        let begun: BTreeSet<String> = jobs.iter().cloned().collect();
        assert_eq!(begun.len(), jobs.len(), "twice: {jobs:?}");
        Ok(Ran {
            begun,
            notes,
            decoded,
            outcome,
        })
    }
}

impl Ran {
    /// Why the only set failed that did: its data job has this label, and its scores are gone with
    /// it, while those of all others are there.
    #[track_caller]
    pub fn refused(&self, set: &str) -> &str {
        let failed = &self.outcome.failed.list;
        let what: Vec<&str> = failed.iter().map(|f| f.what.as_str()).collect();
        assert_eq!(what, [format!("data {set}")]);
        assert_eq!(failed[0].exit_code, 5);
        let results = self.results();
        let of = |label: &str| label.contains(&format!(" {set}/"));
        for job in &self.outcome.jobs {
            let score = job.label.starts_with("score");
            assert!(!score || of(&job.label) != results.contains_key(job.label.as_str()));
        }
        &failed[0].reason
    }

    /// The results of the finished jobs, by label.
    pub fn results(&self) -> BTreeMap<&str, &JobResult> {
        let label = |key: &Key| self.outcome.jobs.iter().find(|j| j.key == *key);
        let finished = self.outcome.finished.iter();
        finished
            .filter_map(|(key, result)| Some((label(key)?.label.as_str(), result)))
            .collect()
    }
}

/// What was begun and what was said.
#[derive(Default)]
struct Log {
    told: Mutex<(Vec<String>, Vec<String>)>,
    decoded: AtomicUsize,
}

impl Observer for Log {
    fn started(&self, job: &Job) {
        self.told.lock().unwrap().0.push(job.label.clone());
    }

    fn progress(&self, _: &Job, _: u64, _: u64, unit: &str, _: &str) {
        let images = usize::from(unit == "images");
        self.decoded.fetch_add(images, Ordering::Relaxed);
    }

    fn note(&self, text: &str) {
        self.told.lock().unwrap().1.push(text.to_string());
    }
}

pub fn put(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Declares a set in `folder`; `rules` are further lines.
pub fn declare(folder: &Path, name: &str, format: DataFormat, files: &[&str], rules: &str) {
    let format = format.name();
    let text = format!(
        "name = \"{name}\"\ntitle = \"{name}\"\nformat = \"{format}\"\nfiles = {files:?}\n\
         obtain = \"-\"\nlicence = \"-\"\ncitation = \"-\"\n{rules}\n"
    );
    put(folder.join(format!("{name}.toml")), text);
}

/// An executor that reads data; all else takes no time and says nothing.
pub fn only_data(spec: &JobSpec, cx: &mut Context) -> frbench::Result<JobResult> {
    let left: &[&str] = match spec {
        JobSpec::Train(_) => &[
            "checkpoint.safetensors",
            "checkpoint.json",
            "model.safetensors",
        ],
        JobSpec::Import(_) => &["model.safetensors"],
        JobSpec::Embed(_) => &["embeddings.f32"],
        _ => &[],
    };
    for name in left {
        put(cx.lock.folder().file(name), "as good as any");
    }
    let result = match spec {
        JobSpec::Data(spec) => return run::data::run(spec, cx).map(JobResult::Data),
        JobSpec::Train(_) => json!({
            "job": "train", "steps": 1, "images": 1, "seconds": 0.0, "images_per_second": 1.0,
            "parameters": 1, "macs": 1, "embedding": 1, "checkpoint_sha256": "", "curve": [],
        }),
        JobSpec::Import(_) => json!({
            "job": "import", "name": "", "file_sha256": "", "format": "", "parameters": 1,
            "macs": 1, "embedding": 1, "model_sha256": "",
        }),
        JobSpec::Derive(_) => json!({ "job": "derive", "seconds": 0.0, "files": [] }),
        JobSpec::Embed(_) => json!({
            "job": "embed", "seconds": 0.0, "rows": 1, "dim": 1, "images_per_second": 1.0,
        }),
        JobSpec::Score(_) => json!({ "job": "score", "protocol": "", "metrics": [] }),
    };
    Ok(serde_json::from_value(result).unwrap())
}
