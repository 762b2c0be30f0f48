//! The backward pass, which forgets.

use super::super::Gradients;
use super::super::fusion::Step;
use super::super::graph::{Layer, NodeId};
use super::super::network::{Network, OutputGrads};
use super::super::value::Value;
use super::array::Array;
use super::forward::{Saved, Tape, spread};
use super::gemm::Matrix;
use super::ops::{Act, ParamGrads};
use super::replica::Replica;
use frbench_base::{Error, Result};

/// A backward pass under way.
struct Pass<'a> {
    net: &'a Network,
    replica: &'a Replica,
    /// Where the gradients of all parameters are added.
    grads: u64,
    /// Gradients that have arrived, by node.
    pending: Vec<Option<Array>>,
    /// Which nodes have anything to learn at or before them.
    wanted: Vec<bool>,
    n: usize,
    evaluation: bool,
}

impl Replica {
    /// See [`Network::backward`].
    pub fn backward(
        &mut self,
        net: &Network,
        tape: Tape,
        grads: OutputGrads,
        want_input: bool,
    ) -> Result<Option<Value>> {
        let store = self.grads()?;
        if !want_input {
            return self.pass_back(net, tape, grads, store).map(|()| None);
        }
        let seeds = self.seeds(net, grads, tape.batch)?;
        self.run_back(net, tape, seeds, store, true)
    }

    /// See [`Network::gradients`].
    pub fn gradients(&self, net: &Network, tape: Tape, grads: OutputGrads) -> Result<Gradients> {
        let store = self.fresh_grads()?;
        let seeds = self.seeds(net, grads, tape.batch)?;
        let input = self.run_back(net, tape, seeds, store.pointer(), true)?;
        let input = input.ok_or_else(|| Error::Bug("a gradient of the input was asked for".into()));
        Ok(Gradients {
            input: input?,
            params: self.grads_to_host(net, &store)?,
        })
    }

    /// The gradients that come in, by node, on the GPU.
    pub(super) fn seeds(
        &self,
        net: &Network,
        grads: OutputGrads,
        batch: usize,
    ) -> Result<Vec<(usize, Array)>> {
        self.seeds_of(net.seeds(grads, batch)?)
    }

    pub(super) fn seeds_of(&self, grads: Vec<(usize, Value)>) -> Result<Vec<(usize, Array)>> {
        let there = |(id, grad): (usize, Value)| {
            Ok((id, Array::upload(&self.gpu, &grad, self.is_low(id))?))
        };
        grads.into_iter().map(there).collect()
    }

    pub(super) fn run_back(
        &self,
        net: &Network,
        tape: Tape,
        seeds: Vec<(usize, Array)>,
        store: u64,
        want_input: bool,
    ) -> Result<Option<Value>> {
        let mut pass = Pass {
            net,
            replica: self,
            grads: store,
            pending: vec![None; net.graph.nodes().len()],
            wanted: net.wanted(want_input),
            n: tape.batch,
            evaluation: tape.evaluation,
        };
        for (id, grad) in seeds {
            pass.arrive(id, grad)?;
        }
        let mut saved = tape.saved;
        for (at, step) in net.train.steps.iter().enumerate().rev() {
            let saved = std::mem::take(&mut saved[at]);
            if let Some(dy) = pass.pending[step.out].take() {
                pass.step(step, saved, dy)?;
            }
        }
        if !want_input {
            return Ok(None);
        }
        let shape = net.shape_of(0, pass.n);
        let input = match pass.pending[0].take() {
            Some(grad) => grad.download()?,
            None => vec![0.0; shape.iter().product()],
        };
        Ok(Some(Value::new(shape, input)?))
    }
}

