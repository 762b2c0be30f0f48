//! Scratch memory of kernels, kept between calls.

use crate::pool::{ALIGN, Buffer, Pool, align};
use std::cell::RefCell;
use std::sync::{Arc, OnceLock};

thread_local! {
    /// Free memory of this thread. A nested call finds what the outer one has left.
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Calls `f` with `len` floats of arbitrary contents, at a multiple of 64 bytes.
pub fn with<R>(len: usize, f: impl FnOnce(&mut [f32]) -> R) -> R {
    let mut memory = FREE.with_borrow_mut(|free| free.pop().unwrap_or_default());
    if memory.len() < len + ALIGN {
        memory = vec![0.0; len + ALIGN];
    }
    let start = align(&memory);
    let result = f(&mut memory[start..start + len]);
    FREE.with_borrow_mut(|free| free.push(memory));
    result
}

fn pool() -> &'static Arc<Pool> {
    static POOL: OnceLock<Arc<Pool>> = OnceLock::new();
    POOL.get_or_init(Pool::new)
}

/// `len` floats of arbitrary contents from a pool that all kernels share.
pub fn take(len: usize) -> Buffer {
    pool().take(len)
}

#[cfg(test)]
mod tests {
    #[test]
    fn nested_calls_have_memory_of_their_own_and_it_is_kept() {
        let at = super::with(1000, |a| {
            super::with(10, |b| assert_ne!(a.as_ptr(), b.as_ptr()));
            assert_eq!(a.as_ptr() as usize % 64, 0);
            a.as_ptr() as usize
        });
        super::with(900, |a| assert_eq!(a.as_ptr() as usize, at));
    }
}
