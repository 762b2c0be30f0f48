//! What is measured of a device: times, memory, errors, rates, and counts of what it was asked for.

use super::Device;
use crate::cuda::UNTIL_SETTLED;
use crate::settings::Precision;
use frbench_base::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Instant;

impl Device {
    /// What `f` gives, and the milliseconds until all that it asked of the device was done.
    pub fn time<R>(&self, f: impl FnOnce() -> Result<R>) -> Result<(R, f64)> {
        match self.gpu() {
            None => {
                let started = Instant::now();
                let result = f()?;
                Ok((result, started.elapsed().as_secs_f64() * 1e3))
            }
            Some(gpu) => gpu.time(f),
        }
    }

    /// Waits for everything that was asked for.
    pub fn synchronize(&self) -> Result<()> {
        self.gpu().map_or(Ok(()), |gpu| gpu.synchronize())
    }

    /// Iterations until each is done as the one before: memory is there, and what is worth
    /// recording is recorded.
    pub fn warm_ups(&self) -> usize {
        if self.is_gpu() { UNTIL_SETTLED } else { 1 }
    }

    /// The most of a GPU's memory that was ever reserved for this process, in bytes: what is in
    /// use, what is kept to be used again, and workspaces, without the libraries themselves.
    pub fn peak_memory(&self) -> Result<Option<u64>> {
        self.gpu().map(|gpu| gpu.peak_memory()).transpose()
    }

    /// Bytes of a GPU's memory that are free, and of all of it.
    pub fn memory(&self) -> Result<Option<(usize, usize)>> {
        self.gpu().map(|gpu| gpu.memory()).transpose()
    }

    /// How far all operations of a GPU are off in all precisions, on random numbers of this seed;
    /// one that fails says so in its row. No rows for the CPU.
    pub fn check(&self, seed: u64) -> Vec<OpError> {
        self.gpu().map_or(Vec::new(), |gpu| gpu.check(seed))
    }

    /// What a GPU reaches, medians of `rounds`.
    pub fn rates(&self, rounds: usize) -> Result<Option<Rates>> {
        self.gpu().map(|gpu| gpu.rates(rounds)).transpose()
    }

    /// What a GPU was asked to do since it was opened; all 0 for the CPU.
    pub fn counts(&self) -> Counts {
        self.gpu().map_or(Counts::default(), |gpu| gpu.counts())
    }

    /// Allows or forbids a GPU to record what takes longer to ask for than it does; allowed at
    /// first, unless the variable `FRBENCH_GRAPHS` is `never`. No result depends on it.
    pub fn allow_recording(&self, allowed: bool) {
        if let Some(gpu) = self.gpu() {
            gpu.allow_recording(allowed);
        }
    }
}

/// How far an operation of a GPU is from the same in 64 bits.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OpError {
    pub op: String,
    pub precision: Precision,
    /// Relative, in the L2 norm; the worst of all results of that name.
    pub error: f64,
    pub bound: f64,
    /// Why there is no result, if there is none.
    pub failed: Option<String>,
}

impl OpError {
    /// Whether there is a result, within its bound.
    pub fn holds(&self) -> bool {
        self.failed.is_none() && self.error <= self.bound
    }
}

/// What a GPU reaches where nothing else is in the way.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// Of a copy within its memory, which is read and written: GB/s of both.
    pub copy_gb_per_s: f64,
    /// Of a large matrix product, by the name of the precision.
    pub matmul_tflops: BTreeMap<&'static str, f64>,
    /// Kernels that do little but read and write: GB/s by name.
    pub kernels_gb_per_s: BTreeMap<String, f64>,
}

/// What a GPU was asked to do since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Launches of our own kernels, one by one.
    pub launches: u64,
    /// Calls of cuDNN and cuBLAS that compute, one by one.
    pub library_calls: u64,
    /// Launches of passes that were recorded.
    pub graphs: u64,
    /// Allocations that no kept buffer could serve.
    pub allocations: u64,
    /// Bytes of those.
    pub allocated: u64,
    /// Copies to the GPU.
    pub uploads: u64,
    /// Copies from it.
    pub downloads: u64,
}

impl std::ops::Sub for Counts {
    type Output = Counts;

    /// What came after `earlier`.
    fn sub(self, earlier: Counts) -> Counts {
        Counts {
            launches: self.launches - earlier.launches,
            library_calls: self.library_calls - earlier.library_calls,
            graphs: self.graphs - earlier.graphs,
            allocations: self.allocations - earlier.allocations,
            allocated: self.allocated - earlier.allocated,
            uploads: self.uploads - earlier.uploads,
            downloads: self.downloads - earlier.downloads,
        }
    }
}
