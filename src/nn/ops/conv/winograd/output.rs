//! Transforms products back to the output of a convolution.
//!
//! Transformed tiles lie as `[36][tiles][channels]`; the distance between positions is `step`
//! floats.

use super::super::super::act::{Act, Epilogue};
use super::super::super::simd::{Kernel, Simd, dispatch, each_vector, load, store};
use super::POSITIONS;
use super::line::output_1d;
use super::tiles::{Shared, Tiles};
use std::marker::PhantomData;
use std::ops::Range;

const AFFINE: u8 = 1;
const PRELU: u8 = 2;
const RELU: u8 = 3;
const RELU6: u8 = 4;

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
        assert!(!matches!(epilogue.act, Act::Prelu(s) if !holds(s)));
        OutputTiles {
            y: Shared(y.as_mut_ptr()),
            channels,
            tiles,
            epilogue: *epilogue,
            lives: PhantomData,
        }
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
            act: match self.epilogue.act {
                Act::None => AFFINE,
                Act::Prelu(_) => PRELU,
                Act::Relu => RELU,
                Act::Relu6 => RELU6,
            },
            slope: match self.epilogue.act {
                Act::Prelu(slope) => slope.as_ptr(),
                _ => null(),
            },
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
        for (t, tile) in self.range.clone().enumerate() {
            let [image, y, x] = self.tiles.place(tile);
            let base = image * self.tiles.h * self.tiles.w * self.c;
            let m = self.m.wrapping_add(t * self.c);
            // SAFETY: tile `t` of the range; `at + n` channels exist.
            unsafe {
                each_vector!(
                    S,
                    self.c,
                    |at, n| self.one::<S, false>([base, y, x], at, n, m, t == 0),
                    self.one::<S, true>([base, y, x], at, n, m, t == 0)
                );
            }
        }
    }
}

impl OutputKernel {
    #[inline(always)]
    unsafe fn one<S: Simd, const PART: bool>(
        &self,
        [base, y, x]: [usize; 3],
        at: usize,
        n: usize,
        m: *const f32,
        first: bool,
    ) {
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
                    let pixel = base + ((y + k) * w + x + l) * self.c + at;
                    let mut v = v;
                    if !self.affine.0.is_null() {
                        let scale = load::<S, PART>(self.affine.0.add(at), n);
                        v = S::fma(v, scale, load::<S, PART>(self.affine.1.add(at), n));
                    }
                    v = match self.act {
                        PRELU => {
                            let slope = load::<S, PART>(self.slope.add(at), n);
                            S::positive(v, v, S::mul(v, slope))
                        }
                        RELU => S::relu(v),
                        RELU6 => S::clamp6(v),
                        _ => v,
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