impl Pass<'_> {
    /// A gradient for a node's value. Several are added in the order of the backward pass.
    fn arrive(&mut self, id: usize, grad: Array) -> Result<()> {
        let gpu = &self.replica.gpu;
        let sum = match self.pending[id].take() {
            None => grad,
            Some(mut there) => {
                if there.is_unshared() {
                    gpu.accumulate(&mut there, &grad)?;
                    there
                } else {
                    let none = super::ops::Affine::NONE;
                    gpu.affine(there, none, Act::default(), Some(&grad))?
                }
            }
        };
        self.pending[id] = Some(sum);
        Ok(())
    }

    fn arrive_if_wanted(
        &mut self,
        id: NodeId,
        grad: impl FnOnce(&Self) -> Result<Array>,
    ) -> Result<()> {
        if !self.wanted[id.0] {
            return Ok(());
        }
        let grad = grad(self)?;
        self.arrive(id.0, grad)
    }

    fn step(&mut self, step: &Step, saved: Saved, dy: Array) -> Result<()> {
        let (net, replica) = (self.net, self.replica);
        let gpu = &replica.gpu;
        let id = step.main;
        let node = &net.graph.nodes()[id];
        let first = node.inputs[0];
        let slots = &net.slots[id];
        match (&node.layer, saved) {
            (Layer::Conv(_) | Layer::Linear { .. }, Saved::One(x)) => {
                let bias = replica.grad(self.grads, slots.bias);
                if bias != 0 {
                    gpu.bias_gradient(&dy, bias)?;
                }
                if replica.conv_shape(net, id, self.n).is_some() {
                    self.conv(id, &x, &dy)
                } else {
                    self.linear(id, &x, &dy)
                }
            }
            (Layer::BatchNorm(_), Saved::Norm(x, stats)) => {
                if let Some(residual) = step.residual {
                    self.arrive_if_wanted(NodeId(residual), |_| Ok(dy.clone()))?;
                }
                let slope = step.act.and_then(|id| net.slots[id].weight);
                let grads = ParamGrads {
                    weight: replica.grad(self.grads, slots.weight),
                    bias: replica.grad(self.grads, slots.bias),
                    slope: replica.grad(self.grads, slope),
                };
                let act = replica.act(net, step.act);
                let dx = gpu.gradient(&x, &dy, (Some(&stats), self.evaluation), act, grads)?;
                self.arrive_if_wanted(first, |_| Ok(dx))
            }
            (Layer::Prelu | Layer::Relu | Layer::Relu6, Saved::One(x)) => {
                let grads = ParamGrads {
                    slope: replica.grad(self.grads, slots.weight),
                    ..ParamGrads::default()
                };
                let dx = gpu.gradient(&x, &dy, (None, true), replica.act(net, Some(id)), grads)?;
                self.arrive_if_wanted(first, |_| Ok(dx))
            }
            (Layer::Sigmoid, Saved::One(y)) => {
                self.arrive_if_wanted(first, |_| gpu.sigmoid_back(&y, &dy))
            }
            (Layer::Dropout { .. }, Saved::One(mask)) => {
                self.arrive_if_wanted(first, |_| gpu.multiply(&dy, &mask, 0))
            }
            // In evaluation, dropout does nothing.
            (Layer::Dropout { .. }, Saved::Nothing) => self.arrive_if_wanted(first, |_| Ok(dy)),
            (Layer::Add, _) => {
                for input in &node.inputs {
                    self.arrive_if_wanted(*input, |_| Ok(dy.clone()))?;
                }
                Ok(())
            }
            (Layer::Mul, Saved::Two(a, b)) => {
                let spread = spread(net, id);
                self.arrive_if_wanted(first, |_| gpu.multiply(&dy, &b, spread))?;
                let second = node.inputs[1];
                self.arrive_if_wanted(second, |_| gpu.multiply_back(&a, &dy, b.shape, spread))
            }
            (Layer::GlobalAvgPool | Layer::SumPixels, _) => {
                let shape = net.shape_of(first.0, self.n);
                let factor = match node.layer {
                    Layer::GlobalAvgPool => 1.0 / (shape[1] * shape[2]) as f32,
                    _ => 1.0,
                };
                self.arrive_if_wanted(first, |_| gpu.sum_pixels_back(&dy, shape, factor))
            }
            (Layer::Subsample { stride }, _) => {
                let shape = net.shape_of(first.0, self.n);
                self.arrive_if_wanted(first, |_| gpu.subsample_back(&dy, shape, *stride))
            }
            (Layer::MeanMaxPixels, Saved::One(x)) => {
                self.arrive_if_wanted(first, |_| gpu.mean_max_back(&x, &dy, false))
            }
            (Layer::MeanMaxChannels, Saved::One(x)) => {
                self.arrive_if_wanted(first, |_| gpu.mean_max_back(&x, &dy, true))
            }
            (layer, _) => Err(Error::Bug(format!(
                "{layer:?} saves something else in its forward pass"
            ))),
        }
    }

    fn conv(&mut self, id: usize, x: &Array, dy: &Array) -> Result<()> {
        let (net, replica) = (self.net, self.replica);
        let (gpu, math) = (&replica.gpu, replica.math());
        let Some(shape) = replica.conv_shape(net, id, self.n) else {
            return Err(Error::Bug("a layer that is no convolution".into()));
        };
        let to = replica.grad(self.grads, net.slots[id].weight);
        gpu.convolution_weight(&shape, x, dy, to, math)?;
        self.arrive_if_wanted(net.graph.nodes()[id].inputs[0], |_| {
            gpu.convolution_input(&shape, dy, replica.weight(net, id, x.low), math)
        })
    }

    fn linear(&mut self, id: usize, x: &Array, dy: &Array) -> Result<()> {
        let (net, replica) = (self.net, self.replica);
        let gpu = &replica.gpu;
        let dy = match x.low == dy.low {
            true => dy.clone(),
            false => gpu.convert(dy, x.low)?,
        };
        let (rows, out) = (Matrix::of(x), net.graph.nodes()[id].shape[2]);
        let to = replica.grad(self.grads, net.slots[id].weight);
        let dw = Matrix::new(to, [out, rows.cols], false);
        gpu.product(Matrix::of(&dy).t(), rows, dw, true, replica.math())?;
        self.arrive_if_wanted(net.graph.nodes()[id].inputs[0], |_| {
            let weight = replica.weight(net, id, x.low);
            let weight = Matrix::new(weight, [out, rows.cols], x.low);
            let dx = Array::new(gpu, x.shape, x.low)?;
            gpu.product(
                Matrix::of(&dy),
                weight,
                Matrix::of(&dx),
                false,
                replica.math(),
            )?;
            Ok(dx)
        })
    }
}
