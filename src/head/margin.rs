//! Softmax with a margin on the target cosine: the form of ArcFace, CosFace and their kin.

use super::cosine::{cosines, cross_entropy, target_positions};
use super::{HeadInput, HeadOutput};
use crate::Result;
use crate::registry::{Kind, Param};
use candle_core::{DType, Tensor};

/// The target logit (before scaling) as a function of the target cosine, at one cosine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Margined {
    pub value: f64,
    /// Its derivative with respect to the cosine.
    pub slope: f64,
}

/// Slopes of functions of the angle carry a factor `1 / sin`; sines below this (angles under
/// 0.006 degrees) count as this, which keeps gradients finite at cosines of +-1.
pub const SIN_FLOOR: f64 = 1e-4;

/// `sin` of the angle whose cosine is `c`, and the same floored for use in a denominator.
pub fn sine(c: f64) -> (f64, f64) {
    let sin = (1.0 - c * c).max(0.0).sqrt();
    (sin, sin.max(SIN_FLOOR))
}

pub(super) const SCALE: Param = Param {
    name: "s",
    kind: Kind::Float {
        min: 1.0,
        max: 1000.0,
    },
    required: true,
    doc: "scale of the cosines; 64 in insightface, 32 in FaceX-Zoo and BoundaryFace",
};

/// Logits `scale * cos`, with the target's cosine replaced by `margin(cos)`, and the mean
/// cross-entropy. The margin is evaluated in f64 for the `B` target cosines alone, so its cost
/// and its memory do not grow with the number of classes.
pub fn margin_softmax(
    input: &HeadInput,
    scale: f64,
    margin: impl Fn(f64) -> Margined,
) -> Result<HeadOutput> {
    let cosines = cosines(input.embeddings, input.weight)?;
    let positions = target_positions(input.labels, &cosines)?;
    let flat = cosines.flatten_all()?;
    let target = flat.index_select(&positions, 0)?;
    let values: Vec<f64> = target.to_dtype(DType::F64)?.to_vec1()?;
    let margined: Vec<Margined> = values.iter().map(|&c| margin(c)).collect();

    let column = |of: &dyn Fn(usize) -> f64| -> Result<Tensor> {
        let data: Vec<f64> = (0..values.len()).map(of).collect();
        Ok(Tensor::from_vec(data, values.len(), target.device())?.to_dtype(target.dtype())?)
    };
    // What is added to the target cosine: a constant, and a term that is zero in value and
    // carries the slope in its gradient.
    let mut shift = column(&|i| margined[i].value - values[i])?;
    if margined.iter().any(|m| m.slope != 1.0) {
        let gain = column(&|i| margined[i].slope - 1.0)?;
        shift = (shift + (gain * (&target - target.detach())?)?)?;
    }
    // `index_add`, not `scatter_add`: candle drops the gradient of the latter's first argument
    // at the indexed places.
    let logits = (flat.index_add(&positions, &shift, 0)? * scale)?.reshape(cosines.shape())?;
    let loss = cross_entropy(&logits, &positions)?;
    Ok(HeadOutput {
        logits,
        loss,
        labels: None,
        aux_loss: None,
    })
}
