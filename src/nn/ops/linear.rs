//! Linear layers over inputs flattened in C, H, W order, as PyTorch's weights expect.

use super::act::Epilogue;
use super::gemm::{Mat, gemm};
use super::scratch;
use crate::nn::pool::Buffer;
use rayon::prelude::*;

/// Output features (or weight rows) per block.
const COLUMNS: usize = 64;

/// `[n, hw, c]` to `[n, c, hw]`.
pub fn to_chw(x: &[f32], hw: usize, c: usize, out: &mut [f32]) {
    out.par_chunks_mut(hw * c)
        .zip(x.par_chunks(hw * c))
        .for_each(|(out, x)| {
            for (channel, out) in out.chunks_mut(hw).enumerate() {
                for (p, out) in out.iter_mut().enumerate() {
                    *out = x[p * c + channel];
                }
            }
        });
}

/// `y [n, out] = x [n, in] weight^T`, then the epilogue.
pub fn forward(
    x: &[f32],
    weight: &[f32],
    [n, input, out]: [usize; 3],
    epilogue: &Epilogue,
    y: &mut [f32],
) {
    // Column blocks are computed apart, because the batch is short and the weight long.
    let blocks: Vec<Buffer> = weight
        .par_chunks(COLUMNS * input)
        .map(|w| {
            let cols = w.len() / input;
            let mut part = scratch::zeros(n * cols);
            gemm(
                [n, cols, input],
                Mat::rows(x, input),
                Mat::rows(w, input).transposed(),
                &mut part,
                cols,
                false,
            );
            part
        })
        .collect();
    for (b, part) in blocks.iter().enumerate() {
        let cols = part.len() / n;
        for (y, part) in y.chunks_mut(out).zip(part.chunks(cols)) {
            y[b * COLUMNS..b * COLUMNS + cols].copy_from_slice(part);
        }
    }
    epilogue.apply(y, out, 0);
}

/// Adds `dy^T x` to the gradient of the weight.
pub fn weight_grad(x: &[f32], dy: &[f32], [n, input, out]: [usize; 3], grad: &mut [f32]) {
    grad.par_chunks_mut(COLUMNS * input)
        .enumerate()
        .for_each(|(b, grad)| {
            let rows = grad.len() / input;
            let dy = Mat::rows(&dy[b * COLUMNS..], out).transposed();
            gemm([rows, input, n], dy, Mat::rows(x, input), grad, input, true);
        });
}

/// Adds the sum of the rows of `dy` to the gradient of a bias.
pub fn bias_grad(dy: &[f32], out: usize, grad: &mut [f32]) {
    let block = super::block_rows(out) * out;
    let partial: Vec<Vec<f32>> = dy
        .par_chunks(block)
        .map(|rows| {
            let mut sum = vec![0.0; out];
            rows.chunks(out)
                .for_each(|row| super::act::add_into(&mut sum, row));
            sum
        })
        .collect();
    partial
        .iter()
        .for_each(|sum| super::act::add_into(grad, sum));
}

/// `dx [n, in] = dy weight`.
pub fn input_grad(dy: &[f32], weight: &[f32], [n, input, out]: [usize; 3], dx: &mut [f32]) {
    const WIDE: usize = 2048;
    let blocks: Vec<Buffer> = (0..input.div_ceil(WIDE))
        .into_par_iter()
        .map(|b| {
            let cols = WIDE.min(input - b * WIDE);
            let mut part = scratch::zeros(n * cols);
            gemm(
                [n, cols, out],
                Mat::rows(dy, out),
                Mat::rows(&weight[b * WIDE..], input),
                &mut part,
                cols,
                false,
            );
            part
        })
        .collect();
    for (b, part) in blocks.iter().enumerate() {
        let cols = part.len() / n;
        for (dx, part) in dx.chunks_mut(input).zip(part.chunks(cols)) {
            dx[b * WIDE..b * WIDE + cols].copy_from_slice(part);
        }
    }
}
