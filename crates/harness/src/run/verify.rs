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
/// nothing. A set of which an optional file is new, gone or changed is taken out of `finished`,
/// to be described again. `verified` holds the sets that have been looked at in this run.
///
/// # Errors
/// [`Error::Data`] for a set that is not what was recorded.
pub fn verify_data(
    jobs: &[Job],
    finished: &mut Finished,
    store: &Store,
    options: &Options,
    observer: &dyn Observer,
    stop: &Stop,
    verified: &mut BTreeSet<Key>,
) -> Result<()> {
    let idle = jobs.iter().all(|j| finished.contains_key(&j.key));
    for job in jobs {
        let (JobSpec::Data(spec), Some(JobResult::Data(recorded))) =
            (&job.spec, finished.get(&job.key))
        else {
            continue;
        };
        let gone = data::is_gone(spec, store);
        if (idle && gone) || !verified.insert(job.key.clone()) {
            continue;
        }
        observer.verifying(job);
        if gone {
            let reading = heed(stop, &job.label);
            data::make(spec, &job.key, store.data_root(), &reading, &mut |now| {
                now.tell(job, observer);
                stop.check(&now.state())
            })?;
        }
        let changed = compare(
            job,
            spec,
            recorded,
            store,
            options.read_again,
            &|d, t, u| watch(job, observer, stop, "verified")(d, t, u),
        )?;
        if !changed.is_empty() {
            observer.note(&format!(
                "data set `{}` is another one than was recorded, and is described again; what \
                 depends on the difference is done again:\n  {}",
                spec.name,
                changed.join("\n  ")
            ));
            store.folder(&job.key).reopen(&changed, stop)?;
            finished.remove(&job.key);
        }
    }
    Ok(())
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
