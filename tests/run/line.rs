//! The whole line on a tiny scale: a suite file to a report, through kills, neighbours and
//! damaged data.

use crate::common::runs::{checkpoints, events, jobs, spec, wait_until};
use assert_cmd::cargo::cargo_bin;
use frbench::embedded;
use frbench::engine::checkpoint::Checkpoint;
use frbench::key::Key;
use frbench::run::RunFolder;
use frbench::run::checkpoint::roll;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Networks and data of `coupleface`'s smoke profile, with the given entries and steps.
fn suite(dir: &Path, entries: &str, steps: u64) -> PathBuf {
    let source = embedded::suite("coupleface").unwrap();
    let text = frbench::suite::whole(&source).unwrap().text();
    let (head, rest) = text.split_once("[profile.smoke]").expect("a smoke profile");
    let (smoke, rest) = rest
        .split_once("[profile.demo]")
        .expect("a demo profile after it");
    let mut smoke = smoke.to_string();
    for (from, to) in [
        (
            r#"["teacher", "student", "fcd", "coupleface"]"#,
            format!("[{entries}]"),
        ),
        ("steps = 60\n", format!("steps = {steps}\n")),
        ("steps = 40\n", format!("steps = {steps}\n")),
        ("seeds = [1, 2]", "seeds = [1]".into()),
    ] {
        assert!(
            smoke.contains(from),
            "the smoke profile no longer states `{from}`"
        );
        smoke = smoke.replace(from, &to);
    }
    let path = dir.join("tiny.toml");
    fs::write(
        &path,
        format!("{head}[profile.smoke]{smoke}[profile.demo]{rest}"),
    )
    .unwrap();
    path
}

fn frbench(dir: &Path, suite: &Path) -> Command {
    let mut c = Command::new(cargo_bin("frbench"));
    c.current_dir(dir)
        .arg("run")
        .arg(suite)
        .args(["--profile", "smoke"]);
    c
}

fn run(command: &mut Command) -> Output {
    let out = command.output().unwrap();
    assert!(
        out.status.success(),
        "{command:?}: {}\n{}",
        out.status,
        String::from_utf8_lossy(&out.stderr)
    );
    out
}

fn has(events: &[Value], name: &str) -> bool {
    events.iter().any(|e| e["event"] == name)
}

#[test]
fn a_run_ends_in_a_report_and_a_second_one_has_nothing_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let suite = suite(
        dir.path(),
        r#""teacher", "student", "fcd", "coupleface""#,
        40,
    );
    let out = run(&mut frbench(dir.path(), &suite));
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(
        text.contains("report: reports/coupleface-smoke/index.html"),
        "{text}"
    );
    for file in ["index.html", "report.md", "results.csv", "results.json"] {
        assert!(
            dir.path()
                .join("reports/coupleface-smoke")
                .join(file)
                .is_file(),
            "{file}"
        );
    }
    let before = jobs(&dir.path().join("runs"));
    let log = |folder: &Path| fs::read(folder.join("events.jsonl")).unwrap();
    let logs: Vec<_> = before.iter().map(|(_, f)| log(f)).collect();
    let again = run(&mut frbench(dir.path(), &suite));
    assert_eq!(text, String::from_utf8_lossy(&again.stdout));
    let told = String::from_utf8_lossy(&again.stderr);
    assert!(told.contains("nothing was run"), "{told}");
    assert_eq!(jobs(&dir.path().join("runs")), before);
    let same = before.iter().zip(&logs).all(|((_, f), l)| log(f) == *l);
    assert!(same, "the second run worked on a finished job");
    // A shard reports what all shards have done.
    let shard = run(frbench(dir.path(), &suite).args(["--shard", "1/2"]));
    assert_eq!(text, String::from_utf8_lossy(&shard.stdout));
}

#[test]
fn a_part_is_run_and_the_whole_profile_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let suite = suite(dir.path(), r#""teacher", "student", "fcd""#, 40);
    let report = |only: &str| {
        let mut command = frbench(dir.path(), &suite);
        let out = run(command.args(["--only", only, "--json"])).stdout;
        let report: Value = serde_json::from_slice(&out).unwrap();
        let rows = report["input"]["rows"].as_array().unwrap().iter();
        let done = |r: &Value| (r["id"].to_string(), r["runs"][0]["status"].to_string());
        (
            rows.map(done).collect::<Vec<_>>(),
            report["input"]["command"].as_str().unwrap().to_string(),
        )
    };
    let rows = |student: &str| {
        let rows = [("teacher", "done"), ("student", student), ("fcd", "done")];
        rows.map(|(id, status)| (format!("\"{id}\""), format!("\"{status}\"")))
    };
    // FCD needs the teacher.
    let (found, command) = report("fcd");
    assert_eq!(found, rows("missing"));
    // The command is that of the whole, by the path the suite was given by.
    let whole = format!("frbench run {} --profile smoke", suite.display());
    assert_eq!(command, whole);
    let (found, _) = report("student");
    assert_eq!(found, rows("done"), "what was done before is gone");
}

