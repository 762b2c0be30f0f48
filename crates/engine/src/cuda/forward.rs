//! The forward passes: training, evaluation with a way back, evaluation.

use super::super::forward::pixels;
use super::super::fusion::Step;
use super::super::graph::{Layer, Node};
use super::super::network::{Network, Output, TrainMode};
use super::super::ops::elementwise::{self, Spread};
use super::super::value::Value;
use super::array::Array;
use super::gemm::Matrix;
use super::ops::{Act, Affine, Stats};
use super::passes::Link;
use super::replica::Replica;
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};

/// What one step needs for its backward pass.
#[derive(Clone, Debug, Default)]
pub(super) enum Saved {
    #[default]
    Nothing,
    /// The input (for a sigmoid the output; for dropout the mask).
    One(Array),
    Two(Array, Array),
    Norm(Array, Stats),
}

/// The memory of one forward pass.
#[derive(Debug)]
pub(crate) struct Tape {
    pub(super) saved: Vec<Saved>,
    pub(super) batch: usize,
    /// Whether batch norms took running statistics, which are constants.
    pub(super) evaluation: bool,
    pub(super) link: Link,
}

impl Tape {
    /// The same, for a way back that is not recorded.
    pub(super) fn again(&self) -> Tape {
        Tape {
            saved: self.saved.clone(),
            link: Link::Plain,
            ..*self
        }
    }
}

/// What a pass leaves.
#[derive(Debug)]
pub(super) struct Made {
    /// By node; those that are still wanted.
    pub values: Vec<Option<Array>>,
    /// By step, where there is a way back.
    pub saved: Vec<Saved>,
}

/// How a pass runs.
#[derive(Clone, Copy)]
pub(super) enum Pass {
    Training {
        mode: TrainMode,
        update: bool,
    },
    /// Running statistics, no dropout, with a way back.
    Evaluation,
    /// The same without one.
    Inference,
}

fn value(values: &[Option<Array>], id: usize) -> Result<&Array> {
    values[id]
        .as_ref()
        .ok_or_else(|| Error::Bug("a plan that does not keep a value to its last use".into()))
}

impl Replica {
    /// See [`Network::infer`].
    pub fn infer(&self, net: &Network, x: &Value) -> Result<Output> {
        self.pass(net, x, Pass::Inference).map(|made| made.0)
    }

    /// All steps of a pass, one after the other.
    pub(super) fn run(&self, net: &Network, x: Array, pass: Pass) -> Result<Made> {
        let mut values = vec![None; net.graph.nodes().len()];
        values[0] = Some(x);
        match pass {
            Pass::Inference => self.run_inference(net, values),
            _ => self.run_training(net, values, pass),
        }
    }

    fn run_inference(&self, net: &Network, mut values: Vec<Option<Array>>) -> Result<Made> {
        // Chains that one kernel does on the CPU are steps of their own here.
        let plan = &net.infer;
        for (at, step) in plan.steps.iter().enumerate() {
            for step in step.inner.iter().chain([step]) {
                let y = self.infer_step(net, step, &values)?;
                values[step.out] = Some(y);
            }
            for inner in &step.inner {
                values[inner.out] = None;
            }
            release(net, &plan.last_use, at, step, &mut values);
        }
        let saved = Vec::new();
        Ok(Made { values, saved })
    }

    /// See [`Network::forward_train`], and [`Network::trace_training`] without `update`.
    pub fn train(
        &self,
        net: &Network,
        x: &Value,
        mode: TrainMode,
        update: bool,
    ) -> Result<(Output, Tape)> {
        self.trace(net, x, Pass::Training { mode, update })
    }

    /// See [`Network::trace_evaluation`].
    pub fn trace_evaluation(&self, net: &Network, x: &Value) -> Result<(Output, Tape)> {
        self.trace(net, x, Pass::Evaluation)
    }

    fn trace(&self, net: &Network, x: &Value, pass: Pass) -> Result<(Output, Tape)> {
        let (output, saved, link) = self.pass(net, x, pass)?;
        let tape = Tape {
            saved,
            batch: x.batch(),
            evaluation: matches!(pass, Pass::Evaluation),
            link,
        };
        Ok((output, tape))
    }

