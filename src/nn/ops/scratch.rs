//! Scratch memory of kernels, kept between calls.

use crate::nn::pool::{Buffer, Pool};
use std::cell::Cell;
use std::sync::{Arc, OnceLock};

thread_local! {
    static SCRATCH: Cell<Vec<f32>> = const { Cell::new(Vec::new()) };
}

/// Calls `f` with `len` floats of arbitrary contents.
pub fn with<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    SCRATCH.with(|cell| {
        // Taken out while in use, so that a nested call gets memory of its own.
        let mut memory = cell.take();
        if memory.len() < len {
            memory = vec![0.0; len];
        }
        let result = f(&mut memory[..len]);
        cell.set(memory);
        result
    })
}

/// `len` zeros from a pool that all kernels share, for partial sums.
pub fn zeros(len: usize) -> Buffer {
    static POOL: OnceLock<Arc<Pool>> = OnceLock::new();
    POOL.get_or_init(Pool::new).zeros(len)
}
