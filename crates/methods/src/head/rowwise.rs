//! Row-wise operations of heads and losses for the CPU, with their own gradients. The same in
//! candle's autograd makes a dozen strided passes over the class weights in every step.

use super::cosine::NORM_FLOOR;
use candle_core::{
    CpuStorage, CustomOp1, CustomOp3, Layout, Result, Shape, Tensor, WithDType, bail,
};
use rayon::prelude::*;

/// `y = x / |x|` for every row.
pub(super) struct Normalize;

impl CustomOp1 for Normalize {
    fn name(&self) -> &'static str {
        "l2-normalize"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let out = match storage {
            CpuStorage::F32(_) => {
                CpuStorage::F32(normalized(slice::<f32>(storage, layout)?, width(layout)))
            }
            _ => CpuStorage::F64(normalized(slice::<f64>(storage, layout)?, width(layout))),
        };
        Ok((out, layout.shape().clone()))
    }

    fn bwd(&self, x: &Tensor, y: &Tensor, grad: &Tensor) -> Result<Option<Tensor>> {
        let grad = grad.contiguous()?;
        Ok(Some(x.apply_op3_no_bwd(y, &grad, &NormalizeGradient)?))
    }
}

/// `(g - y <g, y>) / |x|` for every row, from `x`, `y` and `g`.
struct NormalizeGradient;

impl CustomOp3 for NormalizeGradient {
    fn name(&self) -> &'static str {
        "l2-normalize-gradient"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        y: &CpuStorage,
        y_layout: &Layout,
        g: &CpuStorage,
        g_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let width = width(x_layout);
        let out = match x {
            CpuStorage::F32(_) => CpuStorage::F32(normalize_gradient::<f32>(
                slice(x, x_layout)?,
                slice(y, y_layout)?,
                slice(g, g_layout)?,
                width,
            )),
            _ => CpuStorage::F64(normalize_gradient::<f64>(
                slice(x, x_layout)?,
                slice(y, y_layout)?,
                slice(g, g_layout)?,
                width,
            )),
        };
        Ok((out, x_layout.shape().clone()))
    }
}

fn width(layout: &Layout) -> usize {
    layout.dims().last().copied().unwrap_or(0)
}

pub(crate) fn slice<'a, T: WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&T::cpu_storage_as_slice(storage)?[from..to]),
        None => bail!("row-wise operations want contiguous tensors"),
    }
}

/// Rows are taken in groups: one is too little work for a thread to pick up.
const GROUP: usize = 16;

fn normalized<T: WithDType>(x: &[T], width: usize) -> Vec<T> {
    let mut out = x.to_vec();
    if width > 0 {
        out.par_chunks_mut(width * GROUP).for_each(|group| {
            for row in group.chunks_mut(width) {
                let norm = norm(row);
                for v in row {
                    *v = T::from_f64(v.to_f64() / norm);
                }
            }
        });
    }
    out
}

fn normalize_gradient<T: WithDType>(x: &[T], y: &[T], g: &[T], width: usize) -> Vec<T> {
    let mut out = g.to_vec();
    if width > 0 {
        let step = width * GROUP;
        out.par_chunks_mut(step)
            .zip(x.par_chunks(step))
            .zip(y.par_chunks(step))
            .for_each(|((out, x), y)| {
                let rows = out.chunks_mut(width).zip(x.chunks(width));
                for ((out, x), y) in rows.zip(y.chunks(width)) {
                    let norm = norm(x);
                    // Below the floor the divisor is a constant.
                    let along = if norm > NORM_FLOOR { dot(out, y) } else { 0.0 };
                    for (out, y) in out.iter_mut().zip(y) {
                        *out = T::from_f64((out.to_f64() - y.to_f64() * along) / norm);
                    }
                }
            });
    }
    out
}

fn norm<T: WithDType>(row: &[T]) -> f64 {
    dot(row, row).sqrt().max(NORM_FLOOR)
}

/// Dot product, added up in f64 over eight lanes in a fixed order.
pub(crate) fn dot<A: WithDType, B: WithDType>(a: &[A], b: &[B]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0f64; LANES];
    let (a_head, a_tail) = a.as_chunks::<LANES>();
    let (b_head, b_tail) = b.as_chunks::<LANES>();
    for (a, b) in a_head.iter().zip(b_head) {
        for lane in 0..LANES {
            sums[lane] += a[lane].to_f64() * b[lane].to_f64();
        }
    }
    for (a, b) in a_tail.iter().zip(b_tail) {
        sums[0] += a.to_f64() * b.to_f64();
    }
    sums.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::super::cosine::normalize_composed;
    use super::*;
    use candle_core::{DType, Device, Var};

    /// Odd sizes, a row of zeros, more rows than a group.
    fn leaf(rows: usize, cols: usize, dtype: DType) -> Var {
        let data: Vec<f64> = (0..rows * cols)
            .map(|i| {
                if i / cols == 2 {
                    0.0
                } else {
                    (i as f64 * 1.7).sin()
                }
            })
            .collect();
        let tensor = Tensor::from_vec(data, (rows, cols), &Device::Cpu).unwrap();
        Var::from_tensor(&tensor.to_dtype(dtype).unwrap()).unwrap()
    }

    fn distance(a: &Tensor, b: &Tensor) -> f64 {
        let square = (a - b).unwrap().sqr().unwrap().sum_all().unwrap();
        let square = square.to_dtype(DType::F64).unwrap();
        square.to_scalar::<f64>().unwrap().sqrt()
    }

    #[test]
    fn they_are_candles_own_operations() {
        for (dtype, tolerance) in [(DType::F32, 1e-5), (DType::F64, 1e-13)] {
            let (a, b) = (leaf(37, 11, dtype), leaf(5, 11, dtype));
            let unit = |x: &Tensor| normalize_composed(x).unwrap();
            let ours = a.apply_op1(Normalize).unwrap();
            assert!(distance(&ours, &unit(&a)) < tolerance);
            let ours = ours.matmul(&b.apply_op1(Normalize).unwrap().t().unwrap());
            let stock = unit(&a).matmul(&unit(&b).t().unwrap());
            let (ours, stock) = (ours.unwrap(), stock.unwrap());
            assert!(distance(&ours, &stock) < tolerance);

            // The rows of zeros have gradients of the order of 1e12; they are left out.
            let ours = (&ours * &ours.detach()).unwrap().backward().unwrap();
            let stock = (&stock * &stock.detach()).unwrap().backward().unwrap();
            for x in [&a, &b] {
                let keep = |g: &Tensor| g.narrow(0, 3, g.dim(0).unwrap() - 3).unwrap();
                let (ours, stock) = (keep(ours.get(x).unwrap()), keep(stock.get(x).unwrap()));
                assert!(distance(&ours, &stock) < tolerance);
            }
        }
    }

    #[test]
    fn a_row_of_zeros_stays_and_its_gradient_is_finite() {
        let x = leaf(4, 3, DType::F32);
        let y = x.apply_op1(Normalize).unwrap();
        assert_eq!(y.to_vec2::<f32>().unwrap()[2], [0.0; 3]);
        let grads = y.backward().unwrap();
        let gradient = grads.get(&x).unwrap().to_vec2::<f32>().unwrap();
        assert!(gradient.iter().flatten().all(|g| g.is_finite()));
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                let x = leaf(100, 19, DType::F32);
                let grads = x.apply_op1(Normalize).unwrap().sqr().unwrap().backward();
                let gradient = grads.unwrap().get(&x).unwrap().clone();
                gradient.to_vec2::<f32>().unwrap()
            })
        };
        assert_eq!(run(1), run(3));
    }
}
