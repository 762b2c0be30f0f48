//! Transforms the gradient of a convolution's output.

use super::super::super::simd::{Kernel, Simd, dispatch, load, store};
use super::line::grad_1d;
use super::tiles::{EachTile, Place, Tiles, Transform};
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
}

impl Transform for GradTiles<'_> {
    fn channels(&self) -> usize {
        self.channels
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
        // SAFETY: the constructor's promises.
        unsafe { self.each::<S>() }
    }
}

impl EachTile for GradKernel {
    #[inline(always)]
    fn tiles(&self) -> (Tiles, Range<usize>, usize) {
        (self.tiles, self.range.clone(), self.c)
    }

    #[inline(always)]
    unsafe fn one<S: Simd, const PART: bool>(&self, place: Place, at: usize, n: usize) {
        let Place { image, y, x, .. } = place;
        let out = self.out.wrapping_add(place.index * self.c);
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
                            *d = load::<S, PART>(self.dy.add(image + pixel * self.c + at), n);
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
