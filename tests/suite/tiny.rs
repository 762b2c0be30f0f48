//! The small suite that most of these tests change and plan.

use frbench::job::result::{DataResult, JobResult};
use frbench::job::{DataSource, Job, JobSpec};
use frbench::key::Key;
use frbench::plan::{Code, DeviceKind, Kind, Known, Round, outlook, plan};
use frbench::suite::{Resolved, Suite, parse, resolve};
use frbench::{build, embedded};
use std::collections::{BTreeMap, BTreeSet};

pub const TINY: &str = include_str!("../suites/tiny.toml");

/// With the identity of every data set open, whatever happens to be pinned.
pub fn resolved(text: &str, profile: &str) -> Resolved {
    open(
        &parse(embedded::source("tiny.toml", text)).unwrap(),
        profile,
    )
}

/// The same of a suite that was read.
pub fn open(suite: &Suite, profile: &str) -> Resolved {
    let mut suite = resolve(suite, profile, &embedded::catalogue(None).unwrap()).unwrap();
    for row in &mut suite.rows {
        row.trained_mut().unwrap().data.identity = None;
        if let DataSource::Noisy(noisy) = &mut row.trained_mut().unwrap().data.source {
            noisy.base.identity = None;
        }
    }
    suite
        .columns
        .iter_mut()
        .for_each(|c| c.data.identity = None);
    suite
}

/// The small suite of the tests, as it stands.
pub fn tiny() -> Resolved {
    resolved(TINY, "demo")
}

/// The same with one thing changed.
pub fn changed(from: &str, to: &str) -> Resolved {
    assert!(TINY.contains(from), "`{from}` is not in the suite");
    resolved(&TINY.replacen(from, to, 1), "demo")
}

/// What the job of a data set leaves behind; its identity follows from `pixels`.
pub fn data_result(name: &str, pixels: &str) -> JobResult {
    JobResult::Data(DataResult {
        name: name.to_string(),
        files: Vec::new(),
        pixels_sha256: Key::of(&pixels).0,
        facts_sha256: None,
        decoder: String::new(),
        images: 0,
        identities: 0,
        counts: BTreeMap::new(),
        damaged: BTreeMap::new(),
        notes: Vec::new(),
    })
}

/// Results of all data jobs, each with an identity of its own.
pub fn data_known(suite: &Resolved, code: &Code) -> Known {
    let jobs = outlook(suite, &Known::default(), code).jobs;
    let results = jobs.into_iter().filter_map(|job| match &job.spec {
        JobSpec::Data(spec) => Some((job.key, data_result(&spec.name, &spec.name))),
        _ => None,
    });
    Known {
        results: results.collect(),
    }
}

/// The code of this build, on the CPU.
pub fn cpu() -> Code {
    build::code(DeviceKind::Cpu)
}

/// The plan once every data set is made.
pub fn full(suite: &Resolved) -> Round {
    let code = cpu();
    plan(suite, &data_known(suite, &code), &code)
}

/// Whether every job comes after the jobs it needs and none is there twice.
pub fn is_ordered(jobs: &[Job]) -> bool {
    let mut before = BTreeSet::new();
    jobs.iter()
        .all(|j| j.needs.iter().all(|n| before.contains(n)) && before.insert(&j.key))
}

/// How many jobs are of that kind.
pub fn count(jobs: &[Job], kind: Kind) -> usize {
    jobs.iter().filter(|j| Kind::of(&j.spec) == kind).count()
}

/// Keys by label. Labels of jobs that several rows share are those of the first row.
pub fn keys(round: &Round) -> BTreeMap<String, Key> {
    let jobs = round.jobs.iter();
    jobs.map(|j| (j.label.clone(), j.key.clone())).collect()
}

/// Labels of jobs whose key is not among those of `before`.
pub fn new_jobs(before: &Round, after: &Round) -> BTreeSet<String> {
    let known: BTreeSet<&Key> = before.jobs.iter().map(|j| &j.key).collect();
    let new = after.jobs.iter().filter(|j| !known.contains(&j.key));
    new.map(|j| j.label.clone()).collect()
}