/// An entry in arithmetic that a CPU does not have stops nobody who asks for others.
#[test]
fn what_a_cpu_cannot_compute_is_refused_where_it_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let suite = dir.path().join("low.toml");
    let all = include_str!("../suites/tiny.toml");
    let (rest, student) = all
        .split_once("[profile.demo.training.short]")
        .expect("a recipe of the students");
    let student = student.replacen("flip = true", "flip = true\nprecision = \"bf16\"", 1);
    let low = format!("{rest}[profile.demo.training.short]{student}");
    fs::write(&suite, low).unwrap();
    let only = |entry: &str| {
        let mut command = Command::new(cargo_bin("frbench"));
        command.current_dir(dir.path()).arg("run").arg(&suite);
        command.args(["--device", "cpu", "--only", entry]);
        command
    };
    let out = only("fcd").output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{text}");
    let why = "error: train fcd seed 1: only GPUs do bf16 arithmetic; say `--device cuda:0`, too, \
               or take f32";
    assert!(text.contains(why), "{text}");
    assert!(jobs(&dir.path().join("runs")).is_empty(), "work was done");
    // Nor are data made for it, whatever they will turn out to be.
    let low = fs::read_to_string(&suite).unwrap();
    let unknown = low.replace("synth-train-40x6-v1", "synth-train-41x6-v1");
    fs::write(&suite, unknown).unwrap();
    assert_eq!(only("fcd").output().unwrap().status.code(), Some(2));
    assert!(!dir.path().join("data").exists(), "data were made");
    fs::write(&suite, low).unwrap();
    run(&mut only("teacher"));
}

