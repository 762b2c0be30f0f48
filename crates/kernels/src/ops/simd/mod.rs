//! One source, several instruction sets: the best of AVX-512, AVX2 and plain code that the
//! machine has is chosen at run time.
//!
//! Two ways to write a kernel: `simd!` for loops that LLVM vectorises by itself, and
//! [`Kernel`] for those that need to hold vectors in registers.

mod plain;
#[cfg(target_arch = "x86_64")]
mod x86;

pub(super) use plain::Plain;
use std::sync::OnceLock;

/// An instruction set. Results may differ in the last bits between sets, never within one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Plain,
    Avx2,
    Avx512,
}

impl Level {
    const ALL: [Level; 3] = [Level::Plain, Level::Avx2, Level::Avx512];

    /// Name in records of a run's environment and in `FRBENCH_ISA`.
    pub fn name(self) -> &'static str {
        match self {
            Level::Plain => "plain",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// The set of that name, if this machine has it.
    ///
    /// # Errors
    /// [`Error::Usage`](frbench_base::Error::Usage) for an unknown name or a set that this machine
    /// lacks.
    pub fn parse(name: &str) -> frbench_base::Result<Level> {
        let wrong = |what: String| Err(frbench_base::Error::Usage(format!("FRBENCH_ISA: {what}")));
        match Level::ALL.into_iter().find(|l| l.name() == name) {
            None => wrong(format!("`{name}` is not one of plain, avx2, avx512")),
            Some(level) if level > best() => wrong(format!(
                "this machine has no {name}; its best set is {}",
                best().name()
            )),
            Some(level) => Ok(level),
        }
    }
}

/// What all kernels use: the machine's best set, or the one that `FRBENCH_ISA` names. A name
/// that [`Level::parse`] refuses is ignored here; the command line reports it first.
pub fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| match std::env::var("FRBENCH_ISA") {
        Ok(name) => Level::parse(&name).unwrap_or_else(|_| best()),
        Err(_) => best(),
    })
}

/// The best set of this machine.
pub fn best() -> Level {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl");
        if avx2 && avx512 {
            return Level::Avx512;
        }
        if avx2 {
            return Level::Avx2;
        }
    }
    Level::Plain
}

/// Name of [`level`].
pub fn name() -> &'static str {
    level().name()
}

/// `a * b + c`, fused where the instruction set can.
#[inline(always)]
pub fn madd<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// Compiles a function for each instruction set and calls the best. The body sees the const
/// generic `FMA` for [`madd`]; loops over channels are written so that LLVM vectorises them.
#[macro_export]
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
            match $crate::ops::simd::level() {
                // SAFETY: `level` has found these instructions on this machine.
                #[cfg(target_arch = "x86_64")]
                $crate::ops::simd::Level::Avx512 => unsafe { avx512 $(::<$($g),*>)? ($($arg),*) },
                #[cfg(target_arch = "x86_64")]
                $crate::ops::simd::Level::Avx2 => unsafe { avx2 $(::<$($g),*>)? ($($arg),*) },
                _ => body::<$($($g,)*)? false>($($arg),*),
            }
        }
    };
}
pub use simd;

/// Vectors of one instruction set.
///
/// # Safety
/// All functions want a machine that has the set; those with pointers want [`Simd::LANES`]
/// (or the first `n`) floats behind them. [`dispatch`] sees to the first.
#[allow(clippy::missing_safety_doc)] // said once, above
pub trait Simd: Copy + 'static {
    type V: Copy;
    /// Floats per vector.
    const LANES: usize;
    /// Vectors per panel of a packed matrix.
    const PANEL: usize;

    unsafe fn splat(x: f32) -> Self::V;
    unsafe fn load(p: *const f32) -> Self::V;
    unsafe fn store(p: *mut f32, v: Self::V);
    /// The first `n` floats, `0 < n < LANES`; the rest is 0.
    unsafe fn load_first(p: *const f32, n: usize) -> Self::V;
    unsafe fn store_first(p: *mut f32, n: usize, v: Self::V);
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn sub(a: Self::V, b: Self::V) -> Self::V;
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`.
    unsafe fn fnma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `x > 0 ? yes : no` for each lane.
    unsafe fn positive(x: Self::V, yes: Self::V, no: Self::V) -> Self::V;
    /// `x > 6 ? 6 : x < 0 ? 0 : x`; NaN stays NaN.
    unsafe fn clamp6(x: Self::V) -> Self::V;
    /// `x < 0 ? 0 : x`; NaN stays NaN.
    unsafe fn relu(x: Self::V) -> Self::V;
    /// Has what is at `p`, if anything is, come closer. There need be nothing.
    unsafe fn prefetch(_p: *const f32) {}
}

/// `n` floats at `p`: a whole vector, or if `PART` the first of one.
///
/// # Safety
/// There must be `n` floats at `p`, and `n` is [`Simd::LANES`] unless `PART`.
#[inline(always)]
pub unsafe fn load<S: Simd, const PART: bool>(p: *const f32, n: usize) -> S::V {
    // SAFETY: the caller's.
    unsafe {
        if PART {
            S::load_first(p, n)
        } else {
            S::load(p)
        }
    }
}

/// Writes `n` floats to `p`.
///
/// # Safety
/// As for [`load`].
#[inline(always)]
pub unsafe fn store<S: Simd, const PART: bool>(p: *mut f32, n: usize, v: S::V) {
    // SAFETY: the caller's.
    unsafe {
        if PART {
            S::store_first(p, n, v)
        } else {
            S::store(p, v)
        }
    }
}

/// Evaluates `$full` for every whole vector of `$c` channels and `$rest` for what is left, with
/// the first channel in `$at` and the number of channels in `$n`.
macro_rules! each_vector {
    ($S:ident, $c:expr, |$at:ident, $n:ident| $full:expr, $rest:expr) => {
        let mut $at = 0;
        while $at + $S::LANES <= $c {
            let $n = $S::LANES;
            $full;
            $at += $S::LANES;
        }
        if $at < $c {
            let $n = $c - $at;
            $rest;
        }
    };
}
pub(crate) use each_vector;

/// A kernel written over [`Simd`]. `run` must be `#[inline(always)]`, and so must all that it
/// calls with vectors: only what is inlined is compiled for the instruction set.
pub trait Kernel {
    type Out;
    /// # Safety
    /// As [`Simd`]; what is behind the kernel's pointers is its constructor's promise.
    unsafe fn run<S: Simd>(self) -> Self::Out;
}

