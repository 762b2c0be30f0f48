//! The classification term of a method: the loss of its margin head, from some step on.

use super::Step;
use crate::head::{HeadInput, HeadOutput};
use candle_core::Tensor;
use frbench_base::registry::{Args, Kind, Param};
use frbench_base::{Error, Result};
use frbench_job::{HeadSpec, MethodSpec};

/// For methods whose head is an addition.
pub(super) const BETA: Param = Param {
    name: "beta",
    kind: Kind::Float {
        min: 0.0,
        max: 1000.0,
    },
    required: false,
    doc: "weight of the head's loss (default 0: no head)",
};

pub(super) const BETA_FROM: Param = Param {
    name: "beta_from",
    kind: Kind::Float {
        min: 0.0,
        max: 1e12,
    },
    required: false,
    doc: "when the head's loss sets in: below 1 a fraction of the training, from 1 on a number \
          of steps (default 0, from the start)",
};

/// `beta` times the head's loss, from step `from` on.
pub(super) struct Term {
    beta: f64,
    from: u64,
}

impl Term {
    /// From the parameters `beta` and `beta_from`.
    pub fn new(args: &Args, total_steps: u64) -> Result<Self> {
        let from = args.f64_or("beta_from", 0.0)?;
        Ok(Term {
            beta: args.f64_or("beta", 0.0)?,
            from: if from < 1.0 {
                (from * total_steps as f64).round() as u64
            } else {
                from.round() as u64
            },
        })
    }

    /// The weight of the head's loss in this step, where it is active.
    pub fn weight(&self, step: u64) -> Option<f64> {
        (self.beta > 0.0 && step >= self.from).then_some(self.beta)
    }

    /// The head's name, its loss and its weight, where the term is active in this step.
    pub fn loss(&self, step: &mut Step) -> Result<Option<(&'static str, Tensor, f64)>> {
        let Some(beta) = self.weight(step.step) else {
            return Ok(None);
        };
        let (name, output) = classify(step, false)?;
        Ok(Some((name, output.loss, beta)))
    }
}

/// Whether the parameters ask for a classification term, which needs a head.
pub(super) fn wanted(spec: &MethodSpec, head: Option<&HeadSpec>) -> Result<bool> {
    let args = Args::new(&spec.name, &spec.params);
    let wanted = args.f64_or("beta", 0.0)? > 0.0;
    if wanted {
        require_head(spec, head)?;
    }
    Ok(wanted)
}

pub(super) fn require_head(spec: &MethodSpec, head: Option<&HeadSpec>) -> Result<()> {
    if head.is_some() {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "method `{}` takes the loss of a margin head, but no head is stated",
        spec.name
    )))
}

/// The head's name and what it makes of this step, of the samples that it sees.
pub(super) fn classify(step: &mut Step, logits: bool) -> Result<(&'static str, HeadOutput)> {
    let Some(classifier) = &mut step.classifier else {
        return Err(Error::Bug("a method with a head was given none".into()));
    };
    let seen = step.classified.unwrap_or(step.labels.len());
    let embeddings = match step.classified {
        Some(seen) => &step.student.narrow(0, 0, seen)?,
        None => step.student,
    };
    let mut output = classifier.head.forward(&HeadInput {
        embeddings,
        weight: classifier.weight,
        weight_grad: classifier.weight_grad,
        labels: &step.labels[..seen],
        logits,
        epoch: step.epoch,
        step: step.step,
    })?;
    if let Some(labels) = &mut output.labels {
        labels.extend(&step.labels[seen..]);
    }
    Ok((classifier.head.name(), output))
}
