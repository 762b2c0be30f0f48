//! Transforms the gradient of a convolution's output.
//!
//! Transformed tiles lie as `[36][tiles][channels]`; the distance between positions is `step`
//! floats.

use super::super::super::simd::{Kernel, Simd, dispatch, each_vector, load, store};
use super::POSITIONS;
use super::line::grad_1d;
use super::tiles::{Shared, Tiles};
use rayon::prelude::*;
use std::ops::Range;

/// The output's gradient, cut into tiles of 4 x 4.
pub struct GradTiles<'a> {
    dy: &'a [f32],
    channels: usize,
    tiles: Tiles,
}

impl<'a> GradTiles<'a> {
    pub fn new(dy: &'a [f32], channels: usize, tiles: Tiles, images: usize) -> Self {
        assert!(dy.len() >= images * tiles.h * tiles.w * channels);
        GradTiles {
            dy,
            channels,
            tiles,
        }
    }

    /// Transforms the tiles of `range` to the start of each position of `out`.
    pub fn transform(&self, range: Range<usize>, out: &mut [f32], step: usize) {
        let need = (POSITIONS - 1) * step + range.len() * self.channels;
        assert!(out.len() >= need && range.len() * self.channels <= step);
        // SAFETY: `out` holds these tiles, and this call has it for itself.
        unsafe { self.transform_to(range, out.as_mut_ptr(), step) };
    }

    /// Groups of tiles in parallel, `at` floats apart in each position.
    pub fn transform_groups(
        &self,
        groups: usize,
        group: impl Fn(usize) -> Range<usize> + Sync,
        out: &mut [f32],
        [step, at]: [usize; 2],
    ) {
        let (len, out) = (out.len(), Shared(out.as_mut_ptr()));
        (0..groups).into_par_iter().for_each(|g| {
            let range = group(g);
            assert!(range.len() * self.channels <= at && (g + 1) * at <= step.next_multiple_of(at));
            assert!((POSITIONS - 1) * step + g * at + range.len() * self.channels <= len);
            // SAFETY: within `out`, and no other group writes between `g * at` and the next.
            unsafe { self.transform_to(range, out.at(g * at), step) };
        });
    }

    unsafe fn transform_to(&self, range: Range<usize>, out: *mut f32, step: usize) {
        let kernel = GradKernel {
            dy: self.dy.as_ptr(),
            c: self.channels,
            tiles: self.tiles,
            range,
            out,
            step,
        };
        // SAFETY: `new` has checked the gradient, the caller has room at `out`.
        unsafe { dispatch(kernel) }
    }
}

struct GradKernel {
    dy: *const f32,
    c: usize,
    tiles: Tiles,
    range: Range<usize>,
    out: *mut f32,
    step: usize,
}

impl Kernel for GradKernel {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for (t, tile) in self.range.clone().enumerate() {
            let [image, y, x] = self.tiles.place(tile);
            let base = image * self.tiles.h * self.tiles.w * self.c;
            let out = self.out.wrapping_add(t * self.c);
            // SAFETY: tile `t` of the range; `at + n` channels exist.
            unsafe {
                each_vector!(
                    S,
                    self.c,
                    |at, n| self.one::<S, false>([base, y, x], at, n, out),
                    self.one::<S, true>([base, y, x], at, n, out)
                );
            }
        }
    }
}

impl GradKernel {
    #[inline(always)]
    unsafe fn one<S: Simd, const PART: bool>(
        &self,
        [base, y, x]: [usize; 3],
        at: usize,
        n: usize,
        out: *mut f32,
    ) {
        let Tiles { h, w, .. } = self.tiles;
        // SAFETY: only pixels inside the image are read.
        unsafe {
            let zero = S::splat(0.0);
            let mut half = [[zero; 4]; 6];
            for l in 0..4 {
                let mut d = [zero; 4];
                if x + l < w {
                    for (k, d) in d.iter_mut().enumerate() {
                        if y + k < h {
                            let pixel = (y + k) * w + x + l;
                            *d = load::<S, PART>(self.dy.add(base + pixel * self.c + at), n);
                        }
                    }
                }
                for (half, v) in half.iter_mut().zip(grad_1d::<S>(d)) {
                    half[l] = v;
                }
            }
            for (k, row) in half.into_iter().enumerate() {
                for (l, v) in grad_1d::<S>(row).into_iter().enumerate() {
                    store::<S, PART>(out.wrapping_add((k * 6 + l) * self.step + at), n, v);
                }
            }
        }
    }
}
