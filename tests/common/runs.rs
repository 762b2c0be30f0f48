//! What a run leaves in its folder.

use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

fn json(path: &Path) -> Option<Value> {
    serde_json::from_slice(&fs::read(path).ok()?).ok()
}

/// `(label, folder)` of every job.
pub fn jobs(runs: &Path) -> Vec<(String, PathBuf)> {
    let folders = fs::read_dir(runs).into_iter().flatten().flatten();
    let mut found: Vec<_> = folders
        .filter_map(|e| {
            let spec = json(&e.path().join("spec.json"))?;
            Some((spec["label"].as_str()?.to_string(), e.path()))
        })
        .collect();
    found.sort();
    found
}

/// The folder of the job with this label, once it has been begun.
pub fn job(runs: &Path, label: &str) -> Option<PathBuf> {
    let found = jobs(runs).into_iter().find(|(l, _)| l == label);
    found.map(|(_, folder)| folder)
}

/// What was asked of a job.
pub fn spec(folder: &Path) -> Value {
    json(&folder.join("spec.json")).expect("a specification")
}

/// What a finished job has found.
pub fn result(folder: &Path) -> Value {
    json(&folder.join("result.json")).expect("a result")
}

/// The log of a job. The last line of a killed process may be half a line.
pub fn events(folder: &Path) -> Vec<Value> {
    let text = fs::read_to_string(folder.join("events.jsonl")).unwrap_or_default();
    text.lines()
        .filter_map(|l| serde_json::from_str(l).ok())
        .collect()
}

/// sha256 of the final checkpoint by label of the training.
pub fn checkpoints(runs: &Path) -> BTreeMap<String, String> {
    let of = |(label, folder): (String, PathBuf)| {
        let result = json(&folder.join("result.json"))?;
        Some((label, result["checkpoint_sha256"].as_str()?.to_string()))
    };
    jobs(runs).into_iter().filter_map(of).collect()
}

/// The program in `dir`, on that folder's own data.
pub fn frbench(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frbench"));
    command.current_dir(dir).env_remove("FRBENCH_DATA");
    command
}

/// Exit code, standard output and standard error of a command in a folder.
pub fn outcome(dir: &Path, args: &[&str]) -> (i32, String, String) {
    let out = frbench(dir).args(args).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        out.status.code().unwrap(),
        text(&out.stdout),
        text(&out.stderr),
    )
}

/// `frbench run FILE --profile demo`.
pub fn command(dir: &Path, suite: &str) -> Command {
    let mut command = frbench(dir);
    command.args(["run", suite, "--profile", "demo"]);
    command
}

/// What a command that succeeds tells on the way.
pub fn told(command: &mut Command) -> String {
    let out = command.output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert!(out.status.success(), "{text}");
    text
}

/// A suite of one small training on the set `data`, scored on one set.
pub fn one_training(name: &str, data: &str, seeds: &[u64]) -> String {
    const SUITE: &str = r#"
schema = 1
name = "@name"
title = "One training"
analysis = "Nothing follows from it."

[[method]]
id = "m"
label = "M"
method = { name = "margin-softmax" }
head = { name = "arcface", s = 16.0, m = 0.3 }
network = "network"
training = "training"

[protocol.ten-fold]
kind = { name = "verification", folds = 10 }

[profile.demo]
train-data = "@data"
seeds = @seeds
entries = ["m"]
evaluate = [{ data = "synth-lfw-20-v1", protocol = "ten-fold" }]

[profile.demo.network.network]
@network

[profile.demo.training.training]
steps = 2
batch = 16
lr = 0.05
decay = { kind = "constant" }
@sgd
"#;
    suite(SUITE)
        .replace("@name", name)
        .replace("@data", data)
        .replace("@seeds", &format!("{seeds:?}"))
}

/// The text of a suite: `@network` stands for the settings of a small network, `@sgd` for those
/// that recipes of tests share.
pub fn suite(text: &str) -> String {
    const NETWORK: &str = r#"backbone = { name = "mobilefacenet", width = 0.25 }
embedding = 32
input = { size = 32, color = "rgb", mean = 0.5, std = 0.5 }"#;
    const SGD: &str = "momentum = 0.9\nweight-decay = 5e-4\nflip = true";
    text.replace("@network", NETWORK).replace("@sgd", SGD)
}

/// Waits for something that a process must do before it ends.
pub fn wait_until(child: &mut Child, what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(child.try_wait().unwrap().is_none(), "ended before {what}");
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(240), "no {what} in time");
        std::thread::sleep(Duration::from_millis(2));
    }
}
