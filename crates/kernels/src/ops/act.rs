//! Activations, and the per-channel epilogue that ends a convolution or a batch norm.

use super::moments::{self, Moments};
use super::rows::Write;
use super::simd::{madd, simd};
use super::{BLOCK, block_rows};
use crate::team::OneByOne;
use rayon::prelude::*;

/// An activation with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act<'a> {
    None,
    /// One slope per channel for negative inputs.
    Prelu(&'a [f32]),
    Relu,
    Relu6,
}

impl<'a> Act<'a> {
    /// One of [`NONE`], [`PRELU`], [`RELU`] and [`RELU6`], for kernels that are generic over it.
    pub fn kind(self) -> u8 {
        match self {
            Act::None => NONE,
            Act::Prelu(_) => PRELU,
            Act::Relu => RELU,
            Act::Relu6 => RELU6,
        }
    }

    /// The slopes of a PReLU; nothing for the others.
    pub fn slope(self) -> &'a [f32] {
        match self {
            Act::Prelu(slope) => slope,
            _ => &[],
        }
    }

    /// The same for `count` channels from `first` on.
    fn channels(self, first: usize, count: usize) -> Act<'a> {
        match self {
            Act::Prelu(slope) => Act::Prelu(&slope[first..first + count]),
            other => other,
        }
    }
}

/// `act(x * scale + shift)` per channel, applied to an input as it is read: a batch norm that
/// never writes its output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prologue<'a> {
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    pub act: Act<'a>,
}

impl<'a> Prologue<'a> {
    /// The same for `count` channels from `first` on.
    pub fn channels(self, first: usize, count: usize) -> Prologue<'a> {
        Prologue {
            scale: &self.scale[first..first + count],
            shift: &self.shift[first..first + count],
            act: self.act.channels(first, count),
        }
    }

    /// Applies it in place to rows of as many floats as it has channels.
    pub fn apply(&self, rows: &mut [f32]) {
        self.epilogue().write(None, rows, self.scale.len(), 0);
    }

    /// `out = prologue(x)`.
    pub fn write(&self, x: &[f32], out: &mut [f32]) {
        self.epilogue().write(Some(x), out, self.scale.len(), 0);
    }

    fn epilogue(&self) -> Epilogue<'a> {
        Epilogue {
            affine: Some((self.scale, self.shift)),
            act: self.act,
            residual: None,
        }
    }
}

/// An input of a convolution: its numbers, and what is done to them on the way in.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    pub data: &'a [f32],
    pub map: Option<Prologue<'a>>,
}

impl<'a> Input<'a> {
    pub fn plain(data: &'a [f32]) -> Self {
        Input { data, map: None }
    }
}

/// `y = act(x * scale + shift) + residual`, per channel.
#[derive(Clone, Copy)]
pub struct Epilogue<'a> {
    /// Scale and shift, `[c]` each.
    pub affine: Option<(&'a [f32], &'a [f32])>,
    pub act: Act<'a>,
    /// As large as the whole output.
    pub residual: Option<&'a [f32]>,
}

impl Epilogue<'_> {
    pub const NONE: Epilogue<'static> = Epilogue {
        affine: None,
        act: Act::None,
        residual: None,
    };

    /// Applies it in place to rows of `c` floats that start at float `offset` of the output.
    pub fn apply(&self, y: &mut [f32], c: usize, offset: usize) {
        if (self.affine, self.act, self.residual) != (None, Act::None, None) {
            self.write(None, y, c, offset);
        }
    }

    /// `y = epilogue(x)`, or in place without an `x`.
    pub(super) fn write(&self, x: Option<&[f32]>, y: &mut [f32], c: usize, offset: usize) {
        let residual = self.residual.map(|r| &r[offset..offset + y.len()]);
        fn run<const ACT: u8>(
            (x, y, c): (Option<&[f32]>, &mut [f32], usize),
            affine: Option<(&[f32], &[f32])>,
            slope: &[f32],
            residual: Option<&[f32]>,
        ) {
            let write = Write::<ACT> {
                x,
                affine,
                slope,
                residual,
                y,
                c,
            };
            write.run();
        }
        let matrix = (x, y, c);
        match self.act {
            Act::None => run::<NONE>(matrix, self.affine, &[], residual),
            Act::Prelu(slope) => run::<PRELU>(matrix, self.affine, slope, residual),
            Act::Relu => run::<RELU>(matrix, self.affine, &[], residual),
            Act::Relu6 => run::<RELU6>(matrix, self.affine, &[], residual),
        }
    }
}

