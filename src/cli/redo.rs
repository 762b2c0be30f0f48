//! Of the open jobs of a plan, those that were done before with something else, and with what.

use super::text::table;
use crate::Result;
use crate::job::{Job, JobSpec};
use crate::key::Key;
use crate::plan::Round;
use crate::run::Store;
use crate::run::explain::{self, Difference, Part, Redone};
use std::collections::{BTreeMap, BTreeSet};

pub struct Redo<'a> {
    jobs: Vec<(&'a Job, Redone)>,
}

/// Causes, and labels of jobs, that a line shows.
const SHOWN: usize = 4;

impl<'a> Redo<'a> {
    pub fn of(round: &'a Round, done: &BTreeSet<&Key>, store: &Store) -> Result<Self> {
        // Keys that are provisional are compared with nothing.
        let is_final = |j: &&Job| round.finished || matches!(j.spec, JobSpec::Data(_));
        let open = || round.jobs.iter().filter(|j| !done.contains(&j.key));
        let mut jobs = Vec::new();
        let labels: BTreeSet<&str> = open().map(|j| j.label.as_str()).collect();
        let comparisons: BTreeSet<&str> = open().map(|j| j.comparison.0.as_str()).collect();
        if !labels.is_empty() {
            let like = |label: &str, key: &str| labels.contains(label) || comparisons.contains(key);
            let past = explain::past(store, &like)?;
            for job in open().filter(is_final) {
                jobs.extend(explain::nearest(job, &past).map(|why| (job, why)));
            }
        }
        Ok(Redo { jobs })
    }

    pub fn of_job(&self, key: &Key) -> Option<&Redone> {
        let found = self.jobs.iter().find(|(job, _)| job.key == *key);
        found.map(|(_, why)| why)
    }

    /// Causes, each with the jobs that it has done again; nothing where there are none.
    pub fn text(&self) -> String {
        if self.jobs.is_empty() {
            return String::new();
        }
        let mut causes: BTreeMap<(usize, String), Vec<&str>> = BTreeMap::new();
        for (job, why) in &self.jobs {
            causes.entry(cause(why)).or_default().push(&job.label);
        }
        let mut out = vec![
            ["done again because of", "jobs", ""]
                .map(String::from)
                .to_vec(),
        ];
        for ((_, cause), labels) in causes {
            out.push(vec![cause, labels.len().to_string(), few(&labels)]);
        }
        format!("\n{}", table(&out))
    }
}

/// What differs, and where among the causes it stands: what follows from others comes last.
fn cause(why: &Redone) -> (usize, String) {
    let own: Vec<String> = why
        .differences
        .iter()
        .filter(|d| d.part != Part::Job)
        .map(short)
        .collect();
    let own: Vec<&str> = own.iter().map(String::as_str).collect();
    match (own.is_empty(), why.differences.is_empty()) {
        (false, _) => (0, few(&own)),
        (true, false) => (1, "jobs that they are made from".into()),
        (true, true) => (2, "an earlier version, which did not write why".into()),
    }
}

fn few(texts: &[&str]) -> String {
    let more = texts.len().saturating_sub(SHOWN);
    let shown = texts[..texts.len() - more].join(", ");
    match more {
        0 => shown,
        _ => format!("{shown} and {more} more"),
    }
}

/// `source methods/head/cosface.rs`, `crate gemm 0.18.2 to 0.19.0`.
fn short(d: &Difference) -> String {
    let of = |text: &Option<String>| text.clone().unwrap_or_else(|| "none".into());
    match (d.part, &d.was, &d.is) {
        (Part::Source, None, _) => format!("new source {}", d.name),
        (Part::Source, _, None) => format!("source {} is gone", d.name),
        (Part::Source, ..) => format!("source {}", d.name),
        (Part::Data, ..) => format!("data: {}", d.name),
        (Part::Job, ..) => format!("job: {}", d.name),
        (Part::Crate, was, is) => format!("crate {} {} to {}", d.name, of(was), of(is)),
        (Part::Setting, was, is) => format!("{} {} to {}", d.name, of(was), of(is)),
    }
}
