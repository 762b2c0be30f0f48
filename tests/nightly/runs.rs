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
