//! Convolution by patches and matrix products ("im2col"), for any kernel, stride and groups.

use super::super::act::{Epilogue, Input, Prologue};
use super::super::gemm::{self, Mat, gemm_packed, gemm_rows, packed_len};
use super::super::moments::{self, Moments};
use super::super::norm::Dy;
use super::super::prefetch::Prefetch;
use super::super::scratch;
use super::Shape;
use crate::pool::Buffer;
use crate::team::OneByOne;
use frbench_base::Size;
use rayon::prelude::*;
use std::ops::Range;

/// Rows of the patch matrix per block: its patches and products should stay in cache, but a
/// short block would spend its time on reading the weights. Small matrices are cut into some
/// sixteen blocks, for the threads.
fn block(depth: usize, rows: usize) -> usize {
    let most = (128 * 1024 / depth).clamp(24, 384) / 12 * 12;
    rows.div_ceil(16)
        .next_multiple_of(12)
        .clamp(24, most.max(24))
}

/// PyTorch's `[co, ci/groups, k, k]` to `[groups]` packed matrices `[k, k, ci/groups][co/groups]`.
pub fn pack(weight: &[f32], s: &Shape, out: &mut [f32]) {
    let (gi, go) = s.per_group();
    let (depth, area) = (s.depth(), s.kernel.area());
    for (g, out) in out.chunks_exact_mut(packed_len(depth, go)).enumerate() {
        // In the order of PyTorch's memory, which is read once.
        let fill = |range: std::ops::Range<usize>, columns: usize, out: &mut [f32]| {
            for i in 0..gi {
                for (lane, o) in range.clone().enumerate() {
                    let taps = &weight[((g * go + o) * gi + i) * area..][..area];
                    for (tap, w) in taps.iter().enumerate() {
                        out[(tap * gi + i) * columns + lane] = *w;
                    }
                }
            }
        };
        gemm::pack_panels([depth, go], fill, out);
    }
}

/// For gradients on their way back through some taps of the kernel: `[groups]` packed matrices
/// `[taps, co/groups][ci/groups]`.
pub(super) fn pack_back(weight: &[f32], s: &Shape, taps: &[usize], out: &mut [f32]) {
    let (gi, go) = s.per_group();
    let (depth, area) = (taps.len() * go, s.kernel.area());
    for (g, out) in out.chunks_exact_mut(packed_len(depth, gi)).enumerate() {
        let fill = |range: std::ops::Range<usize>, columns: usize, out: &mut [f32]| {
            for o in 0..go {
                let weight = &weight[(g * go + o) * gi * area..][..gi * area];
                for (t, tap) in taps.iter().enumerate() {
                    let row = &mut out[(t * go + o) * columns..][..range.len()];
                    for (out, i) in row.iter_mut().zip(range.clone()) {
                        *out = weight[i * area + tap];
                    }
                }
            }
        };
        gemm::pack_panels([depth, gi], fill, out);
    }
}

/// Copies the patches of output pixels `first..` of group `g` to the rows of `out`.
fn gather(x: Input, s: &Shape, g: usize, first: usize, out: &mut [f32]) {
    let (depth, mut row, mut rest) = (s.depth(), first, out);
    while !rest.is_empty() {
        let (line, ox) = (row / s.ow, row % s.ow);
        let pixels = (s.ow - ox).min(rest.len() / depth);
        let (patches, others) = rest.split_at_mut(pixels * depth);
        gather_line(x, s, g, line, ox..ox + pixels, patches);
        (row, rest) = (row + pixels, others);
    }
}

