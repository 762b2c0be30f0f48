//! What lies in the folder of runs, and what of it can go.

use frbench_base::key::Key;
use frbench_base::{Error, Result, files};
use frbench_harness::run::Store;
use frbench_harness::run::checkpoint::CHECKPOINT;
use frbench_harness::run::own::PRUNED;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// The folder of a job.
#[derive(Clone, Debug, Serialize)]
pub struct Item {
    pub key: Key,
    /// Such as `train fcd seed 1`; empty where it says nothing.
    pub label: String,
    /// The revision of the program that began it, or nothing.
    pub commit: String,
    /// The kind of device that it is computed on; empty for data.
    pub device: String,
    pub bytes: u64,
    /// Of its last checkpoint.
    pub checkpoint: u64,
    pub done: bool,
    /// A process works on it.
    pub held: bool,
    /// Jobs that it was made from.
    pub needs: Vec<Key>,
    #[serde(skip)]
    pub modified: SystemTime,
}

/// What goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// The last checkpoint of a finished training: its network is kept.
    Checkpoint,
    /// The whole folder.
    Job,
}

#[derive(Clone, Debug, Serialize)]
pub struct Removal {
    pub key: Key,
    pub label: String,
    pub what: What,
    pub bytes: u64,
}

/// Every job in the folder of runs, in the order of their keys.
///
/// # Errors
/// [`Error::Io`] for a folder that cannot be listed; one that is not there holds nothing.
pub fn survey(store: &Store) -> Result<Vec<Item>> {
    Ok(store
        .keys()?
        .into_iter()
        .map(|key| item(store, key))
        .collect())
}

fn item(store: &Store, key: Key) -> Item {
    let folder = store.folder(&key);
    let json = |name: &str| -> Value {
        let text = std::fs::read(folder.file(name)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or(Value::Null)
    };
    let (spec, env) = (json("spec.json"), json("env.json"));
    let (bytes, modified) = size(folder.path());
    let needs = spec["needs"].as_array().into_iter().flatten();
    Item {
        label: spec["label"].as_str().unwrap_or_default().to_string(),
        commit: env["build"]["revision"]
            .as_str()
            .unwrap_or_default()
            .to_string(),
        device: spec["made_of"]["device"]
            .as_str()
            .unwrap_or_default()
            .to_string(),
        bytes,
        checkpoint: folder.file(CHECKPOINT).metadata().map_or(0, |m| m.len()),
        done: folder.is_done(),
        held: hold(&folder.file("lock")).is_none(),
        needs: needs
            .filter_map(|n| Some(Key(n.as_str()?.to_string())))
            .collect(),
        modified,
        key,
    }
}

/// Bytes of all files below `dir`, and when the latest of them was written.
fn size(dir: &Path) -> (u64, SystemTime) {
    let (mut bytes, mut latest) = (0, SystemTime::UNIX_EPOCH);
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            // Links count as themselves.
            let Ok(meta) = entry.metadata() else { continue };
            if meta.is_dir() {
                folders.push(entry.path());
                continue;
            }
            bytes += meta.len();
            latest = latest.max(meta.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        }
    }
    (bytes, latest)
}

/// The lock of a job, unless a process has it.
fn hold(path: &Path) -> Option<Held> {
    let Ok(file) = File::open(path) else {
        return Some(Held(None));
    };
    match file.try_lock() {
        Ok(()) => Some(Held(Some(file))),
        Err(TryLockError::WouldBlock | TryLockError::Error(_)) => None,
    }
}

