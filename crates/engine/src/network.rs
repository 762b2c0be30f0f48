//! A graph with its parameters.

use super::clock::Clock;
use super::cuda::Replica;
use super::device::{Device, Uploads};
use super::forward::{Held, input};
use super::fusion::{Mode, Plan};
use super::graph::{Affine, Graph, Layer};
use super::init::Init;
use super::ops::act::{Act, add_into};
use super::packed::PackedWeights;
use super::pool::Pool;
use super::sgd::Sgd;
use super::store::Store;
use super::value::Value;
use crate::settings::{OptimizerSpec, Precision};
use frbench_base::{Error, Result};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Tensors by PyTorch's names: shape and row-major values.
pub type StateDict = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// What a network yields.
#[derive(Clone, Debug)]
pub struct Output {
    /// `[n, 1, 1, d]`, not normalised.
    pub embedding: Value,
    pub taps: BTreeMap<String, Value>,
}

/// Gradients of a loss with respect to an [`Output`]; what is missing is zero.
#[derive(Clone, Debug, Default)]
pub struct OutputGrads {
    pub embedding: Option<Value>,
    pub taps: BTreeMap<String, Value>,
}

/// How a training pass runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainMode {
    /// Images that share batch-norm statistics, consecutive in the batch; divides the batch.
    /// Running statistics move once per pass, towards the mean over the groups.
    pub bn_group: usize,
    /// Dropout draws from the stream of `(seed, step, layer)`.
    pub seed: u64,
    pub step: u64,
}

/// Where a node keeps its tensors: views of `params`, except the last three, of `buffers`.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Slots {
    pub weight: Option<usize>,
    pub bias: Option<usize>,
    pub frozen: Option<usize>,
    pub mean: Option<usize>,
    pub var: Option<usize>,
}

/// A network that can be evaluated and trained, on the CPU, or on the device that
/// [`Network::move_to`] names. It is then computed there; [`Network::pull`] brings the host's
/// stores up to date, and [`Network::push`] takes them over.
#[derive(Debug)]
pub struct Network {
    pub(super) graph: Graph,
    /// Learned parameters, with gradients.
    pub(super) params: Store,
    /// Running statistics and frozen weights.
    pub(super) buffers: Store,
    pub(super) slots: Vec<Slots>,
    pub(super) train: Plan,
    pub(super) infer: Plan,
    pub(super) pool: Arc<Pool>,
    pub(super) packed: PackedWeights,
    pub(super) clock: Option<Clock>,
    /// Its other self on a GPU.
    pub(super) replica: Option<Replica>,
}

impl Clone for Network {
    /// A copy on the CPU, as of the last [`Network::pull`].
    fn clone(&self) -> Self {
        Network {
            graph: self.graph.clone(),
            params: self.params.clone(),
            buffers: self.buffers.clone(),
            slots: self.slots.clone(),
            train: self.train.clone(),
            infer: self.infer.clone(),
            pool: self.pool.clone(),
            packed: self.packed.clone(),
            clock: self.clock.clone(),
            replica: None,
        }
    }
}

impl Network {
    /// A network with all weights 0 and fresh statistics; call [`Network::init`] or
    /// [`Network::load_state_dict`] next.
    pub fn new(graph: Graph) -> Self {
        let (mut params, mut buffers) = (Store::default(), Store::default());
        let mut slots = Vec::new();
        for (id, node) in graph.nodes().iter().enumerate() {
            let mut slot = Slots::default();
            for (name, shape) in graph.parameters(id) {
                let is_weight = name.ends_with(".weight");
                let index = Some(params.push(name, shape));
                *(if is_weight {
                    &mut slot.weight
                } else {
                    &mut slot.bias
                }) = index;
            }
            if let Layer::BatchNorm(affine) = node.layer {
                let c = vec![node.shape[2]];
                let mut push = |what: &str, start: f32| {
                    let index = buffers.push(format!("{}.{what}", node.name), c.clone());
                    buffers.get_mut(index).fill(start);
                    Some(index)
                };
                if affine == Affine::FrozenScale {
                    slot.frozen = push("weight", 1.0);
                }
                slot.mean = push("running_mean", 0.0);
                slot.var = push("running_var", 1.0);
            }
            slots.push(slot);
        }
        params.grads = vec![0.0; params.values.len()];
        Network {
            train: Plan::new(&graph, Mode::Train),
            infer: Plan::new(&graph, Mode::Infer),
            graph,
            params,
            buffers,
            slots,
            pool: Pool::new(),
            packed: PackedWeights::default(),
            clock: None,
            replica: None,
        }
    }

    /// Computes on `device` from now on.
    ///
    /// # Errors
    /// [`Error::Usage`] for a precision that the device does not have, [`Error::Compute`] if the
    /// device fails.
    pub fn move_to(&mut self, device: &Device, precision: Precision) -> Result<()> {
        device.takes(precision)?;
        let replica = device.gpu().map(|gpu| Replica::new(self, gpu, precision));
        self.replica = replica.transpose()?;
        Ok(())
    }

