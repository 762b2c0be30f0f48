//! Training: the forward pass that remembers, and the backward pass that forgets.

use super::graph::{Layer, NodeId};
use super::network::{Network, Output, OutputGrads, TrainMode};
use super::ops::act::{self, Epilogue};
use super::ops::moments::Moments;
use super::ops::norm::{self, Params, Stats};
use super::ops::{conv, elementwise, linear, pool};
use super::plan::Step;
use super::run::{Held, held, input, pixels};
use super::value::Value;
use crate::rng::Stream;
use crate::{Error, Result};

/// What one step needs for its backward pass.
#[derive(Debug)]
enum Saved {
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
    saved: Vec<Saved>,
    batch: usize,
    bn_group: usize,
}

impl Network {
    /// A training pass: batch statistics, dropout, running statistics updated.
    ///
    /// # Errors
    /// [`Error::Compute`] if `x` does not fit, if `mode.bn_group` does not divide the batch,
    /// or if a batch norm would see a single value per channel.
    pub fn forward_train(&mut self, x: &Value, mode: TrainMode) -> Result<(Output, Tape)> {
        self.check_input(x)?;
        let n = x.batch();
        if mode.bn_group == 0 || !n.is_multiple_of(mode.bn_group) {
            return Err(Error::Compute(format!(
                "batch-norm groups of {} images do not divide a batch of {n}",
                mode.bn_group
            )));
        }
        let mut values: Vec<Option<Held>> = vec![None; self.graph.nodes().len()];
        values[0] = Some(x.clone().into());
        // Statistics that were gathered as a value was made, by node.
        let mut gathered: Vec<Option<Stats>> = vec![None; values.len()];
        let mut saved = Vec::with_capacity(self.train.steps.len());
        for i in 0..self.train.steps.len() {
            let step = self.train.steps[i].clone();
            let (value, kept) = self.time(&step, "forward", || {
                self.train_step(&step, &values, &mut gathered, &mode)
            })?;
            if let Saved::Norm(_, stats) = &kept {
                self.update_running(step.main, stats, mode.bn_group);
            }
            saved.push(kept);
            values[step.out] = Some(value);
            self.release(&self.train.last_use, i, &step, &mut values);
        }
        let tape = Tape {
            saved,
            batch: n,
            bn_group: mode.bn_group,
        };
        Ok((self.output(&values), tape))
    }

