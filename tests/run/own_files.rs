//! What jobs left is not trusted blindly: damaged, exchanged and missing files are found, said,
//! and made again, and the results are those of an undisturbed run.

use crate::common::runs::{self, command, events, job, jobs, spec, wait_until};
use frbench::engine::checkpoint::Checkpoint;
use frbench::key::{Key, sha256_hex};
use frbench::protocol::embeddings::{EmbeddingWriter, Resumed};
use frbench::run::RunFolder;
use frbench::run::checkpoint::roll;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Jobs of every kind, two of each but for one kind of artefact.
const SUITE: &str = r#"
schema = 1
name = "own"
title = "Own files"
analysis = "Nothing follows from it."

[teacher]
id = "teacher"
label = "Teacher"
method = { name = "margin-softmax" }
head = { name = "arcface", s = 16.0, m = 0.3 }
network = "network"
training = "training"

[[baseline]]
id = "student"
label = "Student"
method = { name = "margin-softmax" }
head = { name = "cosface", s = 16.0, m = 0.2 }
network = "network"
training = "training"

[[method]]
id = "coupleface"
label = "CoupleFace"
teacher = "teacher"
method = { name = "coupleface", normalize = true, alpha = 1.0, beta = 0.0, q = 0.03, form = "hinge", k = 5 }
network = "network"
training = "training"

[protocol.ten-fold]
kind = { name = "verification", folds = 10 }

[profile.demo]
train-data = "synth-train-16x4-v1"
seeds = [1]
entries = ["teacher", "student", "coupleface"]
evaluate = [{ data = "synth-lfw-20-v1", protocol = "ten-fold" }]

[profile.demo.network.network]
@network

[profile.demo.training.training]
steps = 24
batch = 16
lr = 0.05
decay = { kind = "constant" }
@sgd
"#;

/// A folder with the suite, and its data once something was run.
fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("own.toml"), runs::suite(SUITE)).unwrap();
    dir
}

/// Runs the suite in the runs folder of this name, whose report has the same name.
fn frbench(dir: &Path, runs: &str) -> Command {
    let mut frbench = command(dir, "own.toml");
    frbench.args(["--runs", runs, "--reports", &format!("{runs}-report")]);
    frbench
}

fn run(dir: &Path, runs: &str) -> String {
    let out = frbench(dir, runs).output().unwrap();
    let text = stderr(&out);
    assert!(out.status.success(), "{text}");
    text
}

