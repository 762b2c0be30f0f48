//! Rendering of a set that is killed, stopped or done twice at a time.

use crate::common::runs::{one_training, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const SET: &str = "synth-train-160x10-v1";
const IMAGES: u64 = 1600;

fn frbench(dir: &Path, args: &[&str]) -> Command {
    let mut frbench = Command::new(env!("CARGO_BIN_EXE_frbench"));
    frbench.current_dir(dir).env_remove("FRBENCH_DATA");
    frbench
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    frbench
}

fn size(dir: &Path) -> u64 {
    let images = dir.join(format!("data/.{SET}.part/images"));
    fs::metadata(images).map_or(0, |m| m.len())
}

/// Waits until more images are kept than `bytes` have place for.
fn grown(child: &mut Child, dir: &Path, bytes: u64) {
    wait_until(child, "an image", || size(dir) > bytes);
}

fn names(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir).unwrap().map(|f| f.unwrap());
    let mut names: Vec<String> = files
        .map(|f| f.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn bytes(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let read = |name: String| (name.clone(), fs::read(dir.join(name)).unwrap());
    names(dir).into_iter().map(read).collect()
}

/// The images that a process told to be there already.
fn resumed(text: &str) -> Option<u64> {
    let (_, rest) = text.split_once("resumes at image ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[test]
fn a_rendering_that_is_killed_and_stopped_ends_in_the_same_bytes() {
    let (calm, shaken) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (calm, shaken) = (calm.path(), shaken.path());
    let synth = ["data", "synth", SET];
    let out = frbench(calm, &synth).output().unwrap();
    assert!(out.status.success());
    assert_eq!(resumed(&String::from_utf8_lossy(&out.stderr)), None);

    // Killed, in the command that only renders.
    let mut child = frbench(shaken, &synth).spawn().unwrap();
    grown(&mut child, shaken, 100_000);
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = size(shaken);

    // Stopped, in a run.
    fs::write(shaken.join("set.toml"), one_training("set", SET, &[1])).unwrap();
    let run = ["run", "set.toml", "--profile", "demo"];
    let mut child = frbench(shaken, &run).spawn().unwrap();
    grown(&mut child, shaken, killed);
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-TERM", &pid])
            .status()
            .unwrap()
            .success()
    );
    let out = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(75), "{text}");
    let first = resumed(&text).expect("what the killed one rendered");
    assert!(first > 0, "{text}");
    let (_, kept) = text.split_once("rendering, ").expect("how far it was");
    let kept: u64 = kept.split_whitespace().next().unwrap().parse().unwrap();
    assert!(kept > first && kept < IMAGES, "{text}");
    assert!(text.contains("the same command resumes"), "{text}");

    // Two at once: one of them renders, the other waits.
    let both = [["--runs", "a"], ["--runs", "b"]].map(|runs| {
        let mut child = frbench(shaken, &run);
        child
            .args(runs)
            .args(["--reports", "reports"])
            .spawn()
            .unwrap()
    });
    let texts = both.map(|child| {
        let out = child.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.success(), "{text}");
        text
    });
    let told: Vec<u64> = texts.iter().filter_map(|t| resumed(t)).collect();
    assert_eq!(told, [kept], "{texts:?}");
    assert_eq!(
        bytes(&calm.join("data").join(SET)),
        bytes(&shaken.join("data").join(SET))
    );
    assert_eq!(names(&shaken.join("data")), ["synth-lfw-20-v1", SET]);
    let mut logs = String::new();
    for runs in ["a", "b"].map(|runs| shaken.join(runs)) {
        for key in names(&runs) {
            logs += &fs::read_to_string(runs.join(key).join("events.jsonl")).unwrap();
        }
    }
    let events: Vec<Value> = logs
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let images = events.iter().filter_map(|e| e["image"].as_u64());
    assert_eq!(images.collect::<Vec<_>>(), [kept]);
}
