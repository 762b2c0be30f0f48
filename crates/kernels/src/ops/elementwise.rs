//! Products with broadcasting, means over pixels, dropout.

use super::BLOCK;
use super::act::add_into;
use crate::team::OneByOne;
use frbench_base::rng::Stream;
use rayon::prelude::*;

/// `a += b`.
pub fn accumulate(a: &mut [f32], b: &[f32]) {
    a.par_chunks_mut(BLOCK)
        .zip(b.par_chunks(BLOCK))
        .one_by_one()
        .for_each(|(a, b)| add_into(a, b));
}

/// `y = a + b`.
pub fn add(a: &[f32], b: &[f32], y: &mut [f32]) {
    y.par_chunks_mut(BLOCK)
        .zip(a.par_chunks(BLOCK))
        .zip(b.par_chunks(BLOCK))
        .one_by_one()
        .for_each(|((y, a), b)| {
            y.copy_from_slice(a);
            add_into(y, b);
        });
}

/// How the second factor of a product is spread over an image of `[h * w, c]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spread {
    Full,
    /// `[1, c]`.
    Channel,
    /// `[h * w, 1]`.
    Pixel,
}

impl Spread {
    fn index(self, pixel: usize, channel: usize, c: usize) -> usize {
        match self {
            Spread::Full => pixel * c + channel,
            Spread::Channel => channel,
            Spread::Pixel => pixel,
        }
    }

    /// Floats of the second factor per image.
    pub fn len(self, hw: usize, c: usize) -> usize {
        match self {
            Spread::Full => hw * c,
            Spread::Channel => c,
            Spread::Pixel => hw,
        }
    }
}

/// `y = a * b`, `a` of `[n, hw, c]`.
pub fn mul(a: &[f32], b: &[f32], [hw, c]: [usize; 2], spread: Spread, y: &mut [f32]) {
    y.par_chunks_mut(hw * c)
        .zip(a.par_chunks(hw * c))
        .zip(b.par_chunks(spread.len(hw, c)))
        .one_by_one()
        .for_each(|((y, a), b)| {
            for p in 0..hw {
                for i in 0..c {
                    y[p * c + i] = a[p * c + i] * b[spread.index(p, i, c)];
                }
            }
        });
}

/// Gradient of the second factor of [`mul`].
pub fn mul_grad_b(a: &[f32], dy: &[f32], [hw, c]: [usize; 2], spread: Spread, db: &mut [f32]) {
    db.par_chunks_mut(spread.len(hw, c))
        .zip(a.par_chunks(hw * c))
        .zip(dy.par_chunks(hw * c))
        .one_by_one()
        .for_each(|((db, a), dy)| {
            db.fill(0.0);
            for p in 0..hw {
                for i in 0..c {
                    db[spread.index(p, i, c)] += a[p * c + i] * dy[p * c + i];
                }
            }
        });
}

/// Mean over the pixels of each image: `[n, hw, c]` to `[n, c]`.
pub fn mean_pixels(x: &[f32], [hw, c]: [usize; 2], y: &mut [f32]) {
    y.par_chunks_mut(c)
        .zip(x.par_chunks(hw * c))
        .one_by_one()
        .for_each(|(y, x)| {
            y.fill(0.0);
            x.chunks(c).for_each(|pixel| add_into(y, pixel));
            y.iter_mut().for_each(|v| *v /= hw as f32);
        });
}

/// Backward of [`mean_pixels`].
pub fn mean_pixels_backward(dy: &[f32], [hw, c]: [usize; 2], dx: &mut [f32]) {
    for (dx, dy) in dx.chunks_mut(hw * c).zip(dy.chunks(c)) {
        for pixel in dx.chunks_mut(c) {
            pixel
                .iter_mut()
                .zip(dy)
                .for_each(|(d, g)| *d = g / hw as f32);
        }
    }
}

/// Factors of a dropout: 0 with probability `p`, else `1 / (1 - p)`.
pub fn dropout_mask(stream: &mut Stream, p: f64, mask: &mut [f32]) {
    let keep = (1.0 / (1.0 - p)) as f32;
    for m in mask {
        *m = if stream.chance(p) { 0.0 } else { keep };
    }
}
