//! Convolution by patches and matrix products ("im2col"), for any kernel, stride and groups.

use super::act::{Epilogue, add_into};
use super::gemm::{Mat, gemm};
use super::scratch;
use crate::nn::pool::Buffer;
use rayon::prelude::*;

/// Sizes of a convolution. Input `[n, h, w, ci]`, output `[n, oh, ow, co]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    pub n: usize,
    pub h: usize,
    pub w: usize,
    pub ci: usize,
    pub oh: usize,
    pub ow: usize,
    pub co: usize,
    pub kernel: usize,
    pub stride: usize,
    pub pad: usize,
    pub groups: usize,
}

impl Shape {
    /// Output pixels of the batch: rows of the patch matrix.
    fn rows(&self) -> usize {
        self.n * self.oh * self.ow
    }

    /// Input and output channels per group.
    fn per_group(&self) -> (usize, usize) {
        (self.ci / self.groups, self.co / self.groups)
    }

    /// Columns of the patch matrix of one group.
    fn depth(&self) -> usize {
        self.kernel * self.kernel * self.ci / self.groups
    }

    fn pointwise(&self) -> bool {
        (self.kernel, self.stride, self.pad, self.groups) == (1, 1, 0, 1)
    }

    /// The convolution that carries gradients from output to input, for stride 1.
    fn reversed(&self) -> Shape {
        Shape {
            h: self.oh,
            w: self.ow,
            ci: self.co,
            oh: self.h,
            ow: self.w,
            co: self.ci,
            pad: self.kernel - 1 - self.pad,
            ..*self
        }
    }

    /// Rows of the patch matrix per block: the matrix should stay in cache, but a short
    /// block would spend its time on packing the weights.
    fn block(&self) -> usize {
        (192 * 1024 / self.depth()).clamp(192, 2048)
    }
}

/// PyTorch's `[co, ci/groups, k, k]` to `[groups][k, k, ci/groups][co/groups]`.
pub fn pack(weight: &[f32], s: &Shape, out: &mut [f32]) {
    let (gi, go) = s.per_group();
    let area = s.kernel * s.kernel;
    out.par_chunks_mut(go).enumerate().for_each(|(row, out)| {
        let (g, row) = (row / (area * gi), row % (area * gi));
        let (tap, i) = (row / gi, row % gi);
        for (o, out) in out.iter_mut().enumerate() {
            *out = weight[((g * go + o) * gi + i) * area + tap];
        }
    });
}

/// The packed weights of [`Shape::reversed`]: rotated by 180°, input and output exchanged.
fn pack_reversed(weight: &[f32], s: &Shape, out: &mut [f32]) {
    let (gi, go) = s.per_group();
    let area = s.kernel * s.kernel;
    out.par_chunks_mut(gi).enumerate().for_each(|(row, out)| {
        let (g, row) = (row / (area * go), row % (area * go));
        let (tap, o) = (area - 1 - row / go, row % go);
        for (i, out) in out.iter_mut().enumerate() {
            *out = weight[((g * go + o) * gi + i) * area + tap];
        }
    });
}

/// Copies the patches of output pixels `first..` of group `g` to the rows of `out`.
fn gather(x: &[f32], s: &Shape, g: usize, first: usize, out: &mut [f32]) {
    let (gi, _) = s.per_group();
    let (k, line) = (s.kernel, s.kernel * gi);
    for (r, patch) in out.chunks_exact_mut(k * line).enumerate() {
        let row = first + r;
        let (n, oy, ox) = (row / (s.oh * s.ow), row / s.ow % s.oh, row % s.ow);
        let left = (ox * s.stride) as isize - s.pad as isize;
        // The taps that fall inside the image, contiguous in memory if there is one group.
        let from = (-left).clamp(0, k as isize) as usize;
        let to = (s.w as isize - left).clamp(from as isize, k as isize) as usize;
        for (ky, out) in patch.chunks_exact_mut(line).enumerate() {
            let y = (oy * s.stride + ky) as isize - s.pad as isize;
            if y < 0 || y >= s.h as isize || from == to {
                out.fill(0.0);
                continue;
            }
            let start = (n * s.h + y as usize) * s.w + (left + from as isize) as usize;
            out[..from * gi].fill(0.0);
            out[to * gi..].fill(0.0);
            if s.groups == 1 {
                out[from * gi..to * gi].copy_from_slice(&x[start * gi..(start + to - from) * gi]);
            } else {
                for (t, out) in out[from * gi..to * gi].chunks_exact_mut(gi).enumerate() {
                    let at = (start + t) * s.ci + g * gi;
                    out.copy_from_slice(&x[at..at + gi]);
                }
            }
        }
    }
}

