//! L2-normalised rows and the cosines between them.

use super::class_cosines::ClassCosines;
use super::rowwise::{Normalize, RowProducts};
use super::{HeadInput, WeightGrad};
use crate::{Error, Result};
use candle_core::{D, DType, Tensor};

/// Norms below this count as this, as in PyTorch's `F.normalize`: a row of zeros stays zeros
/// and has a finite gradient.
pub(super) const NORM_FLOOR: f64 = 1e-12;

/// Rows of `x` (last dimension) divided by their L2 norm.
pub fn l2_normalize(x: &Tensor) -> Result<Tensor> {
    if x.device().is_cpu() && matches!(x.dtype(), DType::F32 | DType::F64) {
        return Ok(x.contiguous()?.apply_op1(Normalize)?);
    }
    normalize_composed(x)
}

/// The same from candle's operations, for any device and type.
pub(super) fn normalize_composed(x: &Tensor) -> Result<Tensor> {
    let squared = x.sqr()?.sum_keepdim(D::Minus1)?;
    // The floor goes under the root, whose slope at 0 is infinite.
    let norm = squared.maximum(NORM_FLOOR * NORM_FLOOR)?.sqrt()?;
    Ok(x.broadcast_div(&norm)?)
}

/// Cosines `[B, C]` of every row of `embeddings` `[B, D]` with every row of `weight` `[C, D]`.
pub fn cosines(embeddings: &Tensor, weight: &Tensor) -> Result<Tensor> {
    of(embeddings, weight, None)
}

/// The same of a head's input; the gradient of the class weights goes where the input says.
pub fn cosines_of(input: &HeadInput) -> Result<Tensor> {
    of(input.embeddings, input.weight, input.weight_grad)
}

fn of(embeddings: &Tensor, weight: &Tensor, grad: Option<&WeightGrad>) -> Result<Tensor> {
    same_width(embeddings, weight)?;
    let fused = |t: &Tensor| t.device().is_cpu() && t.dtype() == DType::F32;
    if fused(embeddings) && fused(weight) {
        let (x, w) = (embeddings.contiguous()?, weight.contiguous()?);
        return Ok(x.apply_op2(&w, ClassCosines::new(grad.cloned()))?);
    }
    products(&l2_normalize(embeddings)?, &l2_normalize(weight)?)
}

/// Dot products `[B, C]` of every row of `embeddings` with every row of `weight`.
pub(super) fn products(embeddings: &Tensor, weight: &Tensor) -> Result<Tensor> {
    same_width(embeddings, weight)?;
    if embeddings.device().is_cpu() {
        return Ok(embeddings.apply_op2(weight, RowProducts)?);
    }
    Ok(embeddings.matmul(&weight.t()?)?)
}

fn same_width(embeddings: &Tensor, weight: &Tensor) -> Result<()> {
    let ((_, d), (_, weight_d)) = (embeddings.dims2()?, weight.dims2()?);
    if d == weight_d {
        return Ok(());
    }
    Err(Error::Compute(format!(
        "embeddings have {d} dimensions but class weights have {weight_d}"
    )))
}
