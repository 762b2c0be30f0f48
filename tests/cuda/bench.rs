//! `frbench bench --device cuda:0`.

use crate::common::gpu::gpu;
use assert_cmd::Command;
use serde_json::Value;

const TINY: &str = "mobilefacenet:width=0.125,size=32";

fn bench(args: &[&str]) -> Command {
    let mut command = Command::cargo_bin("frbench").unwrap();
    command.args(["bench", "--device", "cuda:0"]).args(args);
    command
}

fn stdout(mut command: Command) -> String {
    let out = command.assert().success().get_output().stdout.clone();
    String::from_utf8(out).unwrap()
}

fn tiny(extra: &[&str]) -> Command {
    let mut command = bench(&["--backbone", TINY, "--batch", "2,4", "--classes", "7"]);
    command.args(["--embedding", "16", "--rounds", "3"]);
    command.args(extra);
    command
}

#[cfg(unix)]
#[test]
fn a_gpu_is_checked_rated_and_measured_beside_a_peer() {
    if gpu().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut command = tiny(&["--json", "--peer", "torch"]);
    command.env("PYTHON", crate::common::peer::python(dir.path(), TINY));
    let out: Value = serde_json::from_str(&stdout(command)).unwrap();
    assert_eq!(out["environment"]["device"], "cuda:0");
    let checked = out["check"].as_array().unwrap();
    assert!(checked.len() > 150, "{}", checked.len());
    let rates = &out["rates"];
    assert!(rates["copy_gb_per_s"].as_f64() > Some(0.0), "{rates}");
    let rows = out["measured"].as_array().unwrap();
    let mut kinds = Vec::new();
    for row in rows {
        crate::common::peer::check(row);
        let number = |name: &str| row[name].as_f64().unwrap();
        let precision = row["precision"].as_str().unwrap();
        let peak = rates["matmul_tflops"][precision].as_f64().unwrap();
        assert!((number("of_matmul") * peak * 1e3 / number("gflops") - 1.0).abs() < 1e-9);
        assert!(number("peak_mib") > 0.0);
        let kernels = row["kernels"].as_str().unwrap();
        assert!(kernels.starts_with("cuda, "), "{kernels}");
        kinds.push((precision, number("batch"), row["work"].as_str().unwrap()));
    }
    let mut want = Vec::new();
    for precision in ["f32", "tf32", "bf16"] {
        for batch in [2.0, 4.0] {
            want.extend([(precision, batch, "train"), (precision, batch, "embed")]);
        }
    }
    assert_eq!(kinds, want);
}

#[test]
fn the_tables_name_operations_rates_and_cases() {
    let Some(gpu) = gpu() else { return };
    let name = gpu.model();
    let out = stdout(tiny(&["--precision", "bf16", "--nondeterministic"]));
    for line in [
        "depthwise 3x3 stride 2, dw",
        "copy, read and written",
        "matrix product, tf32",
        "mobilefacenet width=0.125 @32  train  bf16",
        &format!("{name}, not deterministic"),
    ] {
        assert!(out.contains(line), "{line}: {out}");
    }
    let only = stdout(bench(&["--check", "--seed", "5"]));
    assert!(only.contains("batch norm + ReLU6, dx"), "{only}");
    assert!(!only.contains("images/s"), "{only}");
    let out = bench(&["--operations"]).assert().code(2);
    let text = String::from_utf8(out.get_output().stderr.clone()).unwrap();
    assert!(text.contains("`--operations` is of the CPU"), "{text}");
}

/// On the stand-in, whose memory can be limited: training takes three times the memory that the
/// parameters do.
#[test]
fn what_has_no_memory_is_a_row_and_the_rest_is_measured() {
    if gpu().is_none_or(|gpu| !gpu.model().contains("stand-in")) {
        return;
    }
    let mut command = bench(&["--backbone", "iresnet18:size=32", "--embedding", "4096"]);
    command.args(["--batch", "2", "--precision", "f32", "--rounds", "1"]);
    command.env("FRBENCH_STANDIN_MEMORY", (192 << 20).to_string());
    let out = stdout(command);
    let row = |work: &str| {
        let mut lines = out.lines();
        let head = format!("iresnet18 @32  {work}  f32");
        lines.find(|l| l.contains(&head)).unwrap()
    };
    assert!(row("train").ends_with("no memory"), "{out}");
    assert!(!row("embed").contains("memory"), "{out}");
}