/// The patches of some pixels of one line of the output; lines are counted over all images.
fn gather_line(x: Input, s: &Shape, g: usize, line: usize, ox: Range<usize>, out: &mut [f32]) {
    let (Size { height, width: k }, (gi, _)) = (s.kernel, s.per_group());
    // First pixel that output pixel `o` sees, counted with the padding.
    let left = |o: usize| o * s.stride;
    let inside = |padded: usize| padded.saturating_sub(s.pad).min(s.w);
    let seen = inside(left(ox.start))..inside(left(ox.end - 1) + k);
    let map = x.map.map(|map| map.channels(g * gi, gi));
    let direct = s.groups == 1 && map.is_none();
    scratch::with(if direct { 0 } else { seen.len() * gi }, |memory| {
        for ky in 0..height {
            let patches = out.chunks_exact_mut(height * k * gi);
            let parts = patches.map(|patch| &mut patch[ky * k * gi..][..k * gi]);
            let y = (line % s.oh * s.stride + ky).wrapping_sub(s.pad);
            if y >= s.h {
                parts.for_each(|part| part.fill(0.0));
                continue;
            }
            let start = (line / s.oh * s.h + y) * s.w;
            let pixels = &x.data[(start + seen.start) * s.ci..(start + seen.end) * s.ci];
            let pixels = if direct {
                pixels
            } else {
                copy_group(pixels, s, g, map, memory);
                &*memory
            };
            for (part, o) in parts.zip(ox.clone()) {
                let (from, to) = (left(o), left(o) + k);
                let (first, last) = (inside(from), inside(to));
                if last - first == k {
                    copy(&pixels[(first - seen.start) * gi..][..k * gi], part);
                    continue;
                }
                part.fill(0.0);
                if first < last {
                    let at = (first + s.pad - from) * gi;
                    let pixels = &pixels[(first - seen.start) * gi..(last - seen.start) * gi];
                    part[at..][..pixels.len()].copy_from_slice(pixels);
                }
            }
        }
    });
}

/// The channels of group `g` of some pixels, mapped.
fn copy_group(pixels: &[f32], s: &Shape, g: usize, map: Option<Prologue>, out: &mut [f32]) {
    let (gi, _) = s.per_group();
    if let (1, Some(map)) = (s.groups, map) {
        return map.write(pixels, out);
    }
    for (out, pixel) in out.chunks_exact_mut(gi).zip(pixels.chunks_exact(s.ci)) {
        out.copy_from_slice(&pixel[g * gi..][..gi]);
    }
    if let Some(map) = map {
        map.apply(out);
    }
}

/// Copies a line of a patch.
fn copy(from: &[f32], to: &mut [f32]) {
    /// Floats of three pixels of an image: few enough for a call to take longer than the copy.
    const RGB: usize = 9;
    if let (Ok(from), Ok(to)) = (
        <&[f32; RGB]>::try_from(from),
        <&mut [f32; RGB]>::try_from(&mut *to),
    ) {
        *to = *from;
    } else {
        to.copy_from_slice(from);
    }
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
    let (depth, (_, go)) = (s.depth(), s.per_group());
    let block = block(depth, s.rows());
    let blocks = s.rows().div_ceil(block);
    let one = |b: usize, y: &mut [f32]| {
        let (first, rows) = (b * block, y.len() / s.co);
        let next = first + rows..s.rows().min(first + 2 * rows);
        let prefetch = Prefetch::of([y, &x.data[s.reach(next)]]);
        let product = |patches: &[f32], g: usize, packed: &[f32], y: &mut [f32]| {
            let (a, y) = (Mat::rows(patches, depth), &mut y[g * go..]);
            gemm_packed(
                [rows, go, depth],
                a,
                packed,
                y,
                s.co,
                false,
                Some(&prefetch),
            );
        };
        if s.pointwise() && x.map.is_none() {
            product(&x.data[first * s.ci..], 0, packed, y);
        } else {
            scratch::with(rows * depth, |patches| {
                for (g, packed) in packed.chunks_exact(packed_len(depth, go)).enumerate() {
                    match x.map {
                        Some(map) if s.pointwise() => {
                            map.write(&x.data[first * s.ci..][..rows * s.ci], patches);
                        }
                        _ => gather(x, s, g, first, patches),
                    }
                    product(patches, g, packed, y);
                }
            });
        }
        epilogue.apply(y, s.co, first * s.co);
    };
    let ys = y.par_chunks_mut(block * s.co).enumerate();
    match moments {
        None => ys.one_by_one().for_each(|(b, y)| one(b, y)),
        Some(moments) => {
            let (rows, sums) = moments.blocks(blocks);
            ys.zip(rows.par_iter_mut())
                .zip(sums.par_chunks_mut(3 * s.co))
                .one_by_one()
                .for_each(|(((b, y), rows), sums)| {
                    one(b, y);
                    *rows = y.len() / s.co;
                    moments::of_rows(y, s.co, sums);
                });
        }
    }
}

