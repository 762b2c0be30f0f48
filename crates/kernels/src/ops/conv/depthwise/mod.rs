//! Depthwise convolution: each channel has its own filter. Vectorised over channels.
//!
//! Work is cut into strips of output lines. The input lines of a strip are copied with their
//! border into memory that stays in cache (this is where the prologue is applied and where a
//! strided gradient gets its zeros), so that filtering needs no case distinction.

mod backward;
mod kernels;

pub use backward::{backward, joint};

use super::super::act::{Epilogue, Input, add_into};
use super::super::moments::{self, Moments};
use super::super::prefetch::Prefetch;
use super::super::scratch;
use super::Shape;
use crate::team::OneByOne;
use frbench_base::Size;
use kernels::{Correlation, Lines};
use rayon::prelude::*;

/// Floats of input lines that a strip may take.
const STRIP: usize = 48 * 1024;

/// PyTorch's `[c, 1, k, k]` to `[k, k][c]`, rotated by 180° if `reversed`.
pub fn pack(weight: &[f32], area: usize, reversed: bool, out: &mut [f32]) {
    let c = weight.len() / area;
    for (tap, out) in out.chunks_exact_mut(c).enumerate() {
        let tap = if reversed { area - 1 - tap } else { tap };
        for (i, out) in out.iter_mut().enumerate() {
            *out = weight[i * area + tap];
        }
    }
}

/// A filter of stride `stride` over an image of `[h, w]` with a border of zeros and
/// `dilate - 1` zeros between pixels.
#[derive(Clone, Copy)]
pub struct Filter {
    pub kernel: Size,
    pub stride: usize,
    pub h: usize,
    pub w: usize,
    pub oh: usize,
    pub ow: usize,
    /// Zeros above and to the left.
    pub before: usize,
    dilate: usize,
    pub c: usize,
}

impl Filter {
    pub fn forward(s: &Shape) -> Self {
        Filter {
            kernel: s.kernel,
            stride: s.stride,
            h: s.h,
            w: s.w,
            oh: s.oh,
            ow: s.ow,
            before: s.pad,
            dilate: 1,
            c: s.ci,
        }
    }

    /// For a square kernel.
    fn backward(s: &Shape) -> Self {
        Filter {
            kernel: s.kernel,
            stride: 1,
            h: s.oh,
            w: s.ow,
            oh: s.h,
            ow: s.w,
            before: s.kernel.height - 1 - s.pad,
            dilate: s.stride,
            c: s.ci,
        }
    }

    /// Pixels per line of a strip.
    pub fn width(&self) -> usize {
        (self.ow - 1) * self.stride + self.kernel.width
    }

    /// Input lines that `lines` output lines take.
    pub fn reach(&self, lines: usize) -> usize {
        (lines - 1) * self.stride + self.kernel.height
    }

    /// Output lines per strip.
    fn lines(&self) -> usize {
        let lines = STRIP / (self.width() * self.c);
        (lines.saturating_sub(self.kernel.height) / self.stride).clamp(1, self.oh)
    }

    /// Copies the input lines of the output lines from `first` on.
    fn fill(&self, image: Input, first: usize, out: &mut [f32]) {
        let (c, width) = (self.c, self.width());
        for (r, line) in out.chunks_exact_mut(width * c).enumerate() {
            let y = (first * self.stride + r).wrapping_sub(self.before);
            if y >= self.h * self.dilate || !y.is_multiple_of(self.dilate) {
                line.fill(0.0);
                continue;
            }
            let source = &image.data[y / self.dilate * self.w * c..][..self.w * c];
            let source = Input {
                data: source,
                map: image.map,
            };
            self.border(line, source);
        }
    }

    /// Copies one line of the image into a line of a strip.
    pub fn border(&self, line: &mut [f32], source: Input) {
        let (c, width) = (self.c, self.width());
        let room = width.saturating_sub(self.before);
        let pixels = room.div_ceil(self.dilate).min(self.w);
        if self.dilate == 1 && pixels > 0 {
            let (left, rest) = line.split_at_mut(self.before * c);
            let (to, right) = rest.split_at_mut(pixels * c);
            let source_data = &source.data[..pixels * c];
            match source.map {
                Some(map) => map.write(source_data, to),
                None => to.copy_from_slice(source_data),
            }
            left.fill(0.0);
            right.fill(0.0);
            return;
        }
        line.fill(0.0);
        for (x, pixel) in source.data.chunks_exact(c).enumerate().take(pixels) {
            let to = (self.before + x * self.dilate) * c;
            line[to..to + c].copy_from_slice(pixel);
        }
    }

    /// Output lines from the strip of their input lines, `width` pixels each. Meanwhile what is
    /// wanted next (`prefetch`) is fetched.
    pub fn lines_of(
        &self,
        (x, width): (&[f32], usize),
        packed: &[f32],
        y: &mut [f32],
        prefetch: &Prefetch,
    ) {
        let lines = Lines {
            x,
            width,
            packed,
            filter: *self,
            y,
            prefetch,
        };
        lines.run();
    }

    /// Calls `f` with the input lines of a strip and the pixels per line.
    fn strip<R>(
        &self,
        image: Input,
        first: usize,
        lines: usize,
        f: impl FnOnce(&[f32], usize) -> R,
    ) -> R {
        if self.before == 0 && self.dilate == 1 && image.map.is_none() {
            // No border, nothing to apply: the image itself will do.
            return f(&image.data[first * self.stride * self.w * self.c..], self.w);
        }
        scratch::with(self.reach(lines) * self.width() * self.c, |memory| {
            self.fill(image, first, memory);
            f(memory, self.width())
        })
    }

