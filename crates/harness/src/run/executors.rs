//! What executes each kind of job.

use super::context::Context;
use super::{data, derive, embed, import, score, train};
use frbench_base::Result;
use frbench_job::JobSpec;
use frbench_job::result::JobResult;

/// Executes one job, whose folder is claimed.
pub type Executor = fn(&JobSpec, &mut Context) -> Result<JobResult>;

/// The executors of this crate, one for each kind of job.
///
/// # Errors
/// Whatever keeps the job from being finished.
pub fn execute(spec: &JobSpec, cx: &mut Context) -> Result<JobResult> {
    match spec {
        JobSpec::Data(spec) => data::run(spec, cx).map(JobResult::Data),
        JobSpec::Train(spec) => train::run(spec, cx).map(JobResult::Train),
        JobSpec::Import(spec) => import::run(spec, cx).map(JobResult::Import),
        JobSpec::Derive(spec) => derive::run(spec, cx).map(JobResult::Derive),
        JobSpec::Embed(spec) => embed::run(spec, cx).map(JobResult::Embed),
        JobSpec::Score(spec) => score::run(spec, cx).map(JobResult::Score),
    }
}
