//! How fast this GPU copies and multiplies: what speeds are held against. And how fast our own
//! kernels are that little but read and write.

use super::array::Array;
use super::gemm::{Math, Matrix};
use super::gpu::{Gpu, failed};
use super::memory::Buffer;
use super::ops::{Act, NormPointers, ParamGrads};
use crate::device::Rates;
use crate::ops::act::PRELU;
use crate::settings::Precision;
use crate::value::Value;
use frbench_base::Result;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is timed grows until it takes this long, or is as large as it gets: launching is then no
/// matter.
const LONG_ENOUGH_MS: f64 = 1.0;
const COPIES: [usize; 2] = [64 << 20, 1 << 30];
const SIDES: [usize; 2] = [512, 8192];
/// Images in [112, 112, 64], where networks have the most to read and write.
const IMAGES: [usize; 2] = [2, 128];

impl Gpu {
    /// Medians of `rounds`.
    pub fn rates(self: &Arc<Self>, rounds: usize) -> Result<Rates> {
        let copy_gb_per_s = self.grown(COPIES, rounds, |bytes| {
            let (from, to) = (self.noise(bytes)?, self.buffer(bytes)?);
            let copy = move || self.copy(&to, &from, bytes);
            Ok((2e-6 * bytes as f64, copy))
        })?;
        let mut matmul_tflops = BTreeMap::new();
        for precision in [Precision::F32, Precision::Tf32, Precision::Bf16] {
            let low = precision == Precision::Bf16;
            let math = Math::from(precision);
            let rate = self.grown(SIDES, rounds, |side| {
                let bytes = side * side * if low { 2 } else { 4 };
                let abc = [self.noise(bytes)?, self.noise(bytes)?, self.buffer(bytes)?];
                let multiply = move || {
                    let [a, b, c] =
                        [0, 1, 2].map(|i| Matrix::new(abc[i].pointer(), [side, side], low));
                    self.product(a, b, c, false, math)
                };
                Ok((2e-9 * (side as f64).powi(3), multiply))
            })?;
            matmul_tflops.insert(precision.name(), rate);
        }
        Ok(Rates {
            copy_gb_per_s,
            matmul_tflops,
            kernels_gb_per_s: self.kernel_rates(rounds)?,
        })
    }

    /// Batch norm with PReLU on its way there and back, and SGD.
    fn kernel_rates(self: &Arc<Self>, rounds: usize) -> Result<BTreeMap<String, f64>> {
        let mut rates = BTreeMap::new();
        let c = 64;
        let ones = self.upload(&vec![1.0f32; 5 * c])?;
        let norm = NormPointers {
            weight: ones.pointer(),
            bias: ones.pointer(),
            ..NormPointers::default()
        };
        let act = Act {
            kind: PRELU.into(),
            slope: ones.pointer(),
        };
        let at = |k: usize| ones.pointer() + (4 * c * k) as u64;
        let grads = ParamGrads {
            weight: at(2),
            bias: at(3),
            slope: at(4),
        };
        for low in [false, true] {
            let kind = if low { "bf16" } else { "f32" };
            let array = |n: usize| {
                let values = (0..112 * 112 * c).map(|i| (i % 251) as f32 / 100.0 - 1.0);
                let image =
                    Array::upload(self, &Value::new([1, 112, 112, c], values.collect())?, low)?;
                let all = Array::new(self, [n, 112, 112, c], low)?;
                for i in 0..n {
                    let bytes = image.len() * if low { 2 } else { 4 };
                    self.copy_at(all.pointer() + (i * bytes) as u64, image.pointer(), bytes)?;
                }
                Ok::<_, frbench_base::Error>(all)
            };
            let megabytes = |x: &Array| 1e-6 * (x.len() * if low { 2 } else { 4 }) as f64;
            // Read for the statistics; read and written.
            let forward = self.grown(IMAGES, rounds, |n| {
                let x = array(n)?;
                let amount = 3.0 * megabytes(&x);
                let run = move || {
                    let stats = self.norm_stats(&x, 1, norm)?;
                    self.affine(x.clone(), stats.affine(), act, None).map(drop)
                };
                Ok((amount, run))
            })?;
            // Two arrays read for the sums, and read again to write one.
            let backward = self.grown(IMAGES, rounds, |n| {
                let (x, dy) = (array(n)?, array(n)?);
                let stats = self.norm_stats(&x, 1, norm)?;
                let amount = 5.0 * megabytes(&x);
                let run = move || {
                    let through = (Some(&stats), false);
                    self.gradient(&x, &dy, through, act, grads).map(drop)
                };
                Ok((amount, run))
            })?;
            rates.insert(format!("batch norm + PReLU, forward, {kind}"), forward);
            rates.insert(format!("batch norm + PReLU, backward, {kind}"), backward);
        }
        // Three arrays read and written.
        let sgd = self.grown([1 << 22, 1 << 26], rounds, |n| {
            let all = [self.noise(4 * n)?, self.noise(4 * n)?, self.noise(4 * n)?];
            let run = move || {
                let [p, g, v] = [0, 1, 2].map(|i| all[i].pointer());
                self.sgd([p, g, v, 0, 0], n, [1e-4, 0.9, 5e-4, 1.0], false)
            };
            Ok((24e-6 * n as f64, run))
        })?;
        rates.insert("SGD".into(), sgd);
        Ok(rates)
    }

