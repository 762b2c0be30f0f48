//! The way back through a 1 x 1 convolution in one pass: block by block of rows, the gradients
//! of weight and input are made while input and gradient are in cache.

use super::super::act::Input;
use super::super::gemm::{Mat, gemm_packed, gemm_rows, packed_len};
use super::super::norm::Dy;
use super::super::prefetch::Prefetch;
use super::super::scratch;
use super::{Dx, Shape, im2col};
use crate::pool::Buffer;
use crate::team::OneByOne;
use rayon::prelude::*;

/// Floats of input, output and their gradients that a block takes.
const BLOCK: usize = 160 * 1024;

/// Rows per block, and blocks per slice: each slice has a weight gradient of its own, to be
/// added up afterwards, so that they are few and long.
fn cut(s: &Shape) -> [usize; 2] {
    let rows = s.rows();
    let block = (BLOCK / (s.co + 2 * s.ci)).clamp(48, 256) / 12 * 12;
    let slices = match rows / 512 {
        0 => 1,
        n => (n / 2 * 2).clamp(2, 8),
    };
    let slice = rows.div_ceil(slices);
    let blocks = slice.div_ceil(block);
    // Blocks of one length, rather than a short one at the end of each slice.
    [slice.div_ceil(blocks).next_multiple_of(12), blocks]
}

/// Writes (or adds) the gradient of the input and adds that of the weight, `[co, ci]`.
pub fn backward(x: Input, dy: Dy, weight: &[f32], s: &Shape, dx: Dx, grad: &mut [f32]) {
    let (ci, co) = (s.ci, s.co);
    let mut packed = scratch::take(packed_len(co, ci));
    im2col::pack_back(weight, s, &[0], &mut packed);
    let packed = &*packed;
    let [block, blocks] = cut(s);
    let slice = block * blocks;
    let slices = s.rows().div_ceil(slice);
    let Dx { data, add, gather } = dx;
    let (back, mut sums) = match gather {
        Some(gather) => {
            let sums = gather.sums.blocks(slices, ci);
            (
                Some((gather.x, gather.back)),
                sums.chunks_exact_mut(3 * ci).map(Some).collect(),
            )
        }
        None => (None, (0..slices).map(|_| None).collect::<Vec<_>>()),
    };
    let partial: Vec<Buffer> = data
        .par_chunks_mut(slice * ci)
        .zip(sums.par_iter_mut())
        .enumerate()
        .one_by_one()
        .map(|(i, (dx, sums))| {
            let mut sum = scratch::take(grad.len());
            scratch::with(block * co, |memory| {
                for (b, dx) in dx.chunks_mut(block * ci).enumerate() {
                    let (first, rows) = (i * slice + b * block, dx.len() / ci);
                    let next = first + rows..s.rows().min(first + rows + block);
                    let [after, through] = dy.parts(next.start * co..next.end * co);
                    let prefetch = Prefetch::of([dx, &x.data[s.reach(next)], after, through]);
                    let prefetch = Some(&prefetch);
                    let d = Mat::rows(dy.read(first * co, &mut memory[..rows * co]), co);
                    let input = (&x.data[first * ci..][..rows * ci], ci, x.map);
                    let t = d.transposed();
                    gemm_rows([co, ci, rows], t, input, &mut sum, ci, b > 0, prefetch);
                    gemm_packed([rows, ci, co], d, packed, dx, ci, add, prefetch);
                    if let (Some((x, back)), Some(sums)) = (back, sums.as_deref_mut()) {
                        back.gather(&x[first * ci..][..rows * ci], dx, sums);
                    }
                }
            });
            sum
        });
    im2col::add_up(&partial, grad);
}
