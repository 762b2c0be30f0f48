//! The command line as a user meets it.

use assert_cmd::Command;
use frbench::key::Key;
use frbench::run::seal::{self, Seal};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/suites/tiny.toml");

/// frbench in an empty folder, with a fixed width and without what the environment may say.
fn frbench(args: &[&str]) -> (Command, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::cargo_bin("frbench").unwrap();
    command.args(args).current_dir(&dir).env_clear();
    (command, dir)
}

fn stdout(args: &[&str]) -> String {
    let (mut command, _dir) = frbench(args);
    let out = command.assert().success().get_output().stdout.clone();
    String::from_utf8(out).unwrap()
}

/// Standard error and exit code of a command that fails.
fn failure(args: &[&str]) -> (String, i32) {
    let (mut command, _dir) = frbench(args);
    let out = command.assert().failure().get_output().clone();
    assert!(out.stdout.is_empty());
    (
        String::from_utf8(out.stderr).unwrap(),
        out.status.code().unwrap(),
    )
}

#[test]
fn help_documents_exit_codes() {
    let help = stdout(&["--help"]);
    for line in [
        "2  the command line or the suite is wrong",
        "75  stopped by the scheduler",
        "NO_COLOR",
    ] {
        assert!(help.contains(line), "{help}");
    }
    assert!(stdout(&["--version"]).starts_with("frbench "));
}

#[test]
fn suites_are_embedded_and_files_override_them() {
    assert!(stdout(&["check", "coupleface"]).contains("suite `coupleface` is well formed"));
    let (mut command, dir) = frbench(&["check", "coupleface"]);
    std::fs::create_dir(dir.path().join("suites")).unwrap();
    std::fs::write(dir.path().join("suites/coupleface.toml"), "schema = 1\n").unwrap();
    let out = command.assert().code(2).get_output().stderr.clone();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.starts_with("error: suites/coupleface.toml:1:1: `name` is missing"),
        "{text}"
    );
}

#[test]
fn a_report_of_nothing_says_how_to_get_something() {
    let (mut command, _dir) = frbench(&["report", "coupleface", "--profile", "smoke"]);
    let out = command.assert().code(4).get_output().stdout.clone();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("`frbench run coupleface --profile smoke` does"),
        "{text}"
    );
}

#[test]
fn verifying_holds_data_against_what_is_pinned() {
    let name = "synth-train-40x6-v1";
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::cargo_bin("frbench").unwrap();
        let output = command.args(args).current_dir(&dir).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).unwrap();
        (output.status.code().unwrap(), text)
    };
    assert_eq!(run(&["data", "synth", name]).0, 0);
    let (code, text) = run(&["data", "verify", name]);
    assert!(code == 0 && text.contains("as pinned"), "{text}");

    // Two bits of two pictures.
    let path = dir.path().join("data").join(name).join("train.rec");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[5000] ^= 1;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let (code, text) = run(&["data", "verify", name]);
    assert_eq!(code, 5, "{text}");
    assert!(!text.contains("as pinned"), "{text}");
}

#[test]
fn a_kernel_set_that_does_not_exist_is_refused() {
    let output = Command::cargo_bin("frbench")
        .unwrap()
        .env("FRBENCH_ISA", "sse9")
        .arg("list")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(
        text.contains("`sse9` is not one of plain, avx2, avx512"),
        "{text}"
    );
}

#[test]
fn unknown_names_are_usage_errors_with_a_suggestion() {
    let cases: [(&[&str], i32, &str); 6] = [
        (&["check", "cuopleface"], 2, "did you mean `coupleface`?"),
        (&["check", "nowhere/x.toml"], 2, "nowhere/x.toml"),
        (
            &["show", TINY, "--profile", "dmeo"],
            2,
            "did you mean `demo`?",
        ),
        (&["show", TINY, "--only", "fdc"], 3, "did you mean `fcd`?"),
        (&["show", TINY, "--seeds", "9"], 3, "[9]"),
        (
            &["show", TINY, "--lr", "studnet"],
            3,
            "did you mean `student`?",
        ),
    ];
    for (args, code, hint) in cases {
        let (text, found) = failure(args);
        assert_eq!(found, code, "{text}");
        assert!(text.starts_with("error: ") && text.contains(hint), "{text}");
        assert!(!text.contains('\x1b'), "{text}");
    }
}

