//! The classification loss of a step at any images, beside the step: its gradients with respect
//! to the images and to all that is learned, and what a loss on the former is worth to the
//! latter.
//!
//! A loss `F` on input gradients `J` has the gradient `(dJ/dp)^T dF/dJ` with respect to the
//! parameters `p`, second derivatives of the classification loss `L`. They are taken as a
//! *finite-difference Hessian-vector product*: with `J = B dL/dx` of the batch mean `L` and
//! `v = B dF/dJ`,
//!
//! `(dJ/dp)^T dF/dJ = d/dp (v dL/dx) = (dL/dp (x + e v) - dL/dp (x - e v)) / 2 e`,
//!
//! up to terms of order `e^2`: two more passes, no graph of a graph. `e` makes the images move
//! by [`REACH`] of their own size.
//!
//! Two things are other than in a double backward pass. Activations with kinks change slope
//! where the difference steps over the kink; a double backward pass sees no kink at all. And
//! what a head takes from the batch as a constant (running means) follows the images.

use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use frbench_base::{Error, Result};
use frbench_engine::{self as engine, Network, OutputGrads, TrainMode, Value};
use frbench_methods::head::{Head, HeadInput, HeadOutput, WeightGrad};
use std::collections::BTreeMap;

/// How far a difference moves the images, in root mean squares, as a part of their own: far
/// below one level of grey of 256. Rounding of 32-bit gradients counts for about
/// `1e-6 / REACH`; curvature for `C REACH^2`, with a `C` of 40 to 8000 in the networks of the
/// tests, which are fresh and have batch norms over few images: 2e-3 of either.
pub const REACH: f64 = 5e-4;

/// A margin head beside the one that is trained, which probes therefore cannot move.
pub(super) struct Probe {
    head: Box<dyn Head>,
    state: BTreeMap<String, Vec<f64>>,
}

/// What the classification loss of a step depends on, beside the head's state.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub network: &'a Network,
    /// Dropout draws the same masks as in the step.
    pub mode: TrainMode,
    pub images: &'a Value,
    /// `[rows, D]`.
    pub weight: &'a Tensor,
    pub labels: &'a [u32],
    /// 1-based.
    pub epoch: u64,
}

/// Gradients with respect to what is learned.
pub(super) struct Learned {
    /// Of the network's parameters, in their order.
    pub params: Vec<f32>,
    /// Of the class weights, row-major.
    pub weight: Vec<f32>,
}

impl Probe {
    /// `head` is built and seeded as the one that is trained.
    pub fn new(head: Box<dyn Head>) -> Self {
        Probe {
            head,
            state: BTreeMap::new(),
        }
    }

    /// All passes until the next call see the state that `head` has now.
    pub fn follow(&mut self, head: &dyn Head) {
        self.state = head.state();
    }

    /// The gradient of each image's own loss with respect to the image, `[B, h w c]`, in units
    /// of loss per unit of the normalised input: `B` times the gradient of the batch mean. Where
    /// batch norms relate the images of a batch, that is what the sum of all losses says.
    pub fn input_gradients(&mut self, around: &Around) -> Result<Tensor> {
        let (grads, _) = self.gradients(around, around.images)?;
        per_image(&grads.input)
    }

    /// The gradient of a loss on [`Probe::input_gradients`] with respect to what is learned,
    /// from its gradient `grad`, `[B, h w c]`, with respect to these; none where `grad` is 0.
    pub fn pull_back(&mut self, around: &Around, grad: &Tensor) -> Result<Option<Learned>> {
        self.pull_back_by(around, grad, REACH)
    }

