//! Any weighted sum of distillation losses, with or without the student's own margin head.

use super::classification::{BETA, BETA_FROM, Term, classify, require_head};
use super::derive::teacher_embeddings;
use super::{Inputs, MethodEntry, Needs, Objective, Step, StepLoss, scalar};
use crate::distill::{self, Distill, DistillInput, Outputs, Setup, Wants};
use candle_core::Tensor;
use candle_core::backprop::GradStore;
use frbench_base::registry::{self, Args, Info, Kind, Param, Params};
use frbench_base::{Error, Result};
use frbench_engine as engine;
use frbench_job::artefact::{DeriveNeed, Matrix};
use frbench_job::{HeadSpec, MethodSpec};
use std::collections::BTreeMap;

pub(super) const ENTRY: MethodEntry = MethodEntry {
    info: Info {
        name: "distill",
        summary: "a weighted sum of distillation losses, and the head's loss where beta > 0",
        source: "L = sum of weight L_loss + beta L_head; each loss after its own paper",
        params: &[
            Param {
                name: "losses",
                kind: Kind::Losses,
                required: true,
                doc: "which losses: tables of `name`, `weight` (default 1) and the loss's own \
                      parameters",
            },
            BETA,
            BETA_FROM,
        ],
    },
    needs,
    build,
};

/// A term as a suite states it.
struct Stated {
    entry: &'static distill::DistillEntry,
    weight: f64,
    params: Params,
}

impl Stated {
    fn wants(&self) -> Wants {
        (self.entry.wants)(&self.params)
    }
}

/// The stated losses, checked.
fn stated(spec: &MethodSpec) -> Result<Vec<Stated>> {
    registry::check(&ENTRY.info, &spec.params)?;
    let list = spec.params.get("losses").and_then(|l| l.as_array());
    list.into_iter()
        .flatten()
        .map(|item| {
            let table = item.as_object().cloned().unwrap_or_default();
            let mut params: Params = table.into_iter().collect();
            let name = params.remove("name");
            let entry = distill::find(name.as_ref().and_then(|n| n.as_str()).unwrap_or(""))?;
            let weight = Args::new(entry.info.name, &params).f64_or("weight", 1.0)?;
            params.remove("weight");
            registry::check(&entry.info, &params)?;
            if (entry.wants)(&params).relations {
                return Err(Error::Usage(format!(
                    "`{}` relates features to a bank of features, which only the method \
                     `coupleface` keeps",
                    entry.info.name
                )));
            }
            Ok(Stated {
                entry,
                weight,
                params,
            })
        })
        .collect()
}

fn needs(spec: &MethodSpec, head: Option<&HeadSpec>) -> Result<Needs> {
    let wants: Vec<Wants> = stated(spec)?.iter().map(Stated::wants).collect();
    let logits = wants.iter().any(|w| w.logits);
    let teacher_classes = wants.iter().any(|w| w.classes);
    let taps = wants.iter().any(|w| w.taps);
    let input_gradients = wants.iter().any(|w| w.input_gradients);
    let beta = Args::new(&spec.name, &spec.params).f64_or("beta", 0.0)?;
    let classifies = logits || input_gradients || beta > 0.0;
    if classifies {
        require_head(spec, head)?;
    }
    let mut derive: Vec<DeriveNeed> = Vec::new();
    // A teacher that runs in the step gives its embeddings there.
    let mut passes = if taps || input_gradients {
        Vec::new()
    } else {
        vec![teacher_embeddings()]
    };
    passes.extend(wants.into_iter().flat_map(|w| w.derive));
    for pass in passes {
        if !derive.contains(&pass) {
            derive.push(pass);
        }
    }
    Ok(Needs {
        teacher: true,
        head: classifies,
        teacher_taps: taps,
        teacher_logits: logits,
        teacher_classes,
        input_gradients,
        derive,
    })
}

struct Weighted {
    name: &'static str,
    weight: f64,
    loss: Box<dyn Distill>,
}

struct Sum {
    losses: Vec<Weighted>,
    /// Whether any loss compares logits.
    logits: bool,
    classification: Term,
}

