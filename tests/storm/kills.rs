//! Killed at random moments, a run, a rendering and a report end with what undisturbed ones have.
//! What was killed is begun again, and killed again, until it ends by itself.

use crate::program::{self, PATIENCE, start, tiny};
use crate::{draws, setting, tree};
use std::fs;
use std::path::Path;
use std::time::Duration;

/// What is killed: a command, and the folders that it writes, which are empty at first.
struct Scene {
    name: String,
    args: Vec<String>,
    writes: &'static [&'static str],
    /// A command that must have ended before.
    after: Option<Vec<String>>,
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|w| w.to_string()).collect()
}

/// The suites that are disturbed: a small one of our own, or those that are named; then a
/// rendering and a report.
fn scenes() -> Vec<Scene> {
    let suite = tiny();
    let small = words(&["run", &suite, "--only", "student"]);
    let runs = match std::env::var("FRBENCH_STORM_SUITES") {
        Ok(names) => names
            .split(',')
            .map(|n| words(&["run", n, "--profile", "smoke"]))
            .collect(),
        Err(_) => vec![small.clone()],
    };
    let run = |args: Vec<String>| Scene {
        name: args[1..].join(" "),
        args,
        writes: &["data", "runs", "reports"],
        after: None,
    };
    let set = match std::env::var("FRBENCH_STORM_SET") {
        Ok(name) => name,
        Err(_) => "synth-train-40x6-v1".into(),
    };
    let mut scenes: Vec<Scene> = runs.into_iter().map(run).collect();
    scenes.push(Scene {
        name: format!("rendering {set}"),
        args: words(&["data", "synth", &set]),
        writes: &["data"],
        after: None,
    });
    let mut report = small.clone();
    report[0] = "report".into();
    scenes.push(Scene {
        name: "a report".into(),
        args: report,
        writes: &["reports"],
        after: Some(small),
    });
    scenes
}

#[test]
fn killed_at_any_moment_all_ends_alike() {
    let scenes = scenes();
    let kills = setting("FRBENCH_STORM_KILLS", 10);
    for (k, scene) in scenes.iter().enumerate() {
        // Each gets its share.
        let of = scenes.len() as u64;
        scene.storm((kills + of - 1 - k as u64) / of);
    }
}

impl Scene {
    fn storm(&self, kills: u64) {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let (calm, stormy) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (calm, stormy) = (calm.path(), stormy.path());
        if let Some(before) = &self.after {
            let before: Vec<&str> = before.iter().map(String::as_str).collect();
            program::run(calm, &before, Duration::from_secs(600), &self.name);
            tree::copy(calm, stormy);
            self.clear(calm);
            self.clear(stormy);
        }
        let (span, _) = program::run(calm, &args, Duration::from_secs(600), &self.name);
        let patience = 2 * span + PATIENCE;
        let (mut done, mut ends) = (0, 0);
        let (mut finished, mut stalled) = (0, 0);
        let mut round = 0;
        while done < kills {
            let mut stream = draws(&format!("kill {}", self.name), round);
            round += 1;
            // Where nothing was finished since the last kill, there is more time until the next,
            // or a storm would last for ever.
            let share = span.as_micros() as u64 / 6 + 20_000;
            let wait = stream.below(share << stalled.min(5));
            let mut started = start(stormy, &args);
            let what = format!("{}, {done} kills, round {round}", self.name);
            match started.ended(Duration::from_micros(wait)) {
                None => {
                    started.kill();
                    assert!(!started.said().contains("panicked"), "{what}");
                    done += 1;
                    let now = tree::count(stormy, "done");
                    stalled = if now > finished { 0 } else { stalled + 1 };
                    finished = now;
                }
                Some(status) => {
                    assert!(status.success(), "{what}: {}", started.said());
                    self.compare(calm, stormy, &what);
                    self.clear(stormy);
                    (ends, finished, stalled) = (ends + 1, 0, 0);
                }
            }
        }
        let what = format!("{}, after {done} kills", self.name);
        program::run(stormy, &args, patience, &what);
        self.compare(calm, stormy, &what);
        println!(
            "kills: {}: {done} kills, ended {} times with the files of an undisturbed run ({} ms)",
            self.name,
            ends + 1,
            span.as_millis()
        );
    }

    fn clear(&self, dir: &Path) {
        for name in self.writes {
            let _ = fs::remove_dir_all(dir.join(name));
        }
    }

    fn compare(&self, calm: &Path, stormy: &Path, what: &str) {
        for name in self.writes {
            tree::compare(&calm.join(name), &stormy.join(name), what);
        }
    }
}
