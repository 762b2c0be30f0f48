//! Running a part of a suite: some methods, some seeds.

use crate::suite::Resolved;
use crate::suite::check::suggest;
use crate::suite::resolve::Row;
use frbench_base::{Error, Result};

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
        // One that is declared and empty has no seeds from the start, and is shown as such.
        let empty = row.seeds.is_empty();
        if !selection.seeds.is_empty() {
            row.seeds.retain(|s| selection.seeds.contains(s));
        }
        row.listed &= empty || !row.seeds.is_empty();
    }
    let runs = |r: &Row| r.listed && !r.seeds.is_empty();
    if suite.rows.iter().any(runs) {
        return Ok(suite);
    }
    let wanted = &selection.seeds;
    if wanted.is_empty() {
        return Err(Error::NothingSelected(format!(
            "nothing can be trained of {}: declared and empty",
            selection.only.join(", ")
        )));
    }
    Err(Error::NothingSelected(format!(
        "no row of profile `{}` of suite `{}` trains with any of the seeds {wanted:?}",
        suite.profile, suite.suite
    )))
}