    fn train_step(
        &self,
        step: &Step,
        values: &[Option<Held>],
        gathered: &mut [Option<Stats>],
        mode: &TrainMode,
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
        let whole = held(values, first).value.batch() == mode.bn_group;
        let mut moments =
            (step.moments && whole).then(|| Moments::new(self.graph.nodes()[step.out].shape[2]));
        if let Layer::Conv(c) = &node.layer {
            let x = held(values, first);
            let y = self.conv_train(id, c, x, &epilogue, moments.as_mut());
            gathered[step.out] = moments.map(|m| m.stats());
            return Ok((y.into(), Saved::Held(x.clone())));
        }
        let x = input(values, first);
        if let Layer::BatchNorm(_) = node.layer {
            let stats = self.norm_stats(id, x, gathered[first].as_ref(), mode.bn_group)?;
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

    fn norm_params(&self, id: usize) -> Params<'_> {
        Params {
            weight: self.norm_weight(id),
            bias: self.bias(id),
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
        if group * hw < 2 {
            return Err(Error::Compute(format!(
                "batch norm `{}` needs more than one value per channel in training; use a larger batch-norm group",
                node.name
            )));
        }
        Ok(match gathered {
            Some(stats) => vec![stats.clone()],
            None => {
                let groups = x.data().chunks(group * hw * c);
                groups.map(|x| norm::stats(x, c)).collect()
            }
        })
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

    /// Adds the gradients of all parameters to `params().grads` and, if wanted, gives the
    /// gradient of the input. Consumes the tape; activations are freed on the way.
    ///
    /// # Errors
    /// [`Error::Compute`] if a gradient has another shape than its output, or names no tap.
    pub fn backward(
        &mut self,
        tape: Tape,
        grads: OutputGrads,
        want_input_grad: bool,
    ) -> Result<Option<Value>> {
        let mut pending = self.seed_grads(&tape, grads)?;
        let wanted = self.wanted(want_input_grad);
        let (n, group) = (tape.batch, tape.bn_group);
        let mut store = std::mem::take(&mut self.params.grads);
        let steps = self.train.steps.iter().zip(tape.saved).rev();
        for (step, saved) in steps {
            let Some(dy) = pending[step.out].take() else {
                continue;
            };
            if let Some(residual) = step.residual.filter(|&id| wanted[id]) {
                self.arrive(&mut pending, residual, dy.clone());
            }
            let inputs = &self.graph.nodes()[step.main].inputs;
            let want: Vec<bool> = inputs.iter().map(|i| wanted[i.0]).collect();
            let grads = self.time(step, "backward", || {
                self.backward_step(step, saved, dy, &want, [n, group], &mut store)
            });
            for (id, dx) in grads {
                self.arrive(&mut pending, id.0, dx);
            }
        }
        self.params.grads = store;
        Ok(if want_input_grad {
            Some(
                pending[0]
                    .take()
                    .unwrap_or_else(|| self.make(0, n, |g| g.fill(0.0))),
            )
        } else {
            None
        })
    }

    fn seed_grads(&self, tape: &Tape, grads: OutputGrads) -> Result<Vec<Option<Value>>> {
        let mut pending = vec![None; self.graph.nodes().len()];
        let mut seed = |name: &str, id: NodeId, grad: Value| {
            let want = self.shape_of(id.0, tape.batch);
            if grad.shape() != want {
                return Err(Error::Compute(format!(
                    "the gradient of {name} is {:?}, want {want:?}",
                    grad.shape()
                )));
            }
            self.arrive(&mut pending, id.0, grad);
            Ok(())
        };
        if let Some(grad) = grads.embedding {
            seed("the embedding", self.graph.embedding, grad)?;
        }
        for (name, grad) in grads.taps {
            let id = self.graph.taps.get(&name).copied();
            let id =
                id.ok_or_else(|| Error::Compute(format!("the network has no tap `{name}`")))?;
            seed(&format!("tap `{name}`"), id, grad)?;
        }
        Ok(pending)
    }

    /// Which nodes have anything to learn at or before them.
    fn wanted(&self, input: bool) -> Vec<bool> {
        let mut wanted = vec![input];
        for (id, node) in self.graph.nodes().iter().enumerate().skip(1) {
            let own = self.slots[id].weight.is_some() || self.slots[id].bias.is_some();
            wanted.push(own || node.inputs.iter().any(|i| wanted[i.0]));
        }
        wanted
    }

    /// A gradient for a node's value. Several are added in the order of the backward pass.
    fn arrive(&self, pending: &mut [Option<Value>], id: usize, grad: Value) {
        let Some(mut sum) = pending[id].take() else {
            pending[id] = Some(grad);
            return;
        };
        if let Some(sum) = sum.unshared() {
            elementwise::accumulate(sum, grad.data());
        } else {
            let mut y = self.pool.take(grad.data().len());
            elementwise::add(sum.data(), grad.data(), &mut y);
            sum = Value::from_buffer(grad.shape(), y);
        }
        pending[id] = Some(sum);
    }

    /// The slice of a view in the gradients.
    fn grad_of<'a>(&self, grads: &'a mut [f32], view: usize) -> &'a mut [f32] {
        let view = &self.params.views()[view];
        &mut grads[view.offset..view.offset + view.len]
    }

    /// One layer backwards: adds to the parameters' gradients, gives those of wanted inputs.
    fn backward_step(
        &self,
        step: &Step,
        saved: Saved,
        dy: Value,
        want: &[bool],
        [n, group]: [usize; 2],
        grads: &mut [f32],
    ) -> Vec<(NodeId, Value)> {
        let id = step.main;
        let node = &self.graph.nodes()[id];
        let first = node.inputs[0];
        let one = |wanted: bool, f: &dyn Fn(&mut [f32])| -> Vec<(NodeId, Value)> {
            if wanted {
                vec![(first, self.make(first.0, n, |dx| f(dx)))]
            } else {
                Vec::new()
            }
        };
        if let (Layer::Conv(_) | Layer::Linear { .. }, Some(view)) =
            (&node.layer, self.slots[id].bias)
        {
            linear::bias_grad(dy.data(), node.shape[2], self.grad_of(grads, view));
        }
        let weight_view = self.slots[id].weight;
        let hwc = pixels(self.graph.nodes()[first.0].shape);
        match (&node.layer, saved) {
            (Layer::Conv(c), Saved::Held(x)) => {
                let shape = self.conv_shape(id, c, n);
                let mode = self.graph.conv;
                let dw = self.grad_of(grads, weight_view.expect("convolutions have weights"));
                conv::weight_grad(x.input(self), dy.data(), &shape, mode, dw);
                drop(x);
                one(want[0], &|dx| {
                    conv::input_grad(dy.data(), self.weight(id), &shape, mode, dx);
                })
            }
            (Layer::Linear { .. }, Saved::One(flat)) => {
                let sizes = [n, flat.channels(), node.shape[2]];
                let dw = self.grad_of(grads, weight_view.expect("linear layers have weights"));
                linear::weight_grad(flat.data(), dy.data(), sizes, dw);
                one(want[0], &|dx| {
                    let [hw, c] = hwc;
                    if hw == 1 {
                        return linear::input_grad(dy.data(), self.weight(id), sizes, dx);
                    }
                    let mut chw = self.pool.take(dx.len());
                    linear::input_grad(dy.data(), self.weight(id), sizes, &mut chw);
                    // Seen as c pixels of hw channels, the way back is the same transposition.
                    linear::to_chw(&chw, c, hw, dx);
                })
            }
            (Layer::BatchNorm(_), Saved::Norm(x, stats)) => {
                let dx = self.norm_backward(step, &x, &stats, &dy, group, grads);
                if want[0] {
                    vec![(first, dx)]
                } else {
                    Vec::new()
                }
            }
            (Layer::Prelu | Layer::Relu | Layer::Relu6, Saved::One(x)) => {
                let mut none = [];
                let slope = match weight_view {
                    Some(view) => self.grad_of(grads, view),
                    None => &mut none,
                };
                let act = self.act(Some(id));
                let dx = self.make(first.0, n, |dx| {
                    act::backward(x.data(), hwc[1], act, dy.data(), dx, slope);
                });
                if want[0] {
                    vec![(first, dx)]
                } else {
                    Vec::new()
                }
            }
            (Layer::Sigmoid, Saved::One(y)) => one(want[0], &|dx| {
                act::sigmoid_backward(y.data(), dy.data(), dx)
            }),
            (Layer::Dropout { .. }, Saved::One(mask)) => one(want[0], &|dx| {
                elementwise::mul(dy.data(), mask.data(), hwc, elementwise::Spread::Full, dx);
            }),
            (Layer::Add, _) => {
                let both = node.inputs.iter().zip(want);
                both.filter(|(_, want)| **want)
                    .map(|(i, _)| (*i, dy.clone()))
                    .collect()
            }
            (Layer::Mul, Saved::Two(a, b)) => {
                let spread = self.spread(id);
                let mut out = one(want[0], &|dx| {
                    elementwise::mul(dy.data(), b.data(), hwc, spread, dx)
                });
                if want[1] {
                    let second = node.inputs[1];
                    out.push((
                        second,
                        self.make(second.0, n, |db| {
                            elementwise::mul_grad_b(a.data(), dy.data(), hwc, spread, db);
                        }),
                    ));
                }
                out
            }
            (Layer::GlobalAvgPool, _) => one(want[0], &|dx| {
                elementwise::mean_pixels_backward(dy.data(), hwc, dx)
            }),
            (Layer::MeanMaxPixels, Saved::One(x)) => one(want[0], &|dx| {
                pool::mean_max_pixels_backward(x.data(), dy.data(), hwc, dx)
            }),
            (Layer::MeanMaxChannels, Saved::One(x)) => one(want[0], &|dx| {
                pool::mean_max_channels_backward(x.data(), dy.data(), hwc, dx)
            }),
            (Layer::SumPixels, _) => {
                one(want[0], &|dx| pool::sum_pixels_backward(dy.data(), hwc, dx))
            }
            (layer, _) => unreachable!("{layer:?} saves something else in its forward pass"),
        }
    }

    fn norm_backward(
        &self,
        step: &Step,
        x: &Value,
        stats: &[Stats],
        dy: &Value,
        group: usize,
        grads: &mut [f32],
    ) -> Value {
        let id = step.main;
        let [hw, c] = pixels(self.graph.nodes()[id].shape);
        let params = self.norm_params(id);
        let act = self.act(step.act);
        let mut sums = vec![0.0; 3 * c];
        let block = group * hw * c;
        let dx = self.make(self.graph.nodes()[id].inputs[0].0, x.batch(), |dx| {
            for (i, dx) in dx.chunks_mut(block).enumerate() {
                let part = i * block..(i + 1) * block;
                let (x, dy) = (&x.data()[part.clone()], &dy.data()[part]);
                norm::backward(x, c, params, act, &stats[i], dy, dx, &mut sums);
            }
        });
        let slope = step.act.and_then(|id| self.slots[id].weight);
        let views = [self.slots[id].weight, self.slots[id].bias, slope];
        for (view, sum) in views.into_iter().zip(sums.chunks(c)) {
            if let Some(view) = view {
                act::add_into(self.grad_of(grads, view), sum);
            }
        }
        dx
    }
}