/// Adds the rows of `patches` back to where [`gather`] takes them from.
fn scatter(patches: &[f32], s: &Shape, g: usize, first: usize, image: &mut [f32]) {
    let (gi, _) = s.per_group();
    let (k, line) = (s.kernel, s.kernel * gi);
    for (r, patch) in patches.chunks_exact(k * line).enumerate() {
        let row = first + r;
        let (oy, ox) = (row / s.ow, row % s.ow);
        for (ky, patch) in patch.chunks_exact(line).enumerate() {
            let y = (oy * s.stride + ky).wrapping_sub(s.pad);
            for (kx, patch) in patch.chunks_exact(gi).enumerate() {
                let x = (ox * s.stride + kx).wrapping_sub(s.pad);
                if y < s.h && x < s.w {
                    let at = (y * s.w + x) * s.ci + g * gi;
                    add_into(&mut image[at..at + gi], patch);
                }
            }
        }
    }
}

/// `y = epilogue(conv(x))`; `packed` comes from [`pack`].
pub fn forward(x: &[f32], packed: &[f32], s: &Shape, epilogue: &Epilogue, y: &mut [f32]) {
    let (depth, block, (_, go)) = (s.depth(), s.block(), s.per_group());
    y.par_chunks_mut(block * s.co)
        .enumerate()
        .for_each(|(b, y)| {
            let (first, rows) = (b * block, y.len() / s.co);
            if s.pointwise() {
                let x = Mat::rows(&x[first * s.ci..], s.ci);
                gemm(
                    [rows, s.co, s.ci],
                    x,
                    Mat::rows(packed, s.co),
                    y,
                    s.co,
                    false,
                );
            } else {
                scratch::with(rows * depth, |patches| {
                    for (g, packed) in packed.chunks_exact(depth * go).enumerate() {
                        gather(x, s, g, first, patches);
                        let (a, b) = (Mat::rows(patches, depth), Mat::rows(packed, go));
                        gemm([rows, go, depth], a, b, &mut y[g * go..], s.co, false);
                    }
                });
            }
            epilogue.apply(y, s.co, first * s.co);
        });
}

/// Gradient of the input.
pub fn input_grad(dy: &[f32], weight: &[f32], s: &Shape, dx: &mut [f32]) {
    let (_, go) = s.per_group();
    let mut packed = scratch::zeros(weight.len());
    if s.stride == 1 && s.pad < s.kernel {
        pack_reversed(weight, s, &mut packed);
        return forward(dy, &packed, &s.reversed(), &Epilogue::NONE, dx);
    }
    pack(weight, s, &mut packed);
    let (depth, pixels) = (s.depth(), s.oh * s.ow);
    let block = s.block().min(pixels);
    dx.par_chunks_mut(s.h * s.w * s.ci)
        .zip(dy.par_chunks(pixels * s.co))
        .for_each(|(dx, dy)| {
            dx.fill(0.0);
            scratch::with(block * depth, |patches| {
                for (b, dy) in dy.chunks(block * s.co).enumerate() {
                    let rows = dy.len() / s.co;
                    let patches = &mut patches[..rows * depth];
                    for (g, packed) in packed.chunks_exact(depth * go).enumerate() {
                        let (a, w) = (Mat::rows(&dy[g * go..], s.co), Mat::rows(packed, go));
                        gemm([rows, depth, go], a, w.transposed(), patches, depth, false);
                        scatter(patches, s, g, b * block, dx);
                    }
                }
            });
        });
}

/// Adds to the gradient of the weight, in PyTorch's layout.
pub fn weight_grad(x: &[f32], dy: &[f32], s: &Shape, grad: &mut [f32]) {
    let (gi, go) = s.per_group();
    let (depth, block, rows) = (s.depth(), s.block(), s.rows());
    // Few and long slices: each has a whole gradient of its own to be added up afterwards.
    let slice = rows.div_ceil(8).max(block).max(1024).div_ceil(block) * block;
    let partial: Vec<Buffer> = (0..rows.div_ceil(slice))
        .into_par_iter()
        .map(|i| {
            let mut sum = scratch::zeros(grad.len());
            let end = rows.min((i + 1) * slice);
            for first in (i * slice..end).step_by(block) {
                let m = block.min(end - first);
                let dy = &dy[first * s.co..];
                if s.pointwise() {
                    let a = Mat::rows(dy, s.co).transposed();
                    gemm(
                        [s.co, s.ci, m],
                        a,
                        Mat::rows(&x[first * s.ci..], s.ci),
                        &mut sum,
                        s.ci,
                        true,
                    );
                    continue;
                }
                scratch::with(m * depth, |patches| {
                    for (g, sum) in sum.chunks_exact_mut(go * depth).enumerate() {
                        gather(x, s, g, first, patches);
                        let a = Mat::rows(&dy[g * go..], s.co).transposed();
                        gemm(
                            [go, depth, m],
                            a,
                            Mat::rows(patches, depth),
                            sum,
                            depth,
                            true,
                        );
                    }
                });
            }
            sum
        })
        .collect();
    // [co][k, k, ci/groups] to [co][ci/groups, k, k].
    let area = s.kernel * s.kernel;
    grad.par_chunks_mut(depth)
        .enumerate()
        .for_each(|(o, grad)| {
            for sum in &partial {
                let sum = &sum[o * depth..(o + 1) * depth];
                for (i, grad) in grad.chunks_exact_mut(area).enumerate() {
                    for (tap, grad) in grad.iter_mut().enumerate() {
                        *grad += sum[tap * gi + i];
                    }
                }
            }
        });
}
