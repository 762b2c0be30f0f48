//! Trainings that remember from step to step (annealing, moving averages, anchors, memories, a
//! feature bank): each is killed in its middle, and ends in the bits of an undisturbed one.

use crate::common::runs::{checkpoints, events, job, suite};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// One training of each kind, with constants under which its memory moves in every step.
const SUITE: &str = r#"
schema = 1
name = "memory"
title = "Losses that remember"
analysis = "Nothing follows from it."

[teacher]
id = "teacher"
label = "Teacher"
method = { name = "margin-softmax" }
head = { name = "cosface", s = 16.0, m = 0.2 }
network = "network"
training = "teacher"

[[method]]
id = "sphereface"
label = "SphereFace"
method = { name = "margin-softmax" }
head = { name = "sphereface", magnitude = "scale", s = 16.0, m = 4, lambda_base = 100.0, lambda_gamma = 0.1, lambda_power = 1.0, lambda_min = 1.0 }
network = "network"
training = "training"

[[method]]
id = "curricularface"
label = "CurricularFace"
method = { name = "margin-softmax" }
head = { name = "curricularface", s = 16.0, m = 0.3, momentum = 0.1 }
network = "network"
training = "training"

[[method]]
id = "adaface"
label = "AdaFace"
method = { name = "margin-softmax" }
head = { name = "adaface", s = 16.0, m = 0.3, h = 0.333, t_alpha = 0.1 }
network = "network"
training = "training"

[[method]]
id = "ekd"
label = "EKD"
teacher = "teacher"
method = { name = "distill", losses = [{ name = "ekd", weight = 10.0, momentum = 0.1 }] }
network = "network"
training = "half-balanced"

[[method]]
id = "crd"
label = "CRD"
teacher = "teacher"
method = { name = "distill", losses = [{ name = "crd", dim = 8, negatives = 16, temperature = 0.2, momentum = 0.5 }] }
network = "network"
training = "training"

[[method]]
id = "coupleface"
label = "CoupleFace"
teacher = "teacher"
method = { name = "coupleface", normalize = true, alpha = 1.0, beta = 0.0, q = 0.0, form = "l2", k = 5, relation = "student-student" }
network = "network"
training = "training"

[protocol.ten-fold]
kind = { name = "verification", folds = 10 }

[profile.demo]
train-data = "synth-train-12x6-v1"
seeds = [1]
entries = ["teacher", "sphereface", "curricularface", "adaface", "ekd", "crd", "coupleface"]
evaluate = [{ data = "synth-lfw-20-v1", protocol = "ten-fold", entries = ["teacher"] }]

[profile.demo.network.network]
@network

[profile.demo.training.teacher]
steps = 10
batch = 16
lr = 0.05
decay = { kind = "constant" }
@sgd

[profile.demo.training.training]
steps = 80
batch = 16
lr = 0.05
decay = { kind = "polynomial", power = 2.0 }
@sgd

[profile.demo.training.half-balanced]
steps = 80
batch = 16
lr = 0.05
decay = { kind = "polynomial", power = 2.0 }
@sgd
balanced = { images = 8, per-identity = 4 }
"#;

const STEPS: u64 = 80;

/// Each training, and the step behind which its first process is killed.
const KILLS: &[(&str, u64)] = &[
    ("sphereface", 3),
    ("curricularface", 20),
    ("adaface", 9),
    ("ekd", 30),
    ("crd", 5),
    ("coupleface", 14),
];

fn frbench(dir: &Path, runs: &str, threads: &str) -> Command {
    let mut c = Command::new(env!("CARGO_BIN_EXE_frbench"));
    c.current_dir(dir)
        .args(["run", "memory.toml", "--profile", "demo", "--runs", runs])
        // Longer than no time at all: a checkpoint after every step.
        .args(["--checkpoint-every", "0", "--jobs", threads])
        .stdout(Stdio::null());
    c
}

/// The folder of the training of `id`, once it has been begun.
fn training(runs: &Path, id: &str) -> Option<PathBuf> {
    job(runs, &format!("train {id} seed 1"))
}

/// The steps that events of this name were logged at.
fn steps(events: &[Value], name: &str) -> Vec<u64> {
    let named = events.iter().filter(|e| e["event"] == *name);
    named.filter_map(|e| e["step"].as_u64()).collect()
}

/// Runs until the training of `id` has saved a step from `from` on, and kills the process.
fn run_and_kill(dir: &Path, id: &str, from: u64) {
    let runs = dir.join("shaken");
    let mut child = frbench(dir, "shaken", "2")
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let start = Instant::now();
    let mut folder = None;
    loop {
        folder = folder.or_else(|| training(&runs, id));
        let log = folder.as_deref().map(events).unwrap_or_default();
        if steps(&log, "checkpoint").iter().any(|step| *step >= from) {
            break;
        }
        let ended = child.try_wait().unwrap();
        assert!(ended.is_none(), "ended before step {from} of {id}");
        let waited = start.elapsed();
        assert!(waited < Duration::from_secs(120), "no step {from} of {id}");
        std::thread::sleep(Duration::from_millis(2));
    }
    // SIGKILL: nothing of the process gets to say goodbye.
    child.kill().unwrap();
    child.wait().unwrap();
    let folder = folder.unwrap();
    assert!(!folder.join("done").exists(), "{id} ended before the kill");
}

#[test]
fn every_training_that_remembers_survives_a_kill_to_the_bit() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("memory.toml"), suite(SUITE)).unwrap();
    let finish = |runs: &str, threads: &str| {
        let out = frbench(dir, runs, threads).output().unwrap();
        let text = String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{text}");
    };
    finish("calm", "1");
    for (id, from) in KILLS {
        run_and_kill(dir, id, *from);
    }
    finish("shaken", "2");

    let shaken = dir.join("shaken");
    for (id, from) in KILLS {
        let log = events(&training(&shaken, id).unwrap());
        let resumed = steps(&log, "resumed");
        let middle = |step: &u64| (*from..STEPS).contains(step);
        assert!(
            resumed.len() == 1 && resumed.iter().all(middle),
            "{id} was killed behind step {from} and resumed at {resumed:?}"
        );
        assert!(steps(&log, "restarted").is_empty(), "{id}");
        let claims: Vec<&Value> = log.iter().filter(|e| e["event"] == "claimed").collect();
        assert_eq!(claims.len(), 2, "{id}: two processes");
        assert_ne!(claims[0]["pid"], claims[1]["pid"], "{id}");
    }
    let calm = checkpoints(&dir.join("calm"));
    assert_eq!(calm, checkpoints(&shaken));
    let distinct: std::collections::BTreeSet<&String> = calm.values().collect();
    // And the teacher.
    assert_eq!(calm.len(), KILLS.len() + 1);
    assert_eq!(distinct.len(), calm.len(), "two trainings are the same");
}
