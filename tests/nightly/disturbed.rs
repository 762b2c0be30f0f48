//! Nights that something happens to: each ends with its code and tells what there is, and the next
//! one goes on.

use super::place::Place;
#[cfg(unix)]
use super::place::ended;
use serde_json::{Value, json};

/// Of the first suite on the last night, the finding of `row` on a column.
fn cell(place: &Place, row: &str, column: &str) -> Value {
    let found = place.found();
    let cells = found["suites"][0]["cells"].as_array().unwrap();
    let cell = cells
        .iter()
        .find(|c| c["row"] == row && c["column"] == column);
    cell.cloned().unwrap_or_else(|| panic!("{found}"))
}

#[test]
fn a_set_that_went_missing_stops_its_own_column() {
    let mut place = Place::new();
    let folder = place.own_set();
    place.record("1..6");
    place.say("code", json!("other"));
    let away = place.path("away");
    std::fs::rename(&folder, &away).unwrap();
    let ended = place.night(&[]);
    assert_eq!(ended.code, 5, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("failed: data own: "), "{}", ended.out);
    assert!(ended.out.contains("pairs.bin"), "{}", ended.out);
    let (lost, other) = (
        cell(&place, "b", "own/ten-fold"),
        cell(&place, "b", "synth-lfw-20-v1/ten-fold"),
    );
    assert_eq!(
        (&lost["verdict"], &lost["mean"]),
        (&json!("failed"), &Value::Null)
    );
    assert!(other["mean"].as_f64().unwrap() > 0.7, "{other}");
    std::fs::rename(&away, &folder).unwrap();
    let ended = place.night(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let found = cell(&place, "b", "own/ten-fold");
    assert_eq!(found["values"].as_object().unwrap().len(), 3, "{found}");
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_told_and_the_next_night_goes_on() {
    let mut place = Place::recorded();
    place.say("code", json!("other"));
    let before = place.done();
    // Less than what says what a job is.
    let full = ended(&mut place.limited(2, &["nightly", "one.toml"]));
    assert_eq!(full.code, 1, "{}{}", full.out, full.err);
    let said = full.out.contains("failed: train a seed 1: ");
    assert!(said && full.out.contains("exit code 1"), "{}", full.out);
    assert!(full.err.contains("error: nightly/"), "{}", full.err);
    assert_eq!(place.done(), before);
    // A night that nobody could write down is none.
    assert!(!place.has_told(".nights.jsonl"));
    let next = place.night(&[]);
    assert_eq!(next.code, 0, "{}{}", next.out, next.err);
    assert_eq!(place.found()["suites"][0]["repeated"], false);
    assert!(place.has_told(".nights.jsonl"));
}

#[cfg(unix)]
#[test]
fn a_night_that_is_killed_leaves_nothing_half_and_the_next_one_goes_on() {
    let mut place = Place::recorded();
    let first = place.done();
    place.say("code", json!("other"));
    place.say("delay", json!({ "train b seed 2": 60_000 }));
    let mut night = place.until("train b seed 2", &["nightly", "one.toml"]);
    night.kill().unwrap();
    assert_eq!(night.wait().unwrap().code(), None);
    let killed = place.done();
    assert!(killed > first);
    assert!(!place.has_told("night.json") && !place.has_told(".jsonl"));
    place.say("delay", json!(0));
    let next = place.night(&[]);
    assert_eq!(next.code, 0, "{}{}", next.out, next.err);
    let found = &place.found()["suites"][0];
    assert_eq!(
        (&found["seeds"], &found["repeated"]),
        (&json!([1, 2, 3]), &json!(false))
    );
    // What was done before the kill is not done again.
    assert_eq!(found["executed"], json!(place.done() - killed), "{found}");
}

#[cfg(unix)]
#[test]
fn a_night_that_is_stopped_while_it_confirms_tells_what_it_has_compared() {
    let mut place = Place::recorded();
    place.mean("b", 0.74, "worse");
    place.say("delay", json!({ "train b seed 5": 60_000 }));
    let mut night = place.until("train b seed 5", &["nightly", "one.toml"]);
    let term = std::process::Command::new("kill")
        .args(["-TERM", &night.id().to_string()])
        .status();
    assert!(term.unwrap().success());
    assert_eq!(night.wait().unwrap().code(), Some(75));
    let found = &place.found()["suites"][0];
    assert_eq!(found["further"], json!([4]), "{found}");
    let changed = found["changed"].as_array().unwrap();
    assert!(changed.contains(&json!("b seed 4")), "{changed:?}");
    assert_eq!(place.cell("b")["verdict"], "undecided");
    assert_eq!(place.cell("b")["values"].as_object().unwrap().len(), 4);
    assert!(!place.has_told(".nights.jsonl"));
    place.say("delay", json!(0));
    assert_eq!(place.night(&[]).code, 12);
}
