//! Mean cross-entropy over rows of logits, in one pass each way.

use super::rowwise::slice;
use candle_core::{
    CpuStorage, CustomOp1, DType, Layout, Result as CandleResult, Shape, Tensor, WithDType,
};
use frbench_base::{Error, Result};
use rayon::prelude::*;

/// Whether the fused operations take this tensor.
pub(super) fn fused(tensor: &Tensor) -> bool {
    tensor.device().is_cpu() && matches!(tensor.dtype(), DType::F32 | DType::F64)
}

/// Positions of the target entries of a row-major `[B, C]` matrix. Fails if a label is no class.
pub(super) fn positions(labels: &[u32], (b, c): (usize, usize)) -> Result<Vec<i64>> {
    if labels.len() != b || b == 0 {
        return Err(Error::Compute(format!(
            "{} labels for {b} embeddings",
            labels.len()
        )));
    }
    labels
        .iter()
        .enumerate()
        .map(|(i, &label)| {
            if (label as usize) < c {
                Ok((i * c) as i64 + i64::from(label))
            } else {
                Err(Error::Data(format!(
                    "sample {i} of the batch has label {label}, but there are {c} classes"
                )))
            }
        })
        .collect()
}

/// Mean cross-entropy (scalar) of `logits` `[B, C]` with `labels` `[B]`.
pub(super) fn cross_entropy(logits: &Tensor, labels: &[u32]) -> Result<Tensor> {
    positions(labels, logits.dims2()?)?;
    if fused(logits) {
        let labels = labels.to_vec();
        return Ok(logits.contiguous()?.apply_op1(CrossEntropy { labels })?);
    }
    composed(logits, labels)
}

/// The same in candle's operations.
pub(super) fn composed(logits: &Tensor, labels: &[u32]) -> Result<Tensor> {
    let positions = positions(labels, logits.dims2()?)?;
    let positions = Tensor::from_vec(positions, labels.len(), logits.device())?;
    // The shift by the maximum cancels, in the value and in the gradient.
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(1)?)?;
    let log_sum = shifted.exp()?.sum(1)?.log()?;
    let target = shifted.flatten_all()?.index_select(&positions, 0)?;
    Ok((log_sum - target)?.mean_all()?)
}

pub(super) struct CrossEntropy {
    labels: Vec<u32>,
}

impl CrossEntropy {
    /// Sums in a fixed order: rows apart, then one after another.
    fn forward<T: Real>(&self, logits: &[T]) -> T {
        let classes = logits.len() / self.labels.len();
        let rows: Vec<f64> = logits
            .par_chunks(classes)
            .zip(&self.labels)
            .map(|(row, &label)| {
                let max = largest(row);
                let target = row[label as usize].to_f64() - max.to_f64();
                libm::log(sum_exp(row, max)) - target
            })
            .collect();
        T::from_f64(rows.iter().sum::<f64>() / rows.len() as f64)
    }

    /// `(softmax - onehot) * grad / B`.
    fn backward<T: Real>(&self, logits: &[T], grad: f64) -> Vec<T> {
        let classes = logits.len() / self.labels.len();
        let share = grad / self.labels.len() as f64;
        let mut out = vec![T::zero(); logits.len()];
        out.par_chunks_mut(classes)
            .zip(logits.par_chunks(classes))
            .zip(&self.labels)
            .for_each(|((out, row), &label)| {
                let max = largest(row);
                let sum = exp_into(row, max, out);
                let factor = T::from_f64(share / sum);
                for v in out.iter_mut() {
                    *v *= factor;
                }
                // 1 - p without cancellation where the target's share is nearly 1.
                let label = label as usize;
                let target = T::exp_below(row[label] - max).to_f64() / sum;
                out[label] = T::from_f64(share * (target - 1.0));
            });
        out
    }
}

impl CustomOp1 for CrossEntropy {
    fn name(&self) -> &'static str {
        "cross-entropy"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let out = match logits {
            CpuStorage::F32(_) => {
                CpuStorage::F32(vec![self.forward::<f32>(slice(logits, layout)?)])
            }
            _ => CpuStorage::F64(vec![self.forward::<f64>(slice(logits, layout)?)]),
        };
        Ok((out, Shape::from(())))
    }

    fn bwd(&self, logits: &Tensor, _loss: &Tensor, grad: &Tensor) -> CandleResult<Option<Tensor>> {
        let grad = grad.to_dtype(DType::F64)?.to_scalar::<f64>()?;
        let backward = Backward { of: self, grad };
        Ok(Some(logits.detach().apply_op1_no_bwd(&backward)?))
    }
}

struct Backward<'a> {
    of: &'a CrossEntropy,
    grad: f64,
}

impl CustomOp1 for Backward<'_> {
    fn name(&self) -> &'static str {
        "cross-entropy-gradient"
    }

    fn cpu_fwd(&self, logits: &CpuStorage, layout: &Layout) -> CandleResult<(CpuStorage, Shape)> {
        let (of, grad) = (self.of, self.grad);
        let out = match logits {
            CpuStorage::F32(_) => CpuStorage::F32(of.backward::<f32>(slice(logits, layout)?, grad)),
            _ => CpuStorage::F64(of.backward::<f64>(slice(logits, layout)?, grad)),
        };
        Ok((out, layout.shape().clone()))
    }
}

