//! What run folders say about where and when jobs were computed.

use crate::format::iso_time;
use frbench_base::key::{Key, sha256_hex};
use frbench_harness::run::Store;
use frbench_job::{Job, JobSpec};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

/// Of the jobs of a plan.
pub(super) struct Told {
    /// Facts on which all trainings agree; where they do not, every value that occurred.
    pub facts: BTreeMap<String, String>,
    /// When the first job began and the last one ended.
    pub started: String,
    pub finished: String,
}

/// Reads the folders of finished jobs; what is not as it was written is added to `damaged`.
pub(super) fn told(jobs: &[Job], store: &Store, damaged: &mut Vec<String>) -> Told {
    let modified = |key: &Key, name: &str| {
        let meta = std::fs::metadata(store.folder(key).file(name)).ok()?;
        let since = meta.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(since.as_secs())
    };
    let keys = || jobs.iter().map(|j| &j.key);
    let first = keys().filter_map(|k| modified(k, "spec.json")).min();
    let last = keys().filter_map(|k| modified(k, "done")).max();
    let text = |t: Option<u64>| t.map(iso_time).unwrap_or_default();
    Told {
        facts: facts(jobs, store, damaged),
        started: text(first),
        finished: text(last),
    }
}

fn facts(jobs: &[Job], store: &Store, damaged: &mut Vec<String>) -> BTreeMap<String, String> {
    let mut facts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let leaves_network = |job: &&Job| matches!(job.spec, JobSpec::Train(_) | JobSpec::Import(_));
    for job in jobs.iter().filter(leaves_network) {
        let Ok(seal) = store.seal(&job.key) else {
            continue;
        };
        let path = store.folder(&job.key).file("env.json");
        let text = std::fs::read(&path).unwrap_or_default();
        let written = seal.hash("env.json") == Some(&sha256_hex(&text));
        let Some(Value::Object(env)) = serde_json::from_slice(&text).ok().filter(|_| written)
        else {
            damaged.push(format!(
                "{}: it is not what was written there; `frbench run` makes it again",
                path.display()
            ));
            continue;
        };
        // A report travels; who ran it where stays in `env.json`.
        for (name, value) in env.into_iter().filter(|(name, _)| name != "host") {
            let Some(text) = fact(&name, value) else {
                continue;
            };
            let known = facts.entry(name).or_default();
            if !known.contains(&text) {
                known.push(text);
            }
        }
    }
    facts.into_iter().map(|(k, v)| (k, v.join("; "))).collect()
}

/// A value in words; none for what is no fact about results.
fn fact(name: &str, value: Value) -> Option<String> {
    Some(match value {
        Value::String(s) => s,
        Value::Object(m) if name == "build" => {
            let parts = ["revision", "tree"].iter();
            let parts = parts.filter_map(|k| m.get(*k)?.as_str());
            parts.collect::<Vec<_>>().join(", ")
        }
        Value::Object(m) if m.is_empty() => return None,
        Value::Array(_) => return None,
        other => other.to_string(),
    })
}
