//! The loops of depthwise convolutions over a strip, in registers.

use super::super::super::simd::{Kernel, Simd, dispatch, load, store};
use super::Filter;

/// Output lines from a strip of `width` pixels per line.
pub struct Lines<'a> {
    pub x: &'a [f32],
    pub width: usize,
    pub packed: &'a [f32],
    pub filter: Filter,
    pub y: &'a mut [f32],
}

impl Lines<'_> {
    pub fn run(self) {
        // SAFETY: the kernel checks its slices.
        unsafe { dispatch(self) }
    }
}

impl Kernel for Lines<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: handed on.
        unsafe {
            match (self.filter.kernel, self.filter.stride) {
                (3, 1) => self.all::<S, 3, 1>(),
                (3, 2) => self.all::<S, 3, 2>(),
                _ => self.all::<S, 0, 0>(),
            }
        }
    }
}

impl Lines<'_> {
    /// `K` and `STRIDE` are 0 where they are not known when compiling.
    #[inline(always)]
    unsafe fn all<S: Simd, const K: usize, const STRIDE: usize>(self) {
        let Filter { ow, c, .. } = self.filter;
        let lines = self.y.len() / (ow * c);
        let need = (self.filter.reach(lines) - 1) * self.width + self.filter.width();
        assert!(self.x.len() >= need * c && self.width >= self.filter.width());
        assert!(self.packed.len() >= self.filter.kernel * self.filter.kernel * c);
        let stride = if K > 0 { STRIDE } else { self.filter.stride };
        let y = self.y.as_mut_ptr();
        for line in 0..lines {
            let mut x = 0;
            // SAFETY: outputs `x..x + N` of this line exist, and so do their inputs.
            unsafe {
                let from = self.x.as_ptr().add(line * stride * self.width * c);
                let to = y.add(line * ow * c);
                while x + 6 <= ow {
                    self.pixels::<S, K, STRIDE, 6>(from.add(x * stride * c), to.add(x * c));
                    x += 6;
                }
                while x + 2 <= ow {
                    self.pixels::<S, K, STRIDE, 2>(from.add(x * stride * c), to.add(x * c));
                    x += 2;
                }
                if x < ow {
                    self.pixels::<S, K, STRIDE, 1>(from.add(x * stride * c), to.add(x * c));
                }
            }
        }
    }

    /// `N` neighbouring outputs, all channels.
    #[inline(always)]
    unsafe fn pixels<S: Simd, const K: usize, const STRIDE: usize, const N: usize>(
        &self,
        x: *const f32,
        y: *mut f32,
    ) {
        let c = self.filter.c;
        let mut at = 0;
        // SAFETY: the caller's, for channels `at..at + LANES` and for the rest.
        unsafe {
            while at + S::LANES <= c {
                self.vector::<S, K, STRIDE, N, false>(x, y, at, S::LANES);
                at += S::LANES;
            }
            if at < c {
                self.vector::<S, K, STRIDE, N, true>(x, y, at, c - at);
            }
        }
    }

    #[inline(always)]
    unsafe fn vector<
        S: Simd,
        const K: usize,
        const STRIDE: usize,
        const N: usize,
        const PART: bool,
    >(
        &self,
        x: *const f32,
        y: *mut f32,
        at: usize,
        n: usize,
    ) {
        let c = self.filter.c;
        let (k, stride) = if K > 0 {
            (K, STRIDE)
        } else {
            (self.filter.kernel, self.filter.stride)
        };
        // SAFETY: `N` outputs reach `(N - 1) * stride + k` pixels to the right and `k` lines
        // down, all within the strip; `n` channels from `at` on exist.
        unsafe {
            let mut sum = [S::splat(0.0); N];
            for ky in 0..k {
                let x = x.add(ky * self.width * c + at);
                for kx in 0..k {
                    let w = load::<S, PART>(self.packed.as_ptr().add((ky * k + kx) * c + at), n);
                    for (j, sum) in sum.iter_mut().enumerate() {
                        let x = load::<S, PART>(x.add((j * stride + kx) * c), n);
                        *sum = S::fma(x, w, *sum);
                    }
                }
            }
            for (j, sum) in sum.into_iter().enumerate() {
                store::<S, PART>(y.add(j * c + at), n, sum);
            }
        }
    }
}