/// Runs a kernel on the best instruction set.
///
/// # Safety
/// The kernel's pointers must be good for what it documents.
#[inline]
pub unsafe fn dispatch<K: Kernel>(kernel: K) -> K::Out {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512vl,avx2,fma")]
    fn avx512<K: Kernel>(kernel: K) -> K::Out {
        // SAFETY: the features are enabled, the pointers are the caller's promise.
        unsafe { kernel.run::<x86::Avx512>() }
    }
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma")]
    fn avx2<K: Kernel>(kernel: K) -> K::Out {
        // SAFETY: as above.
        unsafe { kernel.run::<x86::Avx2>() }
    }
    match level() {
        // SAFETY: `level` has found these instructions on this machine.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { avx512(kernel) },
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { avx2(kernel) },
        // SAFETY: plain vectors need no instructions; the pointers are the caller's promise.
        _ => unsafe { kernel.run::<Plain>() },
    }
}

/// Floats per vector of the set in use.
pub fn lanes() -> usize {
    match level() {
        Level::Avx512 => 16,
        Level::Avx2 => 8,
        Level::Plain => Plain::LANES,
    }
}

/// Floats per row of a full panel of the set in use.
pub fn panel() -> usize {
    match level() {
        Level::Avx512 => 64,
        Level::Avx2 => 16,
        Level::Plain => Plain::LANES * Plain::PANEL,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Probe<'a>(&'a [f32], &'a mut Vec<f32>);

    impl Kernel for Probe<'_> {
        type Out = usize;
        #[inline(always)]
        unsafe fn run<S: Simd>(self) -> usize {
            let mut out = vec![-1.0; 8 * S::LANES];
            // SAFETY: both slices hold what is read and written.
            unsafe {
                let (p, x) = (out.as_mut_ptr(), S::load(self.0.as_ptr()));
                let n = S::LANES;
                S::store(p, S::fma(x, S::splat(2.0), S::splat(1.0)));
                S::store(p.add(n), S::fnma(x, S::splat(2.0), S::splat(1.0)));
                S::store(p.add(2 * n), S::positive(x, S::splat(1.0), S::splat(-1.0)));
                S::store(p.add(3 * n), S::clamp6(x));
                S::store(p.add(4 * n), S::relu(x));
                S::store(p.add(5 * n), S::load_first(self.0.as_ptr(), 3));
                S::store_first(p.add(6 * n), 3, x);
                S::store(p.add(7 * n), S::mul(S::add(x, x), S::sub(x, S::splat(1.0))));
            }
            *self.1 = out;
            S::LANES
        }
    }

    #[test]
    fn vectors_do_as_their_names_say() {
        let x: Vec<f32> = (0..16).map(|i| i as f32 - 3.5).collect();
        let mut out = Vec::new();
        // SAFETY: `x` has as many floats as the widest vector.
        let n = unsafe { dispatch(Probe(&x, &mut out)) };
        assert_eq!(n, lanes());
        for i in 0..n {
            let v = x[i];
            assert_eq!(out[i], 2.0 * v + 1.0);
            assert_eq!(out[n + i], 1.0 - 2.0 * v);
            assert_eq!(out[2 * n + i], if v > 0.0 { 1.0 } else { -1.0 });
            assert_eq!(out[3 * n + i], v.clamp(0.0, 6.0));
            assert_eq!(out[4 * n + i], v.max(0.0));
            assert_eq!(out[5 * n + i], if i < 3 { v } else { 0.0 });
            assert_eq!(out[6 * n + i], if i < 3 { v } else { -1.0 });
            assert_eq!(out[7 * n + i], 2.0 * v * (v - 1.0));
        }
    }

    #[test]
    fn sets_are_named_and_what_is_missing_is_refused() {
        assert_eq!(Level::parse("plain").unwrap(), Level::Plain);
        let error = Level::parse("sse").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("plain, avx2, avx512"));
        assert_eq!(Level::parse(name()).unwrap(), level());
    }
}
