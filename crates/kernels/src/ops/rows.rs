//! What is done to a matrix `[rows, c]` channel by channel, in registers: rows are taken in
//! bunches that stay in the first-level cache, and of each bunch one vector of channels at a
//! time, so that scales, shifts and sums need not be loaded for every row. Meanwhile the next bunch
//! is fetched: a core would not see by itself that lines which it skips are wanted soon.

use super::act::{NONE, PRELU, RELU, RELU6};
use super::simd::{Kernel, Simd, dispatch, each_vector, load, store};

/// Floats of a bunch of rows.
const BUNCH: usize = 2048;

fn bunch(c: usize) -> usize {
    (BUNCH / c).clamp(4, 64)
}

/// Some rows of a matrix and a vector of its channels.
#[derive(Clone, Copy)]
struct Part {
    from: usize,
    to: usize,
    /// Channels of the matrix.
    c: usize,
    at: usize,
    n: usize,
}

/// Evaluates `$full` and `$rest` (see [`each_vector!`]) with a [`Part`] in `$part`, for all
/// bunches of rows.
macro_rules! each_part {
    ($S:ident, [$rows:expr, $c:expr], |$part:ident| $full:expr, $rest:expr) => {
        let (rows, c) = ($rows, $c);
        for from in (0..rows).step_by(bunch(c)) {
            let to = rows.min(from + bunch(c));
            each_vector!(
                $S,
                c,
                |at, n| {
                    let $part = Part { from, to, c, at, n };
                    $full
                },
                {
                    let $part = Part { from, to, c, at, n };
                    $rest
                }
            );
        }
    };
}

/// `y = act(x * scale + shift) + residual`; in place without an `x`.
pub struct Write<'a, const ACT: u8> {
    pub x: Option<&'a [f32]>,
    pub affine: Option<(&'a [f32], &'a [f32])>,
    pub slope: &'a [f32],
    pub residual: Option<&'a [f32]>,
    pub y: &'a mut [f32],
    pub c: usize,
}

impl<const ACT: u8> Write<'_, ACT> {
    pub fn run(self) {
        let (c, len) = (self.c, self.y.len());
        assert!(len.is_multiple_of(c));
        assert!(self.x.is_none_or(|x| x.len() >= len));
        assert!(self.residual.is_none_or(|r| r.len() >= len));
        assert!(
            self.affine
                .is_none_or(|(a, b)| a.len() >= c && b.len() >= c)
        );
        assert!(ACT != PRELU || self.slope.len() >= c);
        // SAFETY: the assertions.
        unsafe { dispatch(self) }
    }
}

impl<const ACT: u8> Kernel for Write<'_, ACT> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let y = self.y.as_mut_ptr();
        let x = self.x.map_or(y.cast_const(), |x| x.as_ptr());
        let residual = self.residual.map_or(std::ptr::null(), |r| r.as_ptr());
        let rows = self.y.len() / self.c;
        // SAFETY: the rows and channels of a part exist.
        unsafe {
            each_part!(
                S,
                [rows, self.c],
                |part| write::<S, ACT, false>([x, residual], y, &self.affine, self.slope, part),
                write::<S, ACT, true>([x, residual], y, &self.affine, self.slope, part)
            );
        }
    }
}

#[inline(always)]
unsafe fn write<S: Simd, const ACT: u8, const PART: bool>(
    [x, residual]: [*const f32; 2],
    y: *mut f32,
    affine: &Option<(&[f32], &[f32])>,
    slope: &[f32],
    Part { from, to, c, at, n }: Part,
) {
    // SAFETY: the caller's.
    unsafe {
        let zero = S::splat(0.0);
        let slope = match ACT {
            PRELU => load::<S, PART>(slope.as_ptr().add(at), n),
            _ => zero,
        };
        let (scale, shift) = match affine {
            Some((scale, shift)) => (
                load::<S, PART>(scale.as_ptr().add(at), n),
                load::<S, PART>(shift.as_ptr().add(at), n),
            ),
            None => (zero, zero),
        };
        let ahead = (to - from) * c;
        for r in from..to {
            let i = r * c + at;
            S::prefetch(x.wrapping_add(i + ahead));
            let mut v = load::<S, PART>(x.add(i), n);
            if affine.is_some() {
                v = S::fma(v, scale, shift);
            }
            v = activate::<S, ACT>(v, slope);
            if !residual.is_null() {
                v = S::add(v, load::<S, PART>(residual.add(i), n));
            }
            store::<S, PART>(y.add(i), n, v);
        }
    }
}

