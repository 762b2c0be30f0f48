//! Every golden case in `tests/parity` is met, through the library as `frbench parity` runs it.

use frbench::parity::{self, Case, Verdict};
use std::path::{Path, PathBuf};

#[test]
fn the_other_kernel_sets_pass_too() {
    crate::common::kernel_sets::run_on_every_other("parity", "the_other_kernel_sets_pass_too");
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity")
}

/// The cases whose operation starts so.
fn family(prefix: &str) {
    let cases = parity::load(&[folder()]).unwrap();
    let mut ran = 0;
    for case in cases.iter().filter(|c| c.op.starts_with(prefix)) {
        let outcome = parity::run(case).unwrap();
        for check in &outcome.checks {
            println!("{} {}: {:.1e}", case.name, check.tensor, check.error);
        }
        assert_eq!(outcome.verdict, Verdict::Pass, "{outcome:#?}");
        ran += 1;
    }
    assert!(ran > 0, "no case of {prefix}");
}

#[test]
fn heads() {
    family("head/");
}

#[test]
fn distillation_losses() {
    family("distill/");
}

#[test]
fn blocks() {
    family("block/");
}

#[test]
fn backbones() {
    family("backbone/");
}

#[test]
fn protocols() {
    family("eval/");
}

#[test]
fn no_case_is_left_out() {
    let known = ["head/", "distill/", "backbone/", "eval/", "block/"];
    for case in parity::load(&[folder()]).unwrap() {
        assert!(known.iter().any(|k| case.op.starts_with(k)), "{}", case.op);
    }
}

/// A copy of a case whose header says something else of the same length.
fn altered(name: &str, from: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    assert_eq!(from.len(), to.len());
    let mut bytes = std::fs::read(folder().join(name)).unwrap();
    let at = bytes
        .windows(from.len())
        .position(|w| w == from.as_bytes())
        .expect(from);
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).unwrap();
    (folder, path)
}

fn run(path: &Path) -> parity::Outcome {
    parity::run(&Case::load(path).unwrap()).unwrap()
}

#[test]
fn another_margin_is_a_miss() {
    let (_keep, path) = altered(
        "a-arcface.safetensors",
        r#"\"margin\": 0.5"#,
        r#"\"margin\": 0.4"#,
    );
    let outcome = run(&path);
    assert_eq!(outcome.verdict, Verdict::Miss);
    assert!(
        outcome
            .checks
            .iter()
            .any(|c| c.tensor == "grad.weight" && !c.met)
    );
}

#[test]
fn an_operation_nobody_has_is_unknown_and_a_wrong_parameter_fails() {
    let (_keep, path) = altered("a-arcface.safetensors", "head/arcface", "head/arcfare");
    let outcome = run(&path);
    assert_eq!(outcome.verdict, Verdict::Unknown);
    assert!(outcome.reason.unwrap().contains("did you mean `arcface`?"));

    let (_keep, path) = altered("a-arcface.safetensors", r#"\"margin\""#, r#"\"mragin\""#);
    let outcome = run(&path);
    assert_eq!(outcome.verdict, Verdict::Failed);
    assert!(outcome.reason.unwrap().contains("mragin"));
}

#[test]
fn what_is_no_case_is_an_error_that_names_the_file() {
    let fails = |path: &Path| {
        let error = parity::load(&[path.to_path_buf()]).unwrap_err();
        (error.exit_code(), error.to_string())
    };
    assert_eq!(fails(Path::new("nowhere")).0, 2);
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(fails(folder.path()).0, 3);
    let path = folder.path().join("x.safetensors");
    std::fs::write(&path, b"short").unwrap();
    let (code, message) = fails(&path);
    assert!(code == 5 && message.contains("x.safetensors"), "{message}");

    let (_keep, path) = altered(
        "a-arcface.safetensors",
        "\"frbench.parity\":\"1\"",
        "\"frbench.parity\":\"2\"",
    );
    let (code, message) = fails(&path);
    assert!(
        code == 5 && message.contains("parity format 2"),
        "{message}"
    );

    // A tensor that nobody would look at.
    let (_keep, path) = altered("a-arcface.safetensors", "expect.logits", "expcet.logits");
    let (code, message) = fails(&path);
    assert!(
        code == 5 && message.contains("`expcet.logits` is none of"),
        "{message}"
    );

    let (_keep, path) = altered("a-arcface.safetensors", "input.labels", "input.lables");
    let error = parity::run(&Case::load(&path).unwrap()).unwrap_err();
    let message = error.to_string();
    assert!(
        error.exit_code() == 5 && message.contains("input.lables"),
        "{message}"
    );
}
