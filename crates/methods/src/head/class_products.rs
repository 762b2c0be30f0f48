//! Cosines (or plain products) of a batch with the classes, for 32-bit floats on the CPU: one
//! pass over the class weights forward, one back. They are by far the largest matrix of a training on many
//! classes, so they are neither copied nor normalised: a product with a row of them is divided
//! by the row's norm instead.
//!
//! With `u = x / |x|`, `c_ij = <u_i, w_j> / |w_j|` and the gradient `g` of the cosines,
//!
//! ```text
//! dw_j = (sum_i g_ij u_i - w_j / |w_j| sum_i g_ij c_ij) / |w_j|
//! dx_i = (sum_j g_ij w_j / |w_j| - u_i sum_j g_ij c_ij) / |x_i|
//! ```
//!
//! Plain products have 1 for all norms, and these no gradient.

use super::WeightGrad;
use super::cosine::NORM_FLOOR;
use super::rowwise::slice;
use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};
use frbench_engine::ops::gemm::{self, Mat, gemm_packed, gemm_rows};
use frbench_engine::ops::simd::simd;
use frbench_engine::team::OneByOne;
use rayon::prelude::*;
use std::sync::OnceLock;

/// Classes per block: their weights and the gradient of these stay in the second-level cache.
const BLOCK: usize = 96;
/// Slices of the classes at most. Each adds up a gradient of the embeddings of its own.
const SLICES: usize = 8;

/// `[B, D]` embeddings and `[C, D]` class weights to `[B, C]` cosines or products.
pub(super) struct ClassProducts {
    cosines: bool,
    /// Of the forward pass, for the backward pass.
    norms: OnceLock<Norms>,
    /// Where the gradient of the class weights goes; else to candle.
    weight_grad: Option<WeightGrad>,
}

struct Norms {
    /// `1 / |x|`, `[B]`; and whether the norm is above its floor.
    x: Vec<(f32, bool)>,
    /// `1 / |w|`, `[C]`.
    w: Vec<(f32, bool)>,
}

simd! {
    /// `out[0] = <a, b>`, added up in 64 bits.
    fn dot(a: &[f32], b: &[f32], out: &mut [f64; 1]) {
        let _ = FMA;
        const LANES: usize = 16;
        let mut sums = [0.0f64; LANES];
        let (a_body, a_rest) = a.as_chunks::<LANES>();
        let (b_body, b_rest) = b.as_chunks::<LANES>();
        for (a, b) in a_body.iter().zip(b_body) {
            for lane in 0..LANES {
                sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
            }
        }
        for (a, b) in a_rest.iter().zip(b_rest) {
            sums[0] += f64::from(*a) * f64::from(*b);
        }
        out[0] = sums.iter().sum();
    }
}

simd! {
    /// `out = (out - x along) by`.
    fn project(out: &mut [f32], x: &[f32], along: f32, by: f32) {
        let _ = FMA;
        for (out, x) in out.iter_mut().zip(x) {
            *out = (*out - x * along) * by;
        }
    }
}

/// Rows divided by their norms.
fn units(x: &[f32], d: usize, norms: &[(f32, bool)]) -> Vec<f32> {
    let mut units = x.to_vec();
    for (row, (inverse, _)) in units.chunks_exact_mut(d).zip(norms) {
        row.iter_mut().for_each(|v| *v *= inverse);
    }
    units
}

/// Transposes `[rows, columns]`.
fn transpose(from: &[f32], columns: usize, to: &mut [f32]) {
    const TILE: usize = 16;
    let rows = from.len() / columns;
    to.par_chunks_mut(TILE * rows)
        .enumerate()
        .one_by_one()
        .for_each(|(t, to)| {
            for first in (0..rows).step_by(TILE) {
                for (j, to) in to.chunks_exact_mut(rows).enumerate() {
                    let end = rows.min(first + TILE);
                    for (r, to) in (first..end).zip(&mut to[first..end]) {
                        *to = from[r * columns + t * TILE + j];
                    }
                }
            }
        });
}

impl ClassProducts {
    pub fn new(cosines: bool, weight_grad: Option<WeightGrad>) -> Self {
        ClassProducts {
            cosines,
            norms: OnceLock::new(),
            weight_grad,
        }
    }

    /// `1 / max(|row|, floor)`, and whether the norm itself is in it (and so has a gradient).
    fn inverse_norm(&self, row: &[f32]) -> (f32, bool) {
        if !self.cosines {
            return (1.0, false);
        }
        let mut square = [0.0];
        dot(row, row, &mut square);
        let norm = square[0].sqrt();
        ((1.0 / norm.max(NORM_FLOOR)) as f32, norm > NORM_FLOOR)
    }