const LANES: usize = 16;

fn largest<T: Real>(row: &[T]) -> T {
    let mut lanes = [T::lowest(); LANES];
    let (body, tail) = row.as_chunks::<LANES>();
    for chunk in body {
        for (lane, &v) in lanes.iter_mut().zip(chunk) {
            *lane = if v > *lane { v } else { *lane };
        }
    }
    let all = lanes.iter().chain(tail);
    all.fold(T::lowest(), |a, &v| if v > a { v } else { a })
}

/// `sum exp(x - max)`, added up in f64 lane by lane.
fn sum_exp<T: Real>(row: &[T], max: T) -> f64 {
    let mut lanes = [0.0f64; LANES];
    let (body, tail) = row.as_chunks::<LANES>();
    for chunk in body {
        let exp = chunk.map(|v| T::exp_below(v - max));
        for (lane, v) in lanes.iter_mut().zip(exp) {
            *lane += v.to_f64();
        }
    }
    let tail: f64 = tail.iter().map(|&v| T::exp_below(v - max).to_f64()).sum();
    lanes.iter().sum::<f64>() + tail
}

/// `exp(x - max)` of every element, and their sum as [`sum_exp`] has it.
fn exp_into<T: Real>(row: &[T], max: T, out: &mut [T]) -> f64 {
    for (out, &v) in out.iter_mut().zip(row) {
        *out = T::exp_below(v - max);
    }
    let mut lanes = [0.0f64; LANES];
    let (body, tail) = out.as_chunks::<LANES>();
    for chunk in body {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            *lane += v.to_f64();
        }
    }
    let tail: f64 = tail.iter().map(|v| v.to_f64()).sum();
    lanes.iter().sum::<f64>() + tail
}

/// The floating-point types of logits.
trait Real: WithDType + Copy + std::ops::MulAssign + std::ops::Sub<Output = Self> {
    fn lowest() -> Self;

    /// `e^x` for `x <= 0`.
    fn exp_below(x: Self) -> Self;
}

impl Real for f64 {
    fn lowest() -> f64 {
        f64::NEG_INFINITY
    }

    fn exp_below(x: f64) -> f64 {
        libm::exp(x)
    }
}

impl Real for f32 {
    fn lowest() -> f32 {
        f32::NEG_INFINITY
    }

    /// Relative error below 2e-7, from operations that compilers vectorise: `2^n e^r` with `n`
    /// rounded by adding and subtracting `1.5 2^23` and a Taylor polynomial on `|r| <= ln(2)/2`.
    #[inline(always)]
    fn exp_below(x: f32) -> f32 {
        const ROUND: f32 = 12_582_912.0;
        // ln 2 in two parts, the first with few enough bits that `n` times it is exact.
        const LN2_HIGH: f32 = 0.693_359_4;
        const LN2_LOW: f32 = -2.121_944_4e-4;
        // A NaN stays one.
        let x = if x < -87.0 { -87.0 } else { x };
        let rounded = x * std::f32::consts::LOG2_E + ROUND;
        let n = rounded - ROUND;
        let r = x - n * LN2_HIGH - n * LN2_LOW;
        let mut poly = 1.0 / 5040.0;
        for c in [
            1.0 / 720.0,
            1.0 / 120.0,
            1.0 / 24.0,
            1.0 / 6.0,
            0.5,
            1.0,
            1.0,
        ] {
            poly = poly * r + c;
        }
        // The low bits of `rounded` are `n`; moved into the exponent they make `2^n`.
        poly * f32::from_bits(rounded.to_bits().wrapping_add(127) << 23)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    #[test]
    fn the_exponential_is_accurate_over_its_range() {
        for i in 0..870_000 {
            let x = -(i as f32) * 1e-4;
            let want = libm::exp(f64::from(x));
            let got = f64::from(f32::exp_below(x));
            assert!(((got - want) / want).abs() < 2e-7, "{x}: {got} {want}");
        }
        assert_eq!(f32::exp_below(0.0), 1.0);
        assert!(f32::exp_below(-1e9) < 2e-38);
        assert!(f32::exp_below(f32::NAN).is_nan());
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                let data: Vec<f32> = (0..37 * 101)
                    .map(|i| (i as f32 * 0.7).sin() * 9.0)
                    .collect();
                let logits = Var::from_slice(&data, (37, 101), &Device::Cpu).unwrap();
                let labels: Vec<u32> = (0..37).collect();
                let loss = cross_entropy(&logits, &labels).unwrap();
                let grads = loss.backward().unwrap();
                let gradient = grads.get(&logits).unwrap().to_vec2::<f32>().unwrap();
                (loss.to_scalar::<f32>().unwrap(), gradient)
            })
        };
        assert_eq!(run(1), run(3));
    }
}
