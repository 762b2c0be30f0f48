//! Memory of buffers. A large one asks for huge pages, of two megabytes, where the system has them: in
//! pages of four kilobytes, a kernel that reads a whole activation looks up a thousand addresses
//! for every four megabytes, and waits for some of them.

use memmap2::MmapMut;
use std::ops::{Deref, DerefMut};

/// Floats of two megabytes.
const LARGE: usize = 512 * 1024;

/// Has the system's allocator keep what is freed. glibc gives large pieces back and, a moment
/// later, has every page of the next one cleared anew; it stops where it sees that a program
/// frees larger ones, up to 32 MiB. Elsewhere this does nothing.
pub fn keep_freed() {
    const SEEN: usize = 31 << 20;
    drop(std::hint::black_box(Vec::<u8>::with_capacity(SEEN)));
}

#[derive(Debug)]
pub enum Memory {
    Heap(Vec<f32>),
    /// Pages of its own, a whole number of floats.
    Pages(MmapMut),
}

impl Memory {
    /// `len` floats, all 0.
    pub fn new(len: usize) -> Self {
        match len {
            LARGE.. => Memory::pages(len).unwrap_or_else(|| Memory::Heap(vec![0.0; len])),
            _ => Memory::Heap(vec![0.0; len]),
        }
    }

    fn pages(len: usize) -> Option<Self> {
        let map = MmapMut::map_anon(len.checked_mul(size_of::<f32>())?).ok()?;
        // Advice: without it, pages are small.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Some(Memory::Pages(map))
    }
}

impl Deref for Memory {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        match self {
            Memory::Heap(data) => data,
            Memory::Pages(map) => bytemuck::cast_slice(map),
        }
    }
}

impl DerefMut for Memory {
    fn deref_mut(&mut self) -> &mut [f32] {
        match self {
            Memory::Heap(data) => data,
            Memory::Pages(map) => bytemuck::cast_slice_mut(map),
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Memory::Heap(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_and_large_memory_is_zero_and_can_be_written() {
        for len in [0, 1, 1000, LARGE - 1, LARGE, LARGE + 1, 5 * LARGE + 7] {
            let mut memory = Memory::new(len);
            assert_eq!(memory.len(), len);
            assert_eq!(matches!(memory, Memory::Pages(_)), len >= LARGE);
            assert!(memory.iter().all(|&v| v == 0.0));
            memory.fill(1.5);
            assert!(memory.iter().all(|&v| v == 1.5));
        }
    }
}
