//! Killed at random moments, a run ends with what an undisturbed one has.

use crate::{draws, setting, tree};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The suites that are disturbed: a small one of our own, or those that are named.
fn suites() -> Vec<(String, Vec<String>)> {
    match std::env::var("FRBENCH_STORM_SUITES") {
        Ok(names) => names
            .split(',')
            .map(|n| (n.to_string(), vec!["--profile".into(), "smoke".into()]))
            .collect(),
        Err(_) => vec![(
            Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/suites/tiny.toml")
                .display()
                .to_string(),
            vec!["--only".into(), "student".into()],
        )],
    }
}

fn command(dir: &Path, suite: &(String, Vec<String>)) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_frbench"));
    command
        .current_dir(dir)
        .env_remove("FRBENCH_DATA")
        .args(["run", &suite.0])
        .args(&suite.1)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

#[test]
fn killed_at_any_moment_a_run_ends_alike() {
    let kills = setting("FRBENCH_STORM_KILLS", 10);
    for suite in suites() {
        let calm = tempfile::tempdir().unwrap();
        let started = Instant::now();
        let out = command(calm.path(), &suite).output().unwrap();
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        // Kills fall into rendering, trainings, scores and the report.
        let span = started.elapsed().as_millis() as u64;
        let stormy = tempfile::tempdir().unwrap();
        let mut done = 0;
        while done < kills {
            let mut stream = draws("kill", done);
            // Progress is made between kills, or a storm would last for ever.
            let wait = stream.below(span / 3 + 50);
            let mut child = command(stormy.path(), &suite).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(wait));
            child.kill().unwrap();
            child.wait().unwrap();
            done += 1;
            if tree::results(&stormy.path().join("runs")).len()
                == tree::results(&calm.path().join("runs")).len()
            {
                compare(calm.path(), stormy.path(), &suite, done);
                let _ = fs::remove_dir_all(stormy.path().join("runs"));
                let _ = fs::remove_dir_all(stormy.path().join("data"));
            }
        }
        compare(calm.path(), stormy.path(), &suite, done);
    }
}

/// Lets the run end, and holds what it leaves against an undisturbed one.
fn compare(calm: &Path, stormy: &Path, suite: &(String, Vec<String>), kills: u64) {
    let out = command(stormy, suite).output().unwrap();
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "after {kills} kills: {said}");
    let of = |dir: &Path| tree::results(&dir.join("runs"));
    assert_eq!(of(calm), of(stormy), "after {kills} kills");
    let data = |dir: &Path| tree::files(&dir.join("data"));
    assert!(data(calm) == data(stormy), "data after {kills} kills");
    let names = |dir: &Path| {
        let reports = tree::files(&dir.join("reports"));
        reports.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(names(calm), names(stormy), "report after {kills} kills");
}
