//! One source, several instruction sets: the best of AVX-512, AVX2 and plain code that the
//! machine has is chosen at run time.

use std::sync::OnceLock;

/// An instruction set. Results may differ in the last bits between sets, never within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Plain,
    Avx2,
    Avx512,
}

/// What this machine has.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(detect)
}

#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
    match (avx2, avx512) {
        (true, true) => Level::Avx512,
        (true, false) => Level::Avx2,
        _ => Level::Plain,
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn detect() -> Level {
    Level::Plain
}

/// Name for records of a run's environment.
pub fn name() -> &'static str {
    match level() {
        Level::Plain => "plain",
        Level::Avx2 => "avx2",
        Level::Avx512 => "avx512",
    }
}

/// `a * b + c`, fused where the instruction set can.
#[inline(always)]
pub fn madd<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Compiles a function for each instruction set and calls the best. The body sees the const
/// generic `FMA` for [`madd`]; loops over channels are written so that LLVM vectorises them.
macro_rules! simd {
    ($(#[$meta:meta])* $vis:vis fn $name:ident $([$($g:ident: $gt:ty),*])? ($($arg:ident: $ty:ty),* $(,)?) $body:block) => {
        $(#[$meta])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name $(<$(const $g: $gt),*>)? ($($arg: $ty),*) {
            #[inline(always)]
            fn body<$($(const $g: $gt,)*)? const FMA: bool>($($arg: $ty),*) $body
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
            fn avx512 $(<$(const $g: $gt),*>)? ($($arg: $ty),*) {
                body::<$($($g,)*)? true>($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2 $(<$(const $g: $gt),*>)? ($($arg: $ty),*) {
                body::<$($($g,)*)? true>($($arg),*)
            }
            match $crate::nn::ops::simd::level() {
                // SAFETY: `level` has found these instructions on this machine.
                #[cfg(target_arch = "x86_64")]
                $crate::nn::ops::simd::Level::Avx512 => unsafe { avx512 $(::<$($g),*>)? ($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                $crate::nn::ops::simd::Level::Avx2 => unsafe { avx2 $(::<$($g),*>)? ($($arg),*) },
                _ => body::<$($($g,)*)? false>($($arg),*),
            }
        }
    };
}
pub(crate) use simd;