#[test]
fn show_tells_what_would_be_run() {
    insta::assert_snapshot!(stdout(&["show", TINY]));
}

/// Settings of published protocols: a change of one is to be seen here.
#[test]
fn show_tells_what_a_paper_profile_states() {
    for suite in [
        "askd",
        "boundaryface",
        "coupleface",
        "distillation",
        "heads",
    ] {
        let shown = stdout(&["show", suite, "--profile", "paper"]);
        // What it costs is an estimate of ours.
        let (shown, _) = shown.split_once("\n  jobs").unwrap_or((&shown, ""));
        insta::assert_snapshot!(format!("paper_{suite}"), shown);
    }
}

#[test]
fn show_all_lists_every_job() {
    let out = stdout(&["show", TINY, "--all", "--profile", "quick"]);
    let listing = &out[out.find("  key").unwrap()..];
    let labels: Vec<&str> = listing.lines().filter_map(|l| l.get(30..)).collect();
    insta::assert_snapshot!(labels.join("\n"));
}

#[test]
fn the_suite_of_the_readme_can_be_run() {
    let readme = include_str!("../../README.md");
    let (_, suite) = readme.split_once("```toml\nschema").unwrap();
    let (suite, _) = suite.split_once("```").unwrap();
    let suite = format!("schema{suite}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    std::fs::write(&file, &suite).unwrap();
    let said = stdout(&["show", file.to_str().unwrap()]);
    assert!(said.contains("angles-win"), "{said}");
    assert!(said.contains("0 of 20 jobs are done"), "{said}");

    // The same with a recipe, as the README says.
    let (_, profile) = readme.split_once("profile is\n\n```toml\n").unwrap();
    let (profile, _) = profile.split_once("```").unwrap();
    let (entries, rest) = suite.split_once("[protocol.ten-fold]").unwrap();
    let (_, claim) = rest.split_once("[[claim]]").unwrap();
    let entries = entries
        .replace("\"small\"", "\"main\"")
        .replace("\"short\"", "\"main\"");
    std::fs::write(&file, format!("{entries}{profile}\n[[claim]]{claim}")).unwrap();
    let said = stdout(&["show", file.to_str().unwrap()]);
    for shown in [
        "angles-win",
        "synth-train-800x16-v1",
        "mobilefacenet width=0.5",
    ] {
        assert!(said.contains(shown), "{said}");
    }
}

#[test]
fn recipes_are_those_beside_the_suite_and_then_the_programs() {
    let dir = tempfile::tempdir().unwrap();
    let tiny = include_str!("../suites/tiny.toml");
    let show = |base: &str, more: &[&str]| {
        let based = format!("[profile.demo]\nbase = \"{base}\"\n");
        let text = tiny
            .replacen("[profile.demo]\n", &based, 1)
            .replace("seeds = [1, 2]\n", "");
        std::fs::write(dir.path().join("mine.toml"), text).unwrap();
        let mut command = Command::cargo_bin("frbench").unwrap();
        command
            .arg("show")
            .arg("mine.toml")
            .args(more)
            .current_dir(&dir);
        let out = command.env_clear().output().unwrap();
        let text = String::from_utf8([out.stdout, out.stderr].concat()).unwrap();
        (out.status.code().unwrap(), text)
    };
    let resolved = |base: &str| show(base, &["--resolved"]).1;
    assert!(
        resolved("demo")
            .contains("# Profile `demo`: recipe `demo` of <frbench>/suites/recipes.toml.\n")
    );
    assert!(resolved("demo").contains("seeds = [1, 2, 3]"));

    let beside = dir.path().join("recipes.toml");
    std::fs::write(&beside, "schema = 1\n[recipe.demo]\nseeds = [8, 9]\n").unwrap();
    let text = resolved("demo");
    assert!(
        text.contains("# Profile `demo`: recipe `demo` of recipes.toml.\n"),
        "{text}"
    );
    assert!(text.contains("seeds = [8, 9]"), "{text}");
    assert!(resolved("full").contains("seeds = [1, 2, 3, 4, 5]"));
    let (code, text) = show("dmeo", &[]);
    let want = "error: mine.toml:52:8: no recipe `dmeo` in recipes.toml or \
                <frbench>/suites/recipes.toml; did you mean `demo`?";
    assert!(code == 2 && text.starts_with(want), "{text}");

    // What is printed is a suite of its own: with the file gone, it says the same.
    std::fs::write(dir.path().join("whole.toml"), resolved("demo")).unwrap();
    let (_, mine) = show("demo", &["--json"]);
    std::fs::remove_file(&beside).unwrap();
    let mut command = Command::cargo_bin("frbench").unwrap();
    command
        .args(["show", "whole.toml", "--json"])
        .current_dir(&dir);
    let whole = command
        .env_clear()
        .assert()
        .success()
        .get_output()
        .stdout
        .clone();
    assert_eq!(String::from_utf8(whole).unwrap(), mine);

    // A file that is none is an error where it is asked, and beside a suite without a base no matter.
    std::fs::write(&beside, "schema = 1\n[recipe.demo]\nbase = \"full\"\n").unwrap();
    let (code, text) = show("full", &[]);
    let want = "error: recipes.toml:3:1: recipe `demo` states `base`;";
    assert!(code == 2 && text.starts_with(want), "{text}");
    std::fs::write(dir.path().join("whole.toml"), tiny).unwrap();
    let mut command = Command::cargo_bin("frbench").unwrap();
    command
        .args(["check", "whole.toml"])
        .current_dir(&dir)
        .assert()
        .success();
    let (text, code) = failure(&["show", TINY, "--resolved", "--profile", "demo"]);
    assert!(code == 2 && text.contains("cannot be used with"), "{text}");
}

#[test]
fn show_counts_what_is_done() {
    let plan: Value = serde_json::from_str(&stdout(&["show", TINY, "--json"])).unwrap();
    let jobs = plan["jobs"].as_array().unwrap();
    assert!(jobs.iter().all(|j| j["done"] == false));
    let score = jobs.iter().find(|j| j["spec"]["job"] == "score").unwrap();
    let key = Key(score["key"].as_str().unwrap().to_string());
    let (mut command, dir) = frbench(&["show", TINY, "--runs", "kept", "--json"]);
    let folder = dir.path().join("kept").join(&key.0);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("done"), "").unwrap();
    let mut look = || {
        let out = command.assert().success().get_output().clone();
        let plan: Value = serde_json::from_slice(&out.stdout).unwrap();
        let jobs = plan["jobs"].as_array().unwrap();
        let done = jobs.iter().filter(|j| j["done"] == true).count();
        (done, String::from_utf8(out.stderr).unwrap())
    };
    let (done, told) = look();
    assert_eq!(done, 0);
    assert!(told.contains("result.json: it is gone"), "{told}");
    let result = json!({"job": "score", "protocol": "verification/insightface", "metrics": []});
    let seal = Seal::new(&key, Vec::new(), BTreeMap::new());
    seal::write(&folder.join("result.json"), &result, seal).unwrap();
    assert_eq!(look(), (1, String::new()));
}

