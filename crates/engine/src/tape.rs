//! Training: the forward pass, and what it remembers for the backward pass.

use super::cuda;
use super::forward::{Held, held, input, pixels};
use super::fusion::Step;
use super::graph::Layer;
use super::network::{Network, Output, TrainMode};
use super::ops::act::Epilogue;
use super::ops::elementwise;
use super::ops::moments::Moments;
use super::ops::norm::{self, Params, Stats};
use super::value::Value;
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};

/// What one step needs for its backward pass.
#[derive(Debug, Default)]
pub(super) enum Saved {
    #[default]
    Nothing,
    /// The input (for a linear layer flattened; for a sigmoid the output; for dropout the mask).
    One(Value),
    Two(Value, Value),
    /// The input of a convolution.
    Held(Held),
    Norm(Value, Vec<Stats>),
}

/// The memory of one forward pass, consumed by [`Network::backward`].
#[derive(Debug)]
pub struct Tape {
    pub(super) saved: Vec<Saved>,
    pub(super) batch: usize,
    /// Whether batch norms took running statistics, which are constants.
    pub(super) evaluation: bool,
    /// The memory of a pass on a GPU, instead.
    pub(super) device: Option<cuda::Tape>,
}

impl From<cuda::Tape> for Tape {
    fn from(tape: cuda::Tape) -> Self {
        Tape {
            saved: Vec::new(),
            batch: 0,
            evaluation: false,
            device: Some(tape),
        }
    }
}

/// How a pass that remembers runs.
enum Pass {
    Training(TrainMode),
    /// Running statistics, no dropout.
    Evaluation,
}

impl Network {
    /// A training pass: batch statistics, dropout, running statistics updated.
    ///
    /// # Errors
    /// [`Error::Compute`] if `x` does not fit, if `mode.bn_group` does not divide the batch,
    /// or if a batch norm would see a single value per channel.
    pub fn forward_train(&mut self, x: &Value, mode: TrainMode) -> Result<(Output, Tape)> {
        if let Some(replica) = &self.replica {
            self.check_training(x, mode)?;
            let (output, tape) = replica.train(self, x, mode, true)?;
            return Ok((output, tape.into()));
        }
        let (output, tape) = self.trace_training(x, mode)?;
        for (i, saved) in tape.saved.iter().enumerate() {
            if let Saved::Norm(_, stats) = saved {
                self.update_running(self.train.steps[i].main, stats, mode.bn_group);
            }
        }
        Ok((output, tape))
    }

    /// What [`Network::forward_train`] computes, to the bit, without updating anything.
    ///
    /// # Errors
    /// As there.
    pub fn trace_training(&self, x: &Value, mode: TrainMode) -> Result<(Output, Tape)> {
        self.check_training(x, mode)?;
        if let Some(replica) = &self.replica {
            let (output, tape) = replica.train(self, x, mode, false)?;
            return Ok((output, tape.into()));
        }
        self.trace(x, &Pass::Training(mode))
    }

    fn check_training(&self, x: &Value, mode: TrainMode) -> Result<()> {
        self.check_input(x)?;
        let n = x.batch();
        if mode.bn_group == 0 || !n.is_multiple_of(mode.bn_group) {
            return Err(Error::Compute(format!(
                "batch-norm groups of {} images do not divide a batch of {n}",
                mode.bn_group
            )));
        }
        Ok(())
    }

    /// What [`Network::infer`] computes, up to rounding, with a way back: batch norms are
    /// affine maps of constant statistics, dropout does nothing, and nothing is updated.
    ///
    /// # Errors
    /// [`Error::Compute`] if `x` is not a batch of the graph's input shape.
    pub fn trace_evaluation(&self, x: &Value) -> Result<(Output, Tape)> {
        self.check_input(x)?;
        if let Some(replica) = &self.replica {
            let (output, tape) = replica.trace_evaluation(self, x)?;
            return Ok((output, tape.into()));
        }
        self.trace(x, &Pass::Evaluation)
    }

