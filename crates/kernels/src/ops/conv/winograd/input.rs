//! Transforms the input of a convolution.

use super::super::super::act::{Input, NONE, PRELU, RELU, RELU6};
use super::super::super::rows::activate;
use super::super::super::simd::{Kernel, Simd, dispatch, load, store};
use super::line::input_1d;
use super::tiles::{EachTile, Place, Tiles, Transform};
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
            assert!(map.act.kind() != PRELU || map.act.slope().len() >= channels);
        }
        InputTiles { x, channels, tiles }
    }
}

impl Transform for InputTiles<'_> {
    fn channels(&self) -> usize {
        self.channels
    }

    unsafe fn transform_to(&self, range: Range<usize>, out: *mut f32, step: usize) {
        // SAFETY: `new` has checked the input and its map, the caller has room at `out`.
        unsafe {
            match self.x.map.map(|map| map.act.kind()) {
                None => self.run::<false, NONE>(range, out, step),
                Some(PRELU) => self.run::<true, PRELU>(range, out, step),
                Some(RELU) => self.run::<true, RELU>(range, out, step),
                Some(RELU6) => self.run::<true, RELU6>(range, out, step),
                Some(_) => self.run::<true, NONE>(range, out, step),
            }
        }
    }
}

impl InputTiles<'_> {
    unsafe fn run<const MAPPED: bool, const ACT: u8>(
        &self,
        range: Range<usize>,
        out: *mut f32,
        step: usize,
    ) {
        let map = self.x.map;
        let kernel = InputKernel::<MAPPED, ACT> {
            x: self.x.data.as_ptr(),
            scale: map.map_or(&[][..], |m| m.scale).as_ptr(),
            shift: map.map_or(&[][..], |m| m.shift).as_ptr(),
            slope: map.map_or(&[][..], |m| m.act.slope()).as_ptr(),
            c: self.channels,
            tiles: self.tiles,
            range,
            out,
            step,
        };
        // SAFETY: the caller's.
        unsafe { dispatch(kernel) }
    }
}

/// `MAPPED`: whether a batch norm and the activation `ACT` are applied on the way.
struct InputKernel<const MAPPED: bool, const ACT: u8> {
    x: *const f32,
    scale: *const f32,
    shift: *const f32,
    slope: *const f32,
    c: usize,
    tiles: Tiles,
    range: Range<usize>,
    out: *mut f32,
    step: usize,
}

impl<const MAPPED: bool, const ACT: u8> Kernel for InputKernel<MAPPED, ACT> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        // SAFETY: the constructor's promises.
        unsafe { self.each::<S>() }
    }
}

impl<const MAPPED: bool, const ACT: u8> EachTile for InputKernel<MAPPED, ACT> {
    #[inline(always)]
    fn tiles(&self) -> (Tiles, Range<usize>, usize) {
        (self.tiles, self.range.clone(), self.c)
    }

    #[inline(always)]
    unsafe fn one<S: Simd, const PART: bool>(&self, place: Place, at: usize, n: usize) {
        let Place { image, y, x, .. } = place;
        let out = self.out.wrapping_add(place.index * self.c);
        let Tiles { h, w, .. } = self.tiles;
        // SAFETY: only pixels inside the image are read; the map has `c` channels.
        unsafe {
            let zero = S::splat(0.0);
            let (mut scale, mut shift, mut slope) = (zero, zero, zero);
            if MAPPED {
                scale = load::<S, PART>(self.scale.add(at), n);
                shift = load::<S, PART>(self.shift.add(at), n);
            }
            if MAPPED && ACT == PRELU {
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
                            let v = load::<S, PART>(self.x.add(image + pixel * self.c + at), n);
                            *d = match MAPPED {
                                true => activate::<S, ACT>(S::fma(v, scale, shift), slope),
                                false => v,
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