    /// `y = epilogue(filter(prologue(x)))` for all images.
    fn run(
        &self,
        x: Input,
        packed: &[f32],
        epilogue: &Epilogue,
        moments: Option<&mut Moments>,
        y: &mut [f32],
    ) {
        let (c, line) = (self.c, self.ow * self.c);
        let lines = self.lines();
        let mut strips: Vec<(usize, usize, &mut [f32])> = Vec::new();
        for (n, image) in y.chunks_exact_mut(self.oh * line).enumerate() {
            let parts = image.chunks_mut(lines * line).enumerate();
            strips.extend(parts.map(|(i, part)| (n, i * lines, part)));
        }
        let one = |n: usize, first: usize, y: &mut [f32]| {
            let image = Input {
                data: &x.data[n * self.h * self.w * c..][..self.h * self.w * c],
                map: x.map,
            };
            let lines = y.len() / line;
            let source = self.w * c;
            let next = (n * self.h + (first + lines) * self.stride / self.dilate) * source;
            let next = &x.data[next.min(x.data.len())..];
            let reach = lines * self.stride / self.dilate * source;
            let prefetch = Prefetch::of([y, &next[..reach.min(next.len())]]);
            self.strip(image, first, lines, |x, width| {
                self.lines_of((x, width), packed, y, &prefetch);
            });
            epilogue.apply(y, c, n * self.oh * line + first * line);
        };
        match moments {
            None => strips
                .into_par_iter()
                .one_by_one()
                .for_each(|(n, first, y)| one(n, first, y)),
            Some(moments) => {
                let (rows, sums) = moments.blocks(strips.len());
                strips
                    .into_par_iter()
                    .zip(rows.par_iter_mut())
                    .zip(sums.par_chunks_mut(3 * c))
                    .one_by_one()
                    .for_each(|(((n, first, y), rows), sums)| {
                        one(n, first, y);
                        *rows = y.len() / c;
                        moments::of_rows(y, c, sums);
                    });
            }
        }
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
    Filter::forward(s).run(x, packed, epilogue, moments, y);
}

/// Gradient of the input (behind its prologue).
pub fn input_grad(dy: &[f32], weight: &[f32], s: &Shape, dx: &mut [f32]) {
    scratch::with(weight.len(), |packed| {
        if (s.oh, s.ow) == (1, 1) && s.kernel == Size::from([s.h, s.w]) && s.pad == 0 {
            // A filter as large as the image meets each pixel once.
            pack(weight, s.kernel.area(), false, packed);
            let packed = &*packed;
            dx.par_chunks_mut(packed.len())
                .zip(dy.par_chunks(s.ci))
                .one_by_one()
                .for_each(|(dx, dy)| {
                    for (dx, w) in dx.chunks_exact_mut(s.ci).zip(packed.chunks_exact(s.ci)) {
                        for ((dx, w), dy) in dx.iter_mut().zip(w).zip(dy) {
                            *dx = w * dy;
                        }
                    }
                });
            return;
        }
        pack(weight, s.kernel.area(), true, packed);
        let dy = Input::plain(dy);
        Filter::backward(s).run(dy, packed, &Epilogue::NONE, None, dx);
    });
}

/// Adds to the gradient of the weight, in PyTorch's layout.
pub fn weight_grad(x: Input, dy: &[f32], s: &Shape, grad: &mut [f32]) {
    let filter = Filter::forward(s);
    let (c, area, lines) = (s.ci, s.kernel.area(), filter.lines());
    let per = s.n.div_ceil(16);
    let (xs, ys) = (s.h * s.w * c, s.oh * s.ow * c);
    let partial: Vec<Vec<f32>> = x
        .data
        .par_chunks(per * xs)
        .zip(dy.par_chunks(per * ys))
        .one_by_one()
        .map(|(data, dy)| {
            let mut sum = vec![0.0; area * c];
            for (data, dy) in data.chunks_exact(xs).zip(dy.chunks_exact(ys)) {
                let image = Input { data, map: x.map };
                for (i, dy) in dy.chunks(lines * s.ow * c).enumerate() {
                    let count = dy.len() / (s.ow * c);
                    filter.strip(image, i * lines, count, |x, width| {
                        let correlation = Correlation {
                            x,
                            width,
                            dy,
                            filter,
                            sum: &mut sum,
                        };
                        correlation.run();
                    });
                }
            }
            sum
        });
    unpack_sums(&partial, area, false, grad);
}

/// Adds sums laid out as `[k, k][c]`, in reverse if so, to PyTorch's layout.
fn unpack_sums(partial: &[Vec<f32>], area: usize, reversed: bool, grad: &mut [f32]) {
    let c = grad.len() / area;
    let mut total = scratch::take(grad.len());
    pack(grad, area, reversed, &mut total);
    for sum in partial {
        add_into(&mut total, sum);
    }
    for (i, grad) in grad.chunks_exact_mut(area).enumerate() {
        for (tap, grad) in grad.iter_mut().enumerate() {
            let tap = if reversed { area - 1 - tap } else { tap };
            *grad = total[tap * c + i];
        }
    }
}
