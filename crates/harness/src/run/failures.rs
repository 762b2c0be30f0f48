//! What could not be done in a run, and what was left undone because of it.

use super::scheduler::Finished;
use frbench_base::Error;
use frbench_base::key::Key;
use frbench_job::{Job, JobSpec};
use std::collections::{BTreeMap, BTreeSet};

/// Something that failed by itself, not because of what it builds on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The label of a job, or the id of a column that cannot be scored.
    pub what: String,
    pub reason: String,
    /// That of a command which ends with it.
    pub exit_code: u8,
}

impl Failure {
    /// An error of the same class that says `message`.
    pub fn error(&self, message: String) -> Error {
        match self.exit_code {
            2 => Error::Usage(message),
            5 => Error::Data(message),
            _ => Error::Compute(message),
        }
    }
}

/// All failures of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// In the order in which they occurred, each once.
    pub list: Vec<Failure>,
    /// Why a job has no result, those left undone included.
    pub jobs: BTreeMap<Key, String>,
}

/// What the reason of a job begins with that was left undone because of others.
pub const NOT_RUN: &str = "not run, because ";

impl Failures {
    /// Whether nothing can come of the job in this run.
    pub fn has(&self, job: &Key) -> bool {
        self.jobs.contains_key(job)
    }

    /// Jobs that were left undone because of others.
    pub fn left_undone(&self) -> usize {
        let reasons = self.jobs.values();
        reasons.filter(|r| r.starts_with(NOT_RUN)).count()
    }

    /// A failure, and the jobs that have no result because of it.
    pub(super) fn add<'a>(
        &mut self,
        what: &str,
        error: &Error,
        jobs: impl IntoIterator<Item = &'a Key>,
    ) {
        let reason = error.to_string();
        for job in jobs {
            self.jobs.insert(job.clone(), reason.clone());
        }
        self.list.push(Failure {
            what: what.to_string(),
            reason,
            exit_code: error.exit_code(),
        });
    }

    /// Marks whatever builds on sets that failed and takes it out of `finished`: what was made of
    /// a set is worth nothing while the set is not what it was. `jobs` are in dependency order.
    pub fn cut(&mut self, jobs: &[Job], finished: &mut Finished) {
        let failed = |job: &&Job| matches!(job.spec, JobSpec::Data(_)) && self.has(&job.key);
        let mut cut: BTreeSet<&Key> = jobs.iter().filter(failed).map(|j| &j.key).collect();
        if cut.is_empty() {
            return;
        }
        let by_key: BTreeMap<Key, Job> = jobs.iter().map(|j| (j.key.clone(), j.clone())).collect();
        for job in jobs {
            if job.needs.iter().any(|need| cut.contains(need)) {
                cut.insert(&job.key);
                if !self.has(&job.key) {
                    self.mark(job, &by_key);
                }
            }
            if cut.contains(&job.key) {
                finished.remove(&job.key);
            }
        }
    }

    /// Marks the job if something it needs has no result.
    pub(super) fn mark(&mut self, job: &Job, jobs: &BTreeMap<Key, Job>) -> bool {
        let Some(need) = job.needs.iter().find(|need| self.has(need)) else {
            return false;
        };
        let label = jobs.get(need).map_or("", |j| &j.label);
        let reason = match &self.jobs[need] {
            // The first cause is what helps.
            reason if reason.starts_with(NOT_RUN) => reason.clone(),
            _ => format!("{NOT_RUN}`{label}` failed"),
        };
        self.jobs.insert(job.key.clone(), reason);
        true
    }

    /// Marks what builds on failures, and what only serves jobs of which nothing can come: a
    /// network is not trained to be scored nowhere. `jobs` are in dependency order.
    pub(super) fn spread(&mut self, jobs: &[Job], finished: impl Fn(&Key) -> bool) {
        if self.jobs.is_empty() {
            return;
        }
        let by_key: BTreeMap<Key, Job> = jobs.iter().map(|j| (j.key.clone(), j.clone())).collect();
        for job in jobs.iter().filter(|j| !finished(&j.key)) {
            if !self.has(&job.key) {
                self.mark(job, &by_key);
            }
        }
        let (mut serves, mut useful) = (BTreeSet::new(), BTreeSet::new());
        for job in jobs.iter().rev() {
            let is_data = matches!(job.spec, JobSpec::Data(_));
            let idle = serves.contains(&job.key) && !useful.contains(&job.key);
            if idle && !is_data && !finished(&job.key) && !self.has(&job.key) {
                let reason = format!("{NOT_RUN}nothing that needs it can be done");
                self.jobs.insert(job.key.clone(), reason);
            }
            serves.extend(&job.needs);
            if !self.has(&job.key) {
                useful.extend(&job.needs);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use frbench_job::ScoreSpec;

    fn job(key: &str, needs: &[&str]) -> Job {
        let spec = ScoreSpec {
            protocol: frbench_job::ProtocolSpec {
                name: String::new(),
                params: BTreeMap::new(),
            },
            data: Key(String::new()),
            embeddings: BTreeMap::new(),
        };
        Job {
            key: Key(key.into()),
            comparison: Key(key.into()),
            label: key.into(),
            spec: JobSpec::Score(spec),
            needs: needs.iter().map(|n| Key((*n).into())).collect(),
            made_of: "".into(),
            cost: 0.0,
        }
    }

    #[test]
    fn failures_spread_to_what_builds_on_them_and_to_what_serves_nothing_else() {
        let jobs = [
            job("teacher", &[]),
            job("student", &["teacher"]),
            job("embed a", &["student"]),
            job("embed b", &["teacher"]),
            job("score a", &["embed a"]),
            job("score b", &["embed b"]),
            job("again", &["score a"]),
        ];
        let mut failures = Failures::default();
        failures.spread(&jobs, |_| false);
        assert_eq!(failures, Failures::default());
        failures.add("a", &Error::Data("bad".into()), [&jobs[4].key]);
        failures.spread(&jobs, |_| false);
        let marked: Vec<&str> = failures.jobs.keys().map(|k| k.0.as_str()).collect();
        // The teacher is needed for b.
        assert_eq!(marked, ["again", "embed a", "score a", "student"]);
        assert_eq!(failures.left_undone(), 3);
        let again = &failures.jobs[&Key("again".into())];
        assert_eq!(again, "not run, because `score a` failed");
        assert_eq!(failures.list[0].error("x".into()).exit_code(), 5);
    }
}
