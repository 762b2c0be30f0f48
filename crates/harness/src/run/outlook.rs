//! What a run will do, as far as the data sets that are there let it be foreseen.

use super::failures::Failures;
use super::store::Store;
use crate::plan::{self, Code, Next, Round};
use crate::suite::Resolved;
use frbench_base::Result;
use frbench_job::{Job, JobSpec};

/// All jobs of a suite by this code. What is known of one set may name another that is made of
/// it; nothing is taken as known of sets that failed.
///
/// # Errors
/// None of its own; those of planning.
pub fn outlook(suite: &Resolved, code: &Code, store: &Store, failed: &Failures) -> Result<Round> {
    plan::rounds(suite, code, plan::outlook, |round, known| {
        let is_data = |job: &&Job| matches!(job.spec, JobSpec::Data(_));
        let mut results = known.results.clone();
        results.extend(store.finished(round.jobs.iter().filter(is_data)).finished);
        results.retain(|key, _| !failed.has(key));
        Ok(Next::Known(results, round))
    })
}
