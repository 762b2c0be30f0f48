//! The frozen teacher, as a step sees it.

use super::batch::{Batch, Images, TeacherRows};
use super::probe;
use candle_core::{Device, Tensor, Var};
use frbench_base::{Error, Result};
use frbench_engine::{Network, OutputGrads, Value};
use frbench_job::{HeadSpec, InputSpec};
use frbench_methods::distill::Taps;
use frbench_methods::head::{self, Head, HeadInput, HeadOutput};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a method's knowledge of its teacher comes from; what it does not need is none.
#[derive(Default)]
pub struct Teacher<'a> {
    /// Its embeddings, derived before training.
    pub rows: Option<&'a dyn TeacherRows>,
    /// The network itself, run in the step where a loss compares taps.
    pub network: Option<FrozenNetwork<'a>>,
    /// Its classifier, where a loss compares logits or looks at class weights.
    pub classifier: Option<FrozenClassifier>,
}

/// A network in evaluation mode, with its own view of the student's images.
pub struct FrozenNetwork<'a> {
    pub network: &'a Network,
    pub input: &'a InputSpec,
    /// The training set at the teacher's resolution.
    pub images: Arc<dyn Images>,
}

/// A margin head that learns nothing more: every step starts from the state it was left in.
pub struct FrozenClassifier {
    head: Box<dyn Head>,
    state: BTreeMap<String, Vec<f64>>,
    /// `[C, D]`.
    weight: Tensor,
    /// Whether a lesson holds its logits.
    logits: bool,
}

impl FrozenClassifier {
    /// `weight` is `[classes, dim]`, row-major.
    pub fn new(
        spec: &HeadSpec,
        [classes, dim]: [usize; 2],
        weight: Vec<f32>,
        state: BTreeMap<String, Vec<f64>>,
    ) -> Result<Self> {
        Ok(FrozenClassifier {
            head: head::build(spec)?,
            state,
            weight: Tensor::from_vec(weight, (classes, dim), &Device::Cpu)?,
            logits: true,
        })
    }

    /// One whose logits nobody looks at.
    pub fn without_logits(self) -> Self {
        FrozenClassifier {
            logits: false,
            ..self
        }
    }

    /// What the head makes of embeddings `[B, D]`.
    fn classify(
        &mut self,
        embeddings: &Tensor,
        labels: &[u32],
        batch: &Batch,
    ) -> Result<HeadOutput> {
        self.head.restore(&self.state)?;
        self.head.forward(&HeadInput {
            embeddings,
            weight: &self.weight,
            weight_grad: None,
            labels,
            logits: true,
            epoch: batch.epoch,
            step: batch.step,
        })
    }

    /// The gradient of the batch's mean loss with respect to the embeddings, for their network.
    fn gradient(
        &mut self,
        embeddings: &Tensor,
        labels: &[u32],
        batch: &Batch,
    ) -> Result<OutputGrads> {
        let leaf = Var::from_tensor(embeddings)?;
        let output = self.classify(&leaf, labels, batch)?;
        Ok(probe::backward(&output, &leaf)?.1)
    }
}

/// What the teacher says about one batch. Constant.
pub struct Lesson {
    /// `[B, D]`, raw.
    pub embeddings: Tensor,
    pub taps: Option<Taps>,
    /// `[B, C]`, after margin and scale.
    pub logits: Option<Tensor>,
    /// `[C, D]`, the class weights.
    pub classes: Option<Tensor>,
    /// `[B, h w c]`: of each image's own classification loss with respect to the image, in
    /// evaluation mode.
    pub input_gradients: Option<Tensor>,
}

impl Teacher<'_> {
    /// What the teacher says about a batch; none without a teacher. `images` are those of the
    /// batch in its own view, mirrored alike, where its network is run. With `input_gradients`
    /// also those, which take its network and its classifier.
    pub fn lesson(
        &mut self,
        batch: &Batch,
        labels: &[u32],
        images: Option<&Value>,
        input_gradients: bool,
    ) -> Result<Option<Lesson>> {
        let mut taps = None;
        let mut embeddings = None;
        let mut gradients = None;
        if let Some(frozen) = &self.network {
            let images = images
                .ok_or_else(|| Error::Bug("a teacher that is run and sees nothing".into()))?;
            let (output, tape) = if input_gradients {
                let (output, tape) = frozen.network.trace_evaluation(images)?;
                (output, Some(tape))
            } else {
                (frozen.network.infer(images)?, None)
            };
            let own = output.embedding.to_tensor()?;
            if let (Some(tape), Some(classifier)) = (tape, &mut self.classifier) {
                let of_embeddings = classifier.gradient(&own, labels, batch)?;
                let grads = frozen.network.gradients(tape, of_embeddings)?;
                gradients = Some(probe::per_image(&grads.input)?);
            }
            embeddings = Some(own);
            taps = Some(Taps::of_teacher(output.taps));
        }
        if let Some(rows) = self.rows {
            embeddings = Some(of_rows(rows, batch)?);
        }
        let Some(embeddings) = embeddings else {
            return match self.classifier {
                None => Ok(None),
                Some(_) => Err(Error::Bug("a classifier without its teacher".into())),
            };
        };
        let classes = self.classifier.as_ref().map(|c| c.weight.clone());
        let logits = match &mut self.classifier {
            Some(c) if c.logits => Some(c.classify(&embeddings, labels, batch)?.logits()?.clone()),
            _ => None,
        };
        Ok(Some(Lesson {
            embeddings,
            taps,
            logits,
            classes,
            input_gradients: gradients,
        }))
    }
}

fn of_rows(teacher: &dyn TeacherRows, batch: &Batch) -> Result<Tensor> {
    let mut rows = Vec::with_capacity(batch.samples.len() * teacher.dim());
    for (&sample, &flip) in batch.samples.iter().zip(&batch.flips) {
        rows.extend_from_slice(teacher.row(sample, flip));
    }
    Ok(Tensor::from_vec(
        rows,
        (batch.samples.len(), teacher.dim()),
        &Device::Cpu,
    )?)
}
