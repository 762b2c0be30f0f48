//! What an executor works with.

use super::folder::JobLock;
use super::observer::Observer;
use super::options::Options;
use super::stop::Stop;
use super::store::{Jobs, Store};
use frbench_job::Job;

/// What an executor works with.
pub struct Context<'a> {
    pub job: &'a Job,
    pub jobs: Jobs<'a>,
    pub store: &'a Store,
    pub observer: &'a dyn Observer,
    pub stop: &'a Stop,
    pub options: &'a Options,
    pub lock: &'a mut JobLock,
}

impl Context<'_> {
    pub fn progress(&mut self, done: u64, total: u64, unit: &str, detail: &str) {
        self.lock.heartbeat();
        self.observer.progress(self.job, done, total, unit, detail);
    }
}
