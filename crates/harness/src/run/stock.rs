//! What a run finds done when it looks, and opens again where it is not as it was left.

use super::observer::Observer;
use super::own::{Damage, Depth};
use super::scheduler::Finished;
use super::store::{Jobs, Store};
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_job::Job;
use std::cell::RefCell;
use std::collections::BTreeMap;

/// A job that was opened again so many times in one run is not made once more.
const TRIES: usize = 3;

pub struct Stock<'a> {
    store: &'a Store,
    observer: &'a dyn Observer,
    /// How often each job was opened again.
    reopened: RefCell<BTreeMap<Key, usize>>,
}

impl<'a> Stock<'a> {
    pub fn new(store: &'a Store, observer: &'a dyn Observer) -> Self {
        Stock {
            store,
            observer,
            reopened: RefCell::default(),
        }
    }

    /// The results of those jobs, in dependency order, that are finished and whose files are what
    /// they left; large files are looked at by their stamps. The others are open afterwards.
    ///
    /// # Errors
    /// [`Error::Io`], as for all that open a job again; [`Error::Compute`] for a disk that does
    /// not keep what is written.
    pub fn take(&self, jobs: &[Job]) -> Result<Finished> {
        let by_key: BTreeMap<Key, Job> = jobs.iter().map(|j| (j.key.clone(), j.clone())).collect();
        let mut standing = self.store.finished(jobs);
        for job in jobs {
            let damaged = standing.damaged.contains_key(&job.key);
            if damaged || self.store.damage(&job.key, Depth::Stamps).is_some() {
                self.reopen(job, Jobs(&by_key))?;
                standing.finished.remove(&job.key);
            }
        }
        Ok(standing.finished)
    }

    /// The first job that this one needs and of which a file is not what it left: all are read.
    /// It is open afterwards.
    pub fn damaged(&self, job: &Job, jobs: Jobs) -> Result<Option<Key>> {
        for key in &job.needs {
            if self.store.damage(key, Depth::Full).is_some() {
                if let Some(need) = jobs.0.get(key) {
                    self.reopen(need, jobs)?;
                }
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }

    /// Opens jobs again that were made from files of others which were since made anew and have
    /// become others.
    pub fn drop_outdated(&self, finished: &mut Finished, jobs: Jobs) -> Result<()> {
        let outdated = |key: &&Key| self.store.outdated(key);
        let keys: Vec<Key> = finished.keys().filter(outdated).cloned().collect();
        for key in keys {
            if let Some(job) = jobs.0.get(&key) {
                self.reopen(job, jobs)?;
                finished.remove(&key);
            }
        }
        Ok(())
    }

    /// Opens a finished job again of which something is wrong, and says what; unless another
    /// process is at it, or has made it again between the look and the lock.
    pub fn reopen(&self, job: &Job, jobs: Jobs) -> Result<()> {
        let Some(mut lock) = self.store.folder(&job.key).claim()? else {
            return Ok(());
        };
        let damage = match self.store.result(&job.key) {
            None => None,
            Some(Ok(_)) => self.store.damage(&job.key, Depth::Full),
            Some(Err(damage)) => Some(damage),
        };
        let Some(damage) = damage else {
            return Ok(());
        };
        let made_from = match &damage {
            Damage::Inputs(need) => jobs.label(need),
            Damage::File { .. } | Damage::Earlier => "",
        };
        let text = lock.reopen(&damage, made_from)?;
        self.store.forget(&job.key);
        let mut reopened = self.reopened.borrow_mut();
        let times = reopened.entry(job.key.clone()).or_default();
        *times += 1;
        let label = &job.label;
        if *times > TRIES {
            return Err(Error::Compute(format!(
                "{text}; `{label}` was made again {TRIES} times and did not stay as it was written: \
                 is the disk failing?"
            )));
        }
        self.observer
            .warn(&format!("{text}; `{label}` is made again"));
        Ok(())
    }
}