    fn run_training(
        &self,
        net: &Network,
        mut values: Vec<Option<Array>>,
        pass: Pass,
    ) -> Result<Made> {
        let plan = &net.train;
        let mut saved = Vec::with_capacity(plan.steps.len());
        for (at, step) in plan.steps.iter().enumerate() {
            let (y, kept) = self.train_step(net, step, &values, pass)?;
            values[step.out] = Some(y);
            saved.push(kept);
            release(net, &plan.last_use, at, step, &mut values);
        }
        Ok(Made { values, saved })
    }

    /// The embedding in host memory; taps stay here until somebody looks at them.
    pub(super) fn output(&self, net: &Network, values: &[Option<Array>]) -> Result<Output> {
        let embedding = value(values, net.graph.embedding.0)?;
        let embedding = Value::new(embedding.shape, embedding.download()?)?;
        let mut taps = std::collections::BTreeMap::new();
        for (name, id) in &net.graph.taps {
            let tap = Value::on_device(value(values, id.0)?.clone());
            taps.insert(name.clone(), tap);
        }
        Ok(Output { embedding, taps })
    }

    fn infer_step(&self, net: &Network, step: &Step, values: &[Option<Array>]) -> Result<Array> {
        let node = &net.graph.nodes()[step.main];
        let x = value(values, node.inputs[0].0)?;
        let residual = step.residual.map(|id| value(values, id)).transpose()?;
        let act = self.act(net, step.act);
        let norm = match node.layer {
            Layer::BatchNorm(_) => Some(step.main),
            _ => step.norm,
        };
        let y = match &node.layer {
            Layer::BatchNorm(_) => x.clone(),
            Layer::Conv(_) | Layer::Linear { .. } => self.dense(net, step.main, x)?,
            Layer::Dropout { .. } => return Ok(x.clone()),
            _ => return self.simple(net, step.main, node, values),
        };
        if let Some(norm) = norm {
            let c = net.graph.nodes()[norm].shape[2];
            let stats = self.gpu.running_stats(self.norm(net, norm), c)?;
            return self.gpu.affine(y, stats.affine(), act, residual);
        }
        if act.kind == 0 && residual.is_none() {
            return Ok(y);
        }
        self.gpu.affine(y, Affine::NONE, act, residual)
    }

    /// A convolution or a linear layer, with its bias.
    fn dense(&self, net: &Network, id: usize, x: &Array) -> Result<Array> {
        let y = match self.conv_shape(net, id, x.batch()) {
            Some(shape) => {
                let weight = self.weight(net, id, x.low);
                self.gpu.convolution(&shape, x, weight, self.math())?
            }
            None => {
                let out = net.graph.nodes()[id].shape[2];
                let x_rows = Matrix::of(x);
                let weight = self.weight(net, id, x.low);
                let weight = Matrix::new(weight, [out, x_rows.cols], x.low);
                let y = Array::new(&self.gpu, [x.batch(), 1, 1, out], false)?;
                let to = Matrix::of(&y);
                self.gpu
                    .product(x_rows, weight.t(), to, false, self.math())?;
                y
            }
        };
        match self.bias(net, id) {
            0 => Ok(y),
            shift => {
                let bias = Affine {
                    shift,
                    ..Affine::NONE
                };
                self.gpu.affine(y, bias, Act::default(), None)
            }
        }
    }

