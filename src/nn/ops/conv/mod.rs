//! Convolutions. Three algorithms, one contract: what is applied to the input as it is read
//! (a [`Prologue`](super::act::Prologue)), what is applied to the output before it is written
//! (an [`Epilogue`]), and the statistics of the output, gathered on the way.

pub mod chain;
mod depthwise;
mod im2col;
mod winograd;

use super::act::{Epilogue, Input};
use super::gemm;
use super::moments::Moments;
use super::scratch;
use crate::plan::spec::ConvMode;

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
    /// Output pixels of the batch.
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
    if s.groups == s.ci && s.ci == s.co && s.groups > 1 && s.pad < s.kernel {
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
        Algorithm::Depthwise => s.kernel * s.kernel * s.ci,
        Algorithm::Winograd => winograd::packed_len(s.ci, s.co),
        Algorithm::Im2col => s.groups * gemm::packed_len(s.depth(), s.per_group().1),
    }
}

/// Brings PyTorch's weights into that order.
pub fn pack(weight: &[f32], s: &Shape, algorithm: Algorithm, out: &mut [f32]) {
    match algorithm {
        Algorithm::Depthwise => depthwise::pack(weight, s.kernel * s.kernel, false, out),
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

/// Adds to the gradient of the weight, in PyTorch's layout.
pub fn weight_grad(x: Input, dy: &[f32], s: &Shape, mode: ConvMode, grad: &mut [f32]) {
    match algorithm(s, mode) {
        Algorithm::Depthwise => depthwise::weight_grad(x, dy, s, grad),
        Algorithm::Winograd => winograd::weight_grad(x, dy, s, grad),
        Algorithm::Im2col => im2col::weight_grad(x, dy, s, grad),
    }
}
