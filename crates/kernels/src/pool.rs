//! Recycled buffers. Fresh large allocations are page-faulted in by the kernel each time,
//! which costs more than the arithmetic on them; a network therefore keeps its buffers.

use super::huge_pages::{self, Memory};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Floats in 64 bytes: a cache line, and the widest vector. A vector that straddles two lines
/// takes twice as long to load.
pub(crate) const ALIGN: usize = 16;

/// The first float of `memory` at a multiple of 64 bytes.
pub(crate) fn align(memory: &[f32]) -> usize {
    // Gives up with usize::MAX where pointers have no addresses (under Miri).
    match memory.as_ptr().align_offset(4 * ALIGN) {
        offset if offset < ALIGN => offset,
        _ => 0,
    }
}

/// Free buffers by length. Lives as long as the network, or its last value, does.
#[derive(Debug, Default)]
pub struct Pool {
    free: Mutex<BTreeMap<usize, Vec<Memory>>>,
}

impl Pool {
    pub fn new() -> Arc<Self> {
        huge_pages::keep_freed();
        Arc::default()
    }

    /// A buffer of `len` floats with arbitrary contents.
    pub fn take(self: &Arc<Self>, len: usize) -> Buffer {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        // A little slack lets layers of almost the same size share buffers.
        let found = free
            .range(len + ALIGN..=len + ALIGN + len / 8)
            .next()
            .map(|(&size, _)| size);
        let data = match found {
            Some(size) => {
                let list = free.get_mut(&size).expect("found above");
                let data = list.pop();
                if list.is_empty() {
                    free.remove(&size);
                }
                data.expect("lists in the pool are never empty")
            }
            None => Memory::new(len + ALIGN),
        };
        Buffer {
            start: align(&data),
            data,
            len,
            pool: Some(Arc::clone(self)),
        }
    }

    /// A buffer of `len` zeros.
    pub fn zeros(self: &Arc<Self>, len: usize) -> Buffer {
        let mut buffer = self.take(len);
        buffer.fill(0.0);
        buffer
    }
}

/// Floats that go back to their pool when dropped.
#[derive(Debug)]
pub struct Buffer {
    data: Memory,
    start: usize,
    len: usize,
    pool: Option<Arc<Pool>>,
}

impl Buffer {
    /// Another of `len` floats with arbitrary contents, from the pool of this one if it has one.
    pub fn another(&self, len: usize) -> Buffer {
        match &self.pool {
            Some(pool) => pool.take(len),
            None => vec![0.0; len].into(),
        }
    }
}

impl From<Vec<f32>> for Buffer {
    fn from(data: Vec<f32>) -> Self {
        Buffer {
            start: 0,
            len: data.len(),
            data: Memory::Heap(data),
            pool: None,
        }
    }
}

impl std::ops::Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.data[self.start..self.start + self.len]
    }
}

impl std::ops::DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.start..self.start + self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(pool) = self.pool.take() {
            let data = std::mem::take(&mut self.data);
            let mut free = pool.free.lock().unwrap_or_else(PoisonError::into_inner);
            free.entry(data.len()).or_default().push(data);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_buffer_is_used_again() {
        let pool = Pool::new();
        let first = pool.take(1000);
        let address = first.as_ptr();
        assert_eq!(address as usize % 64, 0);
        drop(first);
        let second = pool.take(990);
        assert_eq!((second.as_ptr(), second.len()), (address, 990));
        assert_ne!(pool.take(990).as_ptr(), address);
        let third = second.another(500);
        drop(second);
        assert_eq!(third.another(1000).as_ptr(), address);
        assert_ne!(pool.take(100).as_ptr(), address);
    }
}
