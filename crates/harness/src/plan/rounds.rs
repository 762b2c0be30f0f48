//! The planning loop: finished results in, next jobs out, until nothing more is learned.

use super::{Code, Known, Round};
use crate::suite::Resolved;
use frbench_base::Result;
use frbench_base::key::Key;
use frbench_job::result::JobResult;
use std::collections::BTreeMap;

/// What became of a round.
pub enum Next<T> {
    /// No further round is wanted.
    Done(T),
    /// What is known now. If that is no more than before, `T` is the end.
    Known(BTreeMap<Key, JobResult>, T),
}

/// Plans a suite round by round, by [`super::plan`] or [`super::outlook`]; `settle` is handed
/// each round with what it was planned from.
pub fn rounds<T>(
    suite: &Resolved,
    code: &Code,
    plan: fn(&Resolved, &Known, &Code) -> Round,
    mut settle: impl FnMut(Round, &Known) -> Result<Next<T>>,
) -> Result<T> {
    let mut known = Known::default();
    loop {
        match settle(plan(suite, &known, code), &known)? {
            Next::Done(end) => return Ok(end),
            Next::Known(results, end) if results.len() == known.results.len() => return Ok(end),
            Next::Known(results, _) => known.results = results,
        }
    }
}
