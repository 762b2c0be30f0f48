//! Training: the backward pass, which forgets.
//!
//! The gradient of a batch norm's input is not written: it goes on as the gradient of the
//! output and the map that is still to be applied, and the convolution before applies it as
//! it reads. The sums that the map needs are gathered by whoever completes the gradient.

mod layers;

use super::forward::{Held, pixels};
use super::fusion::Step;
use super::graph::{Conv, Layer, NodeId};
use super::network::{Network, OutputGrads};
use super::ops::act;
use super::ops::conv::{self, Dx, Gather, Joint};
use super::ops::norm::{Backward, Dy, GradSums, Spread, Stats};
use super::ops::{elementwise, linear};
use super::pool::Buffer;
use super::tape::{Saved, Tape};
use super::value::Value;
use frbench_base::{Error, Result};

impl Network {
    /// Adds the gradients of all parameters to `params().grads` and, if wanted, gives the
    /// gradient of the input. Consumes the tape; activations are freed on the way.
    ///
    /// # Errors
    /// [`Error::Compute`] if a gradient has another shape than its output, or names no tap.
    pub fn backward(
        &mut self,
        mut tape: Tape,
        grads: OutputGrads,
        want_input_grad: bool,
    ) -> Result<Option<Value>> {
        if let Some(device) = tape.device.take() {
            return self
                .on_device(|net, replica| replica.backward(net, device, grads, want_input_grad));
        }
        let store = std::mem::take(&mut self.params.grads);
        let mut pass = Pass::new(self, tape, store, want_input_grad);
        let seeded = pass.seed(grads);
        if seeded.is_ok() {
            pass.run();
        }
        let input = want_input_grad.then(|| pass.input());
        self.params.grads = pass.grads;
        seeded?;
        Ok(input)
    }

    /// All gradients by themselves; those in `params().grads` stay as they are. Consumes the
    /// tape.
    ///
    /// # Errors
    /// As [`Network::backward`].
    pub fn gradients(&self, mut tape: Tape, grads: OutputGrads) -> Result<Gradients> {
        if let (Some(device), Some(replica)) = (tape.device.take(), &self.replica) {
            return replica.gradients(self, device, grads);
        }
        let store = vec![0.0; self.params.values.len()];
        let mut pass = Pass::new(self, tape, store, true);
        pass.seed(grads)?;
        pass.run();
        Ok(Gradients {
            input: pass.input(),
            params: pass.grads,
        })
    }

    /// The nodes at which a backward pass over `n` images starts, with their gradients.
    pub(super) fn seeds(&self, grads: OutputGrads, n: usize) -> Result<Vec<(usize, Value)>> {
        let graph = &self.graph;
        let mut all: Vec<(String, NodeId, Value)> = Vec::new();
        if let Some(grad) = grads.embedding {
            all.push(("the embedding".into(), graph.embedding, grad));
        }
        for (name, grad) in grads.taps {
            let id = graph.taps.get(&name).copied();
            let id =
                id.ok_or_else(|| Error::Compute(format!("the network has no tap `{name}`")))?;
            all.push((format!("tap `{name}`"), id, grad));
        }
        let checked = all.into_iter().map(|(name, id, grad)| {
            let want = self.shape_of(id.0, n);
            if grad.shape() != want {
                return Err(Error::Compute(format!(
                    "the gradient of {name} is {:?}, want {want:?}",
                    grad.shape()
                )));
            }
            Ok((id.0, grad))
        });
        checked.collect()
    }

    /// Which nodes have anything to learn at or before them, or are the input, if that is wanted.
    pub(super) fn wanted(&self, input: bool) -> Vec<bool> {
        let mut wanted = vec![input];
        for (id, node) in self.graph.nodes().iter().enumerate().skip(1) {
            let own = self.slots[id].weight.is_some() || self.slots[id].bias.is_some();
            wanted.push(own || node.inputs.iter().any(|i| wanted[i.0]));
        }
        wanted
    }

    fn norm_back(&self, step: &Step, stats: &Stats) -> Backward {
        Backward::new(self.norm_params(step.main), self.act(step.act), stats)
    }
}

/// Gradients of a loss.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Of all learned parameters, in the order of [`Network::params`].
    pub params: Vec<f32>,
    /// Of the images, `[n, h, w, c]`.
    pub input: Value,
}

/// A gradient on its way.
struct Grad {
    value: Value,
    /// The batch norm that it has still to go through.
    through: Option<Through>,
    /// The sums of the batch norm that has made the value.
    sums: Option<GradSums>,
}

/// A batch norm's way back, and its input.
struct Through {
    x: Value,
    spread: Spread,
}

impl From<Value> for Grad {
    fn from(value: Value) -> Self {
        Grad {
            value,
            through: None,
            sums: None,
        }
    }
}