#[test]
fn show_lr_prints_the_schedule() {
    let out = stdout(&["show", TINY, "--lr", "teacher"]);
    let rate = |step: &str| {
        let line = out
            .lines()
            .find(|l| l.split_whitespace().next() == Some(step));
        line.and_then(|l| l.split_whitespace().last())
            .map(str::to_string)
    };
    assert_eq!(rate("9").as_deref(), Some("0.100000"));
    assert_eq!(rate("10").as_deref(), Some("0.010000"));
    assert_eq!(rate("15").as_deref(), Some("0.001000"));
}

#[test]
fn list_names_everything_a_suite_can_name() {
    let out = stdout(&["list"]);
    for name in [
        "coupleface",
        "arcface",
        "iresnet18",
        "verification",
        "synth-",
        "fcd",
    ] {
        assert!(out.contains(name), "{name}: {out}");
    }
    let json: Value = serde_json::from_str(&stdout(&["list", "heads", "--json"])).unwrap();
    let heads = json["heads"].as_array().unwrap();
    assert!(
        heads
            .iter()
            .any(|h| h["name"] == "arcface" && h["params"][0]["doc"].is_string())
    );
    let arcface = heads.iter().find(|h| h["name"] == "arcface").unwrap();
    assert_eq!(arcface["presets"][0]["name"], "paper");
    let out = stdout(&["list", "heads"]);
    let preset =
        "preset boundaryface: m = 0.5, s = 32 (SWJTU-3DVision/BoundaryFace head/ArcFace.py)";
    assert!(out.contains(preset), "{out}");
    insta::assert_snapshot!(stdout(&["list", "methods"]));
}

