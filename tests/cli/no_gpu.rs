//! A GPU that is asked for and is not there. Compiled into the tests of CUDA, too, since the message
//! is another one there.

use frbench::engine::DeviceChoice;
use std::process::{Command, Output};

/// What frbench says, with nothing in its environment: no library path either.
fn run_on(device: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_frbench"));
    command.args(["run", "coupleface", "--device", device]);
    // Nor is it on a machine that has one.
    command.env_clear().env("CUDA_VISIBLE_DEVICES", "");
    command.current_dir(&dir).output().unwrap()
}

#[test]
fn a_gpu_that_is_not_there_is_one_clear_error() {
    let out = run_on("cuda:0");
    let text = String::from_utf8_lossy(&out.stderr);
    let known: &[&str] = match DeviceChoice::of_build() {
        DeviceChoice::Cpu => &["this frbench was built without CUDA (`cargo build"],
        _ => &[
            "no NVIDIA driver was found on this machine (libcuda cannot be loaded)",
            "libnvrtc, libcublas, libcudnn cannot be loaded",
            "the NVIDIA driver does not start",
            "there is no GPU cuda:0; this machine has 0",
        ],
    };
    assert!(
        known
            .iter()
            .any(|k| text.starts_with(&format!("error: {k}"))),
        "{text}"
    );
    assert!(
        text.ends_with("say `--device cpu` to compute without a GPU\n"),
        "{text}"
    );
    assert_eq!(
        (text.lines().count(), out.status.code()),
        (1, Some(2)),
        "{text}"
    );
    assert!(out.stdout.is_empty());
    let out = run_on("gpu");
    let text = String::from_utf8_lossy(&out.stderr);
    assert!(text.contains("want auto, cpu, cuda or cuda:N"), "{text}");
    assert_eq!(out.status.code(), Some(2));
}