impl Grad {
    /// What a convolution reads.
    fn dy(&self) -> Dy<'_> {
        let through = self.through.as_ref();
        Dy {
            data: self.value.data(),
            norm: through.map(|t| (t.x.data(), &t.spread)),
        }
    }

    /// The gradient with nothing left to go through.
    fn settle(self, net: &Network) -> Value {
        let Some(Through { x, spread }) = self.through else {
            return self.value;
        };
        let mut dx = net.pool.take(x.data().len());
        spread.write_all(x.data(), self.value.data(), &mut dx);
        Value::from_buffer(x.shape(), dx)
    }
}

/// A backward pass under way.
struct Pass<'a> {
    net: &'a Network,
    /// What the forward pass has left, by step.
    saved: Vec<Saved>,
    /// Gradients that have arrived, by node.
    pending: Vec<Option<Grad>>,
    /// Which nodes have anything to learn at or before them.
    wanted: Vec<bool>,
    /// Of all parameters.
    grads: Vec<f32>,
    n: usize,
    /// Whether the statistics of batch norms are constants.
    evaluation: bool,
}

impl<'a> Pass<'a> {
    fn new(net: &'a Network, tape: Tape, grads: Vec<f32>, input: bool) -> Self {
        Pass {
            net,
            saved: tape.saved,
            pending: net.graph.nodes().iter().map(|_| None).collect(),
            wanted: net.wanted(input),
            grads,
            n: tape.batch,
            evaluation: tape.evaluation,
        }
    }

    /// What has arrived at the images.
    fn input(&mut self) -> Value {
        match self.pending[0].take() {
            Some(grad) => grad.settle(self.net),
            None => self.net.make(0, self.n, |g| g.fill(0.0)),
        }
    }

    fn seed(&mut self, grads: OutputGrads) -> Result<()> {
        for (id, grad) in self.net.seeds(grads, self.n)? {
            self.arrive(id, grad.into());
        }
        Ok(())
    }

    fn run(&mut self) {
        let net = self.net;
        for at in (0..net.train.steps.len()).rev() {
            let step = &net.train.steps[at];
            let saved = std::mem::take(&mut self.saved[at]);
            let Some(grad) = self.pending[step.out].take() else {
                continue;
            };
            net.time(step, "backward", || self.step(at, saved, grad));
        }
    }

    fn step(&mut self, at: usize, saved: Saved, grad: Grad) {
        let net = self.net;
        let step = &net.train.steps[at];
        let node = &net.graph.nodes()[step.main];
        match (&node.layer, saved) {
            (Layer::Conv(c), Saved::Held(x)) => self.conv(at, c, x, grad),
            (Layer::BatchNorm(_), Saved::Norm(x, stats)) => self.norm(step, x, &stats, grad),
            (_, saved) => {
                let dy = grad.settle(net);
                let want: Vec<bool> = node.inputs.iter().map(|i| self.wanted[i.0]).collect();
                let grads = net.layer_backward(step, saved, dy, &want, &mut self.grads);
                for (id, dx) in grads {
                    self.arrive(id.0, dx.into());
                }
            }
        }
    }

    /// A gradient for a node's value. Several are added in the order of the backward pass.
    fn arrive(&mut self, id: usize, grad: Grad) {
        let Some(sum) = self.pending[id].take() else {
            self.pending[id] = Some(grad);
            return;
        };
        let (mut sum, grad) = (sum.settle(self.net), grad.settle(self.net));
        if let Some(sum) = sum.unshared() {
            elementwise::accumulate(sum, grad.data());
        } else {
            let mut y = self.net.pool.take(grad.data().len());
            elementwise::add(sum.data(), grad.data(), &mut y);
            sum = Value::from_buffer(grad.shape(), y);
        }
        self.pending[id] = Some(sum.into());
    }

    fn conv(&mut self, at: usize, conv: &Conv, x: Held, grad: Grad) {
        let net = self.net;
        let id = net.train.steps[at].main;
        let node = &net.graph.nodes()[id];
        let (shape, mode) = (net.conv_shape(id, conv, self.n), net.graph.conv);
        let input = node.inputs[0].0;
        let want = self.wanted[input];
        let (slots, mut grad) = (net.slots[id], grad);
        if let Some(slot) = slots.bias {
            let dy = grad.settle(net);
            let db = net.grad_of(&mut self.grads, slot);
            linear::bias_grad(dy.data(), node.shape[2], db);
            grad = dy.into();
        }
        if let Some(joint) = conv::joint(&shape, mode).filter(|_| want) {
            return self.conv_joint(at, (joint, shape), x, grad);
        }
        if want || !conv::reads_through(&shape, mode) {
            grad = grad.settle(net).into();
        }
        let dw = net.grad_of(
            &mut self.grads,
            slots.weight.expect("convolutions have weights"),
        );
        conv::weight_grad(x.input(net), grad.dy(), &shape, mode, dw);
        drop(x);
        if want {
            let dy = grad.value.data();
            let dx = net.make(input, self.n, |dx| {
                conv::input_grad(dy, net.weight(id), &shape, mode, dx);
            });
            self.arrive(input, dx.into());
        }
    }

