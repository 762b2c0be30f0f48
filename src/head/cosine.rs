//! Cosines, and the cross-entropy over logits made from them.

use super::rowwise::{Normalize, RowProducts};
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
    let (_, d) = embeddings.dims2()?;
    let (_, weight_d) = weight.dims2()?;
    if d != weight_d {
        return Err(Error::Compute(format!(
            "embeddings have {d} dimensions but class weights have {weight_d}"
        )));
    }
    let (embeddings, weight) = (l2_normalize(embeddings)?, l2_normalize(weight)?);
    if embeddings.device().is_cpu() {
        return Ok(embeddings.apply_op2(&weight, RowProducts)?);
    }
    Ok(embeddings.matmul(&weight.t()?)?)
}

/// Positions of the target entries of a row-major `[B, C]` matrix, as an i64 tensor `[B]` on
/// the device of `like`. Fails if a label is no class.
pub fn target_positions(labels: &[u32], like: &Tensor) -> Result<Tensor> {
    let (b, c) = like.dims2()?;
    if labels.len() != b {
        return Err(Error::Compute(format!(
            "{} labels for {b} embeddings",
            labels.len()
        )));
    }
    let positions = labels
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
        .collect::<Result<Vec<i64>>>()?;
    Ok(Tensor::from_vec(positions, b, like.device())?)
}

/// Mean cross-entropy (scalar) of `logits` `[B, C]` with the targets at `positions`.
pub fn cross_entropy(logits: &Tensor, positions: &Tensor) -> Result<Tensor> {
    // The shift by the maximum cancels, in the value and in the gradient.
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(1)?)?;
    let log_sum = shifted.exp()?.sum(1)?.log()?;
    let target = shifted.flatten_all()?.index_select(positions, 0)?;
    Ok((log_sum - target)?.mean_all()?)
}