    fn forward(&self, x: &[f32], w: &[f32], [b, d]: [usize; 2]) -> Vec<f32> {
        let classes = w.len() / d;
        let x_norms: Vec<_> = x
            .chunks_exact(d)
            .map(|row| self.inverse_norm(row))
            .collect();
        let units = units(x, d, &x_norms);
        let mut columns = vec![0.0; gemm::packed_len(d, b)];
        gemm::pack([d, b], |p, i| units[i * d + p], &mut columns);
        // Classes are the long side, so the product is made with them as rows.
        let mut product = vec![0.0; classes * b];
        let mut w_norms = vec![(0.0, false); classes];
        product
            .par_chunks_mut(BLOCK * b)
            .zip(w_norms.par_chunks_mut(BLOCK))
            .zip(w.par_chunks(BLOCK * d))
            .one_by_one()
            .for_each(|((product, norms), w)| {
                let a = Mat::rows(w, d);
                gemm_packed([norms.len(), b, d], a, &columns, product, b, false, None);
                let rows = w.chunks_exact(d).zip(product.chunks_exact_mut(b));
                for ((w, product), norm) in rows.zip(norms) {
                    *norm = self.inverse_norm(w);
                    product.iter_mut().for_each(|v| *v *= norm.0);
                }
            });
        let mut products = vec![0.0; b * classes];
        transpose(&product, b, &mut products);
        let norms = Norms {
            x: x_norms,
            w: w_norms,
        };
        // A second forward pass of the same operation would see the same tensors.
        self.norms.get_or_init(|| norms);
        products
    }

    /// The gradient of the embeddings. That of the class weights is written to `dw`, or added.
    fn backward(
        norms: &Norms,
        [x, w]: [&[f32]; 2],
        [cosines, g]: [&[f32]; 2],
        [b, d]: [usize; 2],
        (dw, add): (&mut [f32], bool),
    ) -> Vec<f32> {
        let classes = w.len() / d;
        let units = units(x, d, &norms.x);
        let mut packed = vec![0.0; gemm::packed_len(b, d)];
        gemm::pack([b, d], |i, p| units[i * d + p], &mut packed);
        let blocks = classes.div_ceil(BLOCK);
        let slice = blocks.div_ceil(SLICES) * BLOCK;
        let partial: Vec<Vec<f32>> = dw
            .par_chunks_mut(slice * d)
            .zip(w.par_chunks(slice * d))
            .enumerate()
            .one_by_one()
            .map(|(i, (dw, w))| {
                let mut dx = vec![0.0; b * d];
                // Gradients of a block, `[classes, B]`, divided by the classes' norms.
                let mut scaled = vec![0.0; BLOCK * b];
                let parts = dw.chunks_mut(BLOCK * d).zip(w.chunks(BLOCK * d));
                for (block, (dw, w)) in parts.enumerate() {
                    let first = i * slice + block * BLOCK;
                    let rows = w.len() / d;
                    let scaled = &mut scaled[..rows * b];
                    let mut along = [0.0f64; BLOCK];
                    for row in 0..b {
                        let at = row * classes + first;
                        let pairs = g[at..at + rows].iter().zip(&cosines[at..at + rows]);
                        for (j, (g, c)) in pairs.enumerate() {
                            scaled[j * b + row] = g * norms.w[first + j].0;
                            along[j] += f64::from(*g) * f64::from(*c);
                        }
                    }
                    let a = Mat::rows(scaled, b);
                    let (size, w_rows) = ([b, d, rows], (w, d, None));
                    gemm_rows(size, a.transposed(), w_rows, &mut dx, d, true, None);
                    gemm_packed([rows, d, b], a, &packed, dw, d, add, None);
                    let rows = dw.chunks_exact_mut(d).zip(w.chunks_exact(d));
                    for ((dw, w), (j, along)) in rows.zip(along.iter().enumerate()) {
                        let (inverse, free) = norms.w[first + j];
                        if free {
                            let by = along * f64::from(inverse) * f64::from(inverse);
                            project(dw, w, by as f32, 1.0);
                        }
                    }
                }
                dx
            });
        let mut dx = vec![0.0; b * d];
        for part in &partial {
            frbench_engine::ops::act::add_into(&mut dx, part);
        }
        let rows = dx.chunks_exact_mut(d).zip(units.chunks_exact(d));
        for (i, (dx, unit)) in rows.enumerate() {
            let (inverse, free) = norms.x[i];
            let row = i * classes..(i + 1) * classes;
            let mut along = [0.0];
            if free {
                dot(&g[row.clone()], &cosines[row], &mut along);
            }
            project(dx, unit, along[0] as f32, inverse);
        }
        dx
    }
}