/// Gradient of the input.
pub fn input_grad(dy: &[f32], weight: &[f32], s: &Shape, dx: &mut [f32]) {
    let (gi, go) = s.per_group();
    if s.stride == 1 && s.kernel.is_square() && s.pad < s.kernel.height {
        let depth = s.kernel.area() * go;
        let mut packed = scratch::take(s.groups * packed_len(depth, gi));
        let rotated: Vec<usize> = (0..s.kernel.area()).rev().collect();
        pack_back(weight, s, &rotated, &mut packed);
        let dy = Input::plain(dy);
        return forward(dy, &packed, &s.reversed(), &Epilogue::NONE, None, dx);
    }
    let phases = phases(s);
    let packed: Vec<Buffer> = phases.iter().map(|p| p.pack(weight, s)).collect();
    dx.par_chunks_mut(s.h * s.w * s.ci)
        .enumerate()
        .one_by_one()
        .for_each(|(n, dx)| {
            let image = s.oh * s.ow * s.co;
            let (dy, rest) = dy[n * image..].split_at(image);
            let prefetch = Prefetch::of([dx, &rest[..image.min(rest.len())]]);
            for (phase, packed) in phases.iter().zip(&packed) {
                phase.run(dy, packed, s, dx, &prefetch);
            }
        });
}

/// The input pixels `(y, x)` with `(y + pad, x + pad)` the same modulo the stride. They take
/// their gradients through the same taps of the kernel, so each phase is a convolution of
/// stride 1 by itself, and nothing has to be scattered.
struct Phase {
    /// First pixel.
    y: usize,
    x: usize,
    /// Taps, and by how much the output pixel of each lies above or left of the first pixel's.
    taps: Vec<(usize, isize, isize)>,
}

fn phases(s: &Shape) -> Vec<Phase> {
    let mut phases = Vec::new();
    for y in 0..s.stride.min(s.h) {
        for x in 0..s.stride.min(s.w) {
            let mut taps = Vec::new();
            for ky in (0..s.kernel.height).filter(|k| (y + s.pad) % s.stride == k % s.stride) {
                for kx in (0..s.kernel.width).filter(|k| (x + s.pad) % s.stride == k % s.stride) {
                    let to = |at: usize, k: usize| {
                        ((at + s.pad) as isize - k as isize).div_euclid(s.stride as isize)
                    };
                    taps.push((ky * s.kernel.width + kx, to(y, ky), to(x, kx)));
                }
            }
            phases.push(Phase { y, x, taps });
        }
    }
    phases
}

impl Phase {
    fn pack(&self, weight: &[f32], s: &Shape) -> Buffer {
        let (gi, go) = s.per_group();
        let taps: Vec<usize> = self.taps.iter().map(|t| t.0).collect();
        let mut out = scratch::take(s.groups * packed_len(taps.len() * go, gi));
        if !taps.is_empty() {
            pack_back(weight, s, &taps, &mut out);
        }
        out
    }

    /// Writes this phase's pixels of one image.
    fn run(&self, dy: &[f32], packed: &[f32], s: &Shape, dx: &mut [f32], prefetch: &Prefetch) {
        let (gi, go) = s.per_group();
        let (height, width) = (
            (s.h - self.y).div_ceil(s.stride),
            (s.w - self.x).div_ceil(s.stride),
        );
        let depth = self.taps.len() * go;
        let lines = (block(depth.max(1), usize::MAX - 16) / width).clamp(1, height);
        scratch::with(lines * width * (depth + gi), |memory| {
            let (patches, products) = memory.split_at_mut(lines * width * depth);
            for first in (0..height).step_by(lines) {
                let lines = lines.min(height - first);
                let rows = lines * width;
                for g in 0..s.groups {
                    let patches = &mut patches[..rows * depth];
                    let products = &mut products[..rows * gi];
                    if depth == 0 {
                        products.fill(0.0);
                    } else {
                        self.gather(dy, s, g, [first, width], patches);
                        let packed = &packed[g * packed_len(depth, gi)..];
                        let a = Mat::rows(patches, depth);
                        let size = [rows, gi, depth];
                        gemm_packed(size, a, packed, products, gi, false, Some(prefetch));
                    }
                    for (r, product) in products.chunks_exact(gi).enumerate() {
                        let y = self.y + (first + r / width) * s.stride;
                        let x = self.x + (r % width) * s.stride;
                        dx[(y * s.w + x) * s.ci + g * gi..][..gi].copy_from_slice(product);
                    }
                }
            }
        });
    }

    /// The output gradients that the phase's lines from `first` on take, tap by tap.
    fn gather(&self, dy: &[f32], s: &Shape, g: usize, [first, width]: [usize; 2], out: &mut [f32]) {
        let go = s.per_group().1;
        let depth = self.taps.len() * go;
        for (r, patch) in out.chunks_exact_mut(depth).enumerate() {
            for (out, &(_, y, x)) in patch.chunks_exact_mut(go).zip(&self.taps) {
                let y = y + (first + r / width) as isize;
                let x = x + (r % width) as isize;
                if y < 0 || x < 0 || y >= s.oh as isize || x >= s.ow as isize {
                    out.fill(0.0);
                } else {
                    let at = (y as usize * s.ow + x as usize) * s.co + g * go;
                    out.copy_from_slice(&dy[at..at + go]);
                }
            }
        }
    }
}

