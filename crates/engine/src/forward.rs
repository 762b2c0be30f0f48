//! The forward kernels of single layers, shared by evaluation and training.

use super::fusion::Step;
use super::graph::{Conv, Layer};
use super::network::{Network, Output};
use super::ops::act::{Epilogue, Input, Prologue};
use super::ops::conv::Algorithm;
use super::ops::conv::chain::{self, Part};
use super::ops::elementwise::Spread;
use super::ops::moments::Moments;
use super::ops::{self, conv, elementwise, linear, pool};
use super::subsample;
use super::team;
use super::value::Value;
use frbench_base::Result;
use std::sync::Arc;

impl Network {
    /// The embedding and the taps in evaluation mode: running statistics, no dropout.
    ///
    /// # Errors
    /// [`frbench_base::Error::Compute`] if `x` is not a batch of the graph's input shape.
    pub fn infer(&self, x: &Value) -> Result<Output> {
        self.check_input(x)?;
        if let Some(replica) = &self.replica {
            return replica.infer(self, x);
        }
        Ok(team::together(|| self.evaluate(x)))
    }

    fn evaluate(&self, x: &Value) -> Output {
        let mut values: Vec<Option<Held>> = vec![None; self.graph.nodes().len()];
        values[0] = Some(x.clone().into());
        for (i, step) in self.infer.steps.iter().enumerate() {
            let held = self.time(step, "evaluation", || self.infer_step(step, &values));
            values[step.out] = Some(held);
            self.release(&self.infer.last_use, i, step, &mut values);
        }
        self.output(&values)
    }

    /// Forgets the inputs of a step that nothing needs any more.
    pub(super) fn release(
        &self,
        last_use: &[Option<usize>],
        at: usize,
        step: &Step,
        values: &mut [Option<Held>],
    ) {
        for input in step.inputs(&self.graph) {
            if last_use[input] == Some(at) {
                values[input] = None;
            }
        }
    }

    fn infer_step(&self, step: &Step, values: &[Option<Held>]) -> Held {
        if !step.inner.is_empty() {
            return self.chain(step, values);
        }
        let node = &self.graph.nodes()[step.main];
        let affine = self.infer_affine(step);
        let epilogue = self.epilogue(step, affine.as_ref(), values);
        if let Layer::Conv(c) = &node.layer {
            return self.conv_infer(step.main, c, held(values, node.inputs[0].0), &epilogue);
        }
        let x = input(values, node.inputs[0].0);
        match (&node.layer, &affine) {
            (Layer::BatchNorm(_), Some((scale, shift))) if step.deferred => {
                let (scale, shift) = (scale.clone(), shift.clone());
                return Held::deferred(x, scale, shift, step.act);
            }
            (Layer::Linear { .. }, _) => self.linear(step.main, &self.flat(x), &epilogue),
            (Layer::BatchNorm(_), _) => self.pointwise(x, &epilogue, None),
            (Layer::Dropout { .. }, _) => x.clone(),
            _ => self.simple(step.main, values),
        }
        .into()
    }

    /// What a step's batch norm and bias do after its layer.
    fn infer_affine(&self, step: &Step) -> Option<(Vec<f32>, Vec<f32>)> {
        let norm = match self.graph.nodes()[step.main].layer {
            Layer::BatchNorm(_) => Some(step.main),
            _ => step.norm,
        };
        match (norm, self.bias(step.main)) {
            (Some(norm), bias) => {
                let bias = if norm == step.main { None } else { bias };
                Some(self.running_affine(norm, bias))
            }
            (None, Some(bias)) => Some((vec![1.0; bias.len()], bias.to_vec())),
            (None, None) => None,
        }
    }