simd! {
    /// `a += b`.
    pub fn add_into(a: &mut [f32], b: &[f32]) {
        let _ = FMA;
        for (a, b) in a.iter_mut().zip(b) {
            *a += *b;
        }
    }
}

/// `y = epilogue(x)`. `moments` gathers the statistics of `y`.
pub fn forward(
    x: &[f32],
    c: usize,
    epilogue: &Epilogue,
    moments: Option<&mut Moments>,
    y: &mut [f32],
) {
    let block = block_rows(c) * c;
    let blocks = y.len().div_ceil(block);
    let work = y.par_chunks_mut(block).zip(x.par_chunks(block)).enumerate();
    let Some(moments) = moments else {
        return work
            .one_by_one()
            .for_each(|(i, (y, x))| epilogue.write(Some(x), y, c, i * block));
    };
    let (rows, sums) = moments.blocks(blocks);
    work.zip(rows.par_iter_mut())
        .zip(sums.par_chunks_mut(3 * c))
        .one_by_one()
        .for_each(|(((i, (y, x)), rows), sums)| {
            epilogue.write(Some(x), y, c, i * block);
            *rows = y.len() / c;
            moments::of_rows(y, c, sums);
        });
}

/// The derivative of `act` at `z` with respect to `z`. At the kinks as in PyTorch.
#[inline(always)]
pub fn slope_at<const ACT: u8>(z: f32, negative: f32) -> f32 {
    match ACT {
        PRELU => {
            if z > 0.0 {
                1.0
            } else {
                negative
            }
        }
        RELU => f32::from(u8::from(z > 0.0)),
        RELU6 => f32::from(u8::from(z > 0.0 && z < 6.0)),
        _ => 1.0,
    }
}

pub const NONE: u8 = 0;
pub const PRELU: u8 = 1;
pub const RELU: u8 = 2;
pub const RELU6: u8 = 3;

/// Backward of an activation alone: `dx` and, for PReLU, the gradient of the slopes (added).
pub fn backward(x: &[f32], c: usize, act: Act, dy: &[f32], dx: &mut [f32], dslope: &mut [f32]) {
    let block = block_rows(c) * c;
    let slope = match act {
        Act::Prelu(slope) => slope,
        _ => &[],
    };
    let partial: Vec<Vec<f32>> = dx
        .par_chunks_mut(block)
        .zip(x.par_chunks(block))
        .zip(dy.par_chunks(block))
        .one_by_one()
        .map(|((dx, x), dy)| {
            let mut sum = vec![0.0; slope.len()];
            match act {
                Act::None => dx.copy_from_slice(dy),
                Act::Prelu(_) => prelu_backward(x, c, slope, dy, dx, &mut sum),
                Act::Relu => clamp_backward::<RELU>(x, dy, dx),
                Act::Relu6 => clamp_backward::<RELU6>(x, dy, dx),
            }
            sum
        });
    for sum in &partial {
        dslope.iter_mut().zip(sum).for_each(|(d, s)| *d += s);
    }
}

simd! {
    fn prelu_backward(x: &[f32], c: usize, slope: &[f32], dy: &[f32], dx: &mut [f32], sum: &mut [f32]) {
        for ((x, dy), dx) in x.chunks_exact(c).zip(dy.chunks_exact(c)).zip(dx.chunks_exact_mut(c)) {
            for i in 0..c {
                dx[i] = dy[i] * slope_at::<PRELU>(x[i], slope[i]);
                let below = if x[i] > 0.0 { 0.0 } else { x[i] };
                sum[i] = madd::<FMA>(dy[i], below, sum[i]);
            }
        }
    }
}

simd! {
    fn clamp_backward[ACT: u8](x: &[f32], dy: &[f32], dx: &mut [f32]) {
        let _ = FMA;
        for ((x, dy), dx) in x.iter().zip(dy).zip(dx) {
            *dx = *dy * slope_at::<ACT>(*x, 0.0);
        }
    }
}

/// `y = 1 / (1 + exp(-x))`.
pub fn sigmoid(x: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(BLOCK)
        .zip(x.par_chunks(BLOCK))
        .one_by_one()
        .for_each(|(y, x)| {
            for (y, x) in y.iter_mut().zip(x) {
                *y = 1.0 / (1.0 + libm::expf(-x));
            }
        });
}

/// `dx = dy y (1 - y)` from the sigmoid's output `y`.
pub fn sigmoid_backward(y: &[f32], dy: &[f32], dx: &mut [f32]) {
    for ((dx, dy), y) in dx.iter_mut().zip(dy).zip(y) {
        *dx = dy * y * (1.0 - y);
    }
}
