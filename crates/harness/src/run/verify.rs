//! Data before anything is built on it: what is missing, and what is not what was recorded.

use super::Observer;
use super::data;
use super::program::Program;
use super::scheduler::Finished;
use super::stop::Stop;
use super::store::Store;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_data::declarations::describe_missing;
use frbench_data::set;
use frbench_job::result::JobResult;
use frbench_job::{DataSource, Job, JobSpec};
use std::collections::BTreeSet;

/// Files that only the user can bring are asked for all at once, before any work.
///
/// # Errors
/// [`Error::Data`] with every file that is missing, and how to get it.
pub fn missing_files(jobs: &[Job], store: &Store, program: &Program) -> Result<()> {
    let missing: Vec<String> = jobs
        .iter()
        .filter_map(|job| match &job.spec {
            JobSpec::Data(spec) if matches!(spec.source, DataSource::Files { .. }) => {
                let root = store.data_root();
                let files = set::missing(spec, root);
                let declared = program.declarations.get(&spec.name);
                (!files.is_empty()).then(|| describe_missing(declared, spec, root, &files))
            }
            _ => None,
        })
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Error::Data(missing.join("\n\n")))
}

/// Data that was recorded is hashed again before anything is built on it, also when there is
/// nothing left to build. A generated set whose folder is gone is made again, but not for
/// nothing. `verified` holds the sets that have been looked at in this run.
///
/// # Errors
/// [`Error::Data`] for a set that is not what was recorded.
pub fn verify_data(
    jobs: &[Job],
    finished: &Finished,
    store: &Store,
    observer: &dyn Observer,
    stop: &Stop,
    verified: &mut BTreeSet<Key>,
) -> Result<()> {
    let idle = jobs.iter().all(|j| finished.contains_key(&j.key));
    for job in jobs {
        let (JobSpec::Data(spec), Some(JobResult::Data(result))) =
            (&job.spec, finished.get(&job.key))
        else {
            continue;
        };
        let spared = idle && data::is_gone(spec, store);
        if spared || !verified.insert(job.key.clone()) {
            continue;
        }
        data::verify(spec, result, store, &job.key, &mut |done, total| {
            observer.progress(job, done, total, "images", "rendered");
            stop.check("rendering")
        })?;
    }
    Ok(())
}