    /// Amount per millisecond of what `make` makes of a size that is doubled until it takes long
    /// enough, up to the second of `sizes`, or as far as memory suffices.
    fn grown<F: FnMut() -> Result<()>>(
        &self,
        [mut size, most]: [usize; 2],
        rounds: usize,
        make: impl Fn(usize) -> Result<(f64, F)>,
    ) -> Result<f64> {
        let (mut rate, mut ms) = self.rate(make(size)?, rounds)?;
        while ms < LONG_ENOUGH_MS && 2 * size <= most {
            size *= 2;
            let Ok(larger) = make(size) else { break };
            (rate, ms) = self.rate(larger, rounds)?;
        }
        Ok(rate)
    }

    /// Amount per millisecond of one run, and the median of its milliseconds.
    fn rate<F: FnMut() -> Result<()>>(
        &self,
        (amount, mut run): (f64, F),
        rounds: usize,
    ) -> Result<(f64, f64)> {
        run()?;
        let mut times = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            times.push(self.time(&mut run)?.1);
        }
        times.sort_by(f64::total_cmp);
        let ms = times[rounds / 2];
        Ok((amount / ms, ms))
    }

    /// Numbers as networks have them: zeros would take less power, and so less time. They are
    /// near 1 both in 32 bits and as pairs of bfloat16.
    fn noise(self: &Arc<Self>, bytes: usize) -> Result<Buffer> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let half = |bits: u32| 0x3f00 | bits & 0x80ff;
            half(state >> 8 & 0xffff) << 16 | half(state >> 16)
        };
        let part: Vec<u32> = (0..1 << 20).map(|_| next()).collect();
        let buffer = self.buffer(bytes)?;
        let part = self.upload(&part[..part.len().min(bytes / 4)])?;
        for at in (0..bytes).step_by(4 << 20) {
            let len = (bytes - at).min(4 << 20);
            self.copy_at(buffer.pointer() + at as u64, part.pointer(), len)?;
        }
        Ok(buffer)
    }

    fn copy(&self, to: &Buffer, from: &Buffer, bytes: usize) -> Result<()> {
        self.copy_at(to.pointer(), from.pointer(), bytes)
    }

    /// Copies within the GPU. Both ranges are inside of buffers of the callers, all in this file.
    fn copy_at(&self, to: u64, from: u64, bytes: usize) -> Result<()> {
        let _turn = self.turn();
        self.bind()?;
        // SAFETY: the ranges are inside of buffers, and do not overlap; see above.
        unsafe {
            cudarc::driver::result::memcpy_dtod_async(to, from, bytes, self.stream().cu_stream())
        }
        .map_err(failed("a copy"))
    }
}
