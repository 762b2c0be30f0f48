//! Winograd's F(4x4, 3x3) for dense 3 x 3 convolutions of stride 1 and padding 1
//! (Lavin and Gray 2016, "Fast Algorithms for Convolutional Neural Networks").
//!
//! The output is cut into tiles of 4 x 4. A tile's 6 x 6 inputs are transformed, multiplied
//! with the transformed weights for each of the 36 positions (a matrix product over
//! channels), and the products are transformed back: 36 multiplications instead of 144.

mod grad;
mod input;
mod line;
mod output;
mod tiles;
mod weight;

use super::super::act::{Epilogue, Input};
use super::super::gemm::{self, Mat, gemm_packed, gemm_rows};
use super::super::moments::Moments;
use super::super::prefetch::Prefetch;
use super::super::scratch;
use super::Shape;
use crate::pool::Buffer;
use crate::team::OneByOne;
use frbench_base::Size;
use grad::GradTiles;
use input::InputTiles;
use output::OutputTiles;
use rayon::prelude::*;
use tiles::{Tiles, Transform};
use weight::WeightTransform;

/// Positions of a transformed tile.
const POSITIONS: usize = 36;
/// Tiles below which transformed weights, four times as large, cost more than they save.
const FEW: usize = 8;
/// Channels up to which a task keeps its tiles to itself, in the second-level cache. Beyond,
/// all tasks work on the same tiles, one position each, so that weights are read once.
const NARROW: usize = 128;

pub fn applies(s: &Shape) -> bool {
    (s.kernel, s.stride, s.pad, s.groups) == (Size::square(3), 1, 1, 1)
        && s.ci >= 16
        && s.co >= 16
        && s.n * tiles(s).per_image() >= FEW
}

pub(super) fn tiles(s: &Shape) -> Tiles {
    Tiles {
        h: s.h,
        w: s.w,
        down: s.h.div_ceil(4),
        across: s.w.div_ceil(4),
    }
}

/// Tiles per task for narrow layers: enough to reuse the weights, few enough for the cache, and
/// enough tasks for a handful of threads.
fn chunk(total: usize, channels: usize) -> usize {
    let most = if channels <= 64 { 96 } else { 64 };
    total.div_ceil(16).next_multiple_of(12).min(most)
}

/// Tiles per round for wide layers.
const ROUND: usize = 512;
/// Tiles per transforming task of a round.
const GROUP: usize = 8;

/// Floats of the transformed weights of `ci` to `co` channels.
pub fn packed_len(ci: usize, co: usize) -> usize {
    POSITIONS * gemm::packed_len(ci, co)
}

/// Transforms PyTorch's `[co, ci, 3, 3]`. `back`: for the convolution that carries gradients
/// back, whose `ci` and `co` are given and whose weight is `[ci, co, 3, 3]`, to be rotated.
pub fn pack(weight: &[f32], [ci, co]: [usize; 2], back: bool, out: &mut [f32]) {
    WeightTransform::new(weight, [ci, co], back).run(out);
}

/// `y = epilogue(conv(prologue(x)))`; `packed` comes from [`pack`].
pub fn forward(
    x: Input,
    packed: &[f32],
    s: &Shape,
    epilogue: &Epilogue,
    moments: Option<&mut Moments>,
    y: &mut [f32],
) {
    let (ci, co, tiles) = (s.ci, s.co, tiles(s));
    let total = s.n * tiles.per_image();
    let each = gemm::packed_len(ci, co);
    let input = InputTiles::new(x, ci, tiles, s.n);
    let wide = ci.max(co) > NARROW;
    let part = if wide {
        GROUP
    } else {
        chunk(total, ci.max(co))
    };
    let parts = total.div_ceil(part);
    let mut unused;
    let (rows, sums) = match moments {
        Some(moments) => moments.blocks(parts),
        None => {
            unused = (vec![0; parts], Vec::new());
            (unused.0.as_mut_slice(), unused.1.as_mut_slice())
        }
    };
    let output = OutputTiles::new(y, co, tiles, s.n, epilogue);
    let mut sums: Vec<Option<&mut [f32]>> = match sums.is_empty() {
        true => (0..parts).map(|_| None).collect(),
        false => sums.chunks_exact_mut(3 * co).map(Some).collect(),
    };
    if !wide {
        rows.par_iter_mut()
            .zip(sums.par_iter_mut())
            .enumerate()
            .one_by_one()
            .for_each(|(i, (rows, sums))| {
                let range = i * part..total.min((i + 1) * part);
                let n = range.len();
                scratch::with(POSITIONS * part * (ci + co), |memory| {
                    let (v, m) = memory.split_at_mut(POSITIONS * part * ci);
                    input.transform(range.clone(), v, part * ci);
                    let next = &x.data[tiles.reach(range.end..total.min(range.end + part), ci)];
                    let prefetch =
                        Prefetch::at([output.addresses(range.clone()), next.as_ptr_range()]);
                    for k in 0..POSITIONS {
                        let a = Mat::rows(&v[k * part * ci..], ci);
                        let u = &packed[k * each..(k + 1) * each];
                        let m = &mut m[k * part * co..];
                        gemm_packed([n, co, ci], a, u, m, co, false, Some(&prefetch));
                    }
                    // SAFETY: no two tasks have a tile in common.
                    *rows = unsafe { output.transform(range, m, part * co, sums.as_deref_mut()) };
                });
            });
        return;
    }
    let round = ROUND.min(total.next_multiple_of(GROUP));
    let mut v = scratch::take(POSITIONS * round * ci);
    let mut m = scratch::take(POSITIONS * round * co);
    for start in (0..total).step_by(round) {
        let n = round.min(total - start);
        let groups = n.div_ceil(GROUP);
        let group = |g: usize| start + g * GROUP..(start + (g + 1) * GROUP).min(start + n);
        input.transform_groups(groups, group, &mut v, [round * ci, GROUP * ci]);
        let v = &v;
        m.par_chunks_mut(round * co)
            .enumerate()
            .one_by_one()
            .for_each(|(k, m)| {
                let a = Mat::rows(&v[k * round * ci..], ci);
                let u = &packed[k * each..(k + 1) * each];
                gemm_packed([n, co, ci], a, u, m, co, false, None);
            });
        let first = start / GROUP;
        rows[first..first + groups]
            .par_iter_mut()
            .zip(sums[first..first + groups].par_iter_mut())
            .enumerate()
            .one_by_one()
            .for_each(|(g, (rows, sums))| {
                let m = &m[g * GROUP * co..];
                // SAFETY: no two groups have a tile in common.
                *rows = unsafe { output.transform(group(g), m, round * co, sums.as_deref_mut()) };
            });
    }
}

