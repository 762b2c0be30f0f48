//! What a run leaves, less what no two runs have alike.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Fields that hold times, rates, places and processes.
const VOLATILE: &[&str] = &[
    "seconds",
    "images_per_second",
    "train_seconds",
    "input_wait",
    "ms",
    "seal",
];

/// Files that tell the story of a run, not its result.
const STORIES: &[&str] = &["events.jsonl", "lock", "stamps", "done"];

/// The results of all jobs by label, and the bytes of what they name by hash.
pub fn results(runs: &Path) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(runs).into_iter().flatten().flatten() {
        let json = |name: &str| -> Option<Value> {
            serde_json::from_slice(&fs::read(entry.path().join(name)).ok()?).ok()
        };
        if let (Some(spec), Some(mut result)) = (json("spec.json"), json("result.json")) {
            strip(&mut result);
            let label = spec["label"].as_str().unwrap_or_default().to_string();
            found.insert(format!("{label} {}", entry.file_name().display()), result);
        }
    }
    found
}

/// Every file below `dir` with its bytes, but for stories and JSON.
pub fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(path);
            } else if !STORIES.contains(&name.as_str()) && !name.ends_with(".json") {
                let key = path.strip_prefix(dir).unwrap().display().to_string();
                found.insert(key, fs::read(&path).unwrap());
            }
        }
    }
    found
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
