//! Mutated files for every reader: an error or a value, never a panic, soon, and in bounded memory.

use crate::mutation::mutate;
use crate::targets::targets;
use crate::{draws, setting};
use std::process::Command;
use std::time::{Duration, Instant};

/// The longest that a reader may take for one of these small files.
const LIMIT: Duration = Duration::from_secs(20);

/// Bytes that all readers may take at once, in KiB: what decoders work in (512 MiB, see
/// `frbench::data::decode`), the largest picture that a header may announce (286 MiB), the rest.
const RESIDENT_KIB: u64 = 1 << 20;

/// KiB of addresses, above which an allocation fails and ends the process.
const ADDRESSES_KIB: u64 = 4 << 20;

/// Set in the process that reads.
const CHILD: &str = "FRBENCH_STORM_CHILD";

#[test]
fn mutated_files_are_read_or_refused() {
    if std::env::var_os(CHILD).is_some() {
        return read_all();
    }
    if cfg!(not(target_os = "linux")) {
        return read_all();
    }
    let out = Command::new("sh")
        .args(["-c", "ulimit -v \"$1\"; shift; exec \"$@\"", "sh"])
        .arg(ADDRESSES_KIB.to_string())
        .arg(std::env::current_exe().unwrap())
        .args([
            "inputs::mutated_files_are_read_or_refused",
            "--exact",
            "--nocapture",
        ])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stdout);
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}\n{said}\n{errors}", out.status);
    let figures = said.lines().find(|l| l.starts_with("inputs: "));
    let figures = figures.unwrap_or_else(|| panic!("nothing was read: {said}"));
    println!("{figures}");
}

fn read_all() {
    let targets = targets();
    let inputs = setting("FRBENCH_STORM_INPUTS", 500);
    let mut slowest = (Duration::ZERO, "", 0);
    for round in 0..inputs {
        let target = &targets[(round as usize) % targets.len()];
        let bytes = mutate(&target.seed, &mut draws("input", round));
        let started = Instant::now();
        let read = std::panic::catch_unwind(|| (target.read)(&bytes));
        assert!(read.is_ok(), "{} panics on input {round}", target.name);
        let took = started.elapsed();
        assert!(
            took < LIMIT,
            "{} takes {took:?} for input {round}",
            target.name
        );
        slowest = slowest.max((took, target.name, round));
    }
    let peak = peak_kib();
    if let Some(peak) = peak {
        assert!(peak < RESIDENT_KIB, "{peak} KiB were resident");
    }
    println!(
        "inputs: {inputs} over {} readers, the slowest {} ms ({}, input {}), peak {} MiB of {} MiB",
        targets.len(),
        slowest.0.as_millis(),
        slowest.1,
        slowest.2,
        peak.map_or("unknown".to_string(), |kib| (kib >> 10).to_string()),
        RESIDENT_KIB >> 10
    );
}

/// The largest resident size of this process so far; Linux only.
fn peak_kib() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|l| l.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
