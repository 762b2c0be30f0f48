//! The way back through the layers that are neither a convolution nor a batch norm.

use super::super::forward::pixels;
use super::super::fusion::Step;
use super::super::graph::{Layer, NodeId};
use super::super::network::Network;
use super::super::ops::{act, elementwise, linear, pool};
use super::super::subsample;
use super::super::tape::Saved;
use super::super::value::Value;

impl Network {
    /// The slice of a slot in the gradients of all parameters.
    pub(super) fn grad_of<'a>(&self, grads: &'a mut [f32], slot: usize) -> &'a mut [f32] {
        let slot = &self.params.slots()[slot];
        &mut grads[slot.offset..slot.offset + slot.len]
    }

    /// One layer backwards: adds to the parameters' gradients, gives those of wanted inputs.
    pub(super) fn layer_backward(
        &self,
        step: &Step,
        saved: Saved,
        dy: Value,
        want: &[bool],
        grads: &mut [f32],
    ) -> Vec<(NodeId, Value)> {
        let (id, n) = (step.main, dy.batch());
        let node = &self.graph.nodes()[id];
        let first = node.inputs[0];
        let one = |wanted: bool, f: &dyn Fn(&mut [f32])| -> Vec<(NodeId, Value)> {
            if wanted {
                vec![(first, self.make(first.0, n, |dx| f(dx)))]
            } else {
                Vec::new()
            }
        };
        if let (Layer::Linear { .. }, Some(slot)) = (&node.layer, self.slots[id].bias) {
            linear::bias_grad(dy.data(), node.shape[2], self.grad_of(grads, slot));
        }
        let weight_view = self.slots[id].weight;
        let hwc = pixels(self.graph.nodes()[first.0].shape);
        match (&node.layer, saved) {
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
            (Layer::Prelu | Layer::Relu | Layer::Relu6, Saved::One(x)) => {
                let mut none = [];
                let slope = match weight_view {
                    Some(slot) => self.grad_of(grads, slot),
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
            // In evaluation, dropout does nothing.
            (Layer::Dropout { .. }, Saved::Nothing) if want[0] => vec![(first, dy)],
            (Layer::Dropout { .. }, Saved::Nothing) => Vec::new(),
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
            (Layer::Subsample { stride }, _) => {
                let shape = self.graph.nodes()[first.0].shape;
                one(want[0], &|dx| {
                    subsample::backward(dy.data(), shape, *stride, dx)
                })
            }
            (layer, _) => unreachable!("{layer:?} saves something else in its forward pass"),
        }
    }
}