/// Adds to the gradient of the weight, in PyTorch's layout: per position the product of the
/// transformed inputs and the transformed output gradients over all tiles, transformed back.
pub fn weight_grad(x: Input, dy: &[f32], s: &Shape, grad: &mut [f32]) {
    let (ci, co, tiles) = (s.ci, s.co, tiles(s));
    let total = s.n * tiles.per_image();
    let input = InputTiles::new(x, ci, tiles, s.n);
    let output = GradTiles::new(dy, co, tiles, s.n);
    let partial: Vec<Buffer> = if ci.max(co) <= NARROW {
        // As many sums as eight megabytes hold.
        let slices = (2 * 1024 * 1024 / (POSITIONS * ci * co)).clamp(2, 8);
        let slices = if slices >= 8 { 8 } else { slices / 2 * 2 };
        let slice = total.div_ceil(slices);
        let part = chunk(slice, 2 * ci.max(co));
        (0..total.div_ceil(slice))
            .into_par_iter()
            .one_by_one()
            // What was written last is still in cache.
            .backwards()
            .map(|i| {
                let mut sum = scratch::take(POSITIONS * ci * co);
                let end = total.min((i + 1) * slice);
                scratch::with(POSITIONS * part * (ci + co), |memory| {
                    let (v, d) = memory.split_at_mut(POSITIONS * part * ci);
                    for first in (i * slice..end).step_by(part) {
                        let range = first..end.min(first + part);
                        let next = range.end..end.min(range.end + part);
                        let n = range.len();
                        input.transform(range.clone(), v, part * ci);
                        output.transform(range, d, part * co);
                        let x = &x.data[tiles.reach(next.clone(), ci)];
                        let prefetch = Prefetch::of([x, &dy[tiles.reach(next, co)]]);
                        for (k, sum) in sum.chunks_exact_mut(ci * co).enumerate() {
                            let a = Mat::rows(&v[k * part * ci..], ci).transposed();
                            let b = (&d[k * part * co..], co, None);
                            let add = first > i * slice;
                            gemm_rows([ci, co, n], a, b, sum, co, add, Some(&prefetch));
                        }
                    }
                });
                sum
            })
    } else {
        let round = (ROUND / 2).min(total.next_multiple_of(GROUP));
        let mut v = scratch::take(POSITIONS * round * ci);
        let mut d = scratch::take(POSITIONS * round * co);
        let mut sum = scratch::take(POSITIONS * ci * co);
        for start in (0..total).step_by(round) {
            let n = round.min(total - start);
            let groups = n.div_ceil(GROUP);
            let group = |g: usize| start + g * GROUP..(start + (g + 1) * GROUP).min(start + n);
            input.transform_groups(groups, group, &mut v, [round * ci, GROUP * ci]);
            output.transform_groups(groups, group, &mut d, [round * co, GROUP * co]);
            let (v, d) = (&v, &d);
            sum.par_chunks_mut(ci * co)
                .enumerate()
                .one_by_one()
                .for_each(|(k, sum)| {
                    let a = Mat::rows(&v[k * round * ci..], ci).transposed();
                    let b = (&d[k * round * co..], co, None);
                    gemm_rows([ci, co, n], a, b, sum, co, start > 0, None);
                });
        }
        vec![sum]
    };
    weight::weight_back(&partial, [ci, co], grad);
}
