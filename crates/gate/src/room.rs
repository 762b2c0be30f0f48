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
use std::io::ErrorKind;
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
    /// A process works on it, or nobody can tell.
    pub held: bool,
    /// Why nobody can tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unclear: Option<String>,
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
/// [`Error::Usage`] where there is no such folder, [`Error::Io`] for one that cannot be listed,
/// [`Error::Data`] for a job that does not say what it was made from.
pub fn survey(store: &Store) -> Result<Vec<Item>> {
    let runs = store.runs();
    if !runs.is_dir() {
        return Err(Error::Usage(format!(
            "{}: there is no such folder of runs; `--runs` names the one that is meant",
            runs.display()
        )));
    }
    let keys = store.keys()?.into_iter();
    keys.map(|key| item(store, key)).collect()
}

fn item(store: &Store, key: Key) -> Result<Item> {
    let folder = store.folder(&key);
    // A job that a kill has ended before it began says nothing.
    let json = |name: &str| match files::read_json::<Value>(&folder.file(name)) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(Value::Null),
        found => found,
    };
    let (spec, env) = (json("spec.json")?, json("env.json")?);
    let (bytes, modified) = size(folder.path());
    let needs = spec["needs"].as_array().into_iter().flatten();
    let lock = hold(&folder.file("lock"));
    Ok(Item {
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
        held: !matches!(lock, Lock::Ours(_)),
        unclear: match lock {
            Lock::Unclear(why) => Some(why),
            Lock::Ours(_) | Lock::Taken => None,
        },
        needs: needs
            .filter_map(|n| Some(Key(n.as_str()?.to_string())))
            .collect(),
        modified,
        key,
    })
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

/// The lock of a job.
enum Lock {
    /// It is held as long as this lives; no file where no process has ever taken it.
    Ours(#[allow(dead_code, reason = "it is held, not read")] Option<File>),
    /// A process has it.
    Taken,
    /// It cannot be asked: a process may have it.
    Unclear(String),
}

fn hold(path: &Path) -> Lock {
    let unclear = |e: std::io::Error| Lock::Unclear(Error::io(path, e).to_string());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == ErrorKind::NotFound => return Lock::Ours(None),
        Err(e) => return unclear(e),
    };
    match file.try_lock() {
        Ok(()) => Lock::Ours(Some(file)),
        Err(TryLockError::WouldBlock) => Lock::Taken,
        Err(TryLockError::Error(e)) => unclear(e),
    }
}

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

/// What became of a removal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Removed {
    Gone,
    /// It stays, and why.
    Stays(String),
}

/// Removes what is listed, one after the other, unless a process has taken it meanwhile. A kill
/// leaves each job as it was, without its checkpoint, or open: a run makes what it needs again.
pub fn remove(store: &Store, removals: &[Removal]) -> Vec<Removed> {
    let of = |removal: &Removal| match attempt(store, removal) {
        Ok(removed) => removed,
        Err(e) => Removed::Stays(e.to_string()),
    };
    removals.iter().map(of).collect()
}

fn attempt(store: &Store, removal: &Removal) -> Result<Removed> {
    let folder = store.folder(&removal.key);
    let _held = match hold(&folder.file("lock")) {
        held @ Lock::Ours(_) => held,
        Lock::Taken => return Ok(Removed::Stays("a process has taken it meanwhile".into())),
        Lock::Unclear(why) => return Ok(Removed::Stays(why)),
    };
    match removal.what {
        What::Checkpoint => {
            if !folder.is_done() {
                return Ok(Removed::Stays("it has been begun again meanwhile".into()));
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
    Ok(Removed::Gone)
}

fn gone(path: PathBuf, remove: impl Fn(&Path) -> std::io::Result<()>) -> Result<()> {
    match remove(&path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(Error::io(path, e)),
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
            unclear: None,
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

    #[test]
    fn a_lock_that_cannot_be_asked_counts_as_held() {
        let dir = tempfile::tempdir().unwrap();
        let key = Key("a".repeat(64));
        let store = Store::new("", dir.path());
        let folder = store.folder(&key);
        std::fs::create_dir_all(folder.path()).unwrap();
        let of = || survey(&store).unwrap().remove(0);
        assert!(!of().held && of().unclear.is_none());
        // What lies in the place of the lock is no file that can be opened: a link in a circle.
        #[cfg(unix)]
        std::os::unix::fs::symlink("lock", folder.file("lock")).unwrap();
        #[cfg(unix)]
        {
            assert!(of().held);
            assert!(of().unclear.unwrap().contains("lock: "), "{:?}", of());
            let now = SystemTime::now() + Duration::from_secs(86_400);
            assert!(removals(&[of()], &BTreeSet::new(), Duration::ZERO, now).is_empty());
            let removal = Removal {
                key,
                label: String::new(),
                what: What::Job,
                bytes: 0,
            };
            let done = remove(&store, &[removal]);
            assert!(matches!(&done[0], Removed::Stays(why) if why.contains("lock")));
            assert!(folder.path().exists());
        }
    }

    #[test]
    fn what_cannot_be_read_is_said_before_anything_goes() {
        let dir = tempfile::tempdir().unwrap();
        let why = |runs: &Path| survey(&Store::new("", runs)).unwrap_err().to_string();
        let none = dir.path().join("none");
        assert!(why(&none).contains("no such folder of runs"));
        let store = Store::new("", dir.path());
        let folder = store.folder(&Key("a".repeat(64)));
        std::fs::create_dir_all(folder.path()).unwrap();
        std::fs::write(folder.file("spec.json"), "{").unwrap();
        assert!(why(dir.path()).contains("spec.json:1:"));
    }
}
