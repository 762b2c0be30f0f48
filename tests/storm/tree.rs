//! What a run leaves, less what no two runs have alike.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Fields that hold times and rates. A seal holds hashes of files that hold times; those files
/// are compared themselves.
const VOLATILE: &[&str] = &[
    "seconds",
    "images_per_second",
    "embedded_per_second",
    "train_seconds",
    "input_wait",
    "ms",
    "seal",
    "started",
    "finished",
];

/// Files that tell the story of a run, not its result.
const STORIES: &[&str] = &[
    "events.jsonl",
    "lock",
    "stamps",
    "large-files.json",
    "said",
    "seen",
];

/// What a file holds, less times.
#[derive(Debug, PartialEq)]
pub enum Content {
    Bytes(Vec<u8>),
    Json(Value),
    Table(Vec<String>),
    /// A page, in which times stand among all else.
    Page,
}

/// Every file below `dir`, but for stories and what was set aside.
pub fn files(dir: &Path) -> BTreeMap<String, Content> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !STORIES.contains(&name.as_str()) && !name.contains(".damaged-") {
                let key = path.strip_prefix(dir).unwrap().display().to_string();
                found.insert(key, content(&name, fs::read(&path).unwrap()));
            }
        }
    }
    found
}

fn content(name: &str, bytes: Vec<u8>) -> Content {
    match name.rsplit('.').next() {
        Some("json") => match serde_json::from_slice(&bytes) {
            Ok(mut value) => {
                strip(&mut value);
                Content::Json(value)
            }
            Err(_) => Content::Bytes(bytes),
        },
        Some("html" | "md") => Content::Page,
        Some("csv") if name == "results.csv" => {
            Content::Table(untimed(&String::from_utf8_lossy(&bytes)))
        }
        _ => Content::Bytes(bytes),
    }
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.retain(|key, _| !VOLATILE.contains(&key.as_str()));
            map.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// The lines of a table without the columns of times.
fn untimed(text: &str) -> Vec<String> {
    let mut table = csv::ReaderBuilder::new();
    let mut table = table.has_headers(false).from_reader(text.as_bytes());
    let rows: Vec<csv::StringRecord> = table.records().map(|r| r.unwrap()).collect();
    let timed: Vec<bool> = match rows.first() {
        Some(head) => head.iter().map(|c| VOLATILE.contains(&c)).collect(),
        None => Vec::new(),
    };
    let keep = |row: &csv::StringRecord| {
        let kept = row.iter().zip(&timed).filter(|(_, timed)| !**timed);
        format!("{:?}", kept.map(|(cell, _)| cell).collect::<Vec<_>>())
    };
    rows.iter().map(keep).collect()
}

/// Both must hold the same files with the same contents, but for times.
#[track_caller]
pub fn compare(calm: &Path, other: &Path, what: &str) {
    let (want, mut found) = (files(calm), files(other));
    for (name, content) in want {
        let there = found.remove(&name);
        let there = there.unwrap_or_else(|| panic!("{what}: {name} is not there"));
        assert!(there == content, "{what}: {name} is another one");
    }
    assert!(found.is_empty(), "{what}: too many are {:?}", found.keys());
}

/// How many files of this name there are below `dir`.
pub fn count(dir: &Path, name: &str) -> usize {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let of = entries.map(|entry| match entry.path().is_dir() {
        true => count(&entry.path(), name),
        false => usize::from(entry.file_name() == name),
    });
    of.sum()
}

/// Makes `to` what `from` is.
pub fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|e| e.unwrap()) {
        let to = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}