/// The activation; NaN stays NaN.
///
/// # Safety
/// As [`Simd`].
#[inline(always)]
pub unsafe fn activate<S: Simd, const ACT: u8>(v: S::V, slope: S::V) -> S::V {
    // SAFETY: the caller's.
    unsafe {
        match ACT {
            PRELU => S::positive(v, v, S::mul(v, slope)),
            RELU => S::relu(v),
            RELU6 => S::clamp6(v),
            _ => v,
        }
    }
}

/// `d act(z) / dz` times `dy`, at the kinks as in PyTorch.
#[inline(always)]
unsafe fn slope_times<S: Simd, const ACT: u8>(z: S::V, dy: S::V, slope: S::V) -> S::V {
    // SAFETY: the caller's.
    unsafe {
        let zero = S::splat(0.0);
        match ACT {
            NONE => dy,
            PRELU => S::positive(z, dy, S::mul(dy, slope)),
            RELU => S::positive(z, dy, zero),
            _ => S::positive(z, S::positive(S::sub(S::splat(6.0), z), dy, zero), zero),
        }
    }
}

/// A batch norm and its activation, as their backward passes see them. All slices `[c]`.
#[derive(Clone, Copy)]
pub struct Norm<'a> {
    pub scale: &'a [f32],
    pub shift: &'a [f32],
    pub mean: &'a [f32],
    pub slope: &'a [f32],
}

impl Norm<'_> {
    fn fits(&self, c: usize) -> bool {
        [self.scale, self.shift, self.mean, self.slope]
            .iter()
            .all(|s| s.len() >= c)
    }
}

/// The parameters of one vector of channels.
struct NormVectors<S: Simd> {
    scale: S::V,
    shift: S::V,
    mean: S::V,
    slope: S::V,
}

impl<S: Simd> NormVectors<S> {
    #[inline(always)]
    unsafe fn load<const PART: bool>(norm: Norm, at: usize, n: usize) -> Self {
        // SAFETY: the caller has these channels.
        unsafe {
            NormVectors {
                scale: load::<S, PART>(norm.scale.as_ptr().add(at), n),
                shift: load::<S, PART>(norm.shift.as_ptr().add(at), n),
                mean: load::<S, PART>(norm.mean.as_ptr().add(at), n),
                slope: load::<S, PART>(norm.slope.as_ptr().add(at), n),
            }
        }
    }
}

/// Per channel, added to `sums` (`[3][c]`): the sums of d, of d (x - mean), and of dy z where z <= 0;
/// z is the normalised value, d the gradient behind the activation.
pub struct Reduce<'a, const ACT: u8> {
    pub x: &'a [f32],
    pub dy: &'a [f32],
    pub norm: Norm<'a>,
    pub sums: &'a mut [f32],
}

impl<const ACT: u8> Reduce<'_, ACT> {
    pub fn run(self) {
        let c = self.sums.len() / 3;
        assert!(self.norm.fits(c) && self.sums.len() == 3 * c);
        assert!(self.x.len().is_multiple_of(c) && self.dy.len() >= self.x.len());
        // SAFETY: the assertions.
        unsafe { dispatch(self) }
    }
}

impl<const ACT: u8> Kernel for Reduce<'_, ACT> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let c = self.sums.len() / 3;
        let rows = self.x.len() / c;
        let sums = self.sums.as_mut_ptr();
        let (x, dy, norm) = (self.x, self.dy, self.norm);
        // SAFETY: the rows and channels of a part exist.
        unsafe {
            each_part!(
                S,
                [rows, c],
                |part| reduce::<S, ACT, false>(x, dy, norm, sums, part),
                reduce::<S, ACT, true>(x, dy, norm, sums, part)
            );
        }
    }
}

#[inline(always)]
unsafe fn reduce<S: Simd, const ACT: u8, const PART: bool>(
    x: &[f32],
    dy: &[f32],
    norm: Norm,
    sums: *mut f32,
    Part { from, to, c, at, n }: Part,
) {
    // SAFETY: the caller's.
    unsafe {
        let norm = NormVectors::<S>::load::<PART>(norm, at, n);
        let zero = S::splat(0.0);
        let (mut plain, mut centred, mut below) = (zero, zero, zero);
        let ahead = (to - from) * c;
        for r in from..to {
            let i = r * c + at;
            S::prefetch(x.as_ptr().wrapping_add(i + ahead));
            S::prefetch(dy.as_ptr().wrapping_add(i + ahead));
            let x = load::<S, PART>(x.as_ptr().add(i), n);
            let dy = load::<S, PART>(dy.as_ptr().add(i), n);
            let mut d = dy;
            if ACT != NONE {
                let z = S::fma(x, norm.scale, norm.shift);
                d = slope_times::<S, ACT>(z, dy, norm.slope);
                if ACT == PRELU {
                    below = S::fma(dy, S::positive(z, zero, z), below);
                }
            }
            plain = S::add(plain, d);
            centred = S::fma(d, S::sub(x, norm.mean), centred);
        }
        for (k, v) in [plain, centred, below].into_iter().enumerate() {
            let p = sums.add(k * c + at);
            store::<S, PART>(p, n, S::add(load::<S, PART>(p, n), v));
        }
    }
}

