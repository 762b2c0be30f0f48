//! The transforms of F(4x4, 3x3) along one dimension. Twice applied, along columns and rows,
//! each transforms a tile.
//!
//! SAFETY of all: arithmetic on vectors of a set that the machine has.

use super::super::super::simd::Simd;

/// B^T: 6 inputs to 6 positions.
#[inline(always)]
pub unsafe fn input_1d<S: Simd>(d: [S::V; 6]) -> [S::V; 6] {
    unsafe {
        let (two, four, five) = (S::splat(2.0), S::splat(4.0), S::splat(5.0));
        let even = S::fnma(four, d[2], d[4]); // d4 - 4 d2
        let odd = S::fnma(four, d[1], d[3]); // d3 - 4 d1
        let even2 = S::sub(d[4], d[2]);
        let odd2 = S::sub(d[3], d[1]);
        [
            S::fma(four, d[0], S::fnma(five, d[2], d[4])),
            S::add(even, odd),
            S::sub(even, odd),
            S::fma(two, odd2, even2),
            S::fnma(two, odd2, even2),
            S::fma(four, d[1], S::fnma(five, d[3], d[5])),
        ]
    }
}

/// A^T: 6 positions to 4 outputs.
#[inline(always)]
pub unsafe fn output_1d<S: Simd>(m: [S::V; 6]) -> [S::V; 4] {
    unsafe {
        let (sum, diff) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
        let (sum2, diff2) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
        [
            S::add(S::add(m[0], sum), sum2),
            S::fma(S::splat(2.0), diff2, diff),
            S::fma(S::splat(4.0), sum2, sum),
            S::add(S::fma(S::splat(8.0), diff2, diff), m[5]),
        ]
    }
}

/// A: 4 output gradients to 6 positions.
#[inline(always)]
pub unsafe fn grad_1d<S: Simd>(y: [S::V; 4]) -> [S::V; 6] {
    unsafe {
        let four = S::splat(4.0);
        let (even, odd) = (S::add(y[0], y[2]), S::add(y[1], y[3]));
        let even2 = S::fma(four, y[2], y[0]);
        let odd2 = S::mul(S::splat(2.0), S::fma(four, y[3], y[1]));
        [
            y[0],
            S::add(even, odd),
            S::sub(even, odd),
            S::add(even2, odd2),
            S::sub(even2, odd2),
            y[3],
        ]
    }
}

/// G: 3 taps to 6 positions.
#[inline(always)]
pub unsafe fn weight_1d<S: Simd>(g: [S::V; 3]) -> [S::V; 6] {
    unsafe {
        let (sixth, part) = (S::splat(-1.0 / 6.0), S::splat(1.0 / 24.0));
        let even = S::add(g[0], g[2]);
        let even2 = S::fma(S::splat(4.0), g[2], g[0]);
        let odd2 = S::mul(S::splat(2.0), g[1]);
        [
            S::mul(S::splat(0.25), g[0]),
            S::mul(sixth, S::add(even, g[1])),
            S::mul(sixth, S::sub(even, g[1])),
            S::mul(part, S::add(even2, odd2)),
            S::mul(part, S::sub(even2, odd2)),
            g[2],
        ]
    }
}

/// G^T: 6 positions to 3 taps.
#[inline(always)]
pub unsafe fn weight_back_1d<S: Simd>(u: [S::V; 6]) -> [S::V; 3] {
    unsafe {
        let sixth = S::splat(-1.0 / 6.0);
        let sum = S::mul(sixth, S::add(u[1], u[2]));
        let diff = S::mul(sixth, S::sub(u[1], u[2]));
        let (sum2, diff2) = (S::add(u[3], u[4]), S::sub(u[3], u[4]));
        [
            S::fma(
                S::splat(0.25),
                u[0],
                S::fma(S::splat(1.0 / 24.0), sum2, sum),
            ),
            S::fma(S::splat(1.0 / 12.0), diff2, diff),
            S::add(S::fma(S::splat(1.0 / 6.0), sum2, sum), u[5]),
        ]
    }
}
