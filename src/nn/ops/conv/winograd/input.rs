//! Transforms the input of a convolution.
//!
//! Transformed tiles lie as `[36][tiles][channels]`; the distance between positions is `step`
//! floats.

use super::super::super::act::{Act, Input};
use super::super::super::simd::{Kernel, Simd, dispatch, each_vector, load, store};
use super::POSITIONS;
use super::line::input_1d;
use super::tiles::{Shared, Tiles};
use rayon::prelude::*;
use std::ops::Range;

/// The input of a convolution, cut into overlapping tiles of 6 x 6.
#[derive(Clone, Copy)]
pub struct InputTiles<'a> {
    x: Input<'a>,
    channels: usize,
    tiles: Tiles,
}

impl<'a> InputTiles<'a> {
    pub fn new(x: Input<'a>, channels: usize, tiles: Tiles, images: usize) -> Self {
        assert!(x.data.len() >= images * tiles.h * tiles.w * channels);
        if let Some(map) = x.map {
            assert!(map.scale.len() >= channels && map.shift.len() >= channels);
            assert!(!matches!(map.act, Act::Prelu(s) if s.len() < channels));
        }
        InputTiles { x, channels, tiles }
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
        let (scale, shift, slope) = match &self.x.map {
            None => (std::ptr::null(), std::ptr::null(), std::ptr::null()),
            Some(map) => {
                let slope = match map.act {
                    Act::Prelu(slope) => slope.as_ptr(),
                    _ => std::ptr::null(),
                };
                (map.scale.as_ptr(), map.shift.as_ptr(), slope)
            }
        };
        let kernel = InputKernel {
            x: self.x.data.as_ptr(),
            map: match self.x.map.map(|m| m.act) {
                None => Map::Nothing,
                Some(Act::None) => Map::Affine,
                Some(Act::Prelu(_)) => Map::Prelu,
                Some(Act::Relu) => Map::Relu,
                Some(Act::Relu6) => Map::Relu6,
            },
            scale,
            shift,
            slope,
            c: self.channels,
            tiles: self.tiles,
            range,
            out,
            step,
        };
        // SAFETY: `new` has checked the input and its map, the caller has room at `out`.
        unsafe { dispatch(kernel) }
    }
}

enum Map {
    Nothing,
    Affine,
    Prelu,
    Relu,
    Relu6,
}

const NOTHING: u8 = 0;
const AFFINE: u8 = 1;
const PRELU: u8 = 2;
const RELU: u8 = 3;
const RELU6: u8 = 4;

struct InputKernel {
    x: *const f32,
    map: Map,
    scale: *const f32,
    shift: *const f32,
    slope: *const f32,
    c: usize,
    tiles: Tiles,
    range: Range<usize>,
    out: *mut f32,
    step: usize,
}

impl Kernel for InputKernel {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the constructor's promises are handed on.
        unsafe {
            match self.map {
                Map::Nothing => self.all::<S, NOTHING>(),
                Map::Affine => self.all::<S, AFFINE>(),
                Map::Prelu => self.all::<S, PRELU>(),
                Map::Relu => self.all::<S, RELU>(),
                Map::Relu6 => self.all::<S, RELU6>(),
            }
        }
    }
}

impl InputKernel {
    #[inline(always)]
    unsafe fn all<S: Simd, const MAP: u8>(&self) {
        for (t, tile) in self.range.clone().enumerate() {
            let [image, y, x] = self.tiles.place(tile);
            let base = image * self.tiles.h * self.tiles.w * self.c;
            let out = self.out.wrapping_add(t * self.c);
            // SAFETY: tile `t` of the range; `at + n` channels exist.
            unsafe {
                each_vector!(
                    S,
                    self.c,
                    |at, n| self.one::<S, MAP, false>([base, y, x], at, n, out),
                    self.one::<S, MAP, true>([base, y, x], at, n, out)
                );
            }
        }
    }

    #[inline(always)]
    unsafe fn one<S: Simd, const MAP: u8, const PART: bool>(
        &self,
        [base, y, x]: [usize; 3],
        at: usize,
        n: usize,
        out: *mut f32,
    ) {
        let Tiles { h, w, .. } = self.tiles;
        // SAFETY: only pixels inside the image are read; the map has `c` channels.
        unsafe {
            let zero = S::splat(0.0);
            let (mut scale, mut shift, mut slope) = (zero, zero, zero);
            if MAP != NOTHING {
                scale = load::<S, PART>(self.scale.add(at), n);
                shift = load::<S, PART>(self.shift.add(at), n);
            }
            if MAP == PRELU {
                slope = load::<S, PART>(self.slope.add(at), n);
            }
            let mut half = [[zero; 6]; 6];
            // The pixels of a tile that exist: rows y - 1 .. y + 5, columns alike.
            let (top, left) = (usize::from(y == 0), usize::from(x == 0));
            let (bottom, right) = ((h + 1 - y).min(6), (w + 1 - x).min(6));
            for dx in 0..6 {
                let mut d = [zero; 6];
                if dx >= left && dx < right {
                    for (dy, d) in d.iter_mut().enumerate() {
                        if dy >= top && dy < bottom {
                            let pixel = (y + dy - 1) * w + (x + dx - 1);
                            let v = load::<S, PART>(self.x.add(base + pixel * self.c + at), n);
                            *d = match MAP {
                                NOTHING => v,
                                _ => {
                                    let v = S::fma(v, scale, shift);
                                    match MAP {
                                        PRELU => S::positive(v, v, S::mul(v, slope)),
                                        RELU => S::relu(v),
                                        RELU6 => S::clamp6(v),
                                        _ => v,
                                    }
                                }
                            };
                        }
                    }
                }
                let column = input_1d::<S>(d);
                for (half, v) in half.iter_mut().zip(column) {
                    half[dx] = v;
                }
            }
            for (k, row) in half.into_iter().enumerate() {
                for (l, v) in input_1d::<S>(row).into_iter().enumerate() {
                    store::<S, PART>(out.wrapping_add((k * 6 + l) * self.step + at), n, v);
                }
            }
        }
    }
}