    /// Where images for the network go ahead of their use: to the GPU that it is on, if it is on
    /// one. `levels` are the input values of grey levels, `bgr` turns the channels round.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn uploads(&self, levels: &[f32; 256], bgr: bool) -> Result<Option<Arc<dyn Uploads>>> {
        let replica = self.replica.as_ref();
        replica
            .map(|replica| replica.uploads(levels, bgr))
            .transpose()
    }

    /// Whether an input that was made for this network is what `other` would have got.
    pub fn inputs_serve(&self, other: &Network) -> bool {
        match (&self.replica, &other.replica) {
            (Some(replica), Some(other)) => replica.inputs_serve(other),
            (Some(_), None) => false,
            // Every network takes what is in host memory.
            (None, _) => true,
        }
    }

    /// Whether passes of it are recorded on a GPU, and launched as one.
    pub fn is_recorded(&self) -> bool {
        self.replica.as_ref().is_some_and(Replica::is_recorded)
    }

    /// An optimiser of the parameters.
    pub fn sgd(&self, spec: &OptimizerSpec) -> Sgd {
        let sgd = Sgd::new(spec, self.params.values.len());
        if !spec.spare_norms {
            return sgd;
        }
        let nodes = self.graph.nodes().iter().zip(&self.slots);
        let norms = nodes.filter(|(node, _)| matches!(node.layer, Layer::BatchNorm(_)));
        let learned = norms.flat_map(|(_, slot)| [slot.weight, slot.bias]);
        let ranges = learned.flatten().map(|at| {
            let slot = &self.params.slots()[at];
            slot.offset..slot.offset + slot.len
        });
        sgd.sparing(ranges.collect())
    }

    /// Takes one optimiser step and clears the gradients. Gives their L2 norm before clipping,
    /// if the optimiser clips.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn step(&mut self, sgd: &mut Sgd, lr: f64) -> Result<Option<f64>> {
        if self.replica.is_some() {
            return self.on_device(|net, replica| replica.step(net, sgd, lr));
        }
        let params = self.params_mut();
        Ok(sgd.step(&mut params.values, &mut params.grads, lr))
    }

    /// Adds to the gradients of all parameters, in the order of [`Network::params`].
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn add_grads(&mut self, grads: &[f32]) -> Result<()> {
        if self.replica.is_some() {
            return self.on_device(|net, replica| replica.add_grads(net, grads));
        }
        add_into(&mut self.params.grads, grads);
        Ok(())
    }

    /// Brings parameters, statistics and velocities in host memory up to date.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn pull(&mut self, sgd: &mut Sgd) -> Result<()> {
        match self.replica.is_some() {
            true => self.on_device(|net, replica| replica.pull(net, Some(sgd))),
            false => Ok(()),
        }
    }

    /// Tells the device what the parameters, statistics and velocities now are.
    ///
    /// # Errors
    /// [`Error::Compute`] if the device fails.
    pub fn push(&mut self, sgd: &Sgd) -> Result<()> {
        match self.replica.is_some() {
            true => self.on_device(|net, replica| replica.push(net, Some(sgd))),
            false => Ok(()),
        }
    }

    /// Lends the replica out beside the network.
    pub(super) fn on_device<R>(
        &mut self,
        f: impl FnOnce(&mut Network, &mut Replica) -> Result<R>,
    ) -> Result<R> {
        let replica = self.replica.take();
        let mut replica =
            replica.ok_or_else(|| Error::Bug("a network that is on no device".into()))?;
        let result = f(self, &mut replica);
        self.replica = Some(replica);
        result
    }

    /// Starts all weights and statistics afresh, as the architecture prescribes.
    pub fn init(&mut self, seed: u64) {
        self.packed = PackedWeights::default();
        for (id, node) in self.graph.nodes().iter().enumerate() {
            let slot = self.slots[id];
            let named = self.graph.parameters(id);
            let weight_shape = named.first().map(|(_, shape)| shape.clone());
            for (name, _) in &named {
                let is_weight = name.ends_with(".weight");
                let init = match (&node.layer, is_weight) {
                    (_, true) => node.init,
                    // PyTorch's default covers biases; the published initialisers zero them.
                    (Layer::Conv(_) | Layer::Linear { .. }, false)
                        if node.init == Init::TorchDefault =>
                    {
                        Init::TorchDefault
                    }
                    _ => Init::Constant(0.0),
                };
                let index = if is_weight { slot.weight } else { slot.bias };
                if let (Some(index), Some(shape)) = (index, &weight_shape) {
                    init.fill(seed, name, shape, self.params.get_mut(index));
                }
            }
            for (index, start) in [(slot.frozen, 1.0), (slot.mean, 0.0), (slot.var, 1.0)] {
                if let Some(index) = index {
                    self.buffers.get_mut(index).fill(start);
                }
            }
        }
        self.params.zero_grads();
    }

    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// Learned parameters and their gradients.
    pub fn params(&self) -> &Store {
        &self.params
    }

    pub fn params_mut(&mut self) -> &mut Store {
        self.packed = PackedWeights::default();
        &mut self.params
    }

    /// Running statistics and frozen weights.
    pub fn buffers(&self) -> &Store {
        &self.buffers
    }

    /// Learned parameters, frozen scales included, as `sum(p.numel() for p in parameters())`.
    pub fn parameter_count(&self) -> usize {
        let frozen = self.slots.iter().filter_map(|s| s.frozen);
        self.params.values.len() + frozen.map(|v| self.buffers.slots()[v].len).sum::<usize>()
    }

    /// Multiply-accumulates for one image.
    pub fn macs(&self) -> u64 {
        self.graph.macs()
    }

    /// All parameters and buffers by PyTorch's names.
    pub fn state_dict(&self) -> StateDict {
        let all = |store: &Store| -> Vec<_> {
            let one = |(i, v): (usize, &super::store::Slot)| {
                (v.name.clone(), (v.shape.clone(), store.get(i).to_vec()))
            };
            store.slots().iter().enumerate().map(one).collect()
        };
        all(&self.params)
            .into_iter()
            .chain(all(&self.buffers))
            .collect()
    }

    /// Loads a state dict. Names must match exactly; `num_batches_tracked` is ignored.
    ///
    /// # Errors
    /// [`Error::Data`] that lists missing, unexpected and misshapen tensors; the network is
    /// then unchanged.
    pub fn load_state_dict(&mut self, state: &StateDict) -> Result<()> {
        let mut wrong = Vec::new();
        let slots = || self.params.slots().iter().chain(self.buffers.slots());
        for slot in slots() {
            match state.get(&slot.name) {
                None => wrong.push(format!("`{}` {:?} is missing", slot.name, slot.shape)),
                Some((shape, values)) if *shape != slot.shape || values.len() != slot.len => {
                    wrong.push(format!(
                        "`{}` is {shape:?}, want {:?}",
                        slot.name, slot.shape
                    ));
                }
                Some(_) => {}
            }
        }
        for name in state.keys() {
            let known = self.params.slot(name).is_some() || self.buffers.slot(name).is_some();
            if !known && !name.ends_with("num_batches_tracked") {
                wrong.push(format!("`{name}` is unexpected"));
            }
        }
        if !wrong.is_empty() {
            const SHOWN: usize = 12;
            let more = match wrong.len().saturating_sub(SHOWN) {
                0 => String::new(),
                n => format!("; and {n} more"),
            };
            wrong.truncate(SHOWN);
            return Err(Error::Data(format!(
                "the weights do not fit the network: {}{more}",
                wrong.join("; ")
            )));
        }
        self.packed = PackedWeights::default();
        for store in [&mut self.params, &mut self.buffers] {
            for i in 0..store.slots().len() {
                let (_, values) = &state[&store.slots()[i].name];
                store.get_mut(i).copy_from_slice(values);
            }
        }
        Ok(())
    }

    pub(super) fn weight(&self, node: usize) -> &[f32] {
        self.slots[node].weight.map_or(&[], |v| self.params.get(v))
    }

    pub(super) fn bias(&self, node: usize) -> Option<&[f32]> {
        self.slots[node].bias.map(|v| self.params.get(v))
    }

    /// A batch norm's scale, learned or frozen.
    pub(super) fn norm_weight(&self, node: usize) -> Option<&[f32]> {
        let frozen = self.slots[node].frozen.map(|v| self.buffers.get(v));
        frozen.or_else(|| self.slots[node].weight.map(|v| self.params.get(v)))
    }

    pub(super) fn act(&self, node: Option<usize>) -> Act<'_> {
        match node.map(|id| (id, &self.graph.nodes()[id].layer)) {
            Some((id, Layer::Prelu)) => Act::Prelu(self.weight(id)),
            Some((_, Layer::Relu)) => Act::Relu,
            Some((_, Layer::Relu6)) => Act::Relu6,
            _ => Act::None,
        }
    }

    /// `[n, h, w, c]` of a node's value.
    pub(super) fn shape_of(&self, node: usize, n: usize) -> [usize; 4] {
        let [h, w, c] = self.graph.nodes()[node].shape;
        [n, h, w, c]
    }

    pub(super) fn check_input(&self, x: &Value) -> Result<()> {
        let [n, h, w, c] = x.shape();
        if n == 0 || [h, w, c] != self.graph.input_shape() {
            return Err(Error::Compute(format!(
                "the network takes images of {:?} (height, width, channels), got a batch of {:?}",
                self.graph.input_shape(),
                x.shape()
            )));
        }
        Ok(())
    }

    pub(super) fn output(&self, values: &[Option<Held>]) -> Output {
        let get = |id: usize| input(values, id).clone();
        let tap = |(name, id): (&String, &super::NodeId)| (name.clone(), get(id.0));
        Output {
            embedding: get(self.graph.embedding.0),
            taps: self.graph.taps.iter().map(tap).collect(),
        }
    }
}
