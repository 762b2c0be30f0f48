//! A bound on the memory that decoders work in, whatever the number of threads.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that all decoders of the process work in at most, beyond the pictures that they make.
pub const DECODING_BYTES: u64 = 512 << 20;

/// Decoders that work in less do not wait: so many of them are far below the bound.
const SMALL: u64 = 1 << 20;

/// Bytes that may be taken, and who waits for them.
pub struct Budget {
    left: Mutex<u64>,
    freed: Condvar,
}

/// Bytes that are taken until this is dropped.
pub struct Taken<'a> {
    budget: &'a Budget,
    bytes: u64,
}

/// What all decoders of the process share.
pub static DECODING: Budget = Budget::new(DECODING_BYTES);

impl Budget {
    pub const fn new(bytes: u64) -> Self {
        Budget {
            left: Mutex::new(bytes),
            freed: Condvar::new(),
        }
    }

    fn left(&self) -> MutexGuard<'_, u64> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `bytes`, which must not be more than there were at first, and waits until they are
    /// free. A thread that holds some must not take more.
    pub fn take(&self, bytes: u64) -> Taken<'_> {
        let bytes = if bytes < SMALL { 0 } else { bytes };
        let mut left = self.left();
        while *left < bytes {
            left = self
                .freed
                .wait(left)
                .unwrap_or_else(PoisonError::into_inner);
        }
        *left -= bytes;
        Taken {
            budget: self,
            bytes,
        }
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *self.budget.left() += self.bytes;
        self.budget.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[test]
    fn no_more_is_taken_than_there_is() {
        let budget = Budget::new(10 * SMALL);
        let (now, most) = (AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for thread in 0..8u64 {
                let (budget, now, most) = (&budget, &now, &most);
                scope.spawn(move || {
                    for round in 0..50 {
                        let bytes = (1 + (thread + round) % 9) * SMALL;
                        let taken = budget.take(bytes);
                        let held = now.fetch_add(bytes, Ordering::SeqCst) + bytes;
                        most.fetch_max(held, Ordering::SeqCst);
                        now.fetch_sub(bytes, Ordering::SeqCst);
                        drop(taken);
                    }
                });
            }
        });
        assert!(most.load(Ordering::SeqCst) <= 10 * SMALL);
        assert_eq!(*budget.left(), 10 * SMALL);
    }
}