/// `dx = d scale + (x - mean) k1 + k2`, d as in [`Reduce`].
pub struct Distribute<'a, const ACT: u8> {
    pub x: &'a [f32],
    pub dy: &'a [f32],
    pub norm: Norm<'a>,
    pub k1: &'a [f32],
    pub k2: &'a [f32],
    pub dx: &'a mut [f32],
}

impl<const ACT: u8> Distribute<'_, ACT> {
    pub fn run(self) {
        let c = self.k1.len();
        assert!(self.norm.fits(c) && self.k2.len() == c);
        assert!(self.x.len() >= self.dx.len() && self.dy.len() >= self.dx.len());
        assert!(self.dx.len().is_multiple_of(c));
        // SAFETY: the assertions.
        unsafe { dispatch(self) }
    }
}

impl<const ACT: u8> Kernel for Distribute<'_, ACT> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let c = self.k1.len();
        let rows = self.dx.len() / c;
        let dx = self.dx.as_mut_ptr();
        let (x, dy, norm, k) = (self.x, self.dy, self.norm, [self.k1, self.k2]);
        // SAFETY: the rows and channels of a part exist.
        unsafe {
            each_part!(
                S,
                [rows, c],
                |part| distribute::<S, ACT, false>([x, dy], norm, k, dx, part),
                distribute::<S, ACT, true>([x, dy], norm, k, dx, part)
            );
        }
    }
}

#[inline(always)]
unsafe fn distribute<S: Simd, const ACT: u8, const PART: bool>(
    [x, dy]: [&[f32]; 2],
    norm: Norm,
    k: [&[f32]; 2],
    dx: *mut f32,
    Part { from, to, c, at, n }: Part,
) {
    // SAFETY: the caller's.
    unsafe {
        let norm = NormVectors::<S>::load::<PART>(norm, at, n);
        let k1 = load::<S, PART>(k[0].as_ptr().add(at), n);
        let k2 = load::<S, PART>(k[1].as_ptr().add(at), n);
        let ahead = (to - from) * c;
        for r in from..to {
            let i = r * c + at;
            S::prefetch(x.as_ptr().wrapping_add(i + ahead));
            S::prefetch(dy.as_ptr().wrapping_add(i + ahead));
            let x = load::<S, PART>(x.as_ptr().add(i), n);
            let dy = load::<S, PART>(dy.as_ptr().add(i), n);
            let d = match ACT {
                NONE => dy,
                _ => slope_times::<S, ACT>(S::fma(x, norm.scale, norm.shift), dy, norm.slope),
            };
            let rest = S::fma(S::sub(x, norm.mean), k1, k2);
            store::<S, PART>(dx.add(i), n, S::fma(d, norm.scale, rest));
        }
    }
}

/// Per channel, added to `sums` (`[2][c]`): the sums of x - pivot and of its square.
pub struct Sums<'a> {
    pub x: &'a [f32],
    pub pivot: &'a [f32],
    pub sums: &'a mut [f32],
}

impl Sums<'_> {
    pub fn run(self) {
        let c = self.pivot.len();
        assert!(self.sums.len() == 2 * c && self.x.len().is_multiple_of(c));
        // SAFETY: the assertions.
        unsafe { dispatch(self) }
    }
}

impl Kernel for Sums<'_> {
    type Out = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let c = self.pivot.len();
        let rows = self.x.len() / c;
        let sums = self.sums.as_mut_ptr();
        // SAFETY: the rows and channels of a part exist.
        unsafe {
            each_part!(
                S,
                [rows, c],
                |part| sum::<S, false>(self.x, self.pivot, sums, part),
                sum::<S, true>(self.x, self.pivot, sums, part)
            );
        }
    }
}

#[inline(always)]
unsafe fn sum<S: Simd, const PART: bool>(
    x: &[f32],
    pivot: &[f32],
    sums: *mut f32,
    Part { from, to, c, at, n }: Part,
) {
    // SAFETY: the caller's.
    unsafe {
        let pivot = load::<S, PART>(pivot.as_ptr().add(at), n);
        let (first, second) = (sums.add(at), sums.add(c + at));
        let mut sum = load::<S, PART>(first, n);
        let mut square = load::<S, PART>(second, n);
        for r in from..to {
            let d = S::sub(load::<S, PART>(x.as_ptr().add(r * c + at), n), pivot);
            sum = S::add(sum, d);
            square = S::fma(d, d, square);
        }
        store::<S, PART>(first, n, sum);
        store::<S, PART>(second, n, square);
    }
}
