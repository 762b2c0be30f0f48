//! Whether to go on: asked while data are read, so that a stop signal ends the reading.

use frbench_base::Result;
use std::sync::atomic::{AtomicU64, Ordering};

/// Told how much of how much has been read, and in what unit, from any thread; an error ends the
/// reading. Of work whose size is not known all of it is 0.
pub type Watch<'a> = &'a (dyn Fn(u64, u64, &'static str) -> Result<()> + Sync);

/// Lets everything be read to its end.
pub const UNWATCHED: Watch<'static> = &|_, _, _| Ok(());

/// Counts what several threads read.
pub(crate) struct Counter<'a> {
    done: AtomicU64,
    total: u64,
    /// Bytes are told in MiB, other things as they are.
    unit: &'static str,
    shift: u32,
    watch: Watch<'a>,
}

impl<'a> Counter<'a> {
    pub(crate) fn images(total: u64, watch: Watch<'a>) -> Self {
        Self::new(total, "images", 0, watch)
    }

    pub(crate) fn bytes(total: u64, watch: Watch<'a>) -> Self {
        Self::new(total, "MiB", 20, watch)
    }

    /// Told in units of 2^`shift`.
    pub(crate) fn new(total: u64, unit: &'static str, shift: u32, watch: Watch<'a>) -> Self {
        let done = AtomicU64::new(0);
        Counter {
            done,
            total,
            unit,
            shift,
            watch,
        }
    }

    pub(crate) fn add(&self, n: u64) -> Result<()> {
        let done = self.done.fetch_add(n, Ordering::Relaxed) + n;
        (self.watch)(done >> self.shift, self.total >> self.shift, self.unit)
    }
}

/// Small steps whose number is not told: lines of a list, files that are looked for.
pub(crate) struct Steps<'a> {
    watch: Watch<'a>,
    done: AtomicU64,
}

/// Steps from one question to the next: well below a second, also where each waits for a disk.
const EVERY: u64 = 64;

impl<'a> Steps<'a> {
    pub(crate) fn new(watch: Watch<'a>) -> Self {
        let done = AtomicU64::new(0);
        Steps { watch, done }
    }

    /// Before each step; asks at the first one and then now and again.
    pub(crate) fn next(&self) -> Result<()> {
        match self.done.fetch_add(1, Ordering::Relaxed) % EVERY {
            0 => (self.watch)(0, 0, ""),
            _ => Ok(()),
        }
    }
}
