//! The GPU that tests run on: a real one, or the CPU stand-in of `crates/engine/cuda-standin`.

use frbench::Result;
use frbench::engine::{Device, DeviceChoice};
use std::sync::OnceLock;

/// The GPU, or nothing where there is none: then nothing can be tested. Where
/// `FRBENCH_TEST_GPU=required`, that is a failure.
#[allow(clippy::print_stderr, reason = "says why a test was skipped")]
pub fn gpu() -> Option<Device> {
    static GPU: OnceLock<Option<Device>> = OnceLock::new();
    GPU.get_or_init(|| match open() {
        Ok(gpu) => Some(gpu),
        Err(why) if std::env::var("FRBENCH_TEST_GPU").as_deref() == Ok("required") => {
            panic!("a GPU is required: {why}")
        }
        Err(why) => {
            eprintln!("skipped: {why}");
            None
        }
    })
    .clone()
}

/// One of its own, whose counts nobody else moves, if there is a GPU.
pub fn own() -> Option<Device> {
    gpu().map(|_| open().unwrap())
}

fn open() -> Result<Device> {
    Ok(Device::open(DeviceChoice::Cuda(0))?.0)
}

/// Runs the test of this name, of the program that calls, in a process of its own on a stand-in with
/// `bytes` of memory, which must pass. Elsewhere than there, such a test does nothing: see
/// [`in_little_memory`].
#[track_caller]
pub fn passes_with_memory(bytes: usize, test: &str) {
    if gpu().is_none() {
        return;
    }
    let out = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env(MEMORY, bytes.to_string())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success() && text.contains("1 passed"), "{text}");
}

const MEMORY: &str = "FRBENCH_STANDIN_MEMORY";

/// Whether this is the process that [`passes_with_memory`] has started.
pub fn in_little_memory() -> bool {
    std::env::var_os(MEMORY).is_some()
}
