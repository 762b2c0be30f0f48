//! Why a job is done again: `frbench show` for the jobs of a plan, `frbench explain` for two.

use crate::common::runs;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn said(dir: &Path, args: &[&str]) -> String {
    let out = runs::frbench(dir).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert!(out.status.success(), "{args:?}: {text}");
    text
}

#[test]
fn a_changed_setting_is_named_with_all_that_follows_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let suite = runs::one_training("again", "synth-train-16x4-v1", &[1]);
    fs::write(dir.join("again.toml"), &suite).unwrap();
    runs::told(&mut runs::command(dir, "again.toml"));
    assert!(!said(dir, &["show", "again.toml"]).contains("done again"));
    fs::write(dir.join("again.toml"), suite.replace("m = 0.3", "m = 0.35")).unwrap();

    let shown = said(dir, &["show", "again.toml"]);
    let line = |start: &str| shown.lines().find(|l| l.trim().starts_with(start)).unwrap();
    assert!(
        line("head/params/m 0.3 to 0.35").ends_with("train m seed 1"),
        "{shown}"
    );
    assert!(
        line("jobs that they are made from").contains(" 2 "),
        "{shown}"
    );
    // On a GPU nothing was done that could be done again.
    let gpu = said(dir, &["show", "again.toml", "--device", "cuda"]);
    assert!(!gpu.contains("done again"), "{gpu}");
    let plan: Value = serde_json::from_str(&said(dir, &["show", "again.toml", "--json"])).unwrap();
    let jobs = plan["jobs"].as_array().unwrap();
    let train = jobs
        .iter()
        .find(|j| j["label"] == "train m seed 1")
        .unwrap();
    assert_eq!(train["redone"]["differences"][0]["name"], "head/params/m");

    runs::told(&mut runs::command(dir, "again.toml"));
    let keys: Vec<String> = runs::jobs(&dir.join("runs"))
        .into_iter()
        .filter(|(label, _)| label == "train m seed 1")
        .map(|(_, folder)| folder.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let [first, second] = &keys[..] else {
        panic!("{keys:?}");
    };
    let args = ["explain", &first[..16], &second[..16], "--json"];
    let told: Value = serde_json::from_str(&said(dir, &args)).unwrap();
    let differences = told["differences"].as_array().unwrap();
    assert_eq!(differences.len(), 1, "{told}");
    assert_eq!(differences[0]["name"], "head/params/m");
    let same = said(dir, &["explain", first, first]);
    assert!(
        same.contains("Nothing that makes their keys differs"),
        "{same}"
    );
    let out = runs::frbench(dir)
        .args(["explain", "zz", first])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(2));
}
