//! Relations: cosines of a feature with some rows of a [bank](super::bank).

use crate::head::cosine::l2_normalize;
use crate::head::rowwise::{dot, slice};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Tensor};
use frbench_base::{Error, Result};
use frbench_engine::device::Selected;
use frbench_job::artefact::Matrix;
use rayon::prelude::*;
use std::sync::Arc;

/// Bank rows copied out for each sample, `[B, K, D]`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Rows(Arc<Place>);

#[derive(Debug)]
enum Place {
    Host(Copied),
    Device(Box<dyn Selected>),
}

/// Row-major.
#[derive(Debug)]
struct Copied {
    batch: usize,
    k: usize,
    dim: usize,
    data: Vec<f32>,
}

impl Copied {
    fn row(&self, b: usize, k: usize) -> &[f32] {
        let at = (b * self.k + k) * self.dim;
        &self.data[at..at + self.dim]
    }
}

impl From<Box<dyn Selected>> for Rows {
    fn from(selected: Box<dyn Selected>) -> Self {
        Rows(Arc::new(Place::Device(selected)))
    }
}

impl Rows {
    /// The rows `index[b, k]` of `bank`, which has them all.
    pub(super) fn of(bank: &Matrix<f32>, index: &Matrix<u32>, unit: bool) -> Rows {
        let (batch, k, dim) = (index.rows, index.cols, bank.cols);
        let mut data = vec![0.0; batch * k * dim];
        if k * dim > 0 {
            let samples = data.par_chunks_mut(k * dim).zip(index.data.par_chunks(k));
            samples.for_each(|(out, index)| {
                for (out, &row) in out.chunks_mut(dim).zip(index) {
                    out.copy_from_slice(bank.row(row as usize));
                    if unit {
                        normalize(out);
                    }
                }
            });
        }
        Rows(Arc::new(Place::Host(Copied {
            batch,
            k,
            dim,
            data,
        })))
    }

    /// `[B, K, D]`.
    fn shape(&self) -> [usize; 3] {
        match &*self.0 {
            Place::Host(rows) => [rows.batch, rows.k, rows.dim],
            Place::Device(rows) => rows.shape(),
        }
    }
}

/// `R(x, rows)`, the cosines `[B, K]` of each row of `x` `[B, D]` with its bank rows, in
/// host memory. Differentiable with respect to `x`; the rows are constants.
pub fn relation(x: &Tensor, rows: Rows) -> Result<Tensor> {
    dots(&l2_normalize(x)?, rows)
}

/// The dot products `[B, K]` of each row of `x` `[B, D]` with its bank rows, on the CPU.
/// Differentiable with respect to `x`; the rows are constants.
pub fn dots(x: &Tensor, rows: Rows) -> Result<Tensor> {
    let (batch, dim) = x.dims2()?;
    let [b, k, d] = rows.shape();
    if batch != b || (dim != d && k > 0) {
        return Err(Error::Compute(format!(
            "features are [{batch}, {dim}], but the bank rows they are related to are \
             [{b}, {k}, {d}]"
        )));
    }
    let x = x.to_device(&Device::Cpu)?.contiguous()?;
    Ok(x.apply_op1(DotRows(rows))?)
}

/// Divides a row by its L2 norm; a row of zeros stays.
pub fn normalize(row: &mut [f32]) {
    let norm = dot(row, row).sqrt();
    if norm > 0.0 {
        for v in row {
            *v = (f64::from(*v) / norm) as f32;
        }
    }
}

/// Dot products of row `b` of the argument `[B, D]` with rows `(b, 0..K)`.
struct DotRows(Rows);

/// The transposed product: sums over `K` of an argument `[B, K]` times rows, `[B, D]`.
struct SumRows(Rows);

impl CustomOp1 for DotRows {
    fn name(&self) -> &'static str {
        "relation"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let rows = match &*self.0.0 {
            Place::Host(rows) => rows,
            Place::Device(rows) => return on_device(storage, layout, |x| rows.dots(x)),
        };
        per_row(storage, layout, rows.dim, rows.k, |b, x, out| {
            for (k, out) in out.iter_mut().enumerate() {
                *out = dot(x, rows.row(b, k));
            }
        })
    }

    fn bwd(
        &self,
        _arg: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> candle_core::Result<Option<Tensor>> {
        Ok(Some(
            grad.contiguous()?
                .apply_op1_no_bwd(&SumRows(self.0.clone()))?,
        ))
    }
}

impl CustomOp1 for SumRows {
    fn name(&self) -> &'static str {
        "relation-gradient"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let rows = match &*self.0.0 {
            Place::Host(rows) => rows,
            Place::Device(rows) => return on_device(storage, layout, |g| rows.sums(g)),
        };
        per_row(storage, layout, rows.k, rows.dim, |b, g, out| {
            for (k, g) in g.iter().enumerate() {
                for (out, r) in out.iter_mut().zip(rows.row(b, k)) {
                    *out += g * f64::from(*r);
                }
            }
        })
    }
}

/// Applies `f` to a matrix, and shapes what it gives into as many rows. Features of a training are
/// in 32 bits.
fn on_device(
    storage: &CpuStorage,
    layout: &Layout,
    f: impl FnOnce(&[f32]) -> Result<Vec<f32>>,
) -> candle_core::Result<(CpuStorage, Shape)> {
    let (batch, _) = layout.shape().dims2()?;
    let out = f(slice::<f32>(storage, layout)?).map_err(candle_core::Error::wrap)?;
    let shape = Shape::from((batch, out.len() / batch.max(1)));
    Ok((CpuStorage::F32(out), shape))
}

/// Applies `f(b, input row, zeroed output row)` to every row of a contiguous matrix in f64, and
/// returns the result in the type of the input.
fn per_row(
    storage: &CpuStorage,
    layout: &Layout,
    width: usize,
    out_width: usize,
    f: impl Fn(usize, &[f64], &mut [f64]) + Sync,
) -> candle_core::Result<(CpuStorage, Shape)> {
    let Some((from, to)) = layout.contiguous_offsets() else {
        candle_core::bail!("relations want a contiguous matrix");
    };
    let input: Vec<f64> = match storage {
        CpuStorage::F32(v) => v[from..to].iter().map(|&x| f64::from(x)).collect(),
        CpuStorage::F64(v) => v[from..to].to_vec(),
        other => candle_core::bail!(
            "relations want f32 or f64 features, not {:?}",
            candle_core::backend::BackendStorage::dtype(other)
        ),
    };
    let batch = layout.shape().dims()[0];
    let mut out = vec![0.0f64; batch * out_width];
    if width * out_width > 0 {
        out.par_chunks_mut(out_width)
            .zip(input.par_chunks(width))
            .enumerate()
            .for_each(|(b, (out, row))| f(b, row, out));
    }
    let shape = Shape::from((batch, out_width));
    let out = if matches!(storage, CpuStorage::F64(_)) {
        CpuStorage::F64(out)
    } else {
        CpuStorage::F32(out.into_iter().map(|v| v as f32).collect())
    };
    Ok((out, shape))
}
