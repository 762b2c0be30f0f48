//! Convolutions. Three algorithms, one contract: what is applied to the input as it is read
//! (a [`Prologue`](super::act::Prologue)), what is applied to the output before it is written
//! (an [`Epilogue`]), and the statistics of the output, gathered on the way.
//!
//! On the way back the contract is the mirror image: what the output's gradient has still to go
//! through as it is read (a [`Dy`]), and the sums that the batch norm before needs of the
//! input's gradient, gathered as it is written ([`Dx`]).

pub mod chain;
mod depthwise;
mod im2col;
mod pointwise;
mod winograd;

use super::act::{Epilogue, Input};
use super::gemm;
use super::moments::Moments;
use super::norm::{Backward, Dy, GradSums};
use super::scratch;
use frbench_base::Size;
use serde::{Deserialize, Serialize};

/// How dense 3 x 3 convolutions of stride 1 are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConvMode {
    /// By Winograd's F(4x4, 3x3) where it is faster: a quarter of the multiplications, and
    /// some three times the rounding error of a direct sum.
    #[default]
    Fast,
    /// Always as a direct sum.
    Direct,
}

impl ConvMode {
    pub fn is_fast(&self) -> bool {
        *self == ConvMode::Fast
    }
}

/// Sizes of a convolution. Input `[n, h, w, ci]`, output `[n, oh, ow, co]`. The kernel is square, or
/// as large as the map, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Shape {
    pub n: usize,
    pub h: usize,
    pub w: usize,
    pub ci: usize,
    pub oh: usize,
    pub ow: usize,
    pub co: usize,
    pub kernel: Size,
    pub stride: usize,
    pub pad: usize,
    pub groups: usize,
}

impl Shape {
    /// Output pixels of the batch.
    fn rows(&self) -> usize {
        self.n * self.oh * self.ow
    }

    /// The floats of the input, from the first to the last, that output pixels are made of.
    fn reach(&self, rows: std::ops::Range<usize>) -> std::ops::Range<usize> {
        if rows.is_empty() {
            return 0..0;
        }
        if self.pointwise() {
            return rows.start * self.ci..rows.end * self.ci;
        }
        let line = |row: usize| {
            [
                row / (self.oh * self.ow),
                row / self.ow % self.oh * self.stride,
            ]
        };
        let ([first, top], [last, below]) = (line(rows.start), line(rows.end - 1));
        let top = top.saturating_sub(self.pad).min(self.h);
        let below = (below + self.kernel.height)
            .saturating_sub(self.pad)
            .min(self.h);
        let floats = self.w * self.ci;
        (first * self.h + top) * floats..(last * self.h + below) * floats
    }

    /// Input and output channels per group.
    fn per_group(&self) -> (usize, usize) {
        (self.ci / self.groups, self.co / self.groups)
    }

    /// Columns of the patch matrix of one group.
    fn depth(&self) -> usize {
        self.kernel.area() * self.ci / self.groups
    }

    fn pointwise(&self) -> bool {
        let window = (self.kernel, self.stride, self.pad, self.groups);
        window == (Size::square(1), 1, 0, 1)
    }

    /// The convolution that carries gradients from output to input, for stride 1 and a square
    /// kernel.
    fn reversed(&self) -> Shape {
        Shape {
            h: self.oh,
            w: self.ow,
            ci: self.co,
            oh: self.h,
            ow: self.w,
            co: self.ci,
            pad: self.kernel.height - 1 - self.pad,
            ..*self
        }
    }
}

/// How one convolution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    Depthwise,
    Winograd,
    /// Patches and a matrix product ("im2col").
    Im2col,
}

/// The algorithm for a shape. A batch matters only for maps so small that the transformed
/// weights would cost more than the multiplications they save.
pub fn algorithm(s: &Shape, mode: ConvMode) -> Algorithm {
    if s.groups == s.ci && s.ci == s.co && s.groups > 1 && s.pad < s.kernel.least() {
        Algorithm::Depthwise
    } else if mode == ConvMode::Fast && winograd::applies(s) {
        Algorithm::Winograd
    } else {
        Algorithm::Im2col
    }
}

/// Floats of a layer's weights in the order in which an algorithm's forward pass reads them.
pub fn packed_len(s: &Shape, algorithm: Algorithm) -> usize {
    match algorithm {
        Algorithm::Depthwise => s.kernel.area() * s.ci,
        Algorithm::Winograd => winograd::packed_len(s.ci, s.co),
        Algorithm::Im2col => s.groups * gemm::packed_len(s.depth(), s.per_group().1),
    }
}

/// Brings PyTorch's weights into that order.
pub fn pack(weight: &[f32], s: &Shape, algorithm: Algorithm, out: &mut [f32]) {
    match algorithm {
        Algorithm::Depthwise => depthwise::pack(weight, s.kernel.area(), false, out),
        Algorithm::Winograd => winograd::pack(weight, [s.ci, s.co], false, out),
        Algorithm::Im2col => im2col::pack(weight, s, out),
    }
}

/// `y = epilogue(conv(prologue(x)))`; `packed` comes from [`pack`]. `moments` gathers the
/// statistics of `y`.
pub fn forward(
    x: Input,
    (algorithm, packed): (Algorithm, &[f32]),
    s: &Shape,
    epilogue: &Epilogue,
    moments: Option<&mut Moments>,
    y: &mut [f32],
) {
    match algorithm {
        Algorithm::Depthwise => depthwise::forward(x, packed, s, epilogue, moments, y),
        Algorithm::Winograd => winograd::forward(x, packed, s, epilogue, moments, y),
        Algorithm::Im2col => im2col::forward(x, packed, s, epilogue, moments, y),
    }
}

