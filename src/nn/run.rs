//! The forward kernels of single layers, shared by evaluation and training.

use super::graph::{Conv, Layer};
use super::network::{Network, Output};
use super::ops::act::Epilogue;
use super::ops::elementwise::Spread;
use super::ops::{self, conv, depthwise, elementwise, linear, pool};
use super::plan::Step;
use super::value::Value;
use crate::Result;

impl Network {
    /// The embedding and the taps in evaluation mode: running statistics, no dropout.
    ///
    /// # Errors
    /// [`crate::Error::Compute`] if `x` is not a batch of the graph's input shape.
    pub fn infer(&self, x: &Value) -> Result<Output> {
        self.check_input(x)?;
        let mut values: Vec<Option<Value>> = vec![None; self.graph.nodes().len()];
        values[0] = Some(x.clone());
        for (i, step) in self.infer.steps.iter().enumerate() {
            let value = self.infer_step(step, &values);
            values[step.out] = Some(value);
            self.release(&self.infer.last_use, i, step, &mut values);
        }
        Ok(self.output(&values))
    }

    /// Forgets the inputs of a step that nothing needs any more.
    pub(super) fn release(
        &self,
        last_use: &[Option<usize>],
        at: usize,
        step: &Step,
        values: &mut [Option<Value>],
    ) {
        let inputs = self.graph.nodes()[step.main].inputs.iter().map(|i| i.0);
        for input in inputs.chain(step.residual) {
            if last_use[input] == Some(at) {
                values[input] = None;
            }
        }
    }

    fn infer_step(&self, step: &Step, values: &[Option<Value>]) -> Value {
        let node = &self.graph.nodes()[step.main];
        let x = input(values, node.inputs[0].0);
        let norm = match node.layer {
            Layer::BatchNorm(_) => Some(step.main),
            _ => step.norm,
        };
        let affine = match (norm, self.bias(step.main)) {
            (Some(norm), bias) => {
                let bias = if norm == step.main { None } else { bias };
                Some(self.running_affine(norm, bias))
            }
            (None, Some(bias)) => Some((vec![1.0; bias.len()], bias.to_vec())),
            (None, None) => None,
        };
        let epilogue = Epilogue {
            affine: affine.as_ref().map(|(a, b)| (a.as_slice(), b.as_slice())),
            act: self.act(step.act),
            residual: step.residual.map(|id| input(values, id).data()),
        };
        match &node.layer {
            Layer::Conv(c) => self.conv(step.main, c, x, &epilogue),
            Layer::Linear { .. } => self.linear(step.main, &self.flat(x), &epilogue),
            Layer::BatchNorm(_) => self.pointwise(x, &epilogue),
            Layer::Dropout { .. } => x.clone(),
            _ => self.simple(step.main, values),
        }
    }

    /// Scale and shift of a batch norm over its running statistics, behind an added bias.
    fn running_affine(&self, norm: usize, bias: Option<&[f32]>) -> (Vec<f32>, Vec<f32>) {
        let slots = &self.slots[norm];
        let stat =
            |view: Option<usize>| self.buffers.get(view.expect("batch norms have statistics"));
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

    pub(super) fn conv(&self, node: usize, conv: &Conv, x: &Value, epilogue: &Epilogue) -> Value {
        let shape = self.conv_shape(node, conv, x.batch());
        self.make(node, x.batch(), |y| {
            if depthwise::applies(&shape) {
                depthwise::forward(x.data(), self.weight(node), &shape, epilogue, y);
            } else {
                let mut packed = self.pool.take(self.weight(node).len());
                conv::pack(self.weight(node), &shape, &mut packed);
                conv::forward(x.data(), &packed, &shape, epilogue, y);
            }
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
    pub(super) fn pointwise(&self, x: &Value, epilogue: &Epilogue) -> Value {
        let mut y = self.pool.take(x.data().len());
        ops::act::forward(x.data(), x.channels(), epilogue, &mut y);
        Value::from_buffer(x.shape(), y)
    }

    /// Layers that do the same in evaluation and training, without parameters but slopes.
    pub(super) fn simple(&self, id: usize, values: &[Option<Value>]) -> Value {
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
                self.pointwise(x, &epilogue)
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

pub(super) fn input(values: &[Option<Value>], id: usize) -> &Value {
    values[id]
        .as_ref()
        .expect("a plan runs inputs first and keeps them to their last use")
}

#[cfg(test)]
mod tests {
    use super::super::{Network, NodeId, TrainMode, Value};
    use crate::backbone::{self, BACKBONES};
    use crate::plan::spec::BackboneSpec;
    use crate::rng::Stream;
    use serde_json::json;

    #[test]
    fn fusion_changes_nothing_in_any_backbone() {
        for entry in BACKBONES {
            let name = entry.info.name;
            let mut params = json!({"width": 0.125});
            if name == "mobilenetv2" {
                params["stem_stride"] = json!(2);
            }
            let spec = BackboneSpec {
                name: name.into(),
                embedding: 16,
                params: serde_json::from_value(params).unwrap(),
            };
            let graph = backbone::build(&spec, 32).unwrap();
            // A tap on every node leaves nothing to fuse.
            let mut apart = graph.clone();
            for id in 1..apart.nodes.len() {
                apart.taps.insert(format!("node{id}"), NodeId(id));
            }
            let mut net = Network::new(graph);
            net.init(4);
            let mut stream = Stream::derive(1, "x", &[]);
            let x = (0..6 * 32 * 32 * 3)
                .map(|_| stream.normal() as f32)
                .collect();
            let x = Value::new([6, 32, 32, 3], x).unwrap();
            let mode = TrainMode {
                bn_group: 6,
                seed: 0,
                step: 0,
            };
            for _ in 0..20 {
                net.forward_train(&x, mode).unwrap();
            }
            let mut plain = Network::new(apart);
            plain.load_state_dict(&net.state_dict()).unwrap();
            let distance = |a: &Value, b: &Value| {
                let d: f32 = a
                    .data()
                    .iter()
                    .zip(b.data())
                    .map(|(a, b)| (a - b).powi(2))
                    .sum();
                (d / a.data().iter().map(|a| a * a).sum::<f32>()).sqrt()
            };
            let (a, b) = (plain.infer(&x).unwrap(), net.infer(&x).unwrap());
            let off = distance(&a.embedding, &b.embedding);
            assert!(off < 1e-4, "{name}: evaluation: {off}");
            let a = plain.forward_train(&x, mode).unwrap().0;
            let b = net.forward_train(&x, mode).unwrap().0;
            let off = distance(&a.embedding, &b.embedding);
            assert!(off < 1e-4, "{name}: training: {off}");
        }
    }
}