/// Adds one strip's part of the weight gradient to `sum`, `[k, k][c]`.
pub struct Correlation<'a> {
    pub x: &'a [f32],
    pub width: usize,
    pub dy: &'a [f32],
    pub filter: Filter,
    pub sum: &'a mut [f32],
}

impl Correlation<'_> {
    pub fn run(self) {
        // SAFETY: the kernel checks its slices.
        unsafe { dispatch(self) }
    }
}

impl Kernel for Correlation<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Filter { ow, c, kernel, .. } = self.filter;
        let lines = self.dy.len() / (ow * c);
        let need = (self.filter.reach(lines) - 1) * self.width + self.filter.width();
        assert!(self.x.len() >= need * c && self.width >= self.filter.width());
        assert!(self.sum.len() >= kernel * kernel * c);
        let to = self.sum.as_mut_ptr();
        let mut at = 0;
        // SAFETY: the assertions keep all taps of all pixels inside the slices.
        unsafe {
            while at + S::LANES <= c {
                if kernel == 3 {
                    self.taps::<S, 3, false>(lines, at, S::LANES, 0, to);
                } else {
                    for row in 0..kernel {
                        self.taps::<S, 0, false>(lines, at, S::LANES, row, to);
                    }
                }
                at += S::LANES;
            }
            if at < c {
                for row in 0..kernel {
                    self.taps::<S, 0, true>(lines, at, c - at, row, to);
                }
            }
        }
    }
}

impl Correlation<'_> {
    /// `n` channels: all nine taps at once if `K` is 3, else those of kernel row `row`.
    #[inline(always)]
    unsafe fn taps<S: Simd, const K: usize, const PART: bool>(
        &self,
        lines: usize,
        at: usize,
        n: usize,
        row: usize,
        to: *mut f32,
    ) {
        let Filter {
            ow,
            c,
            kernel,
            stride,
            ..
        } = self.filter;
        // SAFETY: as in `run`.
        unsafe {
            let (x, dy) = (self.x.as_ptr().add(at), self.dy.as_ptr().add(at));
            if K == 3 {
                let mut sum = [[S::splat(0.0); 3]; 3];
                for line in 0..lines {
                    let x = x.add(line * stride * self.width * c);
                    for ox in 0..ow {
                        let d = load::<S, PART>(dy.add((line * ow + ox) * c), n);
                        let x = x.add(ox * stride * c);
                        for (ky, sum) in sum.iter_mut().enumerate() {
                            for (kx, sum) in sum.iter_mut().enumerate() {
                                let x = load::<S, PART>(x.add((ky * self.width + kx) * c), n);
                                *sum = S::fma(x, d, *sum);
                            }
                        }
                    }
                }
                for (tap, sum) in sum.into_iter().flatten().enumerate() {
                    let p = to.add(tap * c + at);
                    store::<S, PART>(p, n, S::add(load::<S, PART>(p, n), sum));
                }
                return;
            }
            for kx in 0..kernel {
                let mut sum = S::splat(0.0);
                for line in 0..lines {
                    let x = x.add(((line * stride + row) * self.width + kx) * c);
                    for ox in 0..ow {
                        let d = load::<S, PART>(dy.add((line * ow + ox) * c), n);
                        sum = S::fma(load::<S, PART>(x.add(ox * stride * c), n), d, sum);
                    }
                }
                let p = to.add((row * kernel + kx) * c + at);
                store::<S, PART>(p, n, S::add(load::<S, PART>(p, n), sum));
            }
        }
    }
}
