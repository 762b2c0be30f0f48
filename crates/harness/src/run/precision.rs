//! What a device cannot compute is refused before any work.

use super::network::NetworkSpec;
use super::store::Jobs;
use frbench_base::{Error, Result};
use frbench_engine::Device;
use frbench_job::{Job, JobSpec};
use frbench_methods::method;
use std::collections::BTreeMap;

/// Whether the networks that `open` jobs run, out of all `jobs` of a round, are in arithmetic of
/// the `device`. Those of finished jobs may be in any: nothing runs them.
///
/// # Errors
/// [`Error::Usage`] with the name of the first job of which that is not so.
pub fn check(open: &[&Job], jobs: &[Job], device: &Device) -> Result<()> {
    let by_key: BTreeMap<_, _> = jobs.iter().map(|j| (j.key.clone(), j.clone())).collect();
    for job in open {
        for network in networks(&job.spec, Jobs(&by_key))? {
            device
                .takes(network.precision)
                .map_err(|e| Error::Usage(format!("{}: {e}", job.label)))?;
        }
    }
    Ok(())
}

/// The networks that a job runs.
fn networks<'a>(spec: &'a JobSpec, jobs: Jobs<'a>) -> Result<Vec<NetworkSpec<'a>>> {
    Ok(match spec {
        JobSpec::Train(spec) => {
            let needs = (method::find(&spec.method.name)?.needs)(&spec.method, spec.head.as_ref())?;
            let teacher = spec.teacher.iter().filter(|_| needs.teacher_network());
            let teacher = teacher.map(|key| jobs.network(key));
            std::iter::once(Ok(NetworkSpec::of_training(spec)))
                .chain(teacher)
                .collect::<Result<_>>()?
        }
        JobSpec::Embed(spec) => vec![jobs.network(&spec.model)?],
        JobSpec::Derive(spec) => match &spec.model {
            Some(key) if super::derive::runs_network(spec) => vec![jobs.network(key)?],
            _ => Vec::new(),
        },
        JobSpec::Data(_) | JobSpec::Import(_) | JobSpec::Score(_) => Vec::new(),
    })
}