    /// A convolution that makes both gradients in one pass.
    fn conv_joint(&mut self, at: usize, (joint, shape): (Joint, conv::Shape), x: Held, grad: Grad) {
        let net = self.net;
        let id = net.train.steps[at].main;
        let input = net.graph.nodes()[id].inputs[0].0;
        // A gradient that is there already is added to in place, if nobody else holds it.
        let there = if joint.adds {
            self.reclaim(input)
        } else {
            None
        };
        let add = there.is_some();
        let alone = add || self.pending[input].is_none();
        let maker = if alone { self.maker(at, input) } else { None };
        let mut sums = GradSums::default();
        let gather = maker.as_ref().map(|(x, back)| Gather {
            x: x.data(),
            back,
            sums: &mut sums,
        });
        let dims = net.shape_of(input, self.n);
        let mut dx = there.unwrap_or_else(|| net.pool.take(dims.iter().product()));
        let to = Dx {
            data: &mut dx,
            add,
            gather,
        };
        let slot = net.slots[id].weight.expect("convolutions have weights");
        let dw = net.grad_of(&mut self.grads, slot);
        conv::backward(x.input(net), grad.dy(), net.weight(id), &shape, to, dw);
        let grad = Grad {
            sums: maker.map(|_| sums),
            ..Value::from_buffer(dims, dx).into()
        };
        self.arrive(input, grad);
    }

    /// The numbers of a gradient that has arrived at a node, for writing.
    fn reclaim(&mut self, node: usize) -> Option<Buffer> {
        let grad = self.pending[node].take()?;
        if grad.through.is_some() {
            self.pending[node] = Some(grad);
            return None;
        }
        match grad.value.into_buffer() {
            Ok(buffer) => Some(buffer),
            Err(shared) => {
                self.pending[node] = Some(shared.into());
                None
            }
        }
    }

    /// The batch norm that has made a node's value, and its input: if it is one over the whole
    /// batch, and step `at` is the last to bring a gradient.
    fn maker(&self, at: usize, node: usize) -> Option<(Value, Backward)> {
        let plan = &self.net.train;
        if plan.first_use[node] != Some(at) {
            return None;
        }
        let maker = plan.steps[..at].iter().rposition(|s| s.out == node)?;
        match &self.saved[maker] {
            Saved::Norm(x, stats) if stats.len() == 1 => {
                Some((x.clone(), self.net.norm_back(&plan.steps[maker], &stats[0])))
            }
            _ => None,
        }
    }

    fn norm(&mut self, step: &Step, x: Value, stats: &[Stats], mut grad: Grad) {
        let (net, id) = (self.net, step.main);
        let gathered = grad.sums.take();
        let dy = grad.settle(net);
        if let Some(residual) = step.residual.filter(|&id| self.wanted[id]) {
            self.arrive(residual, dy.clone().into());
        }
        let [hw, c] = pixels(net.graph.nodes()[id].shape);
        let input = net.graph.nodes()[id].inputs[0].0;
        let mut own = vec![0.0; 3 * c];
        let dx = if let [stats] = stats {
            let back = net.norm_back(step, stats);
            let sums = gathered.unwrap_or_else(|| back.sums(x.data(), dy.data()));
            let rows = (!self.evaluation).then_some(self.n * hw);
            let spread = back.finish(&sums, rows, &mut own);
            Grad {
                through: Some(Through { x, spread }),
                ..dy.into()
            }
        } else {
            let rows = self.n / stats.len() * hw;
            let dx = net.make(input, self.n, |dx| {
                let groups = x.data().chunks(rows * c).zip(dy.data().chunks(rows * c));
                for ((stats, dx), (x, dy)) in stats.iter().zip(dx.chunks_mut(rows * c)).zip(groups)
                {
                    let back = net.norm_back(step, stats);
                    let sums = back.sums(x, dy);
                    back.finish(&sums, Some(rows), &mut own)
                        .write_all(x, dy, dx);
                }
            });
            dx.into()
        };
        let slope = step.act.and_then(|id| net.slots[id].weight);
        let slots = [net.slots[id].weight, net.slots[id].bias, slope];
        for (slot, sum) in slots.into_iter().zip(own.chunks(c)) {
            if let Some(slot) = slot {
                act::add_into(net.grad_of(&mut self.grads, slot), sum);
            }
        }
        if self.wanted[input] {
            self.arrive(input, dx);
        }
    }
}
