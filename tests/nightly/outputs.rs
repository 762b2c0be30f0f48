//! What continuous integration reads of a night.

use super::place::{Place, ended};
use serde_json::json;

fn regressed() -> Place {
    let mut place = Place::recorded();
    place.mean("b", 0.74, "worse");
    place
}

#[test]
fn junit_names_cell_values_and_interval() {
    let place = regressed();
    assert_eq!(place.night(&[]).code, 12);
    let text = std::fs::read_to_string(place.path("nightly/junit.xml")).unwrap();
    for part in [
        "<testsuite name=\"one nightly\"",
        "name=\"b on synth-lfw-20-v1/ten-fold accuracy\"",
        "<failure message=\"worse by",
        "property name=\"values\" value=\"1: 0.7",
        "property name=\"change 95 %\" value=\"-",
        &format!(
            "property name=\"place\" value=\"one.toml:{}\"",
            place.line("id = \"b-holds\"")
        ),
        "name=\"claim b-beats-a on synth-lfw-20-v1/ten-fold\"",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn annotations_stand_at_the_line_of_the_gate() {
    let place = regressed();
    let mut command = place.command(&["nightly", "one.toml"]);
    let summary = place.path("step.md");
    command
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_STEP_SUMMARY", &summary);
    let done = ended(&mut command);
    assert_eq!(done.code, 12, "{}{}", done.out, done.err);
    let line = place.line("id = \"b-holds\"");
    let wanted = format!("::error file=one.toml,line={line},title=one%3A b on ");
    assert!(done.err.contains(&wanted), "{}", done.err);
    assert!(done.err.contains("change -"), "{}", done.err);
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(
        summary.contains("## one, profile nightly: regressed"),
        "{summary}"
    );
    assert!(summary.contains("engine/sgd.rs"), "{summary}");
}

#[test]
fn what_no_gate_watches_is_annotated_at_the_line_of_its_column() {
    let mut place = Place::recorded();
    place.say("scored", json!(-0.1));
    let mut command = place.command(&["nightly", "one.toml"]);
    let done = ended(command.env("GITHUB_ACTIONS", "true"));
    assert_eq!(done.code, 12, "{}{}", done.out, done.err);
    let line = place.line("evaluate = [");
    let wanted = format!("::error file=one.toml,line={line},title=one%3A a on ");
    assert!(done.err.contains(&wanted), "{}", done.err);
}

#[test]
fn badge_history_and_pages_are_written() {
    let place = regressed();
    assert_eq!(place.night(&["--json"]).code, 12);
    let read =
        |name: &str| std::fs::read_to_string(place.path(&format!("nightly/{name}"))).unwrap();
    assert!(read("badge.svg").contains("regressed"));
    assert!(read("index.html").contains("one-nightly.html"));
    assert!(read("one-nightly.html").contains("b on synth-lfw-20-v1/ten-fold accuracy"));
    let year = place.found()["suites"][0]["night"].as_str().unwrap()[..4].to_string();
    let lines = read(&format!("one-nightly-{year}.jsonl"));
    // One for each cell and seed: two cells, 15 seeds.
    assert_eq!(lines.lines().count(), 30);
    let nights = read(&format!("one-nightly-{year}.nights.jsonl"));
    let night: serde_json::Value = serde_json::from_str(nights.lines().next().unwrap()).unwrap();
    assert_eq!(night["verdict"], "regressed");
    assert_eq!(night["further"].as_array().unwrap().len(), 12);
}

#[test]
fn a_small_loss_adds_up_over_nights() {
    let mut place = Place::recorded();
    let mut codes = Vec::new();
    for i in 0..10 {
        // One standard deviation.
        place.mean("b", 0.79, &format!("slightly worse {i}"));
        codes.push(place.night(&[]).code);
        if codes.contains(&12) {
            return;
        }
    }
    panic!("{codes:?}");
}

#[test]
fn baselines_and_folders_of_runs_are_compared() {
    let mut place = Place::recorded();
    let file = "reference_results/baselines/one-nightly.json";
    let same = place.run(&["compare", file, "runs"]);
    assert_eq!(same.code, 0, "{}{}", same.out, same.err);
    place.mean("b", 0.74, "worse");
    let accept = [
        "baseline", "accept", "one.toml", "--reason", "x", "--seeds", "1..12",
    ];
    let old = std::fs::read(place.path(file)).unwrap();
    assert_eq!(place.run(&accept).code, 0);
    std::fs::write(place.path("old.json"), old).unwrap();
    let ended = place.run(&["compare", "old.json", file, "--json"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(found["code"], json!(["engine/sgd.rs"]));
    let b = &found["cells"][1];
    assert_eq!(
        (&b["cell"]["row"], &b["kind"]),
        (&json!("b"), &json!("numbers"))
    );
    assert!(b["change"]["mean"].as_f64().unwrap() < -0.04);
    assert!(b["correlation"].as_f64().is_some());
}

#[test]
fn a_seed_of_0_is_one_like_others() {
    let place = Place::new();
    place.record("0..3");
    let file = "reference_results/baselines/one-nightly.json";
    let ended = place.run(&["compare", file, "runs", "--json"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let found: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    let cells = found["cells"].as_array().unwrap();
    assert!(cells.iter().all(|c| c["kind"] == "equal"), "{found}");
    assert_eq!(cells[0]["second"].as_object().unwrap().len(), 4);
}

#[test]
fn a_full_folder_of_outputs_is_known_before_anything_is_run() {
    let place = Place::recorded();
    std::fs::write(place.path("taken"), "").unwrap();
    let ended = place.night(&["--out", "taken"]);
    assert_eq!(ended.code, 1, "{}", ended.err);
    assert!(ended.err.contains("taken"), "{}", ended.err);
}
