//! Data before anything is built on it: what is missing, and what is not what was recorded.

use super::Observer;
use super::context::{heed, watch};
use super::data;
use super::options::{Options, ReadAgain};
use super::program::Program;
use super::scheduler::Finished;
use super::stop::Stop;
use super::store::Store;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_data::declarations::describe_missing;
use frbench_data::hashes::{self, Compared};
use frbench_data::set;
use frbench_data::stamps::Stamps;
use frbench_data::watch::Watch;
use frbench_job::result::{DataResult, JobResult};
use frbench_job::{DataSource, DataSpec, Job, JobSpec};
use std::collections::BTreeSet;

/// Sets that cannot be used, each with why.
pub type Refused = Vec<(Job, Error)>;

/// Sets of files that only the user can bring and of which some are missing: all of them are told
/// at once, before any work, and how to get them.
pub fn missing_files(jobs: &[Job], store: &Store, program: &Program) -> Refused {
    let missing = |job: &Job| match &job.spec {
        JobSpec::Data(spec) if matches!(spec.source, DataSource::Files { .. }) => {
            let root = store.data_root();
            let files = set::missing(spec, root);
            let declared = program.declarations.get(&spec.name);
            let text = || describe_missing(declared, spec, root, &files);
            (!files.is_empty()).then(|| (job.clone(), Error::Data(text())))
        }
        _ => None,
    };
    jobs.iter().filter_map(missing).collect()
}

/// Data that was recorded is hashed again before anything is built on it, also when there is
/// nothing left to build. A generated set whose folder is gone is made again, but not for
/// nothing. A set of which an optional file is new, gone or changed is taken out of `finished`,
/// to be described again. `verified` holds the sets that have been looked at in this run, or need
/// not be. Returned are sets that are not what was recorded.
///
/// # Errors
/// A stop signal.
pub fn verify_data(
    jobs: &[Job],
    finished: &mut Finished,
    store: &Store,
    options: &Options,
    observer: &dyn Observer,
    stop: &Stop,
    verified: &mut BTreeSet<Key>,
) -> Result<Refused> {
    let idle = jobs.iter().all(|j| finished.contains_key(&j.key));
    let mut refused = Vec::new();
    for job in jobs {
        let (JobSpec::Data(spec), Some(JobResult::Data(recorded))) =
            (&job.spec, finished.get(&job.key))
        else {
            continue;
        };
        if (idle && data::is_gone(spec, store)) || !verified.insert(job.key.clone()) {
            continue;
        }
        match verify(job, spec, recorded, store, options, observer, stop) {
            Ok(changed) if changed.is_empty() => {}
            Ok(changed) => {
                observer.note(&format!(
                    "data set `{}` is another one than was recorded, and is described again; \
                     what depends on the difference is done again:\n  {}",
                    spec.name,
                    changed.join("\n  ")
                ));
                store.folder(&job.key).reopen(&changed, stop)?;
                finished.remove(&job.key);
            }
            Err(e @ (Error::Incomplete(_) | Error::Preempted(_))) => return Err(e),
            Err(e) => refused.push((job.clone(), e)),
        }
    }
    Ok(refused)
}

/// What has become of a set, which is made again if it is gone: the optional files that are not
/// what was recorded.
fn verify(
    job: &Job,
    spec: &DataSpec,
    recorded: &DataResult,
    store: &Store,
    options: &Options,
    observer: &dyn Observer,
    stop: &Stop,
) -> Result<Vec<String>> {
    observer.verifying(job);
    if data::is_gone(spec, store) {
        let reading = heed(stop, &job.label);
        data::make(spec, &job.key, store.data_root(), &reading, &mut |now| {
            now.tell(job, observer);
            stop.check(&now.state())
        })?;
    }
    let watch = watch(job, observer, stop, "verified");
    compare(job, spec, recorded, store, options.read_again, &watch)
}

/// The optional files that are not what was recorded. Keeps the stamps of what was read.
fn compare(
    job: &Job,
    spec: &DataSpec,
    recorded: &DataResult,
    store: &Store,
    read_again: ReadAgain,
    watch: Watch,
) -> Result<Vec<String>> {
    let path = store.folder(&job.key).file(data::STAMPS);
    let known = Stamps::read(&path);
    let trusted = (&known, read_again.trusts(&known));
    let Compared { stamps, changed } =
        hashes::compare(spec, store.data_root(), recorded, trusted, watch)?;
    if read_again.trusts(&stamps) && stamps != known {
        stamps.write(&path)?;
    }
    Ok(changed)
}
