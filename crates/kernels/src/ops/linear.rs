//! Linear layers over inputs flattened in C, H, W order, as PyTorch's weights expect.

use super::act::Epilogue;
use super::gemm::{self, Mat, gemm_packed, gemm_rows, packed_len};
use super::scratch;
use crate::pool::Buffer;
use crate::team::OneByOne;
use rayon::prelude::*;

/// Rows of the weight per block.
const ROWS: usize = 48;

/// `[n, hw, c]` to `[n, c, hw]`.
pub fn to_chw(x: &[f32], hw: usize, c: usize, out: &mut [f32]) {
    out.par_chunks_mut(hw * c)
        .zip(x.par_chunks(hw * c))
        .one_by_one()
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
    // The batch is short and the weight long: the weight is read once, as it lies, and the
    // product is made transposed, [out, n].
    let mut columns = scratch::take(packed_len(input, n));
    gemm::pack([input, n], |p, j| x[j * input + p], &mut columns);
    let mut product = scratch::take(out * n);
    product
        .par_chunks_mut(ROWS * n)
        .zip(weight.par_chunks(ROWS * input))
        .one_by_one()
        .for_each(|(product, weight)| {
            let rows = product.len() / n;
            let a = Mat::rows(weight, input);
            gemm_packed([rows, n, input], a, &columns, product, n, false, None);
        });
    for (j, y) in y.chunks_exact_mut(out).enumerate() {
        for (i, y) in y.iter_mut().enumerate() {
            *y = product[i * n + j];
        }
    }
    epilogue.apply(y, out, 0);
}

/// Adds `dy^T x` to the gradient of the weight.
pub fn weight_grad(x: &[f32], dy: &[f32], [n, input, out]: [usize; 3], grad: &mut [f32]) {
    grad.par_chunks_mut(ROWS * input)
        .enumerate()
        .one_by_one()
        .for_each(|(b, grad)| {
            let rows = grad.len() / input;
            let dy = Mat::rows(&dy[b * ROWS..], out).transposed();
            let (size, x) = ([rows, input, n], (x, input, None));
            gemm_rows(size, dy, x, grad, input, true, None);
        });
}

/// Adds the sum of the rows of `dy` to the gradient of a bias.
pub fn bias_grad(dy: &[f32], out: usize, grad: &mut [f32]) {
    let block = super::block_rows(out) * out;
    let partial: Vec<Vec<f32>> = dy.par_chunks(block).one_by_one().map(|rows| {
        let mut sum = vec![0.0; out];
        rows.chunks(out)
            .for_each(|row| super::act::add_into(&mut sum, row));
        sum
    });
    partial
        .iter()
        .for_each(|sum| super::act::add_into(grad, sum));
}

/// `dx [n, in] = dy weight`.
pub fn input_grad(dy: &[f32], weight: &[f32], [n, input, out]: [usize; 3], dx: &mut [f32]) {
    const WIDE: usize = 512;
    let blocks: Vec<Buffer> = (0..input.div_ceil(WIDE))
        .into_par_iter()
        .one_by_one()
        .map(|b| {
            let columns = WIDE.min(input - b * WIDE);
            let mut part = scratch::take(n * columns);
            let weight = (&weight[b * WIDE..], input, None);
            let dy = Mat::rows(dy, out);
            let size = [n, columns, out];
            gemm_rows(size, dy, weight, &mut part, columns, false, None);
            part
        });
    for (b, part) in blocks.iter().enumerate() {
        let columns = part.len() / n;
        for (dx, part) in dx.chunks_mut(input).zip(part.chunks(columns)) {
            dx[b * WIDE..b * WIDE + columns].copy_from_slice(part);
        }
    }
}