/// Keeps a lock as long as it lives; none where there is no file to lock.
struct Held(#[allow(dead_code, reason = "it is held, not read")] Option<File>);

/// The jobs that are `wanted`, by the beginnings of their keys, and all that they were made from.
pub fn kept(items: &[Item], wanted: &BTreeSet<String>) -> BTreeSet<Key> {
    let by_key: BTreeMap<&Key, &Item> = items.iter().map(|i| (&i.key, i)).collect();
    let named = |key: &Key| {
        // Wanted beginnings are sorted: the one before the end of the key is the nearest.
        let before = wanted.range(..=key.0.clone()).next_back();
        before.is_some_and(|w| key.0.starts_with(w.as_str()))
    };
    let mut open: Vec<&Key> = items.iter().map(|i| &i.key).filter(|k| named(k)).collect();
    let mut kept = BTreeSet::new();
    while let Some(key) = open.pop() {
        if kept.insert(key.clone()) {
            open.extend(by_key.get(key).into_iter().flat_map(|i| &i.needs));
        }
    }
    kept
}

/// What goes: checkpoints of finished trainings, and jobs that are not `kept`, nor held, nor
/// written to within `recent`, nor needed by one that stays.
pub fn removals(
    items: &[Item],
    kept: &BTreeSet<Key>,
    recent: Duration,
    now: SystemTime,
) -> Vec<Removal> {
    let fresh = |i: &&Item| {
        // A clock that was put back makes files of the future: they are fresh.
        let age = now.duration_since(i.modified);
        age.map_or(true, |age| age < recent)
    };
    let mut stay = kept.clone();
    let held = items.iter().filter(|i| i.held);
    let mut open: Vec<&Item> = items.iter().filter(fresh).chain(held).collect();
    let by_key: BTreeMap<&Key, &Item> = items.iter().map(|i| (&i.key, i)).collect();
    let mut seen = BTreeSet::new();
    while let Some(item) = open.pop() {
        if seen.insert(&item.key) {
            stay.insert(item.key.clone());
            open.extend(item.needs.iter().filter_map(|k| by_key.get(k).copied()));
        }
    }
    let of = |i: &Item| {
        let what = match stay.contains(&i.key) {
            false => What::Job,
            true if i.done && !i.held && i.checkpoint > 0 => What::Checkpoint,
            true => return None,
        };
        Some(Removal {
            key: i.key.clone(),
            label: i.label.clone(),
            bytes: match what {
                What::Job => i.bytes,
                What::Checkpoint => i.checkpoint,
            },
            what,
        })
    };
    items.iter().filter_map(of).collect()
}

/// Removes what is listed; what a process has taken meanwhile stays and is named. A kill leaves
/// each job as it was, without its checkpoint, or open: a run makes what it needs again.
///
/// # Errors
/// [`Error::Io`].
pub fn remove(store: &Store, removals: &[Removal]) -> Result<Vec<String>> {
    let mut stayed = Vec::new();
    for removal in removals {
        let folder = store.folder(&removal.key);
        let Some(_held) = hold(&folder.file("lock")) else {
            stayed.push(removal.label.clone());
            continue;
        };
        match removal.what {
            What::Checkpoint => {
                if !folder.is_done() {
                    stayed.push(removal.label.clone());
                    continue;
                }
                // What says that it is gone on purpose comes before it goes.
                files::write_atomic(&folder.file(PRUNED), b"")?;
                gone(folder.file(CHECKPOINT), |p| std::fs::remove_file(p))?;
            }
            What::Job => {
                gone(folder.file("done"), |p| std::fs::remove_file(p))?;
                files::sync_dir(folder.path());
                gone(folder.path().to_path_buf(), |p| std::fs::remove_dir_all(p))?;
            }
        }
    }
    Ok(stayed)
}

fn gone(path: PathBuf, remove: impl Fn(&Path) -> std::io::Result<()>) -> Result<()> {
    match remove(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io(path, e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(key: &str, needs: &[&str], days: u64) -> Item {
        Item {
            key: Key(key.into()),
            label: key.into(),
            commit: String::new(),
            device: String::new(),
            bytes: 10,
            checkpoint: 6,
            done: true,
            held: false,
            needs: needs.iter().map(|n| Key((*n).into())).collect(),
            modified: SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * days),
        }
    }

    #[test]
    fn what_is_wanted_recent_or_held_stays_with_all_it_was_made_from() {
        let mut items = vec![
            item("aa data", &[], 0),
            item("ab train", &["aa data"], 0),
            item("ac score", &["ab train"], 0),
            item("ba train", &[], 0),
            item("bb score", &["ba train"], 99),
            item("ca old", &[], 0),
            item("cb held", &[], 0),
        ];
        items[6].held = true;
        let wanted = BTreeSet::from(["ac".to_string(), "a0".to_string()]);
        let kept = kept(&items, &wanted);
        assert_eq!(kept.len(), 3);
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 * 100);
        let found = removals(&items, &kept, Duration::from_secs(86_400 * 7), now);
        let jobs: Vec<&str> = found
            .iter()
            .filter(|r| r.what == What::Job)
            .map(|r| r.key.0.as_str())
            .collect();
        assert_eq!(jobs, ["ca old"]);
        // Of those that stay and are finished, the checkpoints go; nothing of what is held.
        assert_eq!(found.len(), 6);
        assert!(found.iter().all(|r| r.key.0 != "cb held"));
        assert_eq!(found.iter().map(|r| r.bytes).sum::<u64>(), 5 * 6 + 10);
    }
}
