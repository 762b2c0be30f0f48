//! Why a job is not one that is finished: what of that which makes its key differs.

use super::store::Store;
use frbench_base::Result;
use frbench_base::key::Key;
use frbench_job::Job;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

/// What kind of thing differs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// What a source says.
    Source,
    /// The version of a crate.
    Crate,
    /// The device, or a setting of the job.
    Setting,
    /// The identity of a data set.
    Data,
    /// Another job that it is made from.
    Job,
}

/// One thing that differs between two jobs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Difference {
    pub part: Part,
    /// The path of a source, the name of a crate, the place of a setting.
    pub name: String,
    /// Nothing where it is new.
    pub was: Option<String>,
    /// Nothing where it is gone.
    pub is: Option<String>,
}

/// A job of the runs folder, as its `spec.json` tells it.
#[derive(Clone, Debug)]
pub struct Past {
    pub key: Key,
    pub comparison: Key,
    pub label: String,
    pub done: bool,
    /// What its key is the hash of; null where an earlier version did not write it.
    pub made_of: Value,
    modified: SystemTime,
}

impl Past {
    /// The job in the folder `key` of the runs folder; none where there is none, or one that is
    /// not `wanted` by its name and its comparison key.
    fn read(store: &Store, key: Key, wanted: &dyn Fn(&str, &str) -> bool) -> Option<Past> {
        let folder = store.folder(&key);
        let path = folder.file("spec.json");
        let modified = path.metadata().and_then(|m| m.modified()).ok()?;
        let mut spec: Value = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        let (label, comparison) = (spec["label"].as_str()?, spec["comparison"].as_str()?);
        if !wanted(label, comparison) {
            return None;
        }
        Some(Past {
            comparison: Key(comparison.to_string()),
            label: label.to_string(),
            done: folder.is_done(),
            made_of: spec["made_of"].take(),
            key,
            modified,
        })
    }
}

/// Every job that was begun in the runs folder and is `wanted` by its name and its comparison key;
/// in the order of their keys.
///
/// # Errors
/// [`frbench_base::Error::Io`] for a folder that cannot be listed; one that is not there holds no job.
pub fn past(store: &Store, wanted: &dyn Fn(&str, &str) -> bool) -> Result<Vec<Past>> {
    let read = |key| Past::read(store, key, wanted);
    Ok(store.keys()?.into_iter().filter_map(read).collect())
}

/// Why an open job has to be done, though one like it is finished.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Redone {
    /// The key of the finished job that is nearest to it.
    pub nearest: Key,
    /// What differs; empty where that job does not say what it was made of.
    pub differences: Vec<Difference>,
}

/// Of the finished jobs on the same kind of device, the nearest to `job`: of the same
/// specification, else of the same name; of several the one with the fewest differences, then the
/// latest. None where there is neither.
pub fn nearest(job: &Job, past: &[Past]) -> Option<Redone> {
    let is = made_of(job);
    let elsewhere = |p: &Past| !p.made_of.is_null() && p.made_of["device"] != is["device"];
    let like = past.iter().filter(|p| {
        p.done
            && !elsewhere(p)
            && p.key != job.key
            && (p.comparison == job.comparison || p.label == job.label)
    });
    let ranked = like.map(|p| {
        let differences = differences(&p.made_of, &is);
        let own = differences.iter().filter(|d| d.part != Part::Job).count();
        let rank = (
            p.comparison != job.comparison,
            p.made_of.is_null(),
            own,
            differences.len(),
            std::cmp::Reverse(p.modified),
        );
        (rank, p, differences)
    });
    let (_, nearest, differences) = ranked.min_by_key(|(rank, _, _)| *rank)?;
    Some(Redone {
        nearest: nearest.key.clone(),
        differences,
    })
}

/// What the key of a job is the hash of.
pub fn made_of(job: &Job) -> Value {
    serde_json::from_str(&job.made_of).unwrap_or(Value::Null)
}

/// What differs between what two jobs are made of; nothing where one of them does not say it.
pub fn differences(was: &Value, is: &Value) -> Vec<Difference> {
    let mut out = Vec::new();
    if was.is_null() || is.is_null() {
        return out;
    }
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    leaves("", was, &mut old);
    leaves("", is, &mut new);
    let paths: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for path in paths {
        let (was, is) = (old.get(path), new.get(path));
        if was != is {
            out.push(difference(path, was, is));
        }
    }
    out.sort();
    out
}

fn difference(path: &str, was: Option<&String>, is: Option<&String>) -> Difference {
    let is_key = |text: &&String| text.len() == 64 && text.chars().all(|c| c.is_ascii_hexdigit());
    let is_data = |text: &&String| text.starts_with("data ");
    let either =
        |test: fn(&&String) -> bool| was.is_some_and(|t| test(&t)) || is.is_some_and(|t| test(&t));
    let (part, name) = if let Some(source) = path.strip_prefix("code/sources/") {
        (Part::Source, source)
    } else if let Some(name) = path.strip_prefix("code/crates/") {
        (Part::Crate, name)
    } else {
        let part = match (either(is_data), either(is_key)) {
            (true, _) => Part::Data,
            (_, true) => Part::Job,
            _ => Part::Setting,
        };
        (part, path.strip_prefix("spec/").unwrap_or(path))
    };
    Difference {
        part,
        name: name.to_string(),
        was: was.cloned(),
        is: is.cloned(),
    }
}

/// Every value of a document by its place; texts without quotes.
fn leaves(place: &str, value: &Value, out: &mut BTreeMap<String, String>) {
    let below = |name: &str| match place {
        "" => name.to_string(),
        _ => format!("{place}/{name}"),
    };
    match value {
        Value::Object(map) if !map.is_empty() => {
            map.iter()
                .for_each(|(name, v)| leaves(&below(name), v, out));
        }
        Value::Array(items) if !items.is_empty() => {
            let items = items.iter().enumerate();
            items.for_each(|(i, v)| leaves(&below(&i.to_string()), v, out));
        }
        Value::String(text) => {
            out.insert(place.to_string(), text.clone());
        }
        other => {
            out.insert(place.to_string(), other.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn differences_are_told_by_what_they_are() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let was = json!({
            "code": {"sources": {"methods/head/cosface.rs": "1", "eval/lib.rs": "1"},
                     "crates": {"gemm": "0.18"}},
            "device": "cpu",
            "spec": {"data": format!("data {a}"), "teacher": a, "batch": 10, "steps": [1, 2]},
        });
        let is = json!({
            "code": {"sources": {"methods/head/cosface.rs": "2", "eval/lib.rs": "1"},
                     "crates": {"gemm": "0.19"}},
            "device": "cuda",
            "spec": {"data": format!("data {b}"), "teacher": b, "batch": 10, "steps": [1, 3, 4]},
        });
        let told: Vec<(Part, String)> = differences(&was, &is)
            .into_iter()
            .map(|d| (d.part, d.name))
            .collect();
        let want = [
            (Part::Source, "methods/head/cosface.rs"),
            (Part::Crate, "gemm"),
            (Part::Setting, "device"),
            (Part::Setting, "steps/1"),
            (Part::Setting, "steps/2"),
            (Part::Data, "data"),
            (Part::Job, "teacher"),
        ];
        assert_eq!(told, want.map(|(part, name)| (part, name.to_string())));
        assert!(differences(&Value::Null, &is).is_empty());
    }
}
