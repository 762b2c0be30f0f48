//! Running a part of a suite: some methods, some seeds.

use crate::suite::Resolved;
use crate::suite::check::suggest;
use crate::{Error, Result};

/// What the command line asks for; empty means everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection {
    /// Ids of entries or rows.
    pub only: Vec<String>,
    pub seeds: Vec<u64>,
}

/// The rows and seeds that are asked for. A teacher stays, at its own seed and without being
/// evaluated, where a remaining row learns from it.
pub fn select(mut suite: Resolved, selection: &Selection) -> Result<Resolved> {
    for name in &selection.only {
        let known = |id: &str| suite.rows.iter().any(|r| r.id == id || r.entry == id);
        if !known(name) {
            let ids = suite.rows.iter().map(|r| r.entry.as_str());
            return Err(Error::NothingSelected(format!(
                "profile `{}` of suite `{}` has no method `{name}`; {}",
                suite.profile,
                suite.suite,
                suggest(name, ids)
            )));
        }
    }
    for row in &mut suite.rows {
        let named = |n: &String| *n == row.id || *n == row.entry;
        row.listed = selection.only.is_empty() || selection.only.iter().any(named);
        if !selection.seeds.is_empty() {
            row.seeds.retain(|s| selection.seeds.contains(s));
        }
        row.listed &= !row.seeds.is_empty();
    }
    if suite.rows.iter().any(|r| r.listed) {
        return Ok(suite);
    }
    Err(Error::NothingSelected(format!(
        "no row of profile `{}` of suite `{}` trains with any of the seeds {:?}",
        suite.profile, suite.suite, selection.seeds
    )))
}
