//! How a run is to be done.

use frbench_data::stamps::Stamps;
use frbench_engine::Device;
use std::path::Path;
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
    /// Which data are read on every run.
    pub read_again: ReadAgain,
}

/// Sets of at most so many bytes and so many files are read on every run, to know that they are
/// what was recorded. Of larger ones, those files are read whose stamps are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadAgain {
    pub bytes: u64,
    pub files: u64,
}

impl ReadAgain {
    /// No stamp is trusted.
    pub const EVERYTHING: ReadAgain = ReadAgain {
        bytes: u64::MAX,
        files: u64::MAX,
    };

    /// Whether the stamps of a set of these files are trusted.
    pub fn trusts(&self, set: &Stamps) -> bool {
        set.bytes() > self.bytes || set.files().len() as u64 > self.files
    }

    /// The stamps that were written to `path`, if they are trusted.
    pub fn known(&self, path: &Path) -> Stamps {
        let known = Stamps::read(path);
        match self.trusts(&known) {
            true => known,
            false => Stamps::default(),
        }
    }
}

impl Default for ReadAgain {
    fn default() -> Self {
        ReadAgain {
            bytes: 2 << 30,
            files: 10_000,
        }
    }
}

impl Default for Options {
    fn default() -> Self {
        Options {
            shard: None,
            checkpoint_every: Duration::from_secs(20),
            force_kernels: false,
            device: Device::CPU,
            read_again: ReadAgain::default(),
        }
    }
}
