//! How a run is to be done.

use frbench_engine::Device;
use std::time::Duration;

/// What to run.
#[derive(Clone, Debug)]
pub struct Options {
    /// `(m, n)`: only the m-th of n parts (1-based) of the trainings, and what they need.
    pub shard: Option<(usize, usize)>,
    /// Time between checkpoints: at most this much work is repeated after a kill.
    pub checkpoint_every: Duration,
    /// Resume trainings that were begun on another kernel set. They then equal no undisturbed
    /// run; the result says so.
    pub force_kernels: bool,
    /// Where networks are computed.
    pub device: Device,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            shard: None,
            checkpoint_every: Duration::from_secs(20),
            force_kernels: false,
            device: Device::CPU,
        }
    }
}