    fn trace(&self, x: &Value, pass: &Pass) -> Result<(Output, Tape)> {
        let mut values: Vec<Option<Held>> = vec![None; self.graph.nodes().len()];
        values[0] = Some(x.clone().into());
        // Statistics that were gathered as a value was made, by node.
        let mut gathered: Vec<Option<Stats>> = vec![None; values.len()];
        let mut saved = Vec::with_capacity(self.train.steps.len());
        for (i, step) in self.train.steps.iter().enumerate() {
            let (value, kept) = self.time(step, "forward", || {
                self.train_step(step, &values, &mut gathered, pass)
            })?;
            saved.push(kept);
            values[step.out] = Some(value);
            self.release(&self.train.last_use, i, step, &mut values);
        }
        let tape = Tape {
            saved,
            batch: x.batch(),
            evaluation: matches!(pass, Pass::Evaluation),
            device: None,
        };
        Ok((self.output(&values), tape))
    }

    fn train_step(
        &self,
        step: &Step,
        values: &[Option<Held>],
        gathered: &mut [Option<Stats>],
        pass: &Pass,
    ) -> Result<(Held, Saved)> {
        let id = step.main;
        let node = &self.graph.nodes()[id];
        let first = node.inputs[0].0;
        let ones;
        let bias = match (&node.layer, self.bias(id)) {
            (Layer::Conv(_) | Layer::Linear { .. }, Some(bias)) => {
                ones = vec![1.0; bias.len()];
                Some((ones.as_slice(), bias))
            }
            _ => None,
        };
        let epilogue = Epilogue {
            affine: bias,
            ..Epilogue::NONE
        };
        // Of the whole batch, so of no use to batch norms over parts of it.
        let (whole, gathers) = match pass {
            Pass::Training(mode) => {
                let whole = held(values, first).value.batch() == mode.bn_group;
                (whole, whole && step.moments)
            }
            Pass::Evaluation => (true, false),
        };
        let mut moments = gathers.then(|| Moments::new(self.graph.nodes()[step.out].shape[2]));
        if let Layer::Conv(c) = &node.layer {
            let x = held(values, first);
            let y = self.conv_train(id, c, x, &epilogue, moments.as_mut());
            gathered[step.out] = moments.map(|m| m.stats());
            return Ok((y.into(), Saved::Held(x.clone())));
        }
        let x = input(values, first);
        if let Layer::BatchNorm(_) = node.layer {
            let stats = match pass {
                Pass::Training(mode) => {
                    self.norm_stats(id, x, gathered[first].as_ref(), mode.bn_group)?
                }
                Pass::Evaluation => vec![self.running_stats(id)],
            };
            let y = if step.deferred && whole {
                let (scale, shift) = self.norm_params(id).of(&stats[0]);
                Held::deferred(x, scale, shift, step.act)
            } else {
                self.norm_forward(step, values, &stats, moments.as_mut())
                    .into()
            };
            gathered[step.out] = moments.map(|m| m.stats());
            return Ok((y, Saved::Norm(x.clone(), stats)));
        }
        let (y, saved) = match &node.layer {
            Layer::Linear { .. } => {
                let flat = self.flat(x);
                (self.linear(id, &flat, &epilogue), Saved::One(flat))
            }
            Layer::Dropout { p } => {
                let Pass::Training(mode) = pass else {
                    return Ok((x.clone().into(), Saved::Nothing));
                };
                let mut stream = Stream::derive(mode.seed, "dropout", &[mode.step, id as u64]);
                let mask = self.make(id, x.batch(), |m| {
                    elementwise::dropout_mask(&mut stream, *p, m)
                });
                let hwc = pixels(node.shape);
                let y = self.make(id, x.batch(), |y| {
                    elementwise::mul(x.data(), mask.data(), hwc, elementwise::Spread::Full, y);
                });
                (y, Saved::One(mask))
            }
            layer => {
                let y = self.simple(id, values);
                let saved = match layer {
                    Layer::Sigmoid => Saved::One(y.clone()),
                    Layer::Mul => Saved::Two(x.clone(), input(values, node.inputs[1].0).clone()),
                    Layer::Prelu | Layer::Relu | Layer::Relu6 => Saved::One(x.clone()),
                    Layer::MeanMaxPixels | Layer::MeanMaxChannels => Saved::One(x.clone()),
                    _ => Saved::Nothing,
                };
                (y, saved)
            }
        };
        Ok((y.into(), saved))
    }

