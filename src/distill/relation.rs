//! Relations: cosines of a feature with some rows of a feature bank.

use crate::head::cosine::l2_normalize;
use crate::head::rowwise::dot;
use crate::method::Matrix;
use crate::{Error, Result};
use candle_core::{CpuStorage, CustomOp1, Device, Layout, Shape, Tensor};
use rayon::prelude::*;
use std::sync::Arc;

/// Bank rows copied out for each sample, L2-normalised: `[B, K, D]`, row-major. Cheap to clone.
#[derive(Clone)]
pub struct Rows(Arc<RowData>);

struct RowData {
    batch: usize,
    k: usize,
    dim: usize,
    data: Vec<f32>,
}

impl RowData {
    fn row(&self, b: usize, k: usize) -> &[f32] {
        let at = (b * self.k + k) * self.dim;
        &self.data[at..at + self.dim]
    }
}

/// The rows `bank[neighbors[label]]` of every label.
///
/// They are copied, so that the bank may change before the loss made from them is
/// differentiated; at 512 images, 100 neighbours and 512 dimensions that is 105 MB.
pub fn gather(bank: &Matrix<f32>, neighbors: &Matrix<u32>, labels: &[u32]) -> Result<Rows> {
    let (k, dim) = (neighbors.cols, bank.cols);
    if let Some(label) = labels.iter().find(|l| **l as usize >= neighbors.rows) {
        return Err(Error::Compute(format!(
            "identity {label} has no neighbours: they are known for {} identities",
            neighbors.rows
        )));
    }
    let wanted = || labels.iter().map(|&l| neighbors.row(l as usize));
    if let Some(row) = wanted().flatten().find(|r| **r as usize >= bank.rows) {
        return Err(Error::Compute(format!(
            "identity {row} is a neighbour, but the feature bank has {} rows",
            bank.rows
        )));
    }
    let mut data = vec![0.0; labels.len() * k * dim];
    if k * dim > 0 {
        data.par_chunks_mut(k * dim)
            .zip(labels.par_iter())
            .for_each(|(out, &label)| {
                for (out, &row) in out.chunks_mut(dim).zip(neighbors.row(label as usize)) {
                    out.copy_from_slice(bank.row(row as usize));
                    normalize(out);
                }
            });
    }
    Ok(Rows(Arc::new(RowData {
        batch: labels.len(),
        k,
        dim,
        data,
    })))
}

impl Rows {
    /// The rows `bank[index[b, k]]` as they are, `[B, K, D]`. Fails where there is none.
    pub fn copy(bank: &Matrix<f32>, index: &Matrix<u32>) -> Result<Rows> {
        let (batch, k, dim) = (index.rows, index.cols, bank.cols);
        if let Some(row) = index.data.iter().find(|r| **r as usize >= bank.rows) {
            return Err(Error::Compute(format!(
                "row {row} is wanted of a bank of {}",
                bank.rows
            )));
        }
        let rows = index.data.iter().map(|&row| bank.row(row as usize));
        let data = rows.flatten().copied().collect();
        Ok(Rows(Arc::new(RowData {
            batch,
            k,
            dim,
            data,
        })))
    }
}

/// `R(x, rows)`, the cosines `[B, K]` of each row of `x` `[B, D]` with its bank rows, on the
/// CPU. Differentiable with respect to `x`; the rows are constants.
pub fn relation(x: &Tensor, rows: Rows) -> Result<Tensor> {
    dots(&l2_normalize(x)?, rows)
}

/// The dot products `[B, K]` of each row of `x` `[B, D]` with its bank rows, on the CPU.
/// Differentiable with respect to `x`; the rows are constants.
pub fn dots(x: &Tensor, rows: Rows) -> Result<Tensor> {
    let (batch, dim) = x.dims2()?;
    let Rows(rows) = rows;
    if batch != rows.batch || (dim != rows.dim && rows.k > 0) {
        return Err(Error::Compute(format!(
            "features are [{batch}, {dim}], but the bank rows they are related to are \
             [{}, {}, {}]",
            rows.batch, rows.k, rows.dim
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
struct DotRows(Arc<RowData>);

/// The transposed product: sums over `K` of an argument `[B, K]` times rows, `[B, D]`.
struct SumRows(Arc<RowData>);

impl CustomOp1 for DotRows {
    fn name(&self) -> &'static str {
        "relation"
    }

    fn cpu_fwd(
        &self,
        storage: &CpuStorage,
        layout: &Layout,
    ) -> candle_core::Result<(CpuStorage, Shape)> {
        let rows = &self.0;
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
        let rows = &self.0;
        per_row(storage, layout, rows.k, rows.dim, |b, g, out| {
            for (k, g) in g.iter().enumerate() {
                for (out, r) in out.iter_mut().zip(rows.row(b, k)) {
                    *out += g * f64::from(*r);
                }
            }
        })
    }
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
