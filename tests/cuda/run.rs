//! `frbench run --device cuda:0`: trained like on the CPU, twice the same bits, killed and
//! resumed the same bits, and never taken for one of the CPU.

use crate::common::gpu::gpu;
use crate::common::runs::{self, checkpoints, job, result};
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Few steps, and small ones: large ones magnify what rounding does.
fn suite() -> String {
    let all = include_str!("../suites/tiny.toml");
    let short = all
        .replace("epochs = 2", "epochs = 0.7")
        .replace("steps = 20", "steps = 10");
    let calm = short
        .replace("lr = 0.1", "lr = 0.002")
        .replace("[10, 15]", "[6, 8]");
    assert!(calm.contains("epochs = 0.7") && calm.contains("lr = 0.002"));
    calm
}

/// A folder with this suite in it, if there is a GPU to run it on.
fn stage(suite: &str) -> Option<TempDir> {
    gpu()?;
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("tiny.toml"), suite).unwrap();
    Some(dir)
}

fn command(dir: &Path, runs: &str, device: &str) -> Command {
    let mut command = runs::command(dir, "tiny.toml");
    command
        .args(["--runs", runs, "--device", device, "--seeds", "1"])
        .args(["--only", "teacher,student,coupleface"]);
    command
}

/// Losses of a training, point by point.
fn losses(dir: &Path, runs: &str, label: &str) -> Vec<f64> {
    let found = result(&job(&dir.join(runs), label).unwrap());
    let points = found["curve"].as_array().unwrap().iter();
    points.map(|p| p["loss"].as_f64().unwrap()).collect()
}

const TRAININGS: [&str; 3] = [
    "train teacher seed 7",
    "train student seed 1",
    "train coupleface seed 1",
];

/// The second time it is killed and resumed.
#[test]
fn a_suite_trains_on_a_gpu_as_on_the_cpu_and_twice_alike() {
    let Some(dir) = stage(&suite()) else { return };
    let dir = dir.path();
    for (runs, device) in [("cpu", "cpu"), ("gpu", "cuda:0")] {
        runs::told(&mut command(dir, runs, device));
    }
    as_on_the_cpu(dir);
    killed_and_resumed(dir);
    let first = checkpoints(&dir.join("gpu"));
    assert_eq!(first.len(), 3);
    assert_eq!(first, checkpoints(&dir.join("again")));
}

fn as_on_the_cpu(dir: &Path) {
    for label in TRAININGS {
        let (cpu, gpu) = (losses(dir, "cpu", label), losses(dir, "gpu", label));
        assert_eq!(cpu.len(), gpu.len());
        for (i, (cpu, gpu)) in cpu.iter().zip(&gpu).enumerate().take(3) {
            let off = (cpu / gpu - 1.0).abs();
            let what = format!("{label}, loss {i}");
            // The student of another teacher, by however little, may find other neighbours.
            let most = if label == TRAININGS[2] { 1e-2 } else { 1e-4 };
            assert!(off < most, "{what}: {cpu} on the CPU, {gpu} on the GPU");
        }
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        assert!((mean(&cpu) / mean(&gpu) - 1.0).abs() < 1e-2, "{label}");
    }
    for label in TRAININGS {
        let key = |runs| job(&dir.join(runs), label).unwrap();
        let (cpu, gpu) = (key("cpu"), key("gpu"));
        assert_ne!(cpu.file_name(), gpu.file_name(), "{label}");
    }
    assert_ne!(
        checkpoints(&dir.join("gpu")),
        checkpoints(&dir.join("cpu")),
        "the CPU computed it all"
    );
    let env = fs::read(
        job(&dir.join("gpu"), TRAININGS[0])
            .unwrap()
            .join("env.json"),
    )
    .unwrap();
    let env: Value = serde_json::from_slice(&env).unwrap();
    assert_eq!(env["device"], "cuda:0");
    assert!(
        env["kernels"].as_str().unwrap().starts_with("cuda, "),
        "{env}"
    );
}

/// A run that is killed in its first training.
fn killed_and_resumed(dir: &Path) {
    let mut again = command(dir, "again", "cuda:0");
    again.args(["--checkpoint-every", "0"]);
    let mut child = again.stderr(Stdio::null()).spawn().unwrap();
    let saved = |from: u64| {
        let folder = job(&dir.join("again"), TRAININGS[0])?;
        let events = runs::events(&folder);
        let mut steps = events.iter().filter(|e| e["event"] == "checkpoint");
        steps.find(|e| e["step"].as_u64() >= Some(from)).map(|_| ())
    };
    while saved(5).is_none() {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before it was killed"
        );
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();

    runs::told(&mut command(dir, "again", "cuda:0"));
}

/// bfloat16 is another training, and one that a CPU refuses.
#[test]
fn precision_is_part_of_what_a_training_is() {
    let low = suite().replace("flip = true", "flip = true\nprecision = \"bf16\"");
    let Some(dir) = stage(&low) else { return };
    let dir = dir.path();
    let out = command(dir, "low", "cpu").output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(
        runs::jobs(&dir.join("low")).is_empty(),
        "work was done in vain"
    );
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(
        text.contains(
            "error: train student seed 1: only GPUs do bf16 arithmetic; say `--device cuda:0`, too, or take f32"
        ),
        "{text}"
    );
    runs::told(&mut command(dir, "low", "cuda:0"));
    // What is finished is reported anywhere, and another run says where it is.
    let mut report = runs::frbench(dir);
    report.args(["report", "tiny.toml", "--runs", "low", "--seeds", "1"]);
    report.args(["--only", "teacher,student,coupleface"]);
    let said = runs::told(&mut report);
    assert!(said.contains("are done on cuda and 0 on the cpu"), "{said}");
    let out = command(dir, "low", "cpu").output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("are done on cuda"), "{text}");
    fs::write(dir.join("tiny.toml"), suite()).unwrap();
    runs::told(&mut command(dir, "full", "cpu"));
    for label in TRAININGS {
        let folder = |runs| job(&dir.join(runs), label).unwrap();
        assert_ne!(
            folder("low").file_name(),
            folder("full").file_name(),
            "{label}"
        );
        let (low, full) = (losses(dir, "low", label), losses(dir, "full", label));
        // The student of another teacher has something else to learn.
        let same_lesson = label != TRAININGS[2];
        let off = (low[0] / full[0] - 1.0).abs();
        assert!(off < 2e-2 || !same_lesson, "{label}: {low:?} {full:?}");
        assert_ne!(low, full);
    }
}

/// A driver without the libraries: `auto` must not take the CPU for that. Where it can be told
/// what is found: on the stand-in, which is one file under several names.
#[test]
fn a_gpu_that_cannot_be_used_is_not_passed_over() {
    let folders = std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let standin = std::env::split_paths(&folders).find(|f| f.join("libnvrtc.so").is_symlink());
    let (Some(standin), Some(dir)) = (standin, stage(&suite())) else {
        return;
    };
    let dir = dir.path();
    fs::copy(standin.join("libcuda.so"), dir.join("libcuda.so")).unwrap();
    let mut auto = command(dir, "runs", "auto");
    let out = auto.env("LD_LIBRARY_PATH", dir).output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(2), "{text}");
    assert!(
        text.starts_with("error: libnvrtc, libcublas, libcudnn cannot"),
        "{text}"
    );
}
