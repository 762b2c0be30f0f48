//! Depthwise convolution: each channel has its own filter. Vectorised over channels.

use super::act::Epilogue;
use super::conv::Shape;
use super::scratch;
use super::simd::{madd, simd};
use rayon::prelude::*;

/// Channels per inner loop: the sums of one pixel stay in registers.
const LANES: usize = 32;

/// True for the convolutions that this file computes.
pub fn applies(s: &Shape) -> bool {
    s.groups == s.ci && s.ci == s.co && s.pad < s.kernel
}

/// PyTorch's `[c, 1, k, k]` to `[k, k][c]`, rotated by 180° if `reversed`.
fn pack(weight: &[f32], area: usize, reversed: bool) -> Vec<f32> {
    let c = weight.len() / area;
    let mut out = vec![0.0; weight.len()];
    for (tap, out) in out.chunks_exact_mut(c).enumerate() {
        let tap = if reversed { area - 1 - tap } else { tap };
        for (i, out) in out.iter_mut().enumerate() {
            *out = weight[i * area + tap];
        }
    }
    out
}

/// An image with a border of zeros, and with `dilate - 1` zeros between pixels.
struct Padded {
    h: usize,
    w: usize,
    before: usize,
    dilate: usize,
}

impl Padded {
    fn fill(&self, image: &[f32], [h, w, c]: [usize; 3], out: &mut [f32]) {
        out.fill(0.0);
        for y in 0..h {
            let to = ((self.before + y * self.dilate) * self.w + self.before) * c;
            let line = &image[y * w * c..(y + 1) * w * c];
            if self.dilate == 1 {
                out[to..to + w * c].copy_from_slice(line);
            } else {
                for (x, pixel) in line.chunks_exact(c).enumerate() {
                    let to = to + x * self.dilate * c;
                    out[to..to + c].copy_from_slice(pixel);
                }
            }
        }
    }
}

/// `y = epilogue(conv(x))` with PyTorch's weight.
pub fn forward(x: &[f32], weight: &[f32], s: &Shape, epilogue: &Epilogue, y: &mut [f32]) {
    let packed = pack(weight, s.kernel * s.kernel, false);
    let padded = Padded {
        h: (s.oh - 1) * s.stride + s.kernel,
        w: (s.ow - 1) * s.stride + s.kernel,
        before: s.pad,
        dilate: 1,
    };
    let [h, w] = [padded.h.max(s.h + s.pad), padded.w.max(s.w + s.pad)];
    let padded = Padded { h, w, ..padded };
    images(
        x,
        [s.h, s.w],
        &packed,
        s.kernel,
        s.stride,
        &padded,
        [s.oh, s.ow],
        s.ci,
        epilogue,
        y,
    );
}

/// Gradient of the input.
pub fn input_grad(dy: &[f32], weight: &[f32], s: &Shape, dx: &mut [f32]) {
    let packed = pack(weight, s.kernel * s.kernel, true);
    let before = s.kernel - 1 - s.pad;
    let reach =
        |out: usize, size: usize| (before + (out - 1) * s.stride + 1).max(size + s.kernel - 1);
    let padded = Padded {
        h: reach(s.oh, s.h),
        w: reach(s.ow, s.w),
        before,
        dilate: s.stride,
    };
    images(
        dy,
        [s.oh, s.ow],
        &packed,
        s.kernel,
        1,
        &padded,
        [s.h, s.w],
        s.ci,
        &Epilogue::NONE,
        dx,
    );
}

/// Pads each image and filters it.
#[allow(clippy::too_many_arguments)]
fn images(
    x: &[f32],
    [h, w]: [usize; 2],
    packed: &[f32],
    kernel: usize,
    stride: usize,
    padded: &Padded,
    [oh, ow]: [usize; 2],
    c: usize,
    epilogue: &Epilogue,
    y: &mut [f32],
) {
    let image = oh * ow * c;
    y.par_chunks_mut(image)
        .zip(x.par_chunks(h * w * c))
        .enumerate()
        .for_each(|(n, (y, x))| {
            scratch::with(padded.h * padded.w * c, |buffer| {
                padded.fill(x, [h, w, c], buffer);
                for (oy, line) in y.chunks_exact_mut(ow * c).enumerate() {
                    let source = &buffer[oy * stride * padded.w * c..];
                    match kernel {
                        3 => filter_line::<3>(source, padded.w, packed, 3, stride, c, line),
                        _ => filter_line::<0>(source, padded.w, packed, kernel, stride, c, line),
                    }
                    epilogue.apply(line, c, n * image + oy * ow * c);
                }
            });
        });
}

