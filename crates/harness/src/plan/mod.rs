//! From a suite to jobs with content keys. Pure: nothing here touches the disk.
//!
//! Planning works in rounds: finished results in, next jobs out. A round stops short where
//! the identity of a data set decides the keys of what builds on it and is not known yet.

pub mod code;
pub mod cost;
pub mod expand;
pub mod keys;
pub mod layout;
pub mod recipe;
pub mod rounds;
pub mod select;
pub mod sources;

pub use code::{Build, Code, Codes, DeviceKind, Kind};
pub use layout::Layout;
pub use rounds::{Next, rounds};
pub use select::{Selection, select};

use crate::suite::Resolved;
use frbench_base::key::Key;
use frbench_job::result::{DataResult, JobResult};
use frbench_job::{Job, JobSpec};
use std::collections::BTreeMap;

/// Results of finished jobs, by key. Only those that planning asks for need to be there:
/// data sets.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Known {
    pub results: BTreeMap<Key, JobResult>,
}

/// The next jobs.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// In an order in which each job comes after those it needs; finished ones included.
    pub jobs: Vec<Job>,
    /// Which job fills which cell of the report; provisional until `finished`.
    pub layout: Layout,
    /// No further round follows: `jobs` is the whole plan. Otherwise run the data jobs and
    /// plan again with their results.
    pub finished: bool,
}

/// The next round of a suite: its data jobs while the identity of any is open, then all jobs.
pub fn plan(suite: &Resolved, known: &Known, code: &Code) -> Round {
    let mut round = outlook(suite, known, code);
    if !round.finished {
        round.jobs.retain(|j| match &j.spec {
            JobSpec::Data(set) => set.has_known_parts(),
            _ => false,
        });
    }
    round
}

/// All jobs as far as they can be foreseen: `finished` is false where the keys of some
/// still depend on data that has not been made.
pub fn outlook(suite: &Resolved, known: &Known, code: &Code) -> Round {
    expand::Planner::new(suite, known, code).run()
}

/// The identity of a data set: sha256 over its decoded pixels with their labels, pairs and
/// templates. How the images are stored is not part of it, nor is a name: files are hashed
/// one by one beside it. This is what is pinned, and what embeddings depend on.
pub fn identity(data: &DataResult) -> &str {
    &data.pixels_sha256
}

/// The identity, and what else the set says, if it says anything: what scores and trainings
/// depend on.
pub fn full_identity(data: &DataResult) -> String {
    match &data.facts_sha256 {
        Some(facts) => format!("{} with {facts}", identity(data)),
        None => identity(data).to_string(),
    }
}
