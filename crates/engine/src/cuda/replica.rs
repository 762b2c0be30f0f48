//! A network's parameters on a GPU.
//!
//! They lie in one flat buffer as on the host, but each tensor starts at a multiple of 256
//! bytes, which cuDNN's best kernels ask for, and convolution and linear weights have their
//! input channels last, as the activations have: a linear layer then reads NHWC as it is.

use super::super::graph::Layer;
use super::super::network::Network;
use super::super::sgd::Sgd;
use super::super::store::{Slot, Store};
use super::super::value::Value;
use super::array::Array;
use super::gemm::Math;
use super::gpu::Gpu;
use super::memory::Buffer;
use super::ops::{Act, NormPointers};
use super::passes::Routine;
use super::uploads::Uploads;
use crate::device;
use crate::ops::conv;
use crate::settings::Precision;
use frbench_base::Result;
use std::sync::{Arc, Mutex};

/// Floats that tensors are aligned to.
const ALIGN: usize = 64;

/// A store on the device.
#[derive(Debug)]
struct Flat {
    buffer: Buffer,
    /// First float of each slot.
    offsets: Vec<usize>,
    len: usize,
}

/// The device's side of a [`Network`].
#[derive(Debug)]
pub(crate) struct Replica {
    pub(super) gpu: Arc<Gpu>,
    pub(super) precision: Precision,
    params: Flat,
    /// The bfloat16 copy of the parameters, for convolutions and products.
    low: Option<Buffer>,
    buffers: Flat,
    /// Gradients and velocities, from the first training step on.
    learning: Option<Learning>,
    /// Nodes whose values are in bfloat16: all up to the first linear layer.
    low_nodes: Vec<bool>,
    pub(super) routines: Mutex<Vec<Routine>>,
}

#[derive(Debug)]
struct Learning {
    grads: Buffer,
    velocity: Buffer,
    /// Which parameters are decayed, from the first step of an optimiser that spares some.
    decayed: Option<Buffer>,
}

impl Flat {
    fn new(gpu: &Arc<Gpu>, store: &Store) -> Result<Flat> {
        let mut offsets = Vec::new();
        let mut len = 0;
        for slot in store.slots() {
            offsets.push(len);
            len += slot.len.next_multiple_of(ALIGN);
        }
        let mut buffer = gpu.buffer(len * 4)?;
        buffer.clear()?;
        Ok(Flat {
            buffer,
            offsets,
            len,
        })
    }

    fn pointer(&self, slot: Option<usize>) -> u64 {
        slot.map_or(0, |v| self.buffer.pointer() + 4 * self.offsets[v] as u64)
    }
}

/// Where element `i` of a tensor in PyTorch's layout lies in the device's: input channels last.
/// `image` is the `[h, w, c]` of what a linear layer flattens.
fn place(shape: &[usize], image: Option<[usize; 3]>, i: usize) -> usize {
    let (c, h, w) = match (shape, image) {
        ([_, c, h, w], _) => (*c, *h, *w),
        ([_, _], Some([h, w, c])) => (c, h, w),
        _ => return i,
    };
    let (per, out) = (c * h * w, i / (c * h * w));
    let at = i % per;
    let (channel, pixel) = (at / (h * w), at % (h * w));
    out * per + pixel * c + channel
}

impl Replica {
    pub fn new(net: &Network, gpu: &Arc<Gpu>, precision: Precision) -> Result<Replica> {
        let mut low_nodes: Vec<bool> = Vec::new();
        for node in net.graph.nodes() {
            let linear = matches!(node.layer, Layer::Linear { .. });
            let above = node.inputs.iter().all(|i| low_nodes[i.0]);
            low_nodes.push(precision == Precision::Bf16 && !linear && above);
        }
        let params = Flat::new(gpu, &net.params)?;
        let low = match precision {
            Precision::Bf16 => Some(gpu.buffer(params.len * 2)?),
            _ => None,
        };
        let mut replica = Replica {
            gpu: Arc::clone(gpu),
            precision,
            params,
            low,
            buffers: Flat::new(gpu, &net.buffers)?,
            learning: None,
            low_nodes,
            routines: Mutex::default(),
        };
        replica.push(net, None)?;
        Ok(replica)
    }

