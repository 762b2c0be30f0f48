//! What other programs read of a run.

use crate::common::runs;
use crate::common::runs::{events, job, one_training, outcome, told};
use std::fs;
use std::path::{Path, PathBuf};

/// The content of each record of an event file.
fn records(bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut out, mut rest) = (Vec::new(), bytes);
    while !rest.is_empty() {
        let length = u64::from_le_bytes(rest[..8].try_into().unwrap()) as usize;
        out.push(rest[12..12 + length].to_vec());
        rest = &rest[12 + length + 4..];
    }
    out
}

fn holds(record: &[u8], text: &str) -> bool {
    record.windows(text.len()).any(|w| w == text.as_bytes())
}

/// The files below a folder, by their paths in it.
fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
            match entry.is_dir() {
                true => open.push(entry),
                false => found.push(entry.strip_prefix(dir).unwrap().to_path_buf()),
            }
        }
    }
    found.sort();
    found
}

#[test]
fn curves_tables_and_values_are_exported() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let suite = one_training("one", "synth-train-10x2-v1", &[1, 2]);
    fs::write(dir.join("one.toml"), suite).unwrap();
    let export = [
        "export",
        "one.toml",
        "--to",
        "csv,latex,tensorboard",
        "-o",
        "out",
    ];
    let (code, _, err) = outcome(dir, &export);
    assert_eq!(code, 4, "{err}");
    assert!(err.contains("`frbench run one.toml"), "{err}");
    told(&mut runs::command(dir, "one.toml"));

    let (code, out, err) = outcome(dir, &export);
    assert_eq!(code, 0, "{err}");
    let found = files(&dir.join("out"));
    assert_eq!(out.lines().count(), found.len(), "{out}");
    let event = "events.out.tfevents.0000000000.frbench";
    for name in ["results.csv", "claims.csv", "results.tex"] {
        assert!(found.contains(&PathBuf::from(name)), "{found:?}");
    }
    let of = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
    assert_eq!(of("out/results.csv"), of("reports/one-demo/results.csv"));
    assert!(of("out/results.tex").contains("\\toprule"));
    for seed in [1, 2] {
        let path = Path::new("m").join(format!("seed-{seed}")).join(event);
        assert!(found.contains(&path), "{found:?}");
        let records = records(&fs::read(dir.join("out").join(path)).unwrap());
        let log = events(&job(&dir.join("runs"), &format!("train m seed {seed}")).unwrap());
        let steps = log.iter().filter(|e| e["event"] == "step");
        let steps = steps.count();
        assert!(holds(&records[0], "brain.Event:2"));
        let with = |text: &str| records.iter().filter(|r| holds(r, text)).count();
        assert_eq!(
            (with("loss"), with("parts/arcface"), with("lr")),
            (steps, steps, steps)
        );
        assert_eq!(with("score/synth-lfw-20-v1/ten-fold/accuracy"), 1);
        assert_eq!(records.len(), 1 + steps + 1);
    }
    // The same again gives the same bytes.
    let bytes = || {
        found
            .iter()
            .map(|f| fs::read(dir.join("out").join(f)).unwrap())
    };
    let before: Vec<Vec<u8>> = bytes().collect();
    assert_eq!(outcome(dir, &export).0, 0);
    assert_eq!(bytes().collect::<Vec<_>>(), before);
}
