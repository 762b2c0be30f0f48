//! What an executor works with.

use super::folder::JobLock;
use super::observer::Observer;
use super::options::Options;
use super::stop::Stop;
use super::store::{Jobs, Store};
use crate::train::Images;
use frbench_base::key::Key;
use frbench_base::{Result, Size};
use frbench_data::source::ImageSource;
use frbench_job::Job;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// What an executor works with.
pub struct Context<'a> {
    pub job: &'a Job,
    pub jobs: Jobs<'a>,
    pub store: &'a Store,
    pub observer: &'a dyn Observer,
    pub stop: &'a Stop,
    pub options: &'a Options,
    /// Files of weights by the sha256 that they had when the suite was read.
    pub models: &'a BTreeMap<String, PathBuf>,
    pub lock: &'a mut JobLock,
}

impl Context<'_> {
    pub fn progress(&mut self, done: u64, total: u64, unit: &str, detail: &str) {
        self.lock.heartbeat();
        self.observer.progress(self.job, done, total, unit, detail);
    }

    /// The same for work on several threads, which a stop signal ends.
    pub fn watch(
        &mut self,
        detail: &'static str,
    ) -> impl Fn(u64, u64, &'static str) -> Result<()> + Sync {
        let (job, observer, stop) = (self.job, self.observer, self.stop);
        let lock = Mutex::new(&mut *self.lock);
        move |done, total, unit| {
            // One thread at a time is enough to show that this process lives.
            if let Ok(mut lock) = lock.try_lock() {
                lock.heartbeat();
            }
            watch(job, observer, stop, detail)(done, total, unit)
        }
    }

    /// The images of a part of a set at this size, decoded until a stop signal comes.
    pub fn images(
        &self,
        data: &Key,
        part: &str,
        source: &Arc<dyn ImageSource>,
        size: Size,
    ) -> Result<Arc<dyn Images>> {
        let watch = heed(self.stop, &self.job.label);
        let images = &self.store.images;
        images.view_watched(data, part, source, size, &watch)
    }

    /// Sets aside a file of this job that cannot be gone on from, and says so and what the job
    /// does `then`.
    pub fn set_aside(&mut self, name: &str, what: &str, then: &str) -> Result<()> {
        let text = self.lock.set_aside(name, what)?;
        let label = &self.job.label;
        self.observer.warn(&format!("{text}; `{label}` {then}"));
        Ok(())
    }
}

/// Ends the reading of data on a stop signal; `what` is said to be left unfinished.
pub(super) fn heed<'a>(
    stop: &'a Stop,
    what: &'a str,
) -> impl Fn(u64, u64, &'static str) -> Result<()> + Sync + 'a {
    move |_, _, _| stop.check(what)
}

/// Shows how far the reading of data is, and ends it on a stop signal.
pub(super) fn watch(
    job: &Job,
    observer: &dyn Observer,
    stop: &Stop,
    detail: &'static str,
) -> impl Fn(u64, u64, &'static str) -> Result<()> + Sync {
    move |done, total, unit| {
        // Before it is known how much there is to read.
        if total > 0 {
            observer.progress(job, done, total, unit, detail);
        }
        stop.check(&job.label)
    }
}