    /// Takes over what the host has.
    pub fn push(&mut self, net: &Network, sgd: Option<&Sgd>) -> Result<()> {
        let params = self.to_device(net, &net.params, &self.params, &net.params.values);
        self.params.buffer.write(0, &params)?;
        let buffers = self.to_device(net, &net.buffers, &self.buffers, &net.buffers.values);
        self.buffers.buffer.write(0, &buffers)?;
        if let Some(sgd) = sgd {
            let velocity = self.to_device(net, &net.params, &self.params, sgd.velocity());
            self.learning()?.velocity.write(0, &velocity)?;
        }
        if let Some(low) = &self.low {
            let (from, len) = (self.params.buffer.pointer(), self.params.len);
            self.gpu.copy_low(low.pointer(), from, len)?;
        }
        Ok(())
    }

    /// Hands the host what is here: parameters, running statistics, and velocities if asked.
    pub fn pull(&self, net: &mut Network, sgd: Option<&mut Sgd>) -> Result<()> {
        let params = self.params.buffer.read(0, self.params.len)?;
        let buffers = self.buffers.buffer.read(0, self.buffers.len)?;
        let params = self.to_host(net, &net.params, &self.params, &params);
        let buffers = self.to_host(net, &net.buffers, &self.buffers, &buffers);
        net.params.values = params;
        net.buffers.values = buffers;
        if let (Some(sgd), Some(learning)) = (sgd, &self.learning) {
            let velocity = learning.velocity.read(0, self.params.len)?;
            sgd.restore(&self.to_host(net, &net.params, &self.params, &velocity))?;
        }
        Ok(())
    }

    /// Fresh numbers for all parameters, all 0.
    pub(super) fn fresh_grads(&self) -> Result<Buffer> {
        let mut grads = self.gpu.buffer(self.params.len * 4)?;
        grads.clear()?;
        Ok(grads)
    }

    /// Gradients in the order of the host's store.
    pub(super) fn grads_to_host(&self, net: &Network, grads: &Buffer) -> Result<Vec<f32>> {
        let grads = grads.read(0, self.params.len)?;
        Ok(self.to_host(net, &net.params, &self.params, &grads))
    }

    /// The gradients that training adds to.
    pub(super) fn grads(&mut self) -> Result<u64> {
        Ok(self.learning()?.grads.pointer())
    }

    /// Adds gradients that were made elsewhere, in the order of the host's store.
    pub fn add_grads(&mut self, net: &Network, grads: &[f32]) -> Result<()> {
        let here = self.to_device(net, &net.params, &self.params, grads);
        let here = self.gpu.upload(&here)?;
        let (len, to) = (self.params.len, self.grads()?);
        self.gpu.add_to(to, (here.pointer(), false), len)
    }

    /// One optimiser step; clears the gradients. Gives their norm before clipping, if any.
    pub fn step(&mut self, net: &Network, sgd: &Sgd, lr: f64) -> Result<Option<f64>> {
        self.spare(net, sgd)?;
        let (params, len) = (self.params.buffer.pointer(), self.params.len);
        let low = self.low.as_ref().map_or(0, Buffer::pointer);
        let gpu = Arc::clone(&self.gpu);
        let learning = self.learning()?;
        let grads = learning.grads.pointer();
        let norm = match sgd.spec().clip {
            Some(_) => Some(gpu.l2_norm(grads, len)?),
            None => None,
        };
        let decayed = learning.decayed.as_ref().map_or(0, Buffer::pointer);
        let pointers = [params, grads, learning.velocity.pointer(), low, decayed];
        let spec = sgd.spec();
        let constants = [
            lr as f32,
            spec.momentum as f32,
            spec.weight_decay as f32,
            sgd.clip_factor(norm) as f32,
        ];
        gpu.sgd(pointers, len, constants, spec.nesterov)?;
        Ok(norm)
    }

    /// Knows from here on which parameters `sgd` decays.
    fn spare(&mut self, net: &Network, sgd: &Sgd) -> Result<()> {
        if self.learning()?.decayed.is_some() {
            return Ok(());
        }
        if let Some(decayed) = sgd.decayed() {
            let decayed = self.to_device(net, &net.params, &self.params, &decayed);
            let decayed = self.gpu.upload(&decayed)?;
            self.learning()?.decayed = Some(decayed);
        }
        Ok(())
    }

    fn learning(&mut self) -> Result<&mut Learning> {
        if self.learning.is_none() {
            self.learning = Some(Learning {
                grads: self.fresh_grads()?,
                velocity: self.fresh_grads()?,
                decayed: None,
            });
        }
        let learning = self.learning.as_mut();
        learning.ok_or_else(|| frbench_base::Error::Bug("gradients that were just made".into()))
    }

