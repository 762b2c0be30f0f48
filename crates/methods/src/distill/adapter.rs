//! What a distillation loss learns beside the student: a linear map with bias.

use super::Setup;
use candle_core::backprop::GradStore;
use candle_core::{Tensor, Var};
use frbench_base::{Error, Result};
use frbench_engine::{Init, Sgd};
use frbench_job::OptimizerSpec;
use frbench_job::artefact::Matrix;
use std::collections::BTreeMap;

/// `y = W x + b`, trained by the student's optimiser and schedule with a velocity of its own.
/// It takes its sizes from the first features it is applied to, and starts as `nn.Linear` does.
pub struct Linear {
    name: String,
    seed: u64,
    optimizer: OptimizerSpec,
    learned: Option<Learned>,
}

struct Learned {
    inputs: usize,
    out: usize,
    /// `[out, inputs]`, then the bias `[out]`.
    values: Vec<f32>,
    sgd: Sgd,
    /// The leaves of this step.
    leaves: Option<(Var, Var)>,
}

impl Linear {
    /// `name` keys its initialisation and its state.
    pub fn new(name: impl Into<String>, setup: &Setup) -> Self {
        Linear {
            name: name.into(),
            seed: setup.seed,
            optimizer: setup.optimizer.clone(),
            learned: None,
        }
    }

    /// Rows `[N, inputs]` to rows `[N, out]`.
    pub fn apply(&mut self, x: &Tensor, out: usize) -> Result<Tensor> {
        let (_, inputs) = x.dims2()?;
        let learned = match self.learned.take() {
            Some(learned) => learned,
            None => self.start(inputs, out),
        };
        if (learned.inputs, learned.out) != (inputs, out) {
            return Err(Error::Compute(format!(
                "`{}` was learned from {} to {} dimensions, these features want {inputs} to {out}",
                self.name, learned.inputs, learned.out
            )));
        }
        let learned = self.learned.insert(learned);
        let (weight, bias) = match learned.leaves.take() {
            Some(leaves) => leaves,
            None => {
                let (weight, bias) = learned.values.split_at(out * inputs);
                (
                    Var::from_slice(weight, (out, inputs), x.device())?,
                    Var::from_slice(bias, out, x.device())?,
                )
            }
        };
        let y = x
            .matmul(&weight.to_dtype(x.dtype())?.t()?)?
            .broadcast_add(&bias.to_dtype(x.dtype())?)?;
        learned.leaves = Some((weight, bias));
        Ok(y)
    }

    fn start(&self, inputs: usize, out: usize) -> Learned {
        let mut values = vec![0.0; out * inputs + out];
        let (weight, bias) = values.split_at_mut(out * inputs);
        for (what, part) in [("weight", weight), ("bias", bias)] {
            let name = format!("distill/{}.{what}", self.name);
            Init::TorchDefault.fill(self.seed, &name, &[out, inputs], part);
        }
        Learned {
            inputs,
            out,
            sgd: Sgd::new(&self.optimizer, values.len()),
            values,
            leaves: None,
        }
    }

    /// One optimiser step, from the gradients of a loss that this map was applied for.
    pub fn learn(&mut self, grads: &GradStore, lr: f64) -> Result<()> {
        let Some(learned) = &mut self.learned else {
            return Ok(());
        };
        let Some((weight, bias)) = learned.leaves.take() else {
            return Ok(());
        };
        let (Some(dw), Some(db)) = (grads.get(&weight), grads.get(&bias)) else {
            return Ok(());
        };
        let mut grad: Vec<f32> = dw.flatten_all()?.to_vec1()?;
        grad.extend(db.to_vec1::<f32>()?);
        learned.sgd.step(&mut learned.values, &mut grad, lr);
        Ok(())
    }

    /// Adds weights and velocity to the state of a loss, each of `[out, inputs + 1]` numbers:
    /// all weights, then the bias.
    pub fn save(&self, state: &mut BTreeMap<String, Matrix<f32>>) {
        if let Some(learned) = &self.learned {
            let velocity = learned.sgd.velocity();
            for (what, values) in [("values", &learned.values[..]), ("velocity", velocity)] {
                let matrix = Matrix {
                    rows: learned.out,
                    cols: learned.inputs + 1,
                    data: values.to_vec(),
                };
                state.insert(format!("{}.{what}", self.name), matrix);
            }
        }
    }

    /// Takes what [`Linear::save`] put there; nothing, if it had not been applied yet.
    pub fn restore(&mut self, state: &mut BTreeMap<String, Matrix<f32>>) -> Result<()> {
        let values = state.remove(&format!("{}.values", self.name));
        let velocity = state.remove(&format!("{}.velocity", self.name));
        self.learned = match (values, velocity) {
            (None, None) => None,
            (Some(v), Some(m)) if v.cols > 0 && v.data.len() == v.rows * v.cols => {
                let mut sgd = Sgd::new(&self.optimizer, v.data.len());
                sgd.restore(&m.data)?;
                Some(Learned {
                    inputs: v.cols - 1,
                    out: v.rows,
                    values: v.data,
                    sgd,
                    leaves: None,
                })
            }
            _ => {
                return Err(Error::Data(format!(
                    "the checkpoint's `{}` is not one of this loss",
                    self.name
                )));
            }
        };
        Ok(())
    }
}
