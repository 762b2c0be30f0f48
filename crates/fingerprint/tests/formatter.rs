//! Every source of the workspace says the same however it is formatted.
#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use frbench_fingerprint::rust;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            out.push(path);
        }
    }
}

/// Through the formatter's standard input, so that it does not follow modules.
fn formatted(text: &str, config: &str) -> Option<String> {
    let mut child = Command::new("rustfmt")
        .args(["--edition", "2024", "--config", config])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = child.stdin.take().unwrap();
    let text = text.to_string();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()));
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    out.status
        .success()
        .then(|| String::from_utf8(out.stdout).unwrap())
}

#[test]
fn the_form_of_a_source_says_nothing() {
    if Command::new("rustfmt").arg("--version").output().is_err() {
        eprintln!("skipped: no rustfmt here");
        return;
    }
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut files = Vec::new();
    sources(crates, &mut files);
    assert!(files.len() > 100);
    let mut unlike = Vec::new();
    let forms = [
        "max_width=60",
        "max_width=140,use_small_heuristics=Max,fn_params_layout=Compressed",
    ];
    for (file, config) in files.iter().zip(forms.into_iter().cycle()) {
        let text = fs::read_to_string(file).unwrap();
        let says = rust::read(&text).unwrap().says;
        let other = formatted(&text, config).unwrap();
        if rust::read(&other).unwrap().says != says {
            unlike.push(format!("{} under {config}", file.display()));
        }
    }
    assert!(
        unlike.is_empty(),
        "{} of {}: {unlike:#?}",
        unlike.len(),
        files.len()
    );
}