#[test]
fn a_killed_training_resumes_to_the_bits_of_an_undisturbed_one() {
    let dir = tempfile::tempdir().unwrap();
    let suite = suite(dir.path(), r#""teacher", "coupleface""#, 150);
    // Undisturbed, on one thread; the disturbed run has two.
    run(frbench(dir.path(), &suite).args(["--runs", "calm", "--jobs", "1"]));
    let runs = dir.path().join("shaken");
    for (label, signal) in [
        ("train teacher", "-KILL"),
        ("train coupleface", "-KILL"),
        ("train coupleface", "-INT"),
    ] {
        let mut child = frbench(dir.path(), &suite)
            .args([
                "--runs",
                "shaken",
                "--jobs",
                "2",
                "--checkpoint-every",
                "0.05",
            ])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let checkpoints_of = |runs: &Path| {
            let job = jobs(runs).into_iter().find(|(l, _)| l.starts_with(label));
            job.map_or(0, |(_, f)| {
                events(&f)
                    .iter()
                    .filter(|e| e["event"] == "checkpoint")
                    .count()
            })
        };
        let known = checkpoints_of(&runs);
        wait_until(&mut child, "a further checkpoint", || {
            checkpoints_of(&runs) > known
        });
        let kill = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(kill.success());
        let status = child.wait().unwrap();
        assert_eq!(status.code(), if signal == "-INT" { Some(4) } else { None });
    }
    run(frbench(dir.path(), &suite).args(["--runs", "shaken"]));
    for (label, folder) in jobs(&runs) {
        if label.starts_with("train") {
            let resumed = events(&folder)
                .into_iter()
                .find(|e| e["event"] == "resumed");
            let step =
                resumed.unwrap_or_else(|| panic!("{label} was not resumed"))["step"].as_u64();
            assert!(step > Some(0), "{label}: {step:?}");
        }
    }
    let calm = checkpoints(&dir.path().join("calm"));
    assert_eq!(calm.len(), 2);
    assert_eq!(calm, checkpoints(&runs));
}

#[test]
fn a_training_killed_before_its_first_checkpoint_says_that_it_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let suite = suite(dir.path(), r#""teacher""#, 150);
    let runs = dir.path().join("runs");
    let mut child = frbench(dir.path(), &suite)
        .args(["--checkpoint-every", "1000"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let training = || {
        jobs(&runs)
            .into_iter()
            .find(|(l, _)| l.starts_with("train"))
    };
    wait_until(&mut child, "a step", || {
        training().is_some_and(|(_, folder)| has(&events(&folder), "step"))
    });
    child.kill().unwrap();
    child.wait().unwrap();
    run(&mut frbench(dir.path(), &suite));
    let (_, folder) = training().unwrap();
    assert!(has(&events(&folder), "restarted"));
    assert!(!has(&events(&folder), "resumed"));
}

#[test]
fn other_kernels_are_refused_unless_forced_and_then_noted() {
    let dir = tempfile::tempdir().unwrap();
    let suite = suite(dir.path(), r#""teacher""#, 150);
    let mut child = frbench(dir.path(), &suite)
        .args(["--checkpoint-every", "0.05"])
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let runs = dir.path().join("runs");
    let training = || {
        jobs(&runs)
            .into_iter()
            .find(|(l, _)| l.starts_with("train"))
    };
    let log = || training().map_or(Vec::new(), |(_, folder)| events(&folder));
    wait_until(&mut child, "a checkpoint", || has(&log(), "checkpoint"));
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = training().unwrap().1;
    let mut checkpoint = Checkpoint::load(&folder.join("checkpoint.safetensors")).unwrap();
    let here = checkpoint
        .metadata
        .insert("kernels".into(), "another".into());
    let key = Key(spec(&folder)["key"].as_str().unwrap().to_string());
    roll(&RunFolder::new(&runs, &key), &key, checkpoint).unwrap();

    let refused = frbench(dir.path(), &suite).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{text}");
    assert!(
        text.contains("`another`") && text.contains("--force-kernels"),
        "{text}"
    );
    assert!(!has(&log(), "kernels-changed"));

    run(frbench(dir.path(), &suite).arg("--force-kernels"));
    let log = log();
    let changed = log
        .iter()
        .find(|e| e["event"] == "kernels-changed")
        .unwrap();
    assert_eq!(changed["from"], "another");
    assert_eq!(changed["to"].as_str(), here.as_deref());
    let result: Value =
        serde_json::from_slice(&fs::read(folder.join("result.json")).unwrap()).unwrap();
    let note = result["notes"][0].as_str().unwrap();
    assert!(note.contains("from another to"), "{note}");
    let report = dir.path().join("reports/coupleface-smoke/report.md");
    assert!(fs::read_to_string(report).unwrap().contains(note));
}

#[test]
fn two_processes_share_the_work() {
    let dir = tempfile::tempdir().unwrap();
    let suite = suite(
        dir.path(),
        r#""teacher", "student", "fcd", "coupleface""#,
        40,
    );
    let start = || {
        frbench(dir.path(), &suite)
            .args(["--jobs", "1"])
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    };
    let both = [start(), start()];
    for child in both {
        let out = child.wait_with_output().unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
    }
    let jobs = jobs(&dir.path().join("runs"));
    let mut owners = std::collections::BTreeSet::new();
    for (label, folder) in &jobs {
        let claimed: Vec<Value> = events(folder)
            .into_iter()
            .filter(|e| e["event"] == "claimed")
            .collect();
        assert_eq!(claimed.len(), 1, "{label} was done twice");
        assert!(has(&events(folder), "finished"), "{label}");
        owners.insert(claimed[0]["pid"].as_u64());
    }
    assert_eq!(owners.len(), 2, "one process did everything");
    assert!(jobs.len() > 10);
}

#[test]
fn damaged_data_is_found_before_and_after_training() {
    let dir = tempfile::tempdir().unwrap();
    let suite = suite(dir.path(), r#""teacher""#, 3);
    run(&mut frbench(dir.path(), &suite));
    let rec = dir.path().join("data/synth-train-40x6-v1/train.rec");
    let mut bytes = fs::read(&rec).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&rec, bytes).unwrap();
    let out = frbench(dir.path(), &suite).output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(5), "{text}");
    assert!(text.contains("train.rec"), "{text}");
    let hashes = text
        .split(|c: char| !c.is_ascii_hexdigit())
        .filter(|w| w.len() == 64);
    assert_eq!(hashes.count(), 2, "{text}");
}

#[test]
fn the_same_data_comes_from_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    let suite = suite(dir.path(), r#""teacher""#, 3);
    for threads in ["1", "2"] {
        run(frbench(dir.path(), &suite).args([
            "--jobs",
            threads,
            "--data",
            threads,
            "--runs",
            &format!("runs{threads}"),
        ]));
    }
    for file in [
        "synth-train-40x6-v1/train.rec",
        "synth-lfw-60-v1/lfw.bin",
        "synth-megaface-6x4+60-v1/distractors.rec",
    ] {
        let read = |threads: &str| fs::read(dir.path().join(threads).join(file)).unwrap();
        assert!(read("1") == read("2"), "{file}");
    }
}
