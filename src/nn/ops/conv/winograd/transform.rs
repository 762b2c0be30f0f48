//! The transforms of F(4x4, 3x3), each vectorised over channels.
//!
//! Transformed tiles lie as `[36][tiles][channels]`; the distance between positions is `step`
//! floats.

use super::super::super::act::{Act, Epilogue, Input};
use super::super::super::gemm::{packed_len, panel_of};
use super::super::super::simd::{Kernel, Simd, dispatch, each_vector, lanes, load, store};
use super::POSITIONS;
use crate::nn::pool::Buffer;
use rayon::prelude::*;
use std::marker::PhantomData;
use std::ops::Range;

/// How images are cut into tiles of 4 x 4 outputs.
#[derive(Clone, Copy)]
pub struct Tiles {
    pub h: usize,
    pub w: usize,
    /// Tiles per column and per row.
    pub down: usize,
    pub across: usize,
}

impl Tiles {
    pub fn per_image(&self) -> usize {
        self.down * self.across
    }

    /// Image, and top left output pixel, of a tile.
    #[inline(always)]
    fn place(&self, tile: usize) -> [usize; 3] {
        let in_image = tile % self.per_image();
        [
            tile / self.per_image(),
            in_image / self.across * 4,
            in_image % self.across * 4,
        ]
    }
}

// --- One-dimensional transforms -----------------------------------------------------------
// SAFETY of all: arithmetic on vectors of a set that the machine has.

/// B^T: 6 inputs to 6 positions.
#[inline(always)]
unsafe fn input_1d<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
    unsafe {
        let (two, four, five) = (S::splat(2.0), S::splat(4.0), S::splat(5.0));
        let even = S::fnma(four, d[2], d[4]); // d4 - 4 d2
        let odd = S::fnma(four, d[1], d[3]); // d3 - 4 d1
        let even2 = S::sub(d[4], d[2]);
        let odd2 = S::sub(d[3], d[1]);
        [
            S::fma(four, d[0], S::fnma(five, d[2], d[4])),
            S::add(even, odd),
            S::sub(even, odd),
            S::fma(two, odd2, even2),
            S::fnma(two, odd2, even2),
            S::fma(four, d[1], S::fnma(five, d[3], d[5])),
        ]
    }
}

/// A^T: 6 positions to 4 outputs.
#[inline(always)]
unsafe fn output_1d<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
    unsafe {
        let (sum, diff) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (sum2, diff2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(S::add(m[0], sum), sum2),
            S::fma(S::splat(2.0), diff2, diff),
            S::fma(S::splat(4.0), sum2, sum),
            S::add(S::fma(S::splat(8.0), diff2, diff), m[5]),
        ]
    }
}

/// A: 4 output gradients to 6 positions.
#[inline(always)]
unsafe fn grad_1d<S: Simd>(y: [S::V; 4]) -> [S::V; 6] {
    unsafe {
        let four = S::splat(4.0);
        let (even, odd) = (S::add(y[0], y[2]), S::add(y[1], y[3]));
        let even2 = S::fma(four, y[2], y[0]);
        let odd2 = S::mul(S::splat(2.0), S::fma(four, y[3], y[1]));
        [
            y[0],
            S::add(even, odd),
            S::sub(even, odd),
            S::add(even2, odd2),
            S::sub(even2, odd2),
            y[3],
        ]
    }
}

/// G: 3 taps to 6 positions.
#[inline(always)]
unsafe fn weight_1d<S: Simd>(g: [S::V; 3]) -> [S::V; 6] {
    unsafe {
        let (sixth, part) = (S::splat(-1.0 / 6.0), S::splat(1.0 / 24.0));
        let even = S::add(g[0], g[2]);
        let even2 = S::fma(S::splat(4.0), g[2], g[0]);
        let odd2 = S::mul(S::splat(2.0), g[1]);
        [
            S::mul(S::splat(0.25), g[0]),
            S::mul(sixth, S::add(even, g[1])),
            S::mul(sixth, S::sub(even, g[1])),
            S::mul(part, S::add(even2, odd2)),
            S::mul(part, S::sub(even2, odd2)),
            g[2],
        ]
    }
}

/// G^T: 6 positions to 3 taps.
#[inline(always)]
unsafe fn weight_back_1d<S: Simd>(u: [S::V; 6]) -> [S::V; 3] {
    unsafe {
        let sixth = S::splat(-1.0 / 6.0);
        let sum = S::mul(sixth, S::add(u[1], u[2]));
        let diff = S::mul(sixth, S::sub(u[1], u[2]));
        let (sum2, diff2) = (S::add(u[3], u[4]), S::sub(u[3], u[4]));
        [
            S::fma(
                S::splat(0.25),
                u[0],
                S::fma(S::splat(1.0 / 24.0), sum2, sum),
            ),
            S::fma(S::splat(1.0 / 12.0), diff2, diff),
            S::add(S::fma(S::splat(1.0 / 6.0), sum2, sum), u[5]),
        ]
    }
}

// --- Input --------------------------------------------------------------------------------

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

/// A pointer that tasks share; each writes to places of its own.
#[derive(Clone, Copy)]
struct Shared(*mut f32);

// SAFETY: only an address; whoever writes argues why it is alone there.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
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

// --- Output -------------------------------------------------------------------------------

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

// --- Output gradients ---------------------------------------------------------------------

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

// --- Weights ------------------------------------------------------------------------------

/// Transformed weights from PyTorch's.
pub struct WeightTransform<'a> {
    weight: &'a [f32],
    ci: usize,
    co: usize,
    back: bool,
}