/// Where `value` does not fit `schema`, as far as keys and types go.
fn misfit(schema: &Value, value: &toml::Value, at: &str) -> Option<String> {
    if let Some(any) = schema["anyOf"].as_array() {
        let tried = any.iter().map(|s| misfit(s, value, at));
        let misfits: Vec<String> = tried.collect::<Option<_>>()?;
        return misfits.into_iter().last();
    }
    match value {
        toml::Value::Table(table) => {
            if schema["not"]["required"].is_array() && table.contains_key("name") {
                return Some(format!("{at}: has a name"));
            }
            if let Some(name) = schema["properties"]["name"]["const"].as_str()
                && table.get("name").and_then(|n| n.as_str()) != Some(name)
            {
                return Some(format!("{at}: is not `{name}`"));
            }
            table.iter().find_map(|(key, value)| {
                let at = format!("{at}.{key}");
                let inner = match &schema["properties"][key] {
                    Value::Null => &schema["additionalProperties"],
                    known => known,
                };
                if *inner == Value::Bool(false) {
                    return Some(at);
                }
                misfit(inner, value, &at)
            })
        }
        toml::Value::Array(items) => {
            let fits = matches!(&schema["type"], Value::Null) || schema["type"] == "array";
            let bad = items.iter().find_map(|v| misfit(&schema["items"], v, at));
            if fits { bad } else { Some(at.to_string()) }
        }
        toml::Value::String(_) => {
            let other = schema["type"].as_str().is_some_and(|t| t != "string");
            other.then(|| at.to_string())
        }
        _ => (schema["type"] == "string").then(|| at.to_string()),
    }
}

#[test]
fn the_schema_accepts_suites_and_refuses_typos() {
    let schema: Value = serde_json::from_str(&stdout(&["schema"])).unwrap();
    for text in [
        include_str!("../suites/tiny.toml"),
        include_str!("../../suites/coupleface.toml"),
        include_str!("../../suites/heads.toml"),
    ] {
        let suite: toml::Value = toml::from_str(text).unwrap();
        assert_eq!(misfit(&schema, &suite, ""), None);
    }
    let tiny = include_str!("../suites/tiny.toml");
    for (from, to) in [
        ("analysis", "analisys"),
        ("weight-decay", "weight_decay"),
        ("normalize", "normalise"),
        ("[profile.demo]\n", "[profile.demo]\nbase = [\"demo\"]\n"),
    ] {
        let suite: toml::Value = toml::from_str(&tiny.replacen(from, to, 1)).unwrap();
        assert!(misfit(&schema, &suite, "").is_some(), "{to}");
    }
}