    fn epilogue<'a>(
        &'a self,
        step: &Step,
        affine: Option<&'a (Vec<f32>, Vec<f32>)>,
        values: &'a [Option<Held>],
    ) -> Epilogue<'a> {
        Epilogue {
            affine: affine.map(|(a, b)| (a.as_slice(), b.as_slice())),
            act: self.act(step.act),
            residual: step.residual.map(|id| input(values, id).data()),
        }
    }

    /// An inverted residual as one step.
    fn chain(&self, step: &Step, values: &[Option<Held>]) -> Held {
        let x = input(
            values,
            step.inputs(&self.graph)
                .next()
                .expect("a convolution's input"),
        );
        let steps = [&step.inner[0], &step.inner[1], step];
        let affine = steps.map(|s| self.infer_affine(s));
        let shapes = steps.map(|s| match &self.graph.nodes()[s.main].layer {
            Layer::Conv(c) => self.conv_shape(s.main, c, x.batch()),
            other => unreachable!("{other:?} is in no chain"),
        });
        let packed = [0, 1, 2].map(|i| self.packed_weights(steps[i].main, &shapes[i]).1);
        let parts = [0, 1, 2].map(|i| Part {
            shape: shapes[i],
            packed: &packed[i],
            epilogue: self.epilogue(steps[i], affine[i].as_ref(), values),
        });
        let value = self.make(step.out, x.batch(), |y| chain::forward(x.data(), &parts, y));
        value.into()
    }

    /// The algorithm of a convolution in evaluation, and its weights, which are kept.
    fn packed_weights(&self, node: usize, shape: &conv::Shape) -> (Algorithm, Arc<Vec<f32>>) {
        let algorithm = conv::algorithm(shape, self.graph.conv);
        let packed = self.packed.get(node, algorithm, || {
            let mut packed = vec![0.0; conv::packed_len(shape, algorithm)];
            conv::pack(self.weight(node), shape, algorithm, &mut packed);
            packed
        });
        (algorithm, packed)
    }

    /// Scale and shift of a batch norm over its running statistics, behind an added bias.
    fn running_affine(&self, norm: usize, bias: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
        let slots = &self.slots[norm];
        let stat =
            |slot: Option<usize>| self.buffers.get(slot.expect("batch norms have statistics"));
        let (mean, var) = (stat(slots.mean), stat(slots.var));
        let params = ops::norm::Params {
            weight: self.norm_weight(norm),
            bias: self.bias(norm),
        };
        let offset = |i: usize| bias.map_or(0.0, |b| f64::from(b[i]));
        params.affine(
            |i| f64::from(mean[i]) - offset(i),
            |i| f64::from(var[i]),
            mean.len(),
        )
    }

    pub(super) fn conv_shape(&self, node: usize, conv: &Conv, n: usize) -> conv::Shape {
        let [h, w, ci] = self.graph.nodes()[self.graph.nodes()[node].inputs[0].0].shape;
        let [oh, ow, co] = self.graph.nodes()[node].shape;
        conv::Shape {
            n,
            h,
            w,
            ci,
            oh,
            ow,
            co,
            kernel: conv.kernel,
            stride: conv.stride,
            pad: conv.pad,
            groups: conv.groups,
        }
    }

    fn conv_infer(&self, node: usize, conv: &Conv, x: &Held, epilogue: &Epilogue) -> Held {
        let shape = self.conv_shape(node, conv, x.value.batch());
        let (algorithm, packed) = self.packed_weights(node, &shape);
        let weights = (algorithm, packed.as_slice());
        let value = self.make(node, x.value.batch(), |y| {
            conv::forward(x.input(self), weights, &shape, epilogue, None, y);
        });
        value.into()
    }

    /// A convolution in training: its weights have just changed.
    pub(super) fn conv_train(
        &self,
        node: usize,
        conv: &Conv,
        x: &Held,
        epilogue: &Epilogue,
        moments: Option<&mut Moments>,
    ) -> Value {
        let shape = self.conv_shape(node, conv, x.value.batch());
        let algorithm = conv::algorithm(&shape, self.graph.conv);
        let mut packed = self.pool.take(conv::packed_len(&shape, algorithm));
        conv::pack(self.weight(node), &shape, algorithm, &mut packed);
        self.make(node, x.value.batch(), |y| {
            let weights = (algorithm, &*packed);
            conv::forward(x.input(self), weights, &shape, epilogue, moments, y);
        })
    }

    /// `[n, 1, 1, h w c]` in C, H, W order.
    pub(super) fn flat(&self, x: &Value) -> Value {
        let [n, h, w, c] = x.shape();
        if (h, w) == (1, 1) {
            return x.clone();
        }
        let mut out = self.pool.take(x.data().len());
        linear::to_chw(x.data(), h * w, c, &mut out);
        Value::from_buffer([n, 1, 1, h * w * c], out)
    }

    pub(super) fn linear(&self, node: usize, flat: &Value, epilogue: &Epilogue) -> Value {
        let sizes = [
            flat.batch(),
            flat.channels(),
            self.graph.nodes()[node].shape[2],
        ];
        self.make(node, flat.batch(), |y| {
            linear::forward(flat.data(), self.weight(node), sizes, epilogue, y);
        })
    }

    /// `epilogue(x)`.
    pub(super) fn pointwise(
        &self,
        x: &Value,
        epilogue: &Epilogue,
        moments: Option<&mut Moments>,
    ) -> Value {
        let mut y = self.pool.take(x.data().len());
        ops::act::forward(x.data(), x.channels(), epilogue, moments, &mut y);
        Value::from_buffer(x.shape(), y)
    }

    /// Layers that do the same in evaluation and training, without parameters but slopes.
    pub(super) fn simple(&self, id: usize, values: &[Option<Held>]) -> Value {
        let node = &self.graph.nodes()[id];
        let x = input(values, node.inputs[0].0);
        let n = x.batch();
        let hwc = pixels(self.graph.nodes()[node.inputs[0].0].shape);
        match &node.layer {
            Layer::Prelu | Layer::Relu | Layer::Relu6 => {
                let epilogue = Epilogue {
                    act: self.act(Some(id)),
                    ..Epilogue::NONE
                };
                self.pointwise(x, &epilogue, None)
            }
            Layer::Sigmoid => self.make(id, n, |y| ops::act::sigmoid(x.data(), y)),
            Layer::Add => {
                let b = input(values, node.inputs[1].0);
                self.make(id, n, |y| elementwise::add(x.data(), b.data(), y))
            }
            Layer::Mul => {
                let b = input(values, node.inputs[1].0);
                let spread = self.spread(id);
                self.make(id, n, |y| {
                    elementwise::mul(x.data(), b.data(), hwc, spread, y)
                })
            }
            Layer::GlobalAvgPool => {
                self.make(id, n, |y| elementwise::mean_pixels(x.data(), hwc, y))
            }
            Layer::MeanMaxPixels => self.make(id, n, |y| pool::mean_max_pixels(x.data(), hwc, y)),
            Layer::MeanMaxChannels => {
                self.make(id, n, |y| pool::mean_max_channels(x.data(), hwc, y))
            }
            Layer::SumPixels => self.make(id, n, |y| pool::sum_pixels(x.data(), hwc, y)),
            Layer::Subsample { stride } => {
                let shape = self.graph.nodes()[node.inputs[0].0].shape;
                self.make(id, n, |y| subsample::forward(x.data(), shape, *stride, y))
            }
            other => unreachable!("{other:?} has a kernel of its own"),
        }
    }

    /// How the second factor of a product is spread.
    pub(super) fn spread(&self, id: usize) -> Spread {
        let inputs = &self.graph.nodes()[id].inputs;
        let shape = |i: usize| self.graph.nodes()[inputs[i].0].shape;
        match shape(1) {
            full if full == shape(0) => Spread::Full,
            [1, 1, _] => Spread::Channel,
            _ => Spread::Pixel,
        }
    }

    /// A new value of a node, filled by `f`.
    pub(super) fn make(&self, node: usize, n: usize, f: impl FnOnce(&mut [f32])) -> Value {
        let shape = self.shape_of(node, n);
        let mut y = self.pool.take(shape.iter().product());
        f(&mut y);
        Value::from_buffer(shape, y)
    }
}

