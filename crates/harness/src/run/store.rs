//! Where things are: the data root and the runs directory.

use super::folder::RunFolder;
use super::images::ImageCache;
use super::network::NetworkSpec;
use super::own::{self, Damage, Depth, Reader};
use super::seal::Seal;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_job::result::JobResult;
use frbench_job::{Job, JobSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// The two directories of a run, and what is kept in memory between its jobs.
pub struct Store {
    data: PathBuf,
    runs: PathBuf,
    /// Decoded images, shared by the jobs of this process.
    pub images: ImageCache,
    reader: Reader,
    /// Of finished jobs, as they were last seen.
    seals: Mutex<BTreeMap<Key, Seal>>,
}

/// Jobs that are done, and those that were and of which something is wrong.
#[derive(Debug, Default)]
pub struct Standing {
    pub finished: BTreeMap<Key, JobResult>,
    pub damaged: BTreeMap<Key, Damage>,
}

impl Store {
    pub fn new(data: impl Into<PathBuf>, runs: impl Into<PathBuf>) -> Self {
        Store {
            data: data.into(),
            runs: runs.into(),
            images: ImageCache::default(),
            reader: Reader::default(),
            seals: Mutex::default(),
        }
    }

    /// The folder that holds one folder per data set.
    pub fn data_root(&self) -> &Path {
        &self.data
    }

    pub fn runs(&self) -> &Path {
        &self.runs
    }

    /// Every job that was begun in the folder of runs.
    ///
    /// # Errors
    /// [`Error::Io`] for a folder that cannot be listed; one that is not there holds nothing.
    pub fn keys(&self) -> Result<BTreeSet<Key>> {
        let runs = &self.runs;
        let mut keys = BTreeSet::new();
        if !runs.exists() {
            return Ok(keys);
        }
        for entry in std::fs::read_dir(runs).map_err(|e| Error::io(runs, e))? {
            let name = entry.map_err(|e| Error::io(runs, e))?.file_name();
            let name = name.to_string_lossy().into_owned();
            if name.len() == 64 && name.bytes().all(|b| b.is_ascii_hexdigit()) {
                keys.insert(Key(name));
            }
        }
        Ok(keys)
    }

    pub fn folder(&self, key: &Key) -> RunFolder {
        RunFolder::new(&self.runs, key)
    }

    /// Which of the `jobs` are done, by their results: each is tied to its job, and to what it
    /// was made from as far as that is among the jobs. They come in dependency order.
    pub fn finished<'a>(&self, jobs: impl IntoIterator<Item = &'a Job>) -> Standing {
        let mut standing = Standing::default();
        for job in jobs {
            match self.result(&job.key) {
                None => {}
                Some(Ok(result)) => {
                    standing.finished.insert(job.key.clone(), result);
                }
                Some(Err(damage)) => {
                    standing.damaged.insert(job.key.clone(), damage);
                }
            }
        }
        standing
    }

    /// The result of a job that is done, or what is wrong with it.
    pub fn result(&self, key: &Key) -> Option<Result<JobResult, Damage>> {
        let found = own::result(&self.folder(key), key);
        let mut seals = self.seals();
        seals.remove(key);
        Some(found?.and_then(|(result, seal)| {
            if let Some(damage) = own::outdated(&seal, &seals) {
                return Err(damage);
            }
            seals.insert(key.clone(), seal);
            Ok(result)
        }))
    }

    /// What is wrong with the files of a job whose result was found to be right.
    pub fn damage(&self, key: &Key, depth: Depth) -> Option<Damage> {
        let seal = self.seals().get(key).cloned()?;
        let damage = self.reader.check(&self.folder(key), &seal, depth);
        damage.or_else(|| own::outdated(&seal, &self.seals()))
    }

    /// Whether a finished job was made from files of others that are there no more.
    pub fn outdated(&self, key: &Key) -> bool {
        let seals = self.seals();
        let seal = seals.get(key);
        seal.is_some_and(|seal| own::outdated(seal, &seals).is_some())
    }

    /// A job is finished no more.
    pub fn forget(&self, key: &Key) {
        self.seals().remove(key);
    }

    /// The seal of a finished job.
    ///
    /// # Errors
    /// [`Error::Bug`] for one that is not finished.
    pub fn seal(&self, key: &Key) -> Result<Seal> {
        let seal = self.seals().get(key).cloned();
        seal.ok_or_else(|| Error::Bug(format!("job {} is not finished", key.short())))
    }

    /// What a job that builds on `needs` is made from: the digests of their files.
    pub fn inputs(&self, needs: &[Key]) -> BTreeMap<Key, String> {
        let seals = self.seals();
        let digest = |key: &Key| Some((key.clone(), seals.get(key)?.digest()));
        needs.iter().filter_map(digest).collect()
    }

    fn seals(&self) -> MutexGuard<'_, BTreeMap<Key, Seal>> {
        self.seals.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// The jobs of a plan by key: how an executor finds the spec behind a dependency.
#[derive(Clone, Copy)]
pub struct Jobs<'a>(pub &'a BTreeMap<Key, Job>);

impl<'a> Jobs<'a> {
    pub fn spec(&self, key: &Key) -> Result<&'a JobSpec> {
        self.0
            .get(key)
            .map(|j| &j.spec)
            .ok_or_else(|| Error::Bug(format!("job {} is not in the plan", key.short())))
    }

    /// What people call the job; nothing for one that is not in the plan.
    pub fn label(&self, key: &Key) -> &'a str {
        self.0.get(key).map_or("", |j| &j.label)
    }

    pub fn data(&self, key: &Key) -> Result<&'a frbench_job::DataSpec> {
        match self.spec(key)? {
            JobSpec::Data(d) => Ok(d),
            _ => Err(Error::Bug(format!("job {} is not a data job", key.short()))),
        }
    }

    /// The network that a training leaves, or that is read from a file.
    pub fn network(&self, key: &Key) -> Result<NetworkSpec<'a>> {
        match self.spec(key)? {
            JobSpec::Train(t) => Ok(NetworkSpec::of_training(t)),
            JobSpec::Import(i) => Ok(NetworkSpec::of_file(i)),
            _ => Err(Error::Bug(format!("job {} leaves no network", key.short()))),
        }
    }

    pub fn train(&self, key: &Key) -> Result<&'a frbench_job::TrainSpec> {
        match self.spec(key)? {
            JobSpec::Train(t) => Ok(t),
            _ => Err(Error::Bug(format!(
                "job {} is not a training job",
                key.short()
            ))),
        }
    }
}