#[test]
fn data_sets_are_rendered_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str]| {
        let mut command = Command::cargo_bin("frbench").unwrap();
        let out = command
            .args(args)
            .current_dir(&dir)
            .assert()
            .get_output()
            .clone();
        (
            String::from_utf8(out.stdout).unwrap(),
            out.status.code().unwrap(),
        )
    };
    assert_eq!(run(&["data", "verify", "synth-lfw-20-v1"]).1, 5);
    assert_eq!(run(&["data", "synth", "synth-lfw-20-v1"]).1, 0);
    let (first, code) = run(&["data", "verify", "synth-lfw-20-v1"]);
    assert_eq!(code, 0);
    assert!(first.contains("synth-lfw-20-v1: 40 images"), "{first}");
    assert_eq!(run(&["data", "verify", "synth-lfw-20-v1"]).0, first);
    let sheet = dir.path().join("sheet.png");
    assert_eq!(run(&["data", "synth", "--preview", "sheet.png"]).1, 0);
    assert!(std::fs::read(sheet).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn parity_prints_each_tensor_and_exits_10_on_a_miss() {
    let cases = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity");
    let case = format!("{cases}/a-arcface.safetensors");
    let text = stdout(&["parity", &case]);
    assert!(
        text.contains("expect.logits") && text.contains("2e-5"),
        "{text}"
    );
    assert!(text.ends_with("1 of 1 cases pass\n"), "{text}");
    let json: Value = serde_json::from_str(&stdout(&["parity", "--json", &case])).unwrap();
    assert_eq!(json["cases"][0]["op"], "head/arcface");
    assert_eq!(json["cases"][0]["verdict"], "pass");

    let mut bytes = std::fs::read(&case).unwrap();
    let stated = br#"\"margin\": 0.5"#;
    let at = bytes
        .windows(stated.len())
        .position(|w| w == stated)
        .unwrap();
    bytes[at + stated.len() - 1] = b'4';
    let (mut command, dir) = frbench(&["parity", "."]);
    std::fs::write(dir.path().join("other.safetensors"), bytes).unwrap();
    let out = command.assert().code(10).get_output().stdout.clone();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("MISS") && text.contains("0 of 1 cases pass"),
        "{text}"
    );

    // What is no case hides none.
    let (mut command, dir) = frbench(&["parity", "a-arcface.safetensors", "broken.safetensors"]);
    std::fs::copy(&case, dir.path().join("a-arcface.safetensors")).unwrap();
    std::fs::write(dir.path().join("broken.safetensors"), b"broken").unwrap();
    let out = command.assert().code(10).get_output().stdout.clone();
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains("1 of 2 cases pass") && text.contains("FAILED: broken.safetensors: not a"),
        "{text}"
    );

    let (error, code) = failure(&["parity", "nowhere"]);
    assert_eq!(code, 2);
    assert!(error.contains("nowhere: no such file or folder"), "{error}");
}

#[test]
fn references_are_listed_whole_and_by_suite() {
    let all = stdout(&["references"]);
    assert!(
        all.contains("1129 published numbers, 25 of them declared and empty\n"),
        "{all}"
    );
    for counted in [
        "92  can be held against the network that its source distributes\n",
        "77  can be held against a training here\n",
        "338  cannot be compared: its checkpoint was chosen on test sets\n",
    ] {
        assert!(all.contains(counted), "{all}");
    }
    assert!(all.contains("second hand") && all.contains("https://github.com/"));
    let of = stdout(&["references", "--suite", "coupleface", "--json"]);
    let of: Value = serde_json::from_str(&of).unwrap();
    let names: Vec<&str> = of
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["coupleface", "ekd"]);
    assert_eq!(of[0]["rows"][0]["value"], Value::Null);
}

/// Learning rates by epoch, on both sides of every milestone, as papers have them.
#[test]
fn published_schedules_are_traced_epoch_by_epoch() {
    for (suite, method, per_epoch, phases) in [
        // 1e-1 for epochs 1 to 5, 1e-2 to 11, 1e-3 to 18, 1e-4 to 30.
        (
            "boundaryface",
            "arcface",
            490_623_u64.div_ceil(64),
            &[5, 11, 18, 30][..],
        ),
        // 5 epochs, 5, 4, 2 and 4.
        (
            "askd",
            "askd",
            490_623_u64.div_ceil(128),
            &[5, 10, 14, 16, 20],
        ),
    ] {
        let out = stdout(&["show", suite, "--profile", "paper", "--lr", method]);
        let lines: Vec<Vec<f64>> = out
            .lines()
            .map(|l| {
                l.split_whitespace()
                    .filter_map(|n| n.parse().ok())
                    .collect()
            })
            .filter(|l: &Vec<f64>| l.len() == 3)
            .collect();
        let rate = |step: u64| {
            let line = lines.iter().find(|l| l[0] == step as f64);
            line.unwrap_or_else(|| panic!("step {step} is not in\n{out}"))[2]
        };
        let mut want = 0.1;
        let mut start = 0;
        for end in phases {
            let end = end * per_epoch;
            for step in [start, end - 1] {
                assert!((rate(step) - want).abs() < 1e-6, "{suite}, step {step}");
            }
            (start, want) = (end, want * 0.1);
        }
    }
}
