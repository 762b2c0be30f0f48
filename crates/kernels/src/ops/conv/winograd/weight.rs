//! Transforms weights, and their gradients back.

use super::super::super::gemm::{packed_len, panel_of};
use super::super::super::simd::{Kernel, Simd, dispatch, each_vector, lanes, load};
use super::POSITIONS;
use super::line::{weight_1d, weight_back_1d};
use super::tiles::Shared;
use crate::pool::Buffer;
use crate::team::OneByOne;
use rayon::prelude::*;

/// Transformed weights from PyTorch's.
pub struct WeightTransform<'a> {
    weight: &'a [f32],
    ci: usize,
    co: usize,
    back: bool,
}

impl<'a> WeightTransform<'a> {
    pub fn new(weight: &'a [f32], [ci, co]: [usize; 2], back: bool) -> Self {
        assert!(weight.len() >= ci * co * 9);
        WeightTransform {
            weight,
            ci,
            co,
            back,
        }
    }

    /// Writes `[36]` packed matrices `[ci][co]`.
    pub fn run(&self, out: &mut [f32]) {
        let each = packed_len(self.ci, self.co);
        assert!(out.len() >= POSITIONS * each);
        let out = Shared(out.as_mut_ptr());
        (0..self.co.div_ceil(lanes()))
            .into_par_iter()
            .one_by_one()
            .for_each(|b| {
                let (start, columns, column) = panel_of(self.ci, self.co, b * lanes());
                let kernel = WeightKernel {
                    weight: self.weight,
                    ci: self.ci,
                    co: self.co,
                    back: self.back,
                    first: b * lanes(),
                    out: out.at(start + column),
                    columns,
                    each,
                };
                // SAFETY: row `i` of this vector of columns lies at `start + i * columns + column`
                // of each packed matrix, and no other task writes there.
                unsafe { dispatch(kernel) };
            });
    }
}

struct WeightKernel<'a> {
    weight: &'a [f32],
    ci: usize,
    co: usize,
    back: bool,
    /// First output channel.
    first: usize,
    out: *mut f32,
    columns: usize,
    each: usize,
}

impl Kernel for WeightKernel<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        debug_assert!(self.first + S::LANES <= self.co.next_multiple_of(S::LANES));
        let mut taps = [[0.0f32; 16]; 9];
        for i in 0..self.ci {
            for (lane, o) in (self.first..self.co).take(S::LANES).enumerate() {
                let from = if self.back {
                    i * self.co + o
                } else {
                    o * self.ci + i
                };
                let weight = &self.weight[from * 9..from * 9 + 9];
                for (t, &w) in weight.iter().enumerate() {
                    taps[if self.back { 8 - t } else { t }][lane] = w;
                }
            }
            // SAFETY: vectors have at most 16 lanes; `out` has this row.
            unsafe {
                let zero = S::splat(0.0);
                let mut half = [[zero; 3]; 6];
                for x in 0..3 {
                    let g = [0, 1, 2].map(|y| S::load(taps[y * 3 + x].as_ptr()));
                    for (half, v) in half.iter_mut().zip(weight_1d::<S>(g)) {
                        half[x] = v;
                    }
                }
                for (k, row) in half.into_iter().enumerate() {
                    for (l, v) in weight_1d::<S>(row).into_iter().enumerate() {
                        let at = (k * 6 + l) * self.each + i * self.columns;
                        S::store(self.out.wrapping_add(at), v);
                    }
                }
            }
        }
    }
}

/// Adds partial sums of the transformed weight gradient (`[36][ci][co]` each) to the gradient
/// in PyTorch's layout.
pub fn weight_back(partial: &[Buffer], [ci, co]: [usize; 2], grad: &mut [f32]) {
    assert!(grad.len() >= ci * co * 9);
    assert!(partial.iter().all(|p| p.len() >= POSITIONS * ci * co));
    let bunch = lanes();
    grad.par_chunks_mut(bunch * ci * 9)
        .enumerate()
        .one_by_one()
        .for_each(|(b, grad)| {
            let kernel = WeightBackKernel {
                partial,
                ci,
                co,
                first: b * bunch,
                grad,
            };
            // SAFETY: every partial sum holds these channels.
            unsafe { dispatch(kernel) };
        });
}

struct WeightBackKernel<'a> {
    partial: &'a [Buffer],
    ci: usize,
    co: usize,
    /// First output channel.
    first: usize,
    /// The gradient from that channel on.
    grad: &'a mut [f32],
}

impl Kernel for WeightBackKernel<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        for i in 0..self.ci {
            // SAFETY: handed on.
            unsafe {
                each_vector!(
                    S,
                    S::LANES.min(self.co - self.first),
                    |at, n| one_back::<S, false>(
                        self.partial,
                        [self.ci, self.co],
                        [i, self.first + at],
                        n,
                        self.grad
                    ),
                    one_back::<S, true>(
                        self.partial,
                        [self.ci, self.co],
                        [i, self.first + at],
                        n,
                        self.grad
                    )
                );
            }
        }
    }
}

/// The 3 x 3 gradients of input channel `i` and the `n` first output channels of a bunch.
#[inline(always)]
unsafe fn one_back<S: Simd, const PART: bool>(
    partial: &[Buffer],
    [ci, co]: [usize; 2],
    [i, o]: [usize; 2],
    n: usize,
    grad: &mut [f32],
) {
    // SAFETY: every partial sum has `[36][ci][co]` floats, of which these are `n` in a row.
    unsafe {
        let zero = S::splat(0.0);
        let mut half = [[zero; 6]; 3];
        for l in 0..6 {
            let mut d = [zero; 6];
            for (k, d) in d.iter_mut().enumerate() {
                let at = ((k * 6 + l) * ci + i) * co + o;
                for part in partial {
                    *d = S::add(*d, load::<S, PART>(part.as_ptr().add(at), n));
                }
            }
            for (half, v) in half.iter_mut().zip(weight_back_1d::<S>(d)) {
                half[l] = v;
            }
        }
        let mut taps = [[0.0f32; 16]; 9];
        for (k, row) in half.into_iter().enumerate() {
            for (l, v) in weight_back_1d::<S>(row).into_iter().enumerate() {
                S::store(taps[k * 3 + l].as_mut_ptr(), v);
            }
        }
        for lane in 0..n {
            let grad = &mut grad[(lane * ci + i) * 9..][..9];
            for (grad, tap) in grad.iter_mut().zip(&taps) {
                *grad += tap[lane];
            }
        }
    }
}