/// `[h * w, c]`.
pub(super) fn pixels([h, w, c]: [usize; 3]) -> [usize; 2] {
    [h * w, c]
}

/// A node's value during a pass: numbers, and what its consumers do to them as they read.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub value: Value,
    map: Option<Arc<Deferred>>,
}

/// A batch norm, and the node of its activation.
#[derive(Debug)]
struct Deferred {
    scale: Vec<f32>,
    shift: Vec<f32>,
    act: Option<usize>,
}

impl Held {
    /// `act(x * scale + shift)`, not computed yet.
    pub fn deferred(x: &Value, scale: Vec<f32>, shift: Vec<f32>, act: Option<usize>) -> Self {
        Held {
            value: x.clone(),
            map: Some(Arc::new(Deferred { scale, shift, act })),
        }
    }

    /// What a convolution reads.
    pub fn input<'a>(&'a self, network: &'a Network) -> Input<'a> {
        Input {
            data: self.value.data(),
            map: self.map.as_ref().map(|map| Prologue {
                scale: &map.scale,
                shift: &map.shift,
                act: network.act(map.act),
            }),
        }
    }
}

impl From<Value> for Held {
    fn from(value: Value) -> Self {
        Held { value, map: None }
    }
}

pub(super) fn held(values: &[Option<Held>], id: usize) -> &Held {
    values[id]
        .as_ref()
        .expect("a plan runs inputs first and keeps them to their last use")
}

/// The value of a node that is not deferred.
pub(super) fn input(values: &[Option<Held>], id: usize) -> &Value {
    let held = held(values, id);
    assert!(held.map.is_none(), "only convolutions take deferred values");
    &held.value
}