    pub(super) fn norm_params(&self, id: usize) -> Params<'_> {
        Params {
            weight: self.norm_weight(id),
            bias: self.bias(id),
        }
    }

    fn running_stats(&self, id: usize) -> Stats {
        let of = |slot: Option<usize>| {
            let values = self.buffers.get(slot.expect("batch norms have statistics"));
            values.iter().map(|&v| f64::from(v)).collect()
        };
        Stats {
            mean: of(self.slots[id].mean),
            var: of(self.slots[id].var),
        }
    }

    /// Statistics per group of images.
    fn norm_stats(
        &self,
        id: usize,
        x: &Value,
        gathered: Option<&Stats>,
        group: usize,
    ) -> Result<Vec<Stats>> {
        let node = &self.graph.nodes()[id];
        let [hw, c] = pixels(node.shape);
        self.check_norm_rows(id, group * hw)?;
        Ok(match gathered {
            Some(stats) => vec![stats.clone()],
            None => {
                let groups = x.data().chunks(group * hw * c);
                groups.map(|x| norm::stats(x, c)).collect()
            }
        })
    }

    /// Statistics need more than one value per channel.
    pub(super) fn check_norm_rows(&self, id: usize, rows: usize) -> Result<()> {
        if rows < 2 {
            return Err(Error::Compute(format!(
                "batch norm `{}` needs more than one value per channel in training; use a larger batch-norm group",
                self.graph.nodes()[id].name
            )));
        }
        Ok(())
    }

    fn norm_forward(
        &self,
        step: &Step,
        values: &[Option<Held>],
        stats: &[Stats],
        mut moments: Option<&mut Moments>,
    ) -> Value {
        let node = &self.graph.nodes()[step.main];
        let x = input(values, node.inputs[0].0);
        let c = node.shape[2];
        let params = self.norm_params(step.main);
        let act = self.act(step.act);
        let residual = step.residual.map(|id| input(values, id).data());
        let block = x.data().len() / stats.len();
        self.make(step.out, x.batch(), |y| {
            for (i, (y, x)) in y.chunks_mut(block).zip(x.data().chunks(block)).enumerate() {
                let residual = residual.map(|r| &r[i * block..(i + 1) * block]);
                let moments = moments.take();
                norm::forward(x, c, params, &stats[i], act, residual, moments, y);
            }
        })
    }

    fn update_running(&mut self, id: usize, stats: &[Stats], group: usize) {
        let (Some(mean), Some(var)) = (self.slots[id].mean, self.slots[id].var) else {
            return;
        };
        let [h, w, _] = self.graph.nodes()[id].shape;
        let rows = (group * h * w) as f64;
        let unbiased = rows / (rows - 1.0);
        let groups = stats.len() as f64;
        let towards = |old: &mut f32, sum: f64| {
            *old =
                (f64::from(*old) * (1.0 - norm::MOMENTUM) + norm::MOMENTUM * sum / groups) as f32;
        };
        for (i, m) in self.buffers.get_mut(mean).iter_mut().enumerate() {
            towards(m, stats.iter().map(|s| s.mean[i]).sum());
        }
        for (i, v) in self.buffers.get_mut(var).iter_mut().enumerate() {
            towards(v, stats.iter().map(|s| s.var[i] * unbiased).sum());
        }
    }
}
