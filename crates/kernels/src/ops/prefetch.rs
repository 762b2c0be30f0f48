//! Software prefetch: what is wanted next. Memory is idle while a kernel multiplies what is in cache, and
//! multipliers are idle while it waits for memory. So a kernel that multiplies is told what will be
//! read or written when it is done, and asks for a cache line of it now and then.

use super::simd::Simd;
use std::cell::Cell;
use std::ops::Range;

/// Floats of a cache line.
const LINE: usize = 16;
/// Parts that can be wanted at a time.
const PARTS: usize = 4;

/// Parts of memory in the order in which they are wanted. Only addresses: asking for a line
/// changes nothing, so that a part may be written meanwhile, or be gone.
pub struct Prefetch {
    parts: [Cell<Part>; PARTS],
}

#[derive(Clone, Copy)]
struct Part {
    next: *const f32,
    end: *const f32,
}

impl Prefetch {
    pub fn of<const N: usize>(parts: [&[f32]; N]) -> Self {
        Prefetch::at(parts.map(<[f32]>::as_ptr_range))
    }

    pub fn at<const N: usize>(parts: [Range<*const f32>; N]) -> Self {
        const { assert!(N <= PARTS) };
        let nothing = Part {
            next: std::ptr::null(),
            end: std::ptr::null(),
        };
        let all = std::array::from_fn(|_| Cell::new(nothing));
        let prefetch = Prefetch { parts: all };
        for (to, Range { start, end }) in prefetch.parts.iter().zip(parts) {
            to.set(Part { next: start, end });
        }
        prefetch
    }

    /// Up to `count` lines of what is wanted first; if that is nothing, the line at `near`.
    #[inline(always)]
    pub fn lines(&self, count: usize, near: *const f32) -> CacheLines {
        for part in &self.parts {
            let Part { next, end } = part.get();
            if next < end {
                let rest = next.wrapping_add(count * LINE).min(end);
                part.set(Part { next: rest, end });
                return CacheLines { next, end };
            }
        }
        CacheLines::near(near)
    }
}

/// Cache lines to be asked for, one by one.
pub struct CacheLines {
    next: *const f32,
    end: *const f32,
}

impl CacheLines {
    /// Nothing but one line that is at hand.
    #[inline(always)]
    pub fn near(p: *const f32) -> Self {
        CacheLines { next: p, end: p }
    }

    /// # Safety
    /// As [`Simd`].
    #[inline(always)]
    pub unsafe fn fetch<S: Simd>(&mut self) {
        // SAFETY: the caller's.
        unsafe { S::prefetch(self.next) };
        self.next = self.next.wrapping_add(LINE).min(self.end);
    }

    /// # Safety
    /// As [`Simd`].
    #[inline(always)]
    pub unsafe fn fetch_some<S: Simd>(&mut self, count: usize) {
        for _ in 0..count {
            // SAFETY: the caller's.
            unsafe { self.fetch::<S>() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::simd::Plain;
    use super::*;

    /// The lines that are asked for, as offsets in floats from `base`.
    fn asked(mut lines: CacheLines, count: usize, base: *const f32) -> Vec<usize> {
        let mut asked = Vec::new();
        for _ in 0..count {
            asked.push((lines.next as usize - base as usize) / size_of::<f32>());
            // SAFETY: plain vectors need no instructions.
            unsafe { lines.fetch::<Plain>() };
        }
        asked
    }

    #[test]
    fn each_line_of_each_part_is_asked_for_once_and_in_order() {
        let x = [0.0f32; 200];
        let (base, near) = (x.as_ptr(), x[199..].as_ptr());
        let prefetch = Prefetch::of([&x[0..40], &x[100..100], &x[128..160]]);
        assert_eq!(asked(prefetch.lines(2, near), 2, base), [0, 16]);
        // A part ends inside of a line, and the last one is asked for again.
        assert_eq!(asked(prefetch.lines(3, near), 3, base), [32, 40, 40]);
        assert_eq!(asked(prefetch.lines(1, near), 1, base), [128]);
        assert_eq!(asked(prefetch.lines(1, near), 1, base), [144]);
        assert_eq!(asked(prefetch.lines(2, near), 2, base), [199, 199]);
    }
}
