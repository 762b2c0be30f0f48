//! The loops of depthwise convolutions over a strip, in registers.

use super::super::super::prefetch::Prefetch;
use super::super::super::simd::{Kernel, Simd, dispatch, each_vector, load, store};
use super::Filter;
use frbench_base::Size;

/// Output lines from a strip of `width` pixels per line.
pub struct Lines<'a> {
    pub x: &'a [f32],
    pub width: usize,
    pub packed: &'a [f32],
    pub filter: Filter,
    pub y: &'a mut [f32],
    pub prefetch: &'a Prefetch,
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
            match (self.filter.kernel == Size::square(3), self.filter.stride) {
                (true, 1) => self.all::<S, 3, 1>(),
                (true, 2) => self.all::<S, 3, 2>(),
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
        assert!(self.packed.len() >= self.filter.kernel.area() * c);
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
        let (Size { height, width: k }, stride) = if K > 0 {
            (Size::square(K), STRIDE)
        } else {
            (self.filter.kernel, self.filter.stride)
        };
        // SAFETY: `N` outputs reach `(N - 1) * stride + k` pixels to the right and `height`
        // lines down, all within the strip; `n` channels from `at` on exist.
        unsafe {
            let mut sum = [S::splat(0.0); N];
            // A cache line for each vector of the output, and as many as it has of the input.
            let count = N * (1 + stride * stride);
            let mut lines = self.prefetch.lines(count, y.cast_const());
            lines.fetch_some::<S>(count);
            for ky in 0..height {
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
        assert!(self.sum.len() >= kernel.area() * c);
        let to = self.sum.as_mut_ptr();
        let mut at = 0;
        // SAFETY: the assertions keep all taps of all pixels inside the slices.
        unsafe {
            while at + S::LANES <= c {
                if kernel == Size::square(3) {
                    self.taps::<S, 3, false>(lines, at, S::LANES, 0, to);
                } else {
                    for row in 0..kernel.height {
                        self.taps::<S, 0, false>(lines, at, S::LANES, row, to);
                    }
                }
                at += S::LANES;
            }
            if at < c {
                for row in 0..kernel.height {
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
            for kx in 0..kernel.width {
                let mut sum = S::splat(0.0);
                for line in 0..lines {
                    let x = x.add(((line * stride + row) * self.width + kx) * c);
                    for ox in 0..ow {
                        let d = load::<S, PART>(dy.add((line * ow + ox) * c), n);
                        sum = S::fma(load::<S, PART>(x.add(ox * stride * c), n), d, sum);
                    }
                }
                let p = to.add((row * kernel.width + kx) * c + at);
                store::<S, PART>(p, n, S::add(load::<S, PART>(p, n), sum));
            }
        }
    }
}

/// Both gradients of a 3 x 3 filter of stride 1 or 2 over a strip of the output's gradient: that of
/// the input, and what the strip adds to that of the weight, `[3, 3][c]` in reverse.
pub struct Both<'a> {
    /// The lines that the input's lines meet, with a border that a stride of 1 has on all sides and
    /// one of 2 below and to the right.
    pub dy: &'a [f32],
    pub width: usize,
    pub stride: usize,
    /// Whether the input's first line is an odd one of its image; for a stride of 2.
    pub odd: bool,
    pub packed: &'a [f32],
    /// The input's lines, `line` pixels each.
    pub x: &'a [f32],
    pub line: usize,
    pub c: usize,
    pub dx: &'a mut [f32],
    pub sum: &'a mut [f32],
    pub prefetch: &'a Prefetch,
}

/// Cache lines fetched per pixel: of the input's gradient, the input, and the output's gradient
/// with what it goes through.
const FETCHED: usize = 4;

/// One vector of channels of the filter, or of the sums for its gradient.
type Taps<S> = [[<S as Simd>::V; 3]; 3];

impl Both<'_> {
    pub fn run(self) {
        // SAFETY: the kernel checks its slices.
        unsafe { dispatch(self) }
    }
}

impl Kernel for Both<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let (line, c) = (self.line, self.c);
        let lines = self.dx.len() / (line * c);
        let (down, across) = match self.stride {
            1 => (lines + 2, line + 2),
            _ => ((usize::from(self.odd) + lines) / 2 + 1, line / 2 + 1),
        };
        assert!(self.width >= across && self.dy.len() >= down * self.width * c);
        assert!(self.x.len() >= lines * line * c);
        assert!(self.packed.len() >= 9 * c && self.sum.len() >= 9 * c);
        let (dx, sum) = (self.dx.as_mut_ptr(), self.sum.as_mut_ptr());
        // SAFETY: the assertions keep all that pixels meet inside the slices.
        unsafe {
            each_vector!(
                S,
                c,
                |at, n| self.vector::<S, false>(lines, dx, sum, [at, n]),
                self.vector::<S, true>(lines, dx, sum, [at, n])
            );
        }
    }
}

