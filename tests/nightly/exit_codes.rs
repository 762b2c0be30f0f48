//! Each verdict of a night with the exit code that it stands for.

use super::place::{Place, SEEDS};
use serde_json::json;

#[test]
fn unchanged_code_passes_with_the_same_bits_and_draws_nothing() {
    let place = Place::recorded();
    let ended = place.night(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    let found = place.found();
    assert_eq!(found["suites"][0]["executed"], 0, "{found}");
    assert_eq!(found["suites"][0]["seeds"], json!([1, 2, 3]));
    assert_eq!(place.cell("b")["reason"], "the same bits as the baseline");
    // On a machine that has nothing the same is computed again.
    place.forget();
    assert_eq!(place.night(&[]).code, 0);
    let found = place.found();
    assert!(found["suites"][0]["executed"].as_u64().unwrap() > 10);
    assert_eq!(found["suites"][0]["repeated"], true);
}

#[test]
fn other_bits_of_the_same_code_fail_and_the_first_job_is_named() {
    let mut place = Place::recorded();
    place.forget();
    place.say("bits", json!("other"));
    let ended = place.night(&[]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    let found = &place.found()["suites"][0];
    assert_eq!(found["bits"][0], "train a seed 1", "{found}");
    assert_eq!(place.cell("a")["verdict"], "failed");
    assert!(
        ended.out.contains("the first is train a seed 1"),
        "{}",
        ended.out
    );
}

#[test]
fn new_code_that_gives_other_bits_each_time_fails_until_it_is_other_code() {
    let mut place = Place::recorded();
    place.say("code", json!("second"));
    place.say("unsteady", json!({ "a": true }));
    for _ in 0..2 {
        let ended = place.night(&[]);
        assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
        let found = &place.found()["suites"][0];
        assert_eq!(found["bits"][0], "train a seed 1", "{found}");
        assert_eq!(place.cell("a")["verdict"], "failed");
        assert_ne!(place.cell("b")["verdict"], "failed");
        assert!(
            ended.out.contains("a seed 1 was made twice tonight"),
            "{}",
            ended.out
        );
    }
    // The rows take turns from code to code; what was made twice lies nowhere.
    place.say("code", json!("third"));
    place.say("unsteady", json!({}));
    let ended = place.night(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(place.found()["suites"][0]["twice"], "b seed 4");
    let runs = std::fs::read_dir(place.path("runs")).unwrap();
    let left = runs.filter(|e| e.as_ref().unwrap().file_name().len() != 64);
    assert_eq!(left.count(), 0);
    assert_eq!(place.night(&[]).code, 0);
    assert_eq!(place.found()["suites"][0]["twice"], json!(null));
}

#[test]
fn a_change_without_effect_passes_and_the_next_one_draws_other_seeds() {
    let mut place = Place::recorded();
    for (code, seeds) in [("second", [1, 2, 3]), ("third", [4, 5, 6])] {
        place.say("code", json!(code));
        let ended = place.night(&[]);
        assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
        let found = place.found();
        assert_eq!(found["suites"][0]["sources"], json!(["engine/sgd.rs"]));
        assert_eq!(found["suites"][0]["changed"].as_array().unwrap().len(), 6);
        if found["suites"][0]["further"] == json!([]) {
            assert_eq!(found["suites"][0]["seeds"], json!(seeds));
        }
        // The same code again draws nothing.
        assert_eq!(place.night(&[]).code, 0);
        let again = place.found();
        assert_eq!(again["suites"][0]["seeds"], found["suites"][0]["seeds"]);
        assert_eq!(again["suites"][0]["executed"], 0);
    }
}

#[test]
fn a_loss_is_confirmed_by_further_seeds() {
    let mut place = Place::recorded();
    place.mean("b", 0.74, "worse");
    let ended = place.night(&[]);
    assert_eq!(ended.code, 12, "{}{}", ended.out, ended.err);
    let cell = place.cell("b");
    assert_eq!(
        (&cell["verdict"], &cell["gate"]),
        (&json!("regressed"), &json!("b-holds"))
    );
    assert_eq!(cell["values"].as_object().unwrap().len(), 15);
    assert!(cell["interval"][1].as_f64().unwrap() < -0.03, "{cell}");
    assert!(
        ended.out.contains("confirmed by 12 of them"),
        "{}",
        ended.out
    );
    // The code that caused it stays regressed.
    assert_eq!(place.night(&[]).code, 12);
    assert_eq!(place.found()["suites"][0]["executed"], 0);
}

#[test]
fn without_time_a_suspicion_is_undecided() {
    let mut place = Place::recorded();
    place.mean("b", 0.74, "worse");
    let ended = place.night(&["--budget", "0"]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(place.cell("b")["verdict"], "undecided");
    assert_eq!(place.night(&["--budget", "0", "--strict"]).code, 11);
    // With time it is decided, though the code is the same.
    assert_eq!(place.night(&[]).code, 12);
}

#[test]
fn another_configuration_is_incomparable_and_its_setting_is_named() {
    let place = Place::recorded();
    place.edit("batch = 16", "batch = 8");
    let ended = place.night(&[]);
    assert_eq!(ended.code, 13, "{}{}", ended.out, ended.err);
    let reason = place.cell("b")["reason"].to_string();
    assert!(reason.contains("batch: 8, was 16"), "{reason}");
    let diff = place.run(&["baseline", "diff", "one.toml"]);
    assert_eq!(diff.code, 13, "{}", diff.err);
    assert!(diff.out.contains("batch: 8, was 16"), "{}", diff.out);
}

#[test]
fn diff_names_columns_metrics_and_data_that_differ() {
    let place = Place::recorded();
    let same = place.run(&["baseline", "diff", "one.toml"]);
    assert_eq!(same.code, 0, "{}{}", same.out, same.err);
    for (from, to, says) in [
        ("folds = 10 }", "folds = 5 }", "/folds: 5, was 10"),
        (
            "folds = 5 }",
            "folds = 10, fars = [2e-1] }",
            "`tar@far=2e-1`: the baseline has no such metric",
        ),
        (
            "protocol = \"ten-fold\" }]",
            "protocol = \"ten-fold\", entries = [\"b\"] }]",
            "a on synth-lfw-20-v1/ten-fold: the suite has no such score any more",
        ),
        (
            "evaluate = [{ data = \"synth-lfw-20-v1\"",
            "evaluate = [{ data = \"synth-lfw-40-v1\"",
            "column synth-lfw-20-v1/ten-fold: the suite has no such column any more",
        ),
    ] {
        place.edit(from, to);
        let diff = place.run(&["baseline", "diff", "one.toml"]);
        assert_eq!(diff.code, 13, "{}{}", diff.out, diff.err);
        assert!(diff.out.contains(says), "{says}: {}", diff.out);
    }
    let diff = place.run(&["baseline", "diff", "one.toml"]).out;
    assert!(diff.contains("data synth-lfw-40-v1: "), "{diff}");
}

#[test]
fn a_suite_has_one_night_by_whatever_name() {
    let place = Place::new();
    let ended = place.run(&["nightly", "one.toml", "./one.toml"]);
    assert_eq!(ended.code, 2, "{}{}", ended.out, ended.err);
    let says = "`one.toml` and `./one.toml` are both the suite `one`";
    assert!(ended.err.contains(says), "{}", ended.err);
    assert!(!place.path("nightly").exists());
}

#[test]
fn a_night_without_a_baseline_is_not_a_success() {
    let place = Place::new();
    let ended = place.night(&[]);
    assert_eq!(ended.code, 13, "{}{}", ended.out, ended.err);
    assert!(
        ended.out.contains("`frbench baseline record one"),
        "{}",
        ended.out
    );
    assert!(!place.path("runs").exists());
}

#[test]
fn one_network_that_is_scored_otherwise_has_regressed() {
    let mut place = Place::recorded();
    place.say("scored", json!(0.05));
    let ended = place.night(&[]);
    assert_eq!(ended.code, 12, "{}{}", ended.out, ended.err);
    let reason = place.cell("a")["reason"].to_string();
    assert!(reason.contains("by +5.00 points"), "{reason}");
    assert_eq!(place.found()["suites"][0]["changed"], json!([]));
}

#[test]
fn a_claim_that_turns_has_regressed() {
    let mut place = Place::recorded();
    place.mean("a", 0.95, "other");
    let ended = place.night(&[]);
    assert_eq!(ended.code, 12, "{}{}", ended.out, ended.err);
    let claim = &place.found()["suites"][0]["claims"][0];
    assert_eq!(
        (&claim["was"], &claim["is"], &claim["verdict"]),
        (
            &json!("reproduced"),
            &json!("contradicted"),
            &json!("regressed")
        )
    );
}

#[test]
fn a_failure_is_reported_with_what_there_is_and_comes_before_a_loss() {
    let mut place = Place::recorded();
    place.mean("b", 0.74, "worse");
    place.say("fail", json!({ "train a seed 2": "loss is NaN at step 1" }));
    let ended = place.night(&[]);
    assert_eq!(ended.code, 1, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("loss is NaN at step 1"), "{}", ended.out);
    assert_eq!(place.cell("a")["verdict"], "failed");
    assert!(place.cell("b")["mean"].as_f64().unwrap() < 0.78);
    place.say("fail", json!(null));
    assert_eq!(place.night(&[]).code, 12, "the next night goes on");
}

#[test]
fn data_that_are_gone_have_their_own_code() {
    let mut place = Place::recorded();
    place.say("code", json!("other"));
    place.say("lost", json!({ "train a seed 1": "lfw.bin is gone" }));
    let ended = place.night(&[]);
    assert_eq!(ended.code, 5, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("lfw.bin is gone"), "{}", ended.out);
}

#[test]
fn of_two_suites_the_worse_code_is_taken() {
    let mut place = Place::recorded();
    place.add("two");
    place.mean("b", 0.74, "worse");
    let ended = place.run(&["nightly", "one.toml", "two.toml"]);
    assert_eq!(ended.code, 12, "{}{}", ended.out, ended.err);
    let codes: Vec<String> = place.found()["suites"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["suite"].to_string())
        .collect();
    assert_eq!(codes, ["\"one\"", "\"two\""]);
}

#[cfg(unix)]
#[test]
fn a_night_that_is_stopped_says_so_and_the_next_one_resumes() {
    let mut place = Place::recorded();
    place.say("code", json!("other"));
    place.say("delay", json!(60_000));
    let mut child = place
        .command(&["nightly", "one.toml"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let jobs = || std::fs::read_dir(place.path("runs")).unwrap().count();
    let before = jobs();
    while jobs() == before {
        assert!(
            child.try_wait().unwrap().is_none(),
            "ended before its first job"
        );
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let term = std::process::Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(term.success());
    assert_eq!(child.wait().unwrap().code(), Some(75));
    place.say("delay", json!(0));
    let ended = place.night(&[]);
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(place.found()["suites"][0]["repeated"], false);
}

#[test]
fn a_baseline_moves_with_a_reason() {
    let mut place = Place::recorded();
    let again = place.run(&["baseline", "record", "one.toml"]);
    assert_eq!(again.code, 2);
    assert!(again.err.contains("--reason WHY"), "{}", again.err);
    place.mean("b", 0.7, "worse on purpose");
    assert_eq!(place.night(&[]).code, 12);
    let moved = ["baseline", "accept", "one.toml", "--reason", "cheaper"];
    let ended = place.run(&moved);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(
        ended.out.contains("moved because: cheaper"),
        "{}",
        ended.out
    );
    let shown = place.run(&["baseline", "show", "one.toml", "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!(shown["seeds"].as_array().unwrap().len() as u64, SEEDS);
    assert_eq!(shown["moves"][0]["reason"], "cheaper");
    assert!(shown["gates"][0]["visible"].as_f64().unwrap() > 0.01);
    assert_eq!(place.run(&["baseline", "diff", "one.toml"]).code, 0);
    assert_eq!(place.night(&[]).code, 0);
}

#[test]
fn what_a_user_types_wrong_is_told() {
    let place = Place::new();
    for (args, says) in [
        (
            &["nightly", "one.toml", "--profile", "none"][..],
            "has no profile `none`",
        ),
        (
            &["baseline", "show", "one.toml"],
            "`frbench baseline record one.toml",
        ),
        (&["compare", "a", "b"], "no such file or folder"),
    ] {
        let ended = place.run(args);
        assert!(matches!(ended.code, 2 | 3), "{args:?}: {}", ended.code);
        assert!(ended.err.contains(says), "{args:?}: {}", ended.err);
    }
    std::fs::create_dir_all(place.path("reference_results/baselines")).unwrap();
    let path = place.path("reference_results/baselines/one-nightly.json");
    std::fs::write(path, "{}").unwrap();
    let ended = place.night(&[]);
    assert_eq!(ended.code, 5, "{}", ended.err);
    assert!(ended.err.contains("one-nightly.json:1:"), "{}", ended.err);
}