    fn train_step(
        &self,
        net: &Network,
        step: &Step,
        values: &[Option<Array>],
        pass: Pass,
    ) -> Result<(Array, Saved)> {
        let id = step.main;
        let node = &net.graph.nodes()[id];
        let x = value(values, node.inputs[0].0)?;
        match &node.layer {
            Layer::Conv(_) | Layer::Linear { .. } => {
                Ok((self.dense(net, id, x)?, Saved::One(x.clone())))
            }
            Layer::BatchNorm(_) => {
                let norm = self.norm(net, id);
                let stats = match pass {
                    Pass::Training { mode, update } => {
                        let rows = mode.bn_group * pixels(node.shape)[0];
                        net.check_norm_rows(id, rows)?;
                        let mut norm = norm;
                        if !update {
                            (norm.mean, norm.var) = (0, 0);
                        }
                        self.gpu.norm_stats(x, x.batch() / mode.bn_group, norm)?
                    }
                    Pass::Evaluation | Pass::Inference => {
                        self.gpu.running_stats(norm, node.shape[2])?
                    }
                };
                let residual = step.residual.map(|id| value(values, id)).transpose()?;
                let act = self.act(net, step.act);
                let y = self.gpu.affine(x.clone(), stats.affine(), act, residual)?;
                Ok((y, Saved::Norm(x.clone(), stats)))
            }
            Layer::Dropout { p } => {
                let Pass::Training { mode, .. } = pass else {
                    return Ok((x.clone(), Saved::Nothing));
                };
                // The masks of the CPU, so that both train alike.
                let mut stream = Stream::derive(mode.seed, "dropout", &[mode.step, id as u64]);
                let mut mask = vec![0.0; x.len()];
                elementwise::dropout_mask(&mut stream, *p, &mut mask);
                let mask = Array::upload(&self.gpu, &Value::new(x.shape, mask)?, x.low)?;
                Ok((self.gpu.multiply(x, &mask, 0)?, Saved::One(mask)))
            }
            layer => {
                let y = self.simple(net, id, node, values)?;
                let saved = match layer {
                    Layer::Sigmoid => Saved::One(y.clone()),
                    Layer::Mul => Saved::Two(x.clone(), value(values, node.inputs[1].0)?.clone()),
                    Layer::Prelu | Layer::Relu | Layer::Relu6 => Saved::One(x.clone()),
                    Layer::MeanMaxPixels | Layer::MeanMaxChannels => Saved::One(x.clone()),
                    _ => Saved::Nothing,
                };
                Ok((y, saved))
            }
        }
    }

    /// Layers that do the same in evaluation and training, without parameters but slopes.
    fn simple(
        &self,
        net: &Network,
        id: usize,
        node: &Node,
        values: &[Option<Array>],
    ) -> Result<Array> {
        let gpu = &self.gpu;
        let x = value(values, node.inputs[0].0)?;
        let hw = x.pixels()[0] as f32;
        match &node.layer {
            Layer::Prelu | Layer::Relu | Layer::Relu6 => {
                gpu.affine(x.clone(), Affine::NONE, self.act(net, Some(id)), None)
            }
            Layer::Sigmoid => gpu.sigmoid(x),
            Layer::Add => {
                let b = value(values, node.inputs[1].0)?;
                gpu.affine(x.clone(), Affine::NONE, Act::default(), Some(b))
            }
            Layer::Mul => gpu.multiply(x, value(values, node.inputs[1].0)?, spread(net, id)),
            Layer::GlobalAvgPool => gpu.sum_pixels(x, 1.0 / hw),
            Layer::SumPixels => gpu.sum_pixels(x, 1.0),
            Layer::Subsample { stride } => gpu.subsample(x, *stride),
            Layer::MeanMaxPixels => gpu.mean_max(x, false),
            Layer::MeanMaxChannels => gpu.mean_max(x, true),
            other => Err(Error::Bug(format!("{other:?} has a kernel of its own"))),
        }
    }
}

/// How the second factor of a product is spread, as kernels number it.
pub(super) fn spread(net: &Network, id: usize) -> i32 {
    match net.spread(id) {
        Spread::Full => 0,
        Spread::Channel => 1,
        Spread::Pixel => 2,
    }
}

/// Forgets the inputs of a step that nothing needs any more.
fn release(
    net: &Network,
    last_use: &[Option<usize>],
    at: usize,
    step: &Step,
    values: &mut [Option<Array>],
) {
    for input in step.inputs(&net.graph) {
        if last_use[input] == Some(at) {
            values[input] = None;
        }
    }
}
