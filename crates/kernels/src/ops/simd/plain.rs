//! Vectors for any machine.

use super::Simd;

/// Four floats and no instructions of their own: SSE2, NEON or whatever LLVM makes of them.
#[derive(Clone, Copy)]
pub struct Plain;

#[inline(always)]
fn each(f: impl Fn(usize) -> f32) -> [f32; 4] {
    [f(0), f(1), f(2), f(3)]
}

impl Simd for Plain {
    type V = [f32; 4];
    const LANES: usize = 4;
    const PANEL: usize = 2;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self::V {
        [x; 4]
    }
    #[inline(always)]
    unsafe fn load(p: *const f32) -> Self::V {
        // SAFETY: the caller has four floats behind `p`.
        unsafe { p.cast::<[f32; 4]>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(p: *mut f32, v: Self::V) {
        // SAFETY: the caller has four floats behind `p`.
        unsafe { p.cast::<[f32; 4]>().write_unaligned(v) }
    }
    #[inline(always)]
    unsafe fn load_first(p: *const f32, n: usize) -> Self::V {
        // SAFETY: the caller has `n` floats behind `p`.
        each(|i| if i < n { unsafe { *p.add(i) } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_first(p: *mut f32, n: usize, v: Self::V) {
        for (i, v) in v.into_iter().enumerate().take(n) {
            // SAFETY: the caller has `n` floats behind `p`.
            unsafe { *p.add(i) = v };
        }
    }
    #[inline(always)]
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] + b[i])
    }
    #[inline(always)]
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] - b[i])
    }
    #[inline(always)]
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        each(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    unsafe fn fnma(a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        each(|i| c[i] - a[i] * b[i])
    }
    #[inline(always)]
    unsafe fn positive(x: Self::V, yes: Self::V, no: Self::V) -> Self::V {
        each(|i| if x[i] > 0.0 { yes[i] } else { no[i] })
    }
    #[inline(always)]
    unsafe fn clamp6(x: Self::V) -> Self::V {
        each(|i| x[i].clamp(0.0, 6.0))
    }
    #[inline(always)]
    unsafe fn relu(x: Self::V) -> Self::V {
        each(|i| if x[i] < 0.0 { 0.0 } else { x[i] })
    }
}
