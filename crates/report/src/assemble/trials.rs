//! What the trials of a score add to its metrics, from the files of its job.

pub(super) use frbench_eval::protocol::trials::Trials;

use super::Parts;
use frbench_base::key::{Key, sha256_hex};
use frbench_base::{Error, Result};
use frbench_eval::protocol::trials::FILES;
use frbench_harness::run::Store;
use frbench_job::result::ScoreResult;
use std::collections::{BTreeMap, BTreeSet};

/// The trials of all scores that have some, by the key of their job. What cannot be read is left
/// out and named in `notes`.
pub(super) fn load(
    s: &Parts,
    store: &Store,
    notes: &mut BTreeSet<String>,
) -> BTreeMap<Key, Trials> {
    let keys: BTreeSet<&Key> = s.layout.cells.iter().map(|c| &c.score).collect();
    let mut out = BTreeMap::new();
    for key in keys {
        let Some(scored) = s.score(key) else {
            continue;
        };
        match of(store, key, scored) {
            Ok(trials) => out.extend(trials.map(|t| (key.clone(), t))),
            Err(e) => {
                notes.insert(format!("{e}; intervals do without it."));
            }
        }
    }
    out
}

/// None where the job has left none.
///
/// # Errors
/// [`Error::Data`] for a file that is not the one that was written; [`Error::Io`].
fn of(store: &Store, key: &Key, scored: &ScoreResult) -> Result<Option<Trials>> {
    let read = |name: &str| -> Result<Option<Vec<u8>>> {
        let Some(written) = scored.evidence.iter().find(|f| f.path == name) else {
            return Ok(None);
        };
        let path = store.folder(key).file(name);
        let bytes = std::fs::read(&path).map_err(|e| Error::io(&path, e))?;
        match sha256_hex(&bytes) == written.sha256 {
            true => Ok(Some(bytes)),
            false => Err(Error::Data(format!(
                "{}: it is not what was written there (checksum mismatch)",
                path.display()
            ))),
        }
    };
    let [table, people, adds] = FILES.map(read);
    match (table?, people?, adds?) {
        (Some(table), people, Some(adds)) => {
            Trials::read(&table, people.as_deref(), &adds).map(Some)
        }
        _ => Ok(None),
    }
}
