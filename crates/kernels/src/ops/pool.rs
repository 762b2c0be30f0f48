//! The poolings of attention modules: mean and maximum over pixels, or over channels.
//!
//! A maximum's gradient goes to the first place that has it, as in PyTorch.

use super::act::add_into;
use crate::team::OneByOne;
use rayon::prelude::*;

/// Mean and maximum over the pixels of each image: `[n, hw, c]` to `[n, 2, c]`.
pub fn mean_max_pixels(x: &[f32], [hw, c]: [usize; 2], y: &mut [f32]) {
    y.par_chunks_mut(2 * c)
        .zip(x.par_chunks(hw * c))
        .one_by_one()
        .for_each(|(y, x)| {
            let (mean, max) = y.split_at_mut(c);
            mean.fill(0.0);
            max.copy_from_slice(&x[..c]);
            for pixel in x.chunks_exact(c) {
                add_into(mean, pixel);
                for (m, &v) in max.iter_mut().zip(pixel) {
                    *m = if v > *m { v } else { *m };
                }
            }
            mean.iter_mut().for_each(|v| *v /= hw as f32);
        });
}

/// Backward of [`mean_max_pixels`].
pub fn mean_max_pixels_backward(x: &[f32], dy: &[f32], [hw, c]: [usize; 2], dx: &mut [f32]) {
    dx.par_chunks_mut(hw * c)
        .zip(x.par_chunks(hw * c))
        .zip(dy.par_chunks(2 * c))
        .one_by_one()
        .for_each(|((dx, x), dy)| {
            let (mean, max) = dy.split_at(c);
            for pixel in dx.chunks_exact_mut(c) {
                for (d, g) in pixel.iter_mut().zip(mean) {
                    *d = g / hw as f32;
                }
            }
            for (i, g) in max.iter().enumerate() {
                dx[first_max(x, i, c, hw) * c + i] += g;
            }
        });
}

/// The first pixel at which channel `i` is largest.
fn first_max(x: &[f32], i: usize, c: usize, hw: usize) -> usize {
    (1..hw).fold(0, |best, p| {
        if x[p * c + i] > x[best * c + i] {
            p
        } else {
            best
        }
    })
}

/// Mean and maximum over the channels of each pixel: `[n, hw, c]` to `[n, hw, 2]`.
pub fn mean_max_channels(x: &[f32], [hw, c]: [usize; 2], y: &mut [f32]) {
    y.par_chunks_mut(2 * hw)
        .zip(x.par_chunks(hw * c))
        .one_by_one()
        .for_each(|(y, x)| {
            for (y, x) in y.chunks_exact_mut(2).zip(x.chunks_exact(c)) {
                y[0] = x.iter().sum::<f32>() / c as f32;
                y[1] = x[largest(x)];
            }
        });
}

/// Backward of [`mean_max_channels`].
pub fn mean_max_channels_backward(x: &[f32], dy: &[f32], [hw, c]: [usize; 2], dx: &mut [f32]) {
    dx.par_chunks_mut(hw * c)
        .zip(x.par_chunks(hw * c))
        .zip(dy.par_chunks(2 * hw))
        .one_by_one()
        .for_each(|((dx, x), dy)| {
            let pixels = dx.chunks_exact_mut(c).zip(x.chunks_exact(c));
            for ((dx, x), dy) in pixels.zip(dy.chunks_exact(2)) {
                dx.fill(dy[0] / c as f32);
                dx[largest(x)] += dy[1];
            }
        });
}

/// The first place of the largest.
fn largest(x: &[f32]) -> usize {
    (1..x.len()).fold(0, |best, i| if x[i] > x[best] { i } else { best })
}

/// Sum over the pixels of each image: `[n, hw, c]` to `[n, c]`.
pub fn sum_pixels(x: &[f32], [hw, c]: [usize; 2], y: &mut [f32]) {
    y.par_chunks_mut(c)
        .zip(x.par_chunks(hw * c))
        .one_by_one()
        .for_each(|(y, x)| {
            y.fill(0.0);
            x.chunks_exact(c).for_each(|pixel| add_into(y, pixel));
        });
}

/// Backward of [`sum_pixels`].
pub fn sum_pixels_backward(dy: &[f32], [hw, c]: [usize; 2], dx: &mut [f32]) {
    for (dx, dy) in dx.chunks_mut(hw * c).zip(dy.chunks(c)) {
        dx.chunks_exact_mut(c).for_each(|d| d.copy_from_slice(dy));
    }
}
