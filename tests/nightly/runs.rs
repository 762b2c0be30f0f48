//! `frbench runs`: what lies there, and what goes.

use super::place::Place;
use serde_json::{Value, json};

fn bytes(place: &Place) -> u64 {
    let out = place.run(&["runs", "--json"]).out;
    let found: Value = serde_json::from_str(&out).unwrap();
    let jobs = found["jobs"].as_array().unwrap().iter();
    jobs.map(|j| j["bytes"].as_u64().unwrap()).sum()
}

#[test]
fn what_a_baseline_names_stays_but_for_checkpoints() {
    let mut place = Place::recorded();
    place.say("code", json!("other"));
    assert_eq!(place.night(&[]).code, 0);
    let list = place.run(&["runs"]);
    assert_eq!(list.code, 0, "{}", list.err);
    assert!(list.out.contains("no suite of this build"), "{}", list.out);
    let prune = |more: &[&str]| {
        let mut args = vec!["runs", "prune", "--json", "--days", "0"];
        args.extend(more);
        let ended = place.run(&args);
        assert_eq!(ended.code, 0, "{}", ended.err);
        serde_json::from_str::<Value>(&ended.out).unwrap()
    };
    let before = bytes(&place);
    let would = prune(&[]);
    assert_eq!(bytes(&place), before, "a dry run removes nothing");
    let did = prune(&["--yes"]);
    assert_eq!(would["removals"], did["removals"]);
    let of = |what: &str| {
        let list = did["removals"].as_array().unwrap();
        list.iter().filter(|r| r["what"] == what).count()
    };
    // Of the night two rows with three seeds or more: training, embeddings, scores.
    assert!(of("job") >= 18, "{did}");
    assert_eq!(of("checkpoint"), 40);
    assert!(bytes(&place) < before);
    // What is left is what was there: the first code is done.
    place.say("code", json!("first"));
    assert_eq!(place.night(&[]).code, 0);
    assert_eq!(place.found()["suites"][0]["executed"], 0);
}

#[test]
fn what_is_to_stay_is_known_before_anything_is_listed() {
    let place = Place::recorded();
    let before = bytes(&place);
    let refused = |args: &[&str], code, says: &str| {
        let mut all = vec!["runs", "prune", "--days", "0", "--yes"];
        all.extend(args);
        let ended = place.run(&all);
        assert_eq!(ended.code, code, "{args:?}: {}{}", ended.out, ended.err);
        assert!(ended.err.contains(says), "{args:?}: {}", ended.err);
        assert!(!ended.out.contains("bytes"), "{args:?}: {}", ended.out);
    };
    let no_baselines = "refrence: there is no such folder of baselines";
    refused(&["--baselines", "refrence"], 2, no_baselines);
    refused(&["--baselines", "one.toml"], 1, "one.toml: ");
    refused(
        &["--runs", "rnus"],
        2,
        "rnus: there is no such folder of runs",
    );
    let damaged = place.path("reference_results/baselines/damaged.json");
    std::fs::write(&damaged, "{").unwrap();
    refused(&[], 5, "damaged.json:1:");
    std::fs::remove_file(damaged).unwrap();
    assert_eq!(place.run(&["runs", "--runs", "rnus"]).code, 2);
    assert_eq!(bytes(&place), before);
}

#[test]
fn what_is_said_to_be_removed_is_gone() {
    let place = Place::recorded();
    let before = bytes(&place);
    let ended = place.run(&["runs", "prune", "--days", "0", "--yes"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("\n40 removed, "), "{}", ended.out);
    assert!(bytes(&place) < before);
}
