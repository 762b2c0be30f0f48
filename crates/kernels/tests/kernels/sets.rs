//! Runs the tests of a module again on the kernel sets that this machine would not choose.

use frbench_kernels::ops::simd::{Level, level};
use std::process::Command;

/// Starts this test binary once per other kernel set, with all tests of `module` but the one
/// called `caller`. A set that the machine lacks is left out; the plain one never is.
pub fn run_on_every_other(module: &str, caller: &str) {
    for name in ["plain", "avx2", "avx512"] {
        if std::env::var_os("FRBENCH_ISA").is_some() || name == level().name() {
            continue;
        }
        if Level::parse(name).is_err() {
            assert_ne!(name, "plain");
            continue;
        }
        let output = Command::new(std::env::current_exe().unwrap())
            .args([&format!("{module}::"), "--skip", caller])
            .env("FRBENCH_ISA", name)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{name}:\n{text}");
        assert!(!text.contains("running 0 tests"), "{name}:\n{text}");
    }
}
