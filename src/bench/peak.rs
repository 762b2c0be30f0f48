//! What speeds and sizes are held against: a large matrix product and the peak of memory.

use super::median;
use candle_core::{Device, Tensor};
use frbench_base::Result;
use frbench_engine as engine;
use std::time::Instant;

/// Rows, columns and inner dimension of the product; the inner one is long, so that the time
/// is spent in arithmetic and not on a fresh result.
const PRODUCT: [usize; 3] = [1024, 1024, 4096];

/// GFLOP/s of a single-precision matrix product over all threads: median of `rounds`. A
/// network may exceed it, since Winograd's convolutions take fewer operations than are
/// counted.
pub fn gemm_gflops(rounds: usize) -> Result<f64> {
    let [m, n, k] = PRODUCT;
    let a = Tensor::full(0.5f32, (m, k), &Device::Cpu)?;
    let b = Tensor::full(0.25f32, (k, n), &Device::Cpu)?;
    a.matmul(&b)?;
    let mut seconds = Vec::new();
    for _ in 0..rounds {
        let started = Instant::now();
        a.matmul(&b)?;
        seconds.push(started.elapsed().as_secs_f64());
    }
    Ok(2e-9 * (m * n * k) as f64 / median(&seconds))
}

/// The most memory that this process has taken so far, in MiB: of the GPU, if it computes there,
/// else what was resident, where the system says (Linux).
pub fn memory_mib(device: &engine::Device) -> Option<f64> {
    if let Some(bytes) = device.peak_memory().ok()? {
        return Some(bytes as f64 / 1024.0 / 1024.0);
    }
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    let kib: f64 = kib.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}
