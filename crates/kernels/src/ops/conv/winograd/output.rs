//! Transforms products back to the output of a convolution.

use super::super::super::act::{Epilogue, NONE, PRELU, RELU, RELU6};
use super::super::super::rows::activate;
use super::super::super::simd::{Kernel, Simd, dispatch, load, store};
use super::POSITIONS;
use super::line::output_1d;
use super::tiles::{EachTile, Place, Shared, Tiles};
use std::marker::PhantomData;
use std::ops::Range;

/// The output of a convolution, to be written tile by tile.
pub struct OutputTiles<'a> {
    y: Shared,
    channels: usize,
    tiles: Tiles,
    epilogue: Epilogue<'a>,
    lives: PhantomData<&'a mut [f32]>,
}

impl<'a> OutputTiles<'a> {
    pub fn new(
        y: &'a mut [f32],
        channels: usize,
        tiles: Tiles,
        images: usize,
        epilogue: &Epilogue<'a>,
    ) -> Self {
        let len = images * tiles.h * tiles.w * channels;
        assert!(y.len() >= len && epilogue.residual.is_none_or(|r| r.len() >= len));
        let holds = |s: &[f32]| s.len() >= channels;
        assert!(epilogue.affine.is_none_or(|(a, b)| holds(a) && holds(b)));
        assert!(epilogue.act.kind() != PRELU || holds(epilogue.act.slope()));
        OutputTiles {
            y: Shared(y.as_mut_ptr()),
            channels,
            tiles,
            epilogue: *epilogue,
            lives: PhantomData,
        }
    }

    /// Where tiles will be written.
    pub fn addresses(&self, tiles: Range<usize>) -> Range<*const f32> {
        let at = |float: usize| self.y.at(float).cast_const();
        let floats = self.tiles.reach(tiles, self.channels);
        at(floats.start)..at(floats.end)
    }

    /// Transforms products (the tiles of `range`, at the start of each position of `m`) back
    /// and writes them; gives the number of pixels, and their moments (`[3][c]`).
    ///
    /// # Safety
    /// No other call may have one of these tiles at the same time.
    pub unsafe fn transform(
        &self,
        range: Range<usize>,
        m: &[f32],
        step: usize,
        moments: Option<&mut [f32]>,
    ) -> usize {
        let c = self.channels;
        assert!(m.len() >= (POSITIONS - 1) * step + range.len() * c);
        assert!(moments.as_ref().is_none_or(|m| m.len() == 3 * c));
        let pixels = |tile: usize| {
            let [_, y, x] = self.tiles.place(tile);
            (self.tiles.h - y).min(4) * (self.tiles.w - x).min(4)
        };
        let rows = range.clone().map(pixels).sum();
        let null = std::ptr::null;
        let kernel = OutputKernel {
            m: m.as_ptr(),
            step,
            y: self.y.at(0),
            c,
            tiles: self.tiles,
            range,
            affine: self
                .epilogue
                .affine
                .map_or((null(), null()), |(a, b)| (a.as_ptr(), b.as_ptr())),
            act: self.epilogue.act.kind(),
            slope: self.epilogue.act.slope().as_ptr(),
            residual: self.epilogue.residual.map_or(null(), |r| r.as_ptr()),
            moments: moments.map_or(std::ptr::null_mut(), |m| m.as_mut_ptr()),
        };
        // SAFETY: `new` has checked output and epilogue, the assertions the rest; the tiles'
        // pixels are the caller's alone.
        unsafe { dispatch(kernel) };
        rows
    }
}

struct OutputKernel {
    m: *const f32,
    step: usize,
    y: *mut f32,
    c: usize,
    tiles: Tiles,
    range: Range<usize>,
    affine: (*const f32, *const f32),
    act: u8,
    slope: *const f32,
    residual: *const f32,
    moments: *mut f32,
}

impl Kernel for OutputKernel {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the constructor's promises.
        unsafe { self.each::<S>() }
    }
}

impl EachTile for OutputKernel {
    #[inline(always)]
    fn tiles(&self) -> (Tiles, Range<usize>, usize) {
        (self.tiles, self.range.clone(), self.c)
    }

    #[inline(always)]
    unsafe fn one<S: Simd, const PART: bool>(&self, place: Place, at: usize, n: usize) {
        let Place { image, y, x, .. } = place;
        let m = self.m.wrapping_add(place.index * self.c);
        let first = place.index == 0;
        let Tiles { h, w, .. } = self.tiles;
        // SAFETY: only pixels of this tile that lie inside the image are written.
        unsafe {
            let zero = S::splat(0.0);
            let mut half = [[zero; 6]; 4];
            for l in 0..6 {
                let mut d = [zero; 6];
                for (k, d) in d.iter_mut().enumerate() {
                    *d = load::<S, PART>(m.wrapping_add((k * 6 + l) * self.step + at), n);
                }
                for (half, v) in half.iter_mut().zip(output_1d::<S>(d)) {
                    half[l] = v;
                }
            }
            let (mut pivot, mut sum, mut square) = (zero, zero, zero);
            if !self.moments.is_null() && !first {
                pivot = load::<S, PART>(self.moments.add(at), n);
                sum = load::<S, PART>(self.moments.add(self.c + at), n);
                square = load::<S, PART>(self.moments.add(2 * self.c + at), n);
            }
            for (k, row) in half.into_iter().enumerate() {
                if y + k >= h {
                    break;
                }
                for (l, v) in output_1d::<S>(row).into_iter().enumerate() {
                    if x + l >= w {
                        break;
                    }
                    let pixel = image + ((y + k) * w + x + l) * self.c + at;
                    let mut v = v;
                    if !self.affine.0.is_null() {
                        let scale = load::<S, PART>(self.affine.0.add(at), n);
                        v = S::fma(v, scale, load::<S, PART>(self.affine.1.add(at), n));
                    }
                    v = match self.act {
                        PRELU => {
                            let slope = load::<S, PART>(self.slope.add(at), n);
                            activate::<S, PRELU>(v, slope)
                        }
                        RELU => activate::<S, RELU>(v, zero),
                        RELU6 => activate::<S, RELU6>(v, zero),
                        _ => activate::<S, NONE>(v, zero),
                    };
                    if !self.residual.is_null() {
                        v = S::add(v, load::<S, PART>(self.residual.add(pixel), n));
                    }
                    store::<S, PART>(self.y.add(pixel), n, v);
                    if first && (k, l) == (0, 0) {
                        pivot = v;
                    }
                    let d = S::sub(v, pivot);
                    sum = S::add(sum, d);
                    square = S::fma(d, d, square);
                }
            }
            if !self.moments.is_null() {
                if first {
                    store::<S, PART>(self.moments.add(at), n, pivot);
                }
                store::<S, PART>(self.moments.add(self.c + at), n, sum);
                store::<S, PART>(self.moments.add(2 * self.c + at), n, square);
            }
        }
    }
}