fn stderr(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

fn warnings(text: &str) -> Vec<&str> {
    text.lines()
        .filter(|l| l.starts_with("warning: "))
        .collect()
}

/// The values of a report, without times.
fn values(dir: &Path, runs: &str) -> Vec<Vec<String>> {
    let csv = dir.join(format!("{runs}-report/own-demo/results.csv"));
    let text = fs::read_to_string(csv).unwrap();
    let rows: Vec<Vec<String>> = text
        .lines()
        .map(|l| l.split(',').map(str::to_string).collect())
        .collect();
    let timed = |name: &String| name == "train_seconds" || name == "images_per_second";
    let times: Vec<bool> = rows[0].iter().map(timed).collect();
    assert_eq!(times.iter().filter(|t| **t).count(), 2);
    let kept = |row: Vec<String>| row.into_iter().zip(&times).filter(|(_, t)| !**t);
    rows.into_iter()
        .map(|row| kept(row).map(|(cell, _)| cell).collect())
        .collect()
}

/// The hashes of the files that hold numbers, by job and name, as they are on disk.
fn numbers(runs: &Path) -> BTreeMap<(String, String), String> {
    let mut all = BTreeMap::new();
    for (label, folder) in jobs(runs) {
        for name in left(&folder).into_iter().filter(|n| !n.ends_with(".json")) {
            let bytes = fs::read(folder.join(&name)).unwrap();
            all.insert((label.clone(), name), sha256_hex(&bytes));
        }
    }
    all
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// The files that a finished job states to have left.
fn left(folder: &Path) -> Vec<String> {
    let result = json(&folder.join("result.json"));
    let files = result["seal"]["files"].as_array().unwrap().iter();
    files
        .map(|f| f["path"].as_str().unwrap().to_string())
        .collect()
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|e| e.unwrap()) {
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Harm {
    Flip,
    Cut,
    Empty,
    Remove,
    Exchange,
}

const HARMS: [Harm; 5] = [
    Harm::Flip,
    Harm::Cut,
    Harm::Empty,
    Harm::Remove,
    Harm::Exchange,
];

/// Does it to a file; `other` is one of the same kind, if there is one. The files that are not
/// what they were.
fn harm(file: &Path, other: Option<&Path>, how: Harm) -> Vec<PathBuf> {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    match how {
        Harm::Flip => bytes[middle] ^= 4,
        Harm::Cut => bytes.truncate(middle),
        Harm::Empty => bytes.clear(),
        Harm::Remove => {
            fs::remove_file(file).unwrap();
            return vec![file.to_path_buf()];
        }
        Harm::Exchange => {
            let Some(other) = other else {
                return Vec::new();
            };
            let others = fs::read(other).unwrap();
            fs::write(other, &bytes).unwrap();
            fs::write(file, &others).unwrap();
            let same = others == bytes;
            let both = [file, other].map(Path::to_path_buf);
            return both.into_iter().filter(|_| !same).collect();
        }
    }
    fs::write(file, bytes).unwrap();
    vec![file.to_path_buf()]
}

/// The folders of each kind of job, with the files of each: a derived matrix of embeddings is
/// another kind than other artefacts.
fn kinds(runs: &Path) -> BTreeMap<String, Vec<(PathBuf, Vec<String>)>> {
    let mut kinds: BTreeMap<String, Vec<_>> = BTreeMap::new();
    for (_, folder) in jobs(runs) {
        let mut files = left(&folder);
        files.push("result.json".into());
        let kind = json(&folder.join("result.json"))["job"].to_string();
        let kind = format!("{kind} {}", files.join(" "));
        kinds.entry(kind).or_default().push((folder, files));
    }
    kinds
}

#[test]
fn every_file_that_is_harmed_is_made_again() {
    let dir = place();
    let dir = dir.path();
    run(dir, "calm");
    let (want, numbers_want) = (values(dir, "calm"), numbers(&dir.join("calm")));
    let kinds_calm = kinds(&dir.join("calm"));
    // Data, trainings, embeddings, two kinds of artefacts, scores.
    assert_eq!(kinds_calm.len(), 6, "{:?}", kinds_calm.keys());
    let most = kinds_calm.values().map(|k| k[0].1.len()).max().unwrap();
    let shaken = dir.join("shaken");
    for how in HARMS {
        for nth in 0..most {
            copy(&dir.join("calm"), &shaken);
            let mut harmed = Vec::new();
            for jobs in kinds(&shaken).values() {
                let (folder, files) = &jobs[0];
                let Some(name) = files.get(nth) else { continue };
                let other = jobs.get(1).map(|(folder, _)| folder.join(name));
                harmed.extend(harm(&folder.join(name), other.as_deref(), how));
            }
            let text = run(dir, "shaken");
            let warnings = warnings(&text);
            assert_eq!(warnings.len(), harmed.len(), "{how:?} {harmed:?}: {text}");
            for file in &harmed {
                let file = file.strip_prefix(dir).unwrap();
                let start = format!("warning: {}: ", file.display());
                let line = warnings.iter().find(|w| w.starts_with(&start));
                let line = line.unwrap_or_else(|| panic!("{how:?} {start}: {text}"));
                assert!(line.ends_with("is made again"), "{line}");
                assert_eq!(line.contains(".damaged-1;"), how != Harm::Remove, "{line}");
            }
            assert_eq!(values(dir, "shaken"), want, "{how:?} {harmed:?}");
            assert_eq!(numbers(&shaken), numbers_want, "{how:?} {harmed:?}");
        }
        let text = run(dir, "shaken");
        assert!(text.contains("nothing was run"), "{text}");
    }
}

#[test]
fn what_a_further_job_reads_is_looked_at_before() {
    let dir = place();
    let dir = dir.path();
    run(dir, "calm");
    // Further scores are made of the same embeddings, further embeddings of the same networks.
    for (from, to, label, file) in [
        ("folds = 10", "folds = 5", "embed student", "embeddings.f32"),
        (
            "synth-lfw-20-v1",
            "synth-lfw-40-v1",
            "train student",
            "model.safetensors",
        ),
    ] {
        let suite = runs::suite(SUITE).replace(from, to);
        assert_ne!(suite, runs::suite(SUITE));
        fs::write(dir.join("own.toml"), suite).unwrap();
        copy(&dir.join("calm"), &dir.join("whole"));
        copy(&dir.join("calm"), &dir.join("shaken"));
        run(dir, "whole");
        let shaken = jobs(&dir.join("shaken"));
        let found = shaken.iter().find(|(l, _)| l.starts_with(label));
        harm(&found.unwrap().1.join(file), None, Harm::Flip);
        run(dir, "shaken");
        assert_eq!(values(dir, "whole"), values(dir, "shaken"));
        assert_eq!(numbers(&dir.join("whole")), numbers(&dir.join("shaken")));
    }
}

#[test]
fn a_report_leaves_out_what_is_not_what_was_found() {
    let dir = place();
    let dir = dir.path();
    run(dir, "calm");
    let report = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_frbench"));
        let args = ["report", "own.toml", "--runs", "calm", "--json"];
        let out = command.current_dir(dir).args(args).output().unwrap();
        let report: Value = serde_json::from_slice(&out.stdout).unwrap();
        let runs = report["input"]["rows"].as_array().unwrap().iter();
        let row = runs.clone().find(|r| r["id"] == "student").unwrap();
        (out.status.code(), stderr(&out), row["runs"][0].clone())
    };
    let (code, text, student) = report();
    assert_eq!((code, text.as_str()), (Some(0), ""));
    // A number is tied to the network that has it.
    let train = job(&dir.join("calm"), "train student seed 1").unwrap();
    for (field, file) in [
        ("checkpoint_sha256", "checkpoint.safetensors"),
        ("model_sha256", "model.safetensors"),
    ] {
        let hash = sha256_hex(&fs::read(train.join(file)).unwrap());
        assert_eq!(student[field], hash.as_str());
    }
    let metric = "synth-lfw-20-v1/ten-fold/accuracy";
    assert!(student["metrics"][metric]["value"].is_number());

    let label = "score student seed 1 synth-lfw-20-v1/ten-fold";
    let file = job(&dir.join("calm"), label).unwrap().join("result.json");
    let text = fs::read_to_string(&file).unwrap();
    let value = json(&file)["metrics"][0]["value"].to_string();
    for edited in ["-5.0", "1e308", "1e999", "0.75", "\"much\""] {
        let value = format!("\"value\": {value}");
        let wrong = text.replacen(&value, &format!("\"value\": {edited}"), 1);
        assert_ne!(wrong, text);
        fs::write(&file, &wrong).unwrap();
        let (code, told, student) = report();
        assert_eq!(code, Some(4), "{told}");
        assert!(
            told.contains("result.json") && told.contains("is not reported"),
            "{told}"
        );
        assert!(student["metrics"][metric].is_null());
        // It runs nothing, and changes nothing.
        assert_eq!(fs::read_to_string(&file).unwrap(), wrong);
    }
}

#[test]
fn a_training_that_was_killed_after_its_last_step_loses_nothing() {
    let dir = place();
    let dir = dir.path();
    run(dir, "calm");
    let (want, shaken) = (values(dir, "calm"), dir.join("shaken"));
    let training = |runs: &Path| job(runs, "train student seed 1").unwrap();
    let found = |runs: &Path| {
        let mut result = json(&training(runs).join("result.json"));
        result.as_object_mut().unwrap().remove("seal");
        result
    };
    let calm = found(&dir.join("calm"));
    assert_eq!(calm["curve"].as_array().unwrap().len(), 24);
    assert!(calm["seconds"].as_f64().unwrap() > 0.0);
    for gone in [
        &["done"][..],
        &["done", "result.json"],
        &["done", "result.json", "model.safetensors"],
        // It is written before the checkpoint; the result says the same.
        &["done", "checkpoint.json"],
    ] {
        copy(&dir.join("calm"), &shaken);
        for file in gone {
            fs::remove_file(training(&shaken).join(file)).unwrap();
        }
        let text = run(dir, "shaken");
        assert!(warnings(&text).is_empty(), "{text}");
        assert!(
            text.contains("train student seed 1 resumes at step 24"),
            "{text}"
        );
        assert_eq!(found(&shaken), calm, "{gone:?}");
        assert_eq!(values(dir, "shaken"), want);
        assert_eq!(numbers(&shaken), numbers(&dir.join("calm")));
    }
    // With nothing that says how it went, it is trained again.
    copy(&dir.join("calm"), &shaken);
    for file in ["done", "result.json", "checkpoint.json"] {
        fs::remove_file(training(&shaken).join(file)).unwrap();
    }
    let text = run(dir, "shaken");
    assert_eq!(warnings(&text).len(), 1, "{text}");
    assert_eq!(found(&shaken)["curve"], calm["curve"]);
    assert_eq!(numbers(&shaken), numbers(&dir.join("calm")));
}

#[test]
fn a_harmed_rolling_checkpoint_is_not_gone_on_from() {
    let dir = place();
    let dir = dir.path();
    run(dir, "calm");
    let (want, shaken) = (values(dir, "calm"), dir.join("shaken"));
    let mut child = frbench(dir, "killed")
        .args(["--checkpoint-every", "0", "--jobs", "1"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let label = "train student seed 1";
    let folder = || job(&dir.join("killed"), label);
    wait_until(&mut child, "a step", || {
        let step = |e: &Value| e["event"] == "checkpoint" && e["step"].as_u64() >= Some(2);
        folder().is_some_and(|f| events(&f).iter().any(step))
    });
    let folder = folder().unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!folder.join("done").exists(), "it ended before the kill");

    let name = "checkpoint.safetensors";
    for how in HARMS {
        copy(&dir.join("killed"), &shaken);
        let file = job(&shaken, label).unwrap().join(name);
        let key = Key(json(&file.with_file_name("spec.json"))["key"]
            .as_str()
            .unwrap()
            .into());
        match how {
            Harm::Exchange => {
                let other = Key("7".repeat(64));
                let checkpoint = Checkpoint::load(&file).unwrap();
                fs::create_dir_all(dir.join("other").join(&other.0)).unwrap();
                let place = RunFolder::new(&dir.join("other"), &other);
                roll(&place, &other, checkpoint).unwrap();
                fs::copy(place.file(name), &file).unwrap();
            }
            how => drop(harm(&file, None, how)),
        }
        let text = run(dir, "shaken");
        let warnings = warnings(&text);
        let log = events(&job(&shaken, label).unwrap());
        assert!(
            log.iter().any(|e| e["event"] == "restarted"),
            "{how:?}: {text}"
        );
        if how != Harm::Remove {
            assert_eq!(warnings.len(), 1, "{how:?}: {text}");
            let start = format!("warning: shaken/{}/{name}: ", key.0);
            assert!(warnings[0].starts_with(&start), "{}", warnings[0]);
        }
        assert_eq!(values(dir, "shaken"), want, "{how:?}");
        assert_eq!(numbers(&shaken), numbers(&dir.join("calm")));
    }
    // One of its own that is put in the place of the last one is gone on from.
    let file = job(&shaken, label).unwrap().join(name);
    fs::copy(folder.join(name), file).unwrap();
    let text = run(dir, "shaken");
    assert!(text.contains("from the middle of the training"), "{text}");
    assert!(text.contains(&format!("{label} resumes at step")), "{text}");
    assert_eq!(numbers(&shaken), numbers(&dir.join("calm")));
}

#[test]
fn embeddings_on_their_way_are_those_of_their_job() {
    let dir = place();
    let dir = dir.path();
    run(dir, "calm");
    let want = numbers(&dir.join("calm"));
    let label = "embed student seed 1";
    let shaken = dir.join("shaken");
    for content in ["nothing", "noise", "another job's"] {
        copy(&dir.join("calm"), &shaken);
        let found = jobs(&shaken)
            .into_iter()
            .find(|(l, _)| l.starts_with(label));
        let (label, folder) = found.unwrap();
        for file in ["done", "result.json", "embeddings.f32"] {
            fs::remove_file(folder.join(file)).unwrap();
        }
        let path = folder.join("embeddings.f32");
        match content {
            "nothing" => fs::write(EmbeddingWriter::part(&path), "").unwrap(),
            "noise" => fs::write(EmbeddingWriter::part(&path), [7; 4096]).unwrap(),
            _ => {
                let dim = 32;
                let other = Key("7".repeat(64));
                let resumed = EmbeddingWriter::resume(&path, dim, &other, "plain").unwrap();
                let Resumed::Writer { mut writer, .. } = resumed else {
                    panic!("{resumed:?}");
                };
                writer.append(&vec![0.5; 1024 * dim]).unwrap();
            }
        }
        let text = run(dir, "shaken");
        let warnings = warnings(&text);
        assert_eq!(warnings.len(), 1, "{label}: {text}");
        assert!(
            warnings[0].contains("embeddings.f32.part.damaged-1"),
            "{text}"
        );
        assert_eq!(numbers(&shaken), want);
    }
}

/// Another kernel set rounds differently: what was made of the network is made again of the one
/// that is there now.
#[test]
fn what_was_made_of_a_network_that_is_no_more_is_made_again() {
    let dir = place();
    let dir = dir.path();
    run(dir, "runs");
    let label = "train student seed 1";
    let runs = dir.join("runs");
    let network =
        |runs: &Path| numbers(runs)[&(label.to_string(), "model.safetensors".into())].clone();
    let before = network(&runs);
    fs::remove_dir_all(job(&runs, label).unwrap()).unwrap();
    let out = frbench(dir, "runs")
        .env("FRBENCH_ISA", "plain")
        .output()
        .unwrap();
    let text = stderr(&out);
    assert!(out.status.success(), "{text}");
    let after = network(&runs);
    if before == after {
        return; // A machine with one kernel set.
    }
    let made_again: BTreeSet<&str> = warnings(&text)
        .iter()
        .filter(|w| {
            w.contains(&format!(
                "made from files of `{label}` that are there no more"
            ))
        })
        .filter_map(|w| w.split('`').nth(3))
        .collect();
    assert_eq!(made_again.len(), 1, "{text}");
    for (label, folder) in jobs(&runs) {
        if label.contains("student") && !label.starts_with("train") {
            let result = json(&folder.join("result.json"));
            assert_eq!(result["model"]["model_sha256"], after.as_str(), "{label}");
        }
    }
    assert!(run(dir, "runs").contains("nothing was run"));
    assert_eq!(spec(&job(&runs, label).unwrap())["label"], label);
}