/// Adds to the gradient of the weight, in PyTorch's layout.
pub fn weight_grad(x: Input, dy: Dy, s: &Shape, grad: &mut [f32]) {
    let go = s.per_group().1;
    let (depth, rows) = (s.depth(), s.rows());
    // Few and long slices: each has a whole gradient of its own to be added up afterwards.
    let slices = (rows / 512).clamp(1, 8);
    let slice = rows.div_ceil(slices);
    let block = 256;
    // [k, k, ci/groups][co/groups] per group; for 1 x 1 kernels [co][ci], as PyTorch has it.
    let partial: Vec<Buffer> = (0..rows.div_ceil(slice))
        .into_par_iter()
        .one_by_one()
        // What was written last is still in cache.
        .backwards()
        .map(|i| {
            let mut sum = scratch::take(grad.len());
            let end = rows.min((i + 1) * slice);
            scratch::with(block * (depth + s.co), |memory| {
                let (patches, grads) = memory.split_at_mut(block * depth);
                for first in (i * slice..end).step_by(block) {
                    let m = block.min(end - first);
                    let next = first + m..end.min(first + m + block);
                    let [d, through] = dy.parts(next.start * s.co..next.end * s.co);
                    let prefetch = Prefetch::of([&x.data[s.reach(next)], d, through]);
                    let (prefetch, add) = (Some(&prefetch), first > i * slice);
                    let dy = dy.read(first * s.co, &mut grads[..m * s.co]);
                    if s.pointwise() {
                        let dy = Mat::rows(dy, s.co).transposed();
                        let x = (&x.data[first * s.ci..], s.ci, x.map);
                        gemm_rows([s.co, s.ci, m], dy, x, &mut sum, s.ci, add, prefetch);
                        continue;
                    }
                    let patches = &mut patches[..m * depth];
                    for (g, sum) in sum.chunks_exact_mut(go * depth).enumerate() {
                        gather(x, s, g, first, patches);
                        let a = Mat::rows(patches, depth).transposed();
                        let b = (&dy[g * go..], s.co, None);
                        gemm_rows([depth, go, m], a, b, sum, go, add, prefetch);
                    }
                }
            });
            sum
        });
    if s.pointwise() {
        return add_up(&partial, grad);
    }
    unpack_sums(&partial, s, grad);
}

/// Adds sums laid out as `[k, k, ci/groups][co/groups]` per group to PyTorch's layout. Output
/// channels go in small bunches, so that what is read is read in whole cache lines.
fn unpack_sums(partial: &[Buffer], s: &Shape, grad: &mut [f32]) {
    if s.per_group().1.is_multiple_of(16) {
        unpack_bunches::<16>(partial, s, grad);
    } else {
        unpack_bunches::<1>(partial, s, grad);
    }
}

fn unpack_bunches<const BUNCH: usize>(partial: &[Buffer], s: &Shape, grad: &mut [f32]) {
    let (gi, go) = s.per_group();
    let (depth, area) = (s.depth(), s.kernel.area());
    grad.par_chunks_mut(depth * BUNCH)
        .enumerate()
        .one_by_one()
        .for_each(|(b, grad)| {
            let o = b * BUNCH;
            let start = o / go * go * depth + o % go;
            for at in 0..depth {
                let (i, tap) = (at / area, at % area);
                let from = start + (tap * gi + i) * go;
                let mut total: [f32; BUNCH] = std::array::from_fn(|lane| grad[lane * depth + at]);
                for sum in partial {
                    let sum = &sum[from..from + BUNCH];
                    total.iter_mut().zip(sum).for_each(|(t, s)| *t += s);
                }
                for (lane, total) in total.into_iter().enumerate() {
                    grad[lane * depth + at] = total;
                }
            }
        });
}

/// Adds partial sums to a total, in their order.
pub(super) fn add_up(partial: &[Buffer], total: &mut [f32]) {
    const BLOCK: usize = 4096;
    total
        .par_chunks_mut(BLOCK)
        .enumerate()
        .one_by_one()
        .for_each(|(b, total)| {
            for sum in partial {
                super::super::act::add_into(total, &sum[b * BLOCK..b * BLOCK + total.len()]);
            }
        });
}