/// Where the gradient of a convolution's input (behind its prologue) goes.
pub struct Dx<'a> {
    pub data: &'a mut [f32],
    /// Added to what is there; only for a kernel of 1 x 1.
    pub add: bool,
    pub gather: Option<Gather<'a>>,
}

/// The batch norm that has made a convolution's input gathers its sums while they are in cache.
pub struct Gather<'a> {
    /// The batch norm's own input.
    pub x: &'a [f32],
    pub back: &'a Backward,
    pub sums: &'a mut GradSums,
}

/// Whether [`backward`] can do it in one pass, and whether it can add.
pub fn joint(s: &Shape, mode: ConvMode) -> Option<Joint> {
    match algorithm(s, mode) {
        Algorithm::Depthwise if depthwise::joint(s) => Some(Joint { adds: false }),
        Algorithm::Im2col if s.pointwise() => Some(Joint { adds: true }),
        _ => None,
    }
}

/// What [`backward`] can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joint {
    /// Add to a gradient of the input that is there already.
    pub adds: bool,
}

/// Both gradients in one pass, for shapes that [`joint`] names: that of the input goes to `dx`,
/// that of the weight is added to `grad`, in PyTorch's layout.
pub fn backward(x: Input, dy: Dy, weight: &[f32], s: &Shape, dx: Dx, grad: &mut [f32]) {
    if s.pointwise() {
        pointwise::backward(x, dy, weight, s, dx, grad);
    } else {
        depthwise::backward(x, dy, weight, s, dx, grad);
    }
}

/// Gradient of the input (behind its prologue), from PyTorch's weight.
pub fn input_grad(dy: &[f32], weight: &[f32], s: &Shape, mode: ConvMode, dx: &mut [f32]) {
    match algorithm(s, mode) {
        Algorithm::Depthwise => depthwise::input_grad(dy, weight, s, dx),
        Algorithm::Winograd => {
            let back = s.reversed();
            let mut packed = scratch::take(winograd::packed_len(back.ci, back.co));
            winograd::pack(weight, [back.ci, back.co], true, &mut packed);
            let x = Input::plain(dy);
            winograd::forward(x, &packed, &back, &Epilogue::NONE, None, dx);
        }
        Algorithm::Im2col => im2col::input_grad(dy, weight, s, dx),
    }
}

/// Whether [`weight_grad`] can read a gradient that has still to go through a batch norm.
pub fn reads_through(s: &Shape, mode: ConvMode) -> bool {
    algorithm(s, mode) == Algorithm::Im2col
}

/// Adds to the gradient of the weight, in PyTorch's layout. `dy` must be plain unless
/// [`reads_through`].
pub fn weight_grad(x: Input, dy: Dy, s: &Shape, mode: ConvMode, grad: &mut [f32]) {
    assert!(dy.norm.is_none() || reads_through(s, mode));
    match algorithm(s, mode) {
        Algorithm::Depthwise => depthwise::weight_grad(x, dy.data, s, grad),
        Algorithm::Winograd => winograd::weight_grad(x, dy.data, s, grad),
        Algorithm::Im2col => im2col::weight_grad(x, dy, s, grad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_output_pixels_reach_is_there_and_holds_what_they_are_made_of(
            (n, h, w, ci) in (1usize..4, 1usize..12, 1usize..12, 1usize..5),
            (kernel, stride, pad) in (1usize..6, 1usize..4, 0usize..4),
            at: [proptest::sample::Index; 2],
        ) {
            prop_assume!(h + 2 * pad >= kernel && w + 2 * pad >= kernel);
            let [oh, ow] = [h, w].map(|side| (side + 2 * pad - kernel) / stride + 1);
            let s = Shape { n, h, w, ci, oh, ow, co: 1, kernel: kernel.into(), stride, pad, groups: 1 };
            let [a, b] = at.map(|at| at.index(s.rows()));
            let reach = s.reach(a.min(b)..a.max(b) + 1);
            prop_assert!(reach.start <= reach.end && reach.end <= n * h * w * ci);
            for row in a.min(b)..=a.max(b) {
                let (image, oy, ox) = (row / (oh * ow), row / ow % oh, row % ow);
                for (ky, kx) in (0..kernel * kernel).map(|tap| (tap / kernel, tap % kernel)) {
                    let (y, x) = (oy * stride + ky, ox * stride + kx);
                    if y >= pad && y < h + pad && x >= pad && x < w + pad {
                        let pixel = (image * h + y - pad) * w + x - pad;
                        prop_assert!(reach.contains(&(pixel * ci)), "{row} {pixel} {reach:?}");
                    }
                }
            }
            prop_assert!(s.reach(a..a).is_empty());
        }

        #[test]
        fn what_tiles_reach_is_there_and_holds_them(
            (n, h, w, c) in (1usize..4, 1usize..14, 1usize..14, 1usize..5),
            at: [proptest::sample::Index; 2],
        ) {
            let s = Shape {
                n, h, w, ci: c, oh: h, ow: w, co: c, kernel: 3.into(), stride: 1, pad: 1, groups: 1,
            };
            let tiles = winograd::tiles(&s);
            let [a, b] = at.map(|at| at.index(n * tiles.per_image()));
            let reach = tiles.reach(a.min(b)..a.max(b) + 1, c);
            prop_assert!(reach.end <= n * h * w * c);
            for tile in a.min(b)..=a.max(b) {
                let [image, y, x] = tiles.place(tile);
                let last = (image * h + (y + 4).min(h - 1)) * w + (x + 3).min(w - 1);
                for pixel in [(image * h + y) * w + x, last] {
                    prop_assert!(reach.contains(&(pixel * c)), "{tile} {pixel} {reach:?}");
                }
            }
            prop_assert!(tiles.reach(a..a, c).is_empty());
        }
    }
}