fn build(inputs: &Inputs) -> Result<Box<dyn Objective>> {
    let stated = stated(inputs.spec)?;
    let args = Args::new(ENTRY.info.name, &inputs.spec.params);
    let losses = stated.iter().map(|s| {
        let setup = Setup {
            params: &s.params,
            seed: inputs.seed,
            labels: inputs.labels,
            optimizer: inputs.optimizer,
            derived: inputs.derived,
        };
        Ok(Weighted {
            name: s.entry.info.name,
            weight: s.weight,
            loss: distill::for_training(s.entry.info.name, &setup)?,
        })
    });
    Ok(Box::new(Sum {
        losses: losses.collect::<Result<_>>()?,
        logits: stated.iter().any(|s| s.wants().logits),
        classification: Term::new(&args, inputs.total_steps)?,
    }))
}

impl Objective for Sum {
    fn step(&mut self, mut step: Step) -> Result<StepLoss> {
        let beta = self.classification.weight(step.step);
        // Once, whoever asks: heads may remember.
        let classified = match self.logits || beta.is_some() {
            true => Some(classify(&mut step, self.logits)?),
            false => None,
        };
        // Logits are compared where there are any of the student.
        let teacher_logits = match (step.teacher_logits, step.classified) {
            (Some(logits), Some(seen)) => Some(logits.narrow(0, 0, seen)?),
            (logits, _) => logits.cloned(),
        };
        let input = DistillInput {
            student: Outputs {
                embeddings: step.student,
                logits: classified
                    .as_ref()
                    .and_then(|(_, output)| output.logits.as_ref()),
                classes: None,
                taps: step.taps,
                input_gradients: step.input_gradients.map(|g| g.student),
            },
            teacher: Outputs {
                embeddings: step.teacher()?,
                logits: teacher_logits.as_ref(),
                classes: step.teacher_classes,
                taps: step.teacher_taps,
                input_gradients: step.input_gradients.map(|g| g.teacher),
            },
            step: step.step,
            samples: step.samples,
            labels: step.labels,
            relations: None,
            device: step.device,
        };
        let mut parts = Vec::with_capacity(self.losses.len() + 1);
        let mut terms: Vec<Tensor> = Vec::with_capacity(self.losses.len() + 1);
        for term in &mut self.losses {
            let loss = term.loss.loss(&input)?;
            parts.push((term.name, scalar(&loss)?));
            terms.push((loss * term.weight)?);
        }
        if let (Some(beta), Some((name, output))) = (beta, &classified) {
            parts.push((*name, scalar(&output.loss)?));
            terms.push((&output.loss * beta)?);
        }
        let mut terms = terms.into_iter();
        let first = terms.next();
        let first = first.ok_or_else(|| Error::Bug("`distill` without a loss".into()))?;
        let loss = terms.try_fold(first, |sum, term| sum + term)?;
        let labels = classified.and_then(|(_, output)| output.labels);
        Ok(StepLoss {
            loss,
            parts,
            labels,
        })
    }

    fn learn(&mut self, grads: &GradStore, lr: f64) -> Result<()> {
        self.losses
            .iter_mut()
            .try_for_each(|term| term.loss.learn(grads, lr))
    }

    fn move_to(&mut self, device: &engine::Device) -> Result<()> {
        let mut losses = self.losses.iter_mut();
        losses.try_for_each(|term| term.loss.move_to(device))
    }

    fn state(&self) -> BTreeMap<String, Matrix<f32>> {
        let all = self.losses.iter().enumerate();
        all.flat_map(|(i, term)| {
            let own = term.loss.state().into_iter();
            own.map(move |(name, m)| (format!("{}{name}", prefix(i, term.name)), m))
        })
        .collect()
    }

    fn restore(&mut self, state: BTreeMap<String, Matrix<f32>>) -> Result<()> {
        for (i, term) in self.losses.iter_mut().enumerate() {
            let prefix = prefix(i, term.name);
            let own = state.iter().filter_map(|(name, m)| {
                let name = name.strip_prefix(&prefix)?;
                Some((name.to_owned(), m.clone()))
            });
            term.loss.restore(own.collect())?;
        }
        Ok(())
    }
}

/// Two losses of one name keep apart what they remember.
fn prefix(index: usize, name: &str) -> String {
    format!("{index}-{name}.")
}