impl CustomOp2 for ClassProducts {
    fn name(&self) -> &'static str {
        "class-products"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        x_layout: &Layout,
        w: &CpuStorage,
        w_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (b, d) = x_layout.shape().dims2()?;
        let (classes, _) = w_layout.shape().dims2()?;
        let (x, w) = (slice::<f32>(x, x_layout)?, slice::<f32>(w, w_layout)?);
        let out = self.forward(x, w, [b, d]);
        Ok((CpuStorage::F32(out), Shape::from((b, classes))))
    }

    fn bwd(
        &self,
        x: &Tensor,
        w: &Tensor,
        cosines: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let grad = grad.contiguous()?;
        let all = [x, w, cosines, &grad].map(|t| t.storage_and_layout());
        let [x_data, w_data, c_data, g_data] = [0, 1, 2, 3].map(|i| match &*all[i].0 {
            candle_core::Storage::Cpu(storage) => slice::<f32>(storage, all[i].1),
            _ => candle_core::bail!("class-products is for the CPU"),
        });
        let sizes = [x.dim(0)?, x.dim(1)?];
        let (inputs, outputs) = ([x_data?, w_data?], [c_data?, g_data?]);
        let Some(norms) = self.norms.get() else {
            candle_core::bail!("class-products goes back before it has gone forward");
        };
        let back = |dw: &mut [f32], add: bool| {
            let dx = Self::backward(norms, inputs, outputs, sizes, (dw, add));
            Tensor::from_vec(dx, x.shape(), x.device())
        };
        if let Some(sink) = &self.weight_grad {
            let mut dx = None;
            sink.gather(inputs[1].len(), |dw, add| dx = Some(back(dw, add)));
            return Ok((dx.transpose()?, None));
        }
        let mut dw = vec![0.0; inputs[1].len()];
        let dx = back(&mut dw, false)?;
        let dw = Tensor::from_vec(dw, w.shape(), w.device())?;
        Ok((Some(dx), Some(dw)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::cosine::normalize_composed;
    use super::*;
    use candle_core::{DType, Device, Var};
    use frbench_base::rng::Stream;

    fn leaf(rows: usize, cols: usize, seed: u64) -> Var {
        let mut stream = Stream::derive(seed, "cosines", &[]);
        let mut data: Vec<f32> = (0..rows * cols).map(|_| stream.normal() as f32).collect();
        // A row of zeros.
        data[2 * cols..3 * cols].fill(0.0);
        Var::from_slice(&data, (rows, cols), &Device::Cpu).unwrap()
    }

    fn flat(t: &Tensor) -> Vec<f64> {
        let t = t.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
        t.to_vec1().unwrap()
    }

    #[test]
    fn they_are_those_that_candle_composes_in_64_bits() {
        let sizes = [(3, 5, 7), (5, 97, 33), (33, 1000, 64), (4, 3, 1)];
        for ((b, classes, d), cosines) in sizes.into_iter().flat_map(|s| [(s, true), (s, false)]) {
            let (x, w) = (leaf(b, d, 1), leaf(classes, d, 2));
            let g = leaf(b, classes, 3);
            let unit = |x: &Tensor| {
                let x = x.to_dtype(DType::F64).unwrap();
                match cosines {
                    true => normalize_composed(&x).unwrap(),
                    false => x,
                }
            };
            let want = unit(&x).matmul(&unit(&w).t().unwrap()).unwrap();
            let ours = x.apply_op2(&w, ClassProducts::new(cosines, None)).unwrap();
            let label = format!("{b} x {classes} x {d} {cosines}");
            let off = frbench_base::compare::relative_error(&flat(&ours), &flat(&want));
            assert!(off < 1e-6, "{label}: {off}");
            let weighted = (&want * g.to_dtype(DType::F64).unwrap()).unwrap();
            let want = weighted.sum_all().unwrap().backward().unwrap();
            let ours = (&ours * g.as_tensor()).unwrap().sum_all().unwrap();
            let ours = ours.backward().unwrap();
            for leaf in [&x, &w] {
                let (ours, want) = (flat(ours.get(leaf).unwrap()), flat(want.get(leaf).unwrap()));
                assert!(ours.iter().all(|v| v.is_finite()));
                // The rows of zeros have gradients of the order of 1e12; they are left out.
                let keep = |v: &[f64]| [&v[..2 * d], &v[3 * d..]].concat();
                let off = frbench_base::compare::relative_error(&keep(&ours), &keep(&want));
                assert!(off < 2e-6 || d == 1, "{label}: {off}");
            }
        }
    }

    #[test]
    fn results_do_not_depend_on_the_number_of_threads() {
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(|| {
                let (x, w) = (leaf(9, 21, 1), leaf(700, 21, 2));
                let y = x.apply_op2(&w, ClassProducts::new(true, None)).unwrap();
                let grads = y.sqr().unwrap().backward().unwrap();
                [&x, &w].map(|leaf| flat(grads.get(leaf).unwrap()))
            })
        };
        assert_eq!(run(1), run(3));
    }
}
