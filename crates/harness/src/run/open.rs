//! The data set that a job reads: as its data job found it.

use super::context::{Context, heed};
use super::store::Store;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_data::set::{self, DataSet, TrainSet};
use frbench_data::watch::Watch;
use frbench_job::result::JobResult;
use frbench_job::{Damaged, DataSource, DataSpec};

/// The set of data job `key`, less the images that the job found damaged.
///
/// # Errors
/// What [`set::open`] refuses, and a stop signal.
pub fn data_set(key: &Key, cx: &Context) -> Result<DataSet> {
    let watch = heed(cx.stop, &cx.job.label);
    as_found(cx.jobs.data(key)?, key, cx.store, &watch)
}

/// The same outside of a job.
pub fn as_found(spec: &DataSpec, key: &Key, store: &Store, watch: Watch) -> Result<DataSet> {
    let root = store.data_root();
    let set = set::open_watched(spec, root, watch)?;
    let skips = matches!(
        &spec.source,
        DataSource::Files { rules, .. } if rules.damaged == Damaged::Skip
    );
    if !skips {
        return Ok(set);
    }
    match store.result(key) {
        Some(Ok(JobResult::Data(found))) => set.without(&found.damaged, &root.join(&spec.name)),
        Some(Err(damage)) => Err(Error::Data(damage.text(&store.folder(key)))),
        _ => Err(Error::Bug(format!(
            "job {} is not a finished data job",
            key.short()
        ))),
    }
}

/// The same of a training set.
pub fn train_set(key: &Key, cx: &Context) -> Result<TrainSet> {
    let spec = cx.jobs.data(key)?;
    data_set(key, cx)?
        .train()
        .ok_or_else(|| Error::Usage(format!("`{}` is not a training set", spec.name)))
}
