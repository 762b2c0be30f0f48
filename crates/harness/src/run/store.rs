//! Where things are: the data root and the runs directory.

use super::folder::RunFolder;
use super::images::ImageCache;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_job::result::JobResult;
use frbench_job::{Job, JobSpec};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The two directories of a run, and what is kept in memory between its jobs.
pub struct Store {
    data: PathBuf,
    runs: PathBuf,
    /// Decoded images, shared by the jobs of this process.
    pub images: ImageCache,
}

impl Store {
    pub fn new(data: impl Into<PathBuf>, runs: impl Into<PathBuf>) -> Self {
        Store {
            data: data.into(),
            runs: runs.into(),
            images: ImageCache::default(),
        }
    }

    /// The folder that holds one folder per data set.
    pub fn data_root(&self) -> &Path {
        &self.data
    }

    pub fn runs(&self) -> &Path {
        &self.runs
    }

    pub fn folder(&self, key: &Key) -> RunFolder {
        RunFolder::new(&self.runs, key)
    }

    /// The results of those `jobs` that are done.
    pub fn finished<'a>(
        &self,
        jobs: impl IntoIterator<Item = &'a Job>,
    ) -> Result<BTreeMap<Key, JobResult>> {
        let mut results = BTreeMap::new();
        for job in jobs {
            let folder = self.folder(&job.key);
            if folder.is_done() {
                results.insert(job.key.clone(), folder.result()?);
            }
        }
        Ok(results)
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
