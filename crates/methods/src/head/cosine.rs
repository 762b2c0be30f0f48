//! L2-normalised rows and the cosines between them.

use super::class_products::ClassProducts;
use super::device_products::OnDevice;
use super::rowwise::Normalize;
use super::{HeadInput, WeightGrad};
use candle_core::{D, DType, Tensor};
use frbench_base::{Error, Result};

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
    match fused(embeddings, weight, true, None)? {
        Some(cosines) => Ok(cosines),
        None => products(&l2_normalize(embeddings)?, &l2_normalize(weight)?),
    }
}

/// The same of a head's input; the gradient of the class weights goes where the input says.
pub fn cosines_of(input: &HeadInput) -> Result<Tensor> {
    if let Some(products) = OnDevice::of(input, true)? {
        return products.matrix();
    }
    match fused(input.embeddings, input.weight, true, input.weight_grad)? {
        Some(cosines) => Ok(cosines),
        None => cosines(input.embeddings, input.weight),
    }
}

/// Dot products `[B, C]` of a head's embeddings with its class weights, whose gradient goes
/// where the input says.
pub(super) fn products_of(input: &HeadInput) -> Result<Tensor> {
    if let Some(products) = OnDevice::of(input, false)? {
        return products.matrix();
    }
    match fused(input.embeddings, input.weight, false, input.weight_grad)? {
        Some(products) => Ok(products),
        None => products(input.embeddings, input.weight),
    }
}

/// [`ClassProducts`], for those it takes.
fn fused(
    x: &Tensor,
    w: &Tensor,
    cosines: bool,
    grad: Option<&WeightGrad>,
) -> Result<Option<Tensor>> {
    same_width(x, w)?;
    let takes = |t: &Tensor| t.device().is_cpu() && t.dtype() == DType::F32;
    if !takes(x) || !takes(w) {
        return Ok(None);
    }
    let op = ClassProducts::new(cosines, grad.cloned());
    Ok(Some(x.contiguous()?.apply_op2(&w.contiguous()?, op)?))
}

/// Dot products `[B, C]` of every row of `embeddings` with every row of `weight`.
fn products(embeddings: &Tensor, weight: &Tensor) -> Result<Tensor> {
    same_width(embeddings, weight)?;
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