impl Both<'_> {
    #[inline(always)]
    unsafe fn vector<S: Simd, const PART: bool>(
        &self,
        lines: usize,
        dx: *mut f32,
        sum: *mut f32,
        [at, n]: [usize; 2],
    ) {
        let row = self.width * self.c;
        // SAFETY: as in `run`; channels `at..at + n` exist.
        unsafe {
            let mut w = [[S::splat(0.0); 3]; 3];
            let mut sums = w;
            for (tap, w) in w.iter_mut().flatten().enumerate() {
                *w = load::<S, PART>(self.packed.as_ptr().add(tap * self.c + at), n);
            }
            for l in 0..lines {
                let (dy, first) = (self.dy.as_ptr().add(at), l * self.line * self.c + at);
                let (x, dx) = (self.x.as_ptr().add(first), dx.add(first));
                let y = usize::from(self.odd) + l;
                if self.stride == 1 {
                    let dy = dy.add(l * row);
                    let met = [(0, dy), (1, dy.add(row)), (2, dy.add(2 * row))];
                    self.line::<S, PART, 3>(met, x, dx, n, &w, &mut sums);
                } else if y % 2 == 0 {
                    let met = [(1, dy.add(y / 2 * row))];
                    self.strided_line::<S, PART, 1>(met, x, dx, n, &w, &mut sums);
                } else {
                    let dy = dy.add(y / 2 * row);
                    let met = [(0, dy), (2, dy.add(row))];
                    self.strided_line::<S, PART, 2>(met, x, dx, n, &w, &mut sums);
                }
            }
            for (tap, v) in sums.into_iter().flatten().enumerate() {
                let p = sum.add(tap * self.c + at);
                store::<S, PART>(p, n, S::add(load::<S, PART>(p, n), v));
            }
        }
    }

    /// A line of the input, which meets `R` lines of the gradient, each with a row of the filter.
    #[inline(always)]
    unsafe fn line<S: Simd, const PART: bool, const R: usize>(
        &self,
        rows: [(usize, *const f32); R],
        x: *const f32,
        dx: *mut f32,
        n: usize,
        w: &Taps<S>,
        sums: &mut Taps<S>,
    ) {
        let c = self.c;
        let mut lines = self.prefetch.lines(FETCHED * self.line, x);
        for p in 0..self.line {
            // SAFETY: the caller's.
            unsafe { lines.fetch_some::<S>(FETCHED) };
            let met = [(0, p * c), (1, (p + 1) * c), (2, (p + 2) * c)];
            // SAFETY: as in `run`.
            unsafe { pixel::<S, PART, R, 3>(rows, met, x.add(p * c), dx.add(p * c), n, w, sums) };
        }
    }

    /// The same for a stride of 2: even pixels meet one pixel of a line, odd ones two.
    #[inline(always)]
    unsafe fn strided_line<S: Simd, const PART: bool, const R: usize>(
        &self,
        rows: [(usize, *const f32); R],
        x: *const f32,
        dx: *mut f32,
        n: usize,
        w: &Taps<S>,
        sums: &mut Taps<S>,
    ) {
        let c = self.c;
        let mut lines = self.prefetch.lines(FETCHED * self.line, x);
        for p in (0..self.line).step_by(2) {
            // SAFETY: the caller's.
            unsafe { lines.fetch_some::<S>(2 * FETCHED) };
            let (here, next) = (p / 2 * c, (p / 2 + 1) * c);
            // SAFETY: as in `run`.
            unsafe {
                let met = [(1, here)];
                pixel::<S, PART, R, 1>(rows, met, x.add(p * c), dx.add(p * c), n, w, sums);
                if p + 1 < self.line {
                    let (met, at) = ([(0, here), (2, next)], (p + 1) * c);
                    pixel::<S, PART, R, 2>(rows, met, x.add(at), dx.add(at), n, w, sums);
                }
            }
        }
    }
}

/// One pixel of the input, which meets `R` lines of the gradient and `P` pixels of each: rows and
/// columns of the filter with where those lie.
#[inline(always)]
unsafe fn pixel<S: Simd, const PART: bool, const R: usize, const P: usize>(
    rows: [(usize, *const f32); R],
    pixels: [(usize, usize); P],
    x: *const f32,
    dx: *mut f32,
    n: usize,
    w: &Taps<S>,
    sums: &mut Taps<S>,
) {
    // SAFETY: the caller has `n` channels of all of these.
    unsafe {
        let x = load::<S, PART>(x, n);
        let mut g = S::splat(0.0);
        for (ky, dy) in rows {
            for (kx, at) in pixels {
                let d = load::<S, PART>(dy.add(at), n);
                g = S::fma(d, w[ky][kx], g);
                sums[ky][kx] = S::fma(d, x, sums[ky][kx]);
            }
        }
        store::<S, PART>(dx, n, g);
    }
}