impl<'a> WeightTransform<'a> {
    pub fn new(weight: &'a [f32], [ci, co]: [usize; 2], back: bool) -> Self {
        assert!(weight.len() >= ci * co * 9);
        WeightTransform {
            weight,
            ci,
            co,
            back,
        }
    }

    /// Writes `[36]` packed matrices `[ci][co]`.
    pub fn run(&self, out: &mut [f32]) {
        let each = packed_len(self.ci, self.co);
        assert!(out.len() >= POSITIONS * each);
        let out = Shared(out.as_mut_ptr());
        (0..self.co.div_ceil(lanes()))
            .into_par_iter()
            .for_each(|b| {
                let (start, columns, column) = panel_of(self.ci, self.co, b * lanes());
                let kernel = WeightKernel {
                    weight: self.weight,
                    ci: self.ci,
                    co: self.co,
                    back: self.back,
                    first: b * lanes(),
                    out: out.at(start + column),
                    columns,
                    each,
                };
                // SAFETY: row `i` of this vector of columns lies at `start + i * columns + column`
                // of each packed matrix, and no other task writes there.
                unsafe { dispatch(kernel) };
            });
    }
}

struct WeightKernel<'a> {
    weight: &'a [f32],
    ci: usize,
    co: usize,
    back: bool,
    /// First output channel.
    first: usize,
    out: *mut f32,
    columns: usize,
    each: usize,
}

impl Kernel for WeightKernel<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        debug_assert!(self.first + S::LANES <= self.co.next_multiple_of(S::LANES));
        let mut taps = [[0.0f32; 16]; 9];
        for i in 0..self.ci {
            for lane in 0..S::LANES.min(self.co - self.first) {
                let o = self.first + lane;
                let from = if self.back {
                    i * self.co + o
                } else {
                    o * self.ci + i
                };
                let weight = &self.weight[from * 9..from * 9 + 9];
                for (t, &w) in weight.iter().enumerate() {
                    taps[if self.back { 8 - t } else { t }][lane] = w;
                }
            }
            // SAFETY: vectors have at most 16 lanes; `out` has this row.
            unsafe {
                let zero = S::splat(0.0);
                let mut half = [[zero; 3]; 6];
                for x in 0..3 {
                    let g = [0, 1, 2].map(|y| S::load(taps[y * 3 + x].as_ptr()));
                    for (half, v) in half.iter_mut().zip(weight_1d::<S>(g)) {
                        half[x] = v;
                    }
                }
                for (k, row) in half.into_iter().enumerate() {
                    for (l, v) in weight_1d::<S>(row).into_iter().enumerate() {
                        let at = (k * 6 + l) * self.each + i * self.columns;
                        S::store(self.out.wrapping_add(at), v);
                    }
                }
            }
        }
    }
}

/// Adds partial sums of the transformed weight gradient (`[36][ci][co]` each) to the gradient
/// in PyTorch's layout.
pub fn weight_back(partial: &[Buffer], [ci, co]: [usize; 2], grad: &mut [f32]) {
    assert!(grad.len() >= ci * co * 9);
    assert!(partial.iter().all(|p| p.len() >= POSITIONS * ci * co));
    let bunch = lanes();
    grad.par_chunks_mut(bunch * ci * 9)
        .enumerate()
        .for_each(|(b, grad)| {
            let kernel = WeightBackKernel {
                partial,
                ci,
                co,
                first: b * bunch,
                grad,
            };
            // SAFETY: every partial sum holds these channels.
            unsafe { dispatch(kernel) };
        });
}

struct WeightBackKernel<'a> {
    partial: &'a [Buffer],
    ci: usize,
    co: usize,
    /// First output channel.
    first: usize,
    /// The gradient from that channel on.
    grad: &'a mut [f32],
}

impl Kernel for WeightBackKernel<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for i in 0..self.ci {
            // SAFETY: handed on.
            unsafe {
                each_vector!(
                    S,
                    S::LANES.min(self.co - self.first),
                    |at, n| one_back::<S, false>(
                        &self.partial,
                        [self.ci, self.co],
                        [i, self.first + at],
                        n,
                        self.grad
                    ),
                    one_back::<S, true>(
                        &self.partial,
                        [self.ci, self.co],
                        [i, self.first + at],
                        n,
                        self.grad
                    )
                );
            }
        }
    }
}

/// The 3 x 3 gradients of input channel `i` and the `n` first output channels of a bunch.
#[inline(always)]
unsafe fn one_back<S: Simd, const PART: bool>(
    partial: &[Buffer],
    [ci, co]: [usize; 2],
    [i, o]: [usize; 2],
    n: usize,
    grad: &mut [f32],
) {
    // SAFETY: every partial sum has `[36][ci][co]` floats, of which these are `n` in a row.
    unsafe {
        let zero = S::splat(0.0);
        let mut half = [[zero; 6]; 3];
        for l in 0..6 {
            let mut d = [zero; 6];
            for (k, d) in d.iter_mut().enumerate() {
                let at = ((k * 6 + l) * ci + i) * co + o;
                for part in partial {
                    *d = S::add(*d, load::<S, PART>(part.as_ptr().add(at), n));
                }
            }
            for (half, v) in half.iter_mut().zip(weight_back_1d::<S>(d)) {
                half[l] = v;
            }
        }
        let mut taps = [[0.0f32; 16]; 9];
        for (k, row) in half.into_iter().enumerate() {
            for (l, v) in weight_back_1d::<S>(row).into_iter().enumerate() {
                S::store(taps[k * 3 + l].as_mut_ptr(), v);
            }
        }
        for lane in 0..n {
            let grad = &mut grad[(lane * ci + i) * 9..][..9];
            for (grad, tap) in grad.iter_mut().zip(&taps) {
                *grad += tap[lane];
            }
        }
    }
}