    fn pull_back_by(
        &mut self,
        around: &Around,
        grad: &Tensor,
        reach: f64,
    ) -> Result<Option<Learned>> {
        let x = around.images;
        let batch = x.batch() as f32;
        let mut v = grad.flatten_all()?.to_vec1::<f32>()?;
        v.iter_mut().for_each(|v| *v *= batch);
        let Some(step) = step(x.data(), &v, reach) else {
            return Ok(None);
        };
        let mut at = |step: f64| -> Result<Learned> {
            let moved = x.data().iter().zip(&v);
            let moved = moved.map(|(x, v)| (f64::from(*x) + step * f64::from(*v)) as f32);
            let (grads, weight) =
                self.gradients(around, &Value::new(x.shape(), moved.collect())?)?;
            Ok(Learned {
                params: grads.params,
                weight,
            })
        };
        let (plus, minus) = (at(step)?, at(-step)?);
        Ok(Some(Learned {
            params: difference(&plus.params, &minus.params, step),
            weight: difference(&plus.weight, &minus.weight, step),
        }))
    }

    /// The gradients of the batch's mean loss at `images`: of the network, and of the class
    /// weights.
    fn gradients(
        &mut self,
        around: &Around,
        images: &Value,
    ) -> Result<(engine::Gradients, Vec<f32>)> {
        let (output, tape) = around.network.trace_training(images, around.mode)?;
        let embeddings = Var::from_tensor(&output.embedding.to_tensor()?)?;
        let weight = Var::from_tensor(around.weight)?;
        let weight_grad = WeightGrad::default();
        self.head.restore(&self.state)?;
        let output = self.head.forward(&HeadInput {
            embeddings: &embeddings,
            weight: &weight,
            weight_grad: Some(&weight_grad),
            labels: around.labels,
            logits: false,
            epoch: around.epoch,
            step: around.mode.step,
        })?;
        let (grads, of_embeddings) = backward(&output, &embeddings)?;
        if let Some(grad) = grads.get(weight.as_tensor()) {
            weight_grad.add(&grad.flatten_all()?.to_vec1::<f32>()?);
        }
        let grads = around.network.gradients(tape, of_embeddings)?;
        let weight = weight_grad.take(|g| g.to_vec());
        Ok((
            grads,
            weight.unwrap_or_else(|| vec![0.0; around.weight.elem_count()]),
        ))
    }
}

/// The gradients of a head's loss, and that of the embeddings as their network takes it.
pub(super) fn backward(output: &HeadOutput, embeddings: &Var) -> Result<(GradStore, OutputGrads)> {
    let grads = output.loss.backward()?;
    let of_embeddings = grads.get(embeddings.as_tensor());
    let of_embeddings = of_embeddings
        .ok_or_else(|| Error::Bug("a head's loss does not depend on the embeddings".into()))?;
    let of_embeddings = OutputGrads {
        embedding: Some(Value::from_tensor(of_embeddings)?),
        ..OutputGrads::default()
    };
    Ok((grads, of_embeddings))
}

/// Gradients of the batch's mean loss as those of each image's own, `[B, h w c]`.
pub(super) fn per_image(mean: &Value) -> Result<Tensor> {
    let batch = mean.batch();
    let flat = Tensor::from_slice(
        mean.data(),
        (batch, mean.data().len() / batch),
        &candle_core::Device::Cpu,
    )?;
    Ok((flat * batch as f64)?)
}

/// `e` of the difference along `v` at `x`: `reach` times the root mean square of `x` (of 1, if
/// `x` is 0) by that of `v`. None where `v` is 0.
fn step(x: &[f32], v: &[f32], reach: f64) -> Option<f64> {
    let size = |x: &[f32]| {
        let squares: f64 = x.iter().map(|x| f64::from(*x).powi(2)).sum();
        (squares / x.len() as f64).sqrt()
    };
    let of_images = Some(size(x)).filter(|s| *s > 0.0).unwrap_or(1.0);
    Some(reach * of_images / size(v)).filter(|e| e.is_finite())
}

fn difference(plus: &[f32], minus: &[f32], step: f64) -> Vec<f32> {
    let pairs = plus.iter().zip(minus);
    pairs
        .map(|(p, m)| ((f64::from(*p) - f64::from(*m)) / (2.0 * step)) as f32)
        .collect()
}

#[cfg(test)]
#[path = "probe_tests.rs"]
mod tests;