    fn to_device(&self, net: &Network, store: &Store, flat: &Flat, host: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; flat.len];
        for (slot, &offset) in store.slots().iter().zip(&flat.offsets) {
            let image = flattened(net, slot);
            for (i, v) in host[slot.offset..slot.offset + slot.len].iter().enumerate() {
                out[offset + place(&slot.shape, image, i)] = *v;
            }
        }
        out
    }

    fn to_host(&self, net: &Network, store: &Store, flat: &Flat, device: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; store.values.len()];
        for (slot, &offset) in store.slots().iter().zip(&flat.offsets) {
            let image = flattened(net, slot);
            for (i, v) in out[slot.offset..slot.offset + slot.len]
                .iter_mut()
                .enumerate()
            {
                *v = device[offset + place(&slot.shape, image, i)];
            }
        }
        out
    }

    /// Where images for this network go ahead of their use; see [`Network::uploads`].
    pub fn uploads(&self, levels: &[f32; 256], bgr: bool) -> Result<Arc<dyn device::Uploads>> {
        let uploads = Uploads::new(&self.gpu, levels, bgr, self.is_low(0))?;
        Ok(Arc::new(uploads))
    }

    /// See [`Network::inputs_serve`].
    pub fn inputs_serve(&self, other: &Replica) -> bool {
        Arc::ptr_eq(&self.gpu, &other.gpu) && self.is_low(0) == other.is_low(0)
    }

    /// What the network is given, there.
    pub(super) fn input(&self, x: &Value) -> Result<Array> {
        Array::upload(&self.gpu, x, self.is_low(0))
    }

    /// Whether a node's value is in bfloat16.
    pub(super) fn is_low(&self, node: usize) -> bool {
        self.low_nodes[node]
    }

    /// How 32-bit floats are multiplied.
    pub(super) fn math(&self) -> Math {
        self.precision.into()
    }

    /// A node's weight, for a product with values of this precision.
    pub(super) fn weight(&self, net: &Network, node: usize, low: bool) -> u64 {
        let Some(slot) = net.slots[node].weight else {
            return 0;
        };
        match &self.low {
            Some(copy) if low => copy.pointer() + 2 * self.params.offsets[slot] as u64,
            _ => self.params.pointer(Some(slot)),
        }
    }

    pub(super) fn bias(&self, net: &Network, node: usize) -> u64 {
        self.params.pointer(net.slots[node].bias)
    }

    /// Where a parameter's gradient lies in gradients that start at `grads`.
    pub(super) fn grad(&self, grads: u64, slot: Option<usize>) -> u64 {
        slot.map_or(0, |v| grads + 4 * self.params.offsets[v] as u64)
    }

    pub(super) fn act(&self, net: &Network, node: Option<usize>) -> Act {
        Act {
            kind: net.act(node).kind().into(),
            slope: node.map_or(0, |id| self.weight(net, id, false)),
        }
    }

    pub(super) fn norm(&self, net: &Network, node: usize) -> NormPointers {
        let slots = &net.slots[node];
        NormPointers {
            weight: match slots.frozen {
                Some(_) => self.buffers.pointer(slots.frozen),
                None => self.params.pointer(slots.weight),
            },
            bias: self.params.pointer(slots.bias),
            mean: self.buffers.pointer(slots.mean),
            var: self.buffers.pointer(slots.var),
        }
    }

    /// Sizes of a convolution, for `n` images.
    pub(super) fn conv_shape(&self, net: &Network, node: usize, n: usize) -> Option<conv::Shape> {
        match &net.graph.nodes()[node].layer {
            Layer::Conv(c) => Some(net.conv_shape(node, c, n)),
            _ => None,
        }
    }
}

/// `[h, w, c]` of the input of the linear layer whose weight this is.
fn flattened(net: &Network, slot: &Slot) -> Option<[usize; 3]> {
    if slot.shape.len() != 2 {
        return None;
    }
    let nodes = net.graph.nodes();
    let layer = nodes.iter().find(|node| {
        matches!(node.layer, Layer::Linear { .. })
            && slot.name.strip_suffix(".weight") == Some(&node.name)
    })?;
    Some(nodes[layer.inputs[0].0].shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_channels_go_last_and_nothing_is_lost() {
        // [2 out, 3 channels, 1, 2].
        let all: Vec<usize> = (0..12).map(|i| place(&[2, 3, 1, 2], None, i)).collect();
        assert_eq!(all, [0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
        // A linear layer over [1, 2, 3].
        let same: Vec<usize> = (0..12)
            .map(|i| place(&[2, 6], Some([1, 2, 3]), i))
            .collect();
        assert_eq!(all, same);
        assert_eq!(place(&[5], None, 3), 3);
    }
}