simd! {
    /// One line of output. `K` is the kernel's side where it is known when compiling.
    fn filter_line[K: usize](
        x: &[f32], width: usize, weight: &[f32], kernel: usize, stride: usize, c: usize, out: &mut [f32],
    ) {
        let k = if K > 0 { K } else { kernel };
        let mut start = 0;
        while start < c {
            let lanes = LANES.min(c - start);
            for (ox, out) in out.chunks_exact_mut(c).enumerate() {
                let out = &mut out[start..start + lanes];
                if lanes == LANES {
                    let mut sum = [0.0f32; LANES];
                    for ky in 0..k {
                        for kx in 0..k {
                            let x = &x[(ky * width + ox * stride + kx) * c + start..][..LANES];
                            let w = &weight[(ky * k + kx) * c + start..][..LANES];
                            for i in 0..LANES {
                                sum[i] = madd::<FMA>(x[i], w[i], sum[i]);
                            }
                        }
                    }
                    out.copy_from_slice(&sum);
                } else {
                    out.fill(0.0);
                    for ky in 0..k {
                        for kx in 0..k {
                            let x = &x[(ky * width + ox * stride + kx) * c + start..][..lanes];
                            let w = &weight[(ky * k + kx) * c + start..][..lanes];
                            for i in 0..lanes {
                                out[i] = madd::<FMA>(x[i], w[i], out[i]);
                            }
                        }
                    }
                }
            }
            start += lanes;
        }
    }
}

/// Adds to the gradient of the weight, in PyTorch's layout.
pub fn weight_grad(x: &[f32], dy: &[f32], s: &Shape, grad: &mut [f32]) {
    let (c, k) = (s.ci, s.kernel);
    let padded = Padded {
        h: ((s.oh - 1) * s.stride + k).max(s.h + s.pad),
        w: ((s.ow - 1) * s.stride + k).max(s.w + s.pad),
        before: s.pad,
        dilate: 1,
    };
    let per = s.n.div_ceil(8);
    let (xs, ys) = (s.h * s.w * c, s.oh * s.ow * c);
    let partial: Vec<Vec<f32>> = x
        .par_chunks(per * xs)
        .zip(dy.par_chunks(per * ys))
        .map(|(x, dy)| {
            let mut sum = vec![0.0; k * k * c];
            scratch::with(padded.h * padded.w * c, |buffer| {
                for (x, dy) in x.chunks_exact(xs).zip(dy.chunks_exact(ys)) {
                    padded.fill(x, [s.h, s.w, c], buffer);
                    for (oy, dy) in dy.chunks_exact(s.ow * c).enumerate() {
                        let source = &buffer[oy * s.stride * padded.w * c..];
                        correlate_line(source, padded.w, dy, k, s.stride, c, &mut sum);
                    }
                }
            });
            sum
        })
        .collect();
    let area = k * k;
    for sum in &partial {
        for (i, grad) in grad.chunks_exact_mut(area).enumerate() {
            for (tap, grad) in grad.iter_mut().enumerate() {
                *grad += sum[tap * c + i];
            }
        }
    }
}

simd! {
    /// Adds one output line's part of the weight gradient to `sum`, `[k, k][c]`.
    fn correlate_line(
        x: &[f32], width: usize, dy: &[f32], k: usize, stride: usize, c: usize, sum: &mut [f32],
    ) {
        const WIDE: usize = 16;
        for ky in 0..k {
            let mut start = 0;
            while start < c {
                let lanes = WIDE.min(c - start);
                if lanes == WIDE && k == 3 {
                    let mut acc = [[0.0f32; WIDE]; 3];
                    for (ox, dy) in dy.chunks_exact(c).enumerate() {
                        let dy = &dy[start..][..WIDE];
                        for kx in 0..3 {
                            let x = &x[(ky * width + ox * stride + kx) * c + start..][..WIDE];
                            for i in 0..WIDE {
                                acc[kx][i] = madd::<FMA>(x[i], dy[i], acc[kx][i]);
                            }
                        }
                    }
                    for kx in 0..3 {
                        let sum = &mut sum[(ky * 3 + kx) * c + start..][..WIDE];
                        for i in 0..WIDE {
                            sum[i] += acc[kx][i];
                        }
                    }
                } else {
                    for kx in 0..k {
                        let sum = &mut sum[(ky * k + kx) * c + start..][..lanes];
                        for (ox, dy) in dy.chunks_exact(c).enumerate() {
                            let dy = &dy[start..][..lanes];
                            let x = &x[(ky * width + ox * stride + kx) * c + start..][..lanes];
                            for i in 0..lanes {
                                sum[i] = madd::<FMA>(x[i], dy[i], sum[i]);
                            }
                        }
                    }
                }
                start += lanes;
            }
        }
    }
}
