//! Where a job ran: everything that helps to explain a number and is not part of its key.

use crate::plan::Build;
use frbench_engine::Device;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Environment variables that change threads, kernels or numerics.
const VARIABLES: [&str; 5] = [
    "RAYON_NUM_THREADS",
    "FRBENCH_ISA",
    "FRBENCH_GRAPHS",
    "CUDA_VISIBLE_DEVICES",
    "SLURM_JOB_ID",
];

/// Facts about this process, its machine and the device that it computes on, for `env.json` and the report.
pub fn capture(build: &Build, device: &Device) -> Value {
    let variables: BTreeMap<&str, String> = VARIABLES
        .iter()
        .filter_map(|&name| Some((name, std::env::var(name).ok()?)))
        .collect();
    json!({
        "build": build,
        "host": host(),
        "os": std::env::consts::OS,
        "arch": std::env::consts::ARCH,
        "cpu": cpu_model(),
        "cores": std::thread::available_parallelism().map_or(0, |n| n.get()),
        "threads": rayon::current_num_threads(),
        "device": device.name(),
        "kernels": device.kernels(),
        "decoder": frbench_data::decode::DECODER,
        "memory_gib": memory_gib(),
        "command": std::env::args().collect::<Vec<_>>(),
        "variables": variables,
    })
}

/// This machine's name, or an empty text.
pub fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .or_else(|| std::env::var("HOSTNAME").ok())
        .unwrap_or_default()
        .trim()
        .to_string()
}

fn cpu_model() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    info.lines()
        .find_map(|l| {
            l.strip_prefix("model name")?
                .split_once(':')
                .map(|(_, v)| v.trim().to_string())
        })
        .unwrap_or_default()
}

fn memory_gib() -> f64 {
    let info = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    info.lines()
        .find_map(|l| {
            l.strip_prefix("MemTotal:")?
                .trim()
                .strip_suffix("kB")?
                .trim()
                .parse::<f64>()
                .ok()
        })
        .map_or(0.0, |kib| (kib / 1024.0 / 1024.0 * 10.0).round() / 10.0)
}
