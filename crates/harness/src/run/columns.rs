//! Whether the data of a column can be scored at all, looked at before a network is trained for
//! it. Only a protocol knows what it makes of a set: a list of pairs in class order is a sound
//! data set, and no fold of it is.

use super::context::heed;
use super::failures::Failures;
use super::observer::Observer;
use super::scheduler::Finished;
use super::stop::Stop;
use super::store::Store;
use crate::plan::Layout;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_data::watch::Watch;
use frbench_eval::protocol;
use frbench_job::{DataSpec, Job, JobSpec, ScoreSpec};
use std::collections::BTreeMap;

/// Marks the scores that are still to be made of sets that their protocols refuse. Sets that are
/// not there are not looked at.
///
/// # Errors
/// [`Error::Usage`] where the protocol itself is wrong; a stop signal.
pub(super) fn check(
    jobs: &[Job],
    layout: &Layout,
    finished: &Finished,
    store: &Store,
    observer: &dyn Observer,
    stop: &Stop,
    failures: &mut Failures,
) -> Result<()> {
    let specs: BTreeMap<&Key, &JobSpec> = jobs.iter().map(|j| (&j.key, &j.spec)).collect();
    let names: BTreeMap<&Key, &str> = layout
        .cells
        .iter()
        .map(|c| (&c.score, &*c.column))
        .collect();
    let mut columns: BTreeMap<&str, (&ScoreSpec, Vec<&Key>)> = BTreeMap::new();
    for job in jobs.iter().filter(|j| !finished.contains_key(&j.key)) {
        if let (JobSpec::Score(spec), Some(name)) = (&job.spec, names.get(&job.key))
            && finished.contains_key(&spec.data)
            && !failures.has(&job.key)
        {
            columns
                .entry(name)
                .or_insert((spec, Vec::new()))
                .1
                .push(&job.key);
        }
    }
    for (name, (spec, scores)) in columns {
        let Some(JobSpec::Data(data)) = specs.get(&spec.data) else {
            continue;
        };
        match scorable(data, spec, store, &heed(stop, name)) {
            Ok(()) => {}
            Err(
                e @ (Error::Usage(_) | Error::Bug(_) | Error::Incomplete(_) | Error::Preempted(_)),
            ) => return Err(e),
            Err(e) => {
                observer.refused(name, &e.to_string());
                failures.add(name, &e, scores);
            }
        }
    }
    Ok(())
}

fn scorable(data: &DataSpec, spec: &ScoreSpec, store: &Store, watch: Watch) -> Result<()> {
    let set = super::open::as_found(data, &spec.data, store, watch)?;
    protocol::check(&spec.protocol, &set.description)
}
