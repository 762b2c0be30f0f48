//! The description of a network: layers and what they take their input from.

use super::init::Init;
use crate::settings::ConvMode;
use frbench_base::{Error, Result, Size};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A node of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NodeId(pub(crate) usize);

/// A convolution. Its kernel is square, or as large as the map that it is applied to, without padding.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conv {
    /// Output channels.
    pub out: usize,
    pub kernel: Size,
    pub stride: usize,
    pub pad: usize,
    pub groups: usize,
    pub bias: bool,
}

impl Conv {
    /// `kernel` x `kernel`, stride 1, "same" padding for odd kernels, no bias.
    pub fn new(out: usize, kernel: usize) -> Self {
        Conv {
            out,
            kernel: kernel.into(),
            stride: 1,
            pad: kernel / 2,
            groups: 1,
            bias: false,
        }
    }

    /// One weight for each pixel of a map of `[h, w, c]`: `h` x `w`, no padding, no bias.
    pub fn whole(out: usize, [h, w, _]: [usize; 3]) -> Self {
        Conv {
            kernel: [h, w].into(),
            pad: 0,
            ..Conv::new(out, 1)
        }
    }

    pub fn stride(self, stride: usize) -> Self {
        Conv { stride, ..self }
    }

    pub fn pad(self, pad: usize) -> Self {
        Conv { pad, ..self }
    }

    pub fn groups(self, groups: usize) -> Self {
        Conv { groups, ..self }
    }

    pub fn with_bias(self) -> Self {
        Conv { bias: true, ..self }
    }

    /// Sides of the output for an input of these sides, if they fit.
    pub fn output_size(&self, input: Size) -> Option<Size> {
        let whole = self.kernel == input && self.pad == 0;
        if self.stride == 0 || self.kernel.area() == 0 || !(self.kernel.is_square() || whole) {
            return None;
        }
        let side = |side: usize, kernel: usize| {
            let reach = (side + 2 * self.pad).checked_sub(kernel)?;
            Some(reach / self.stride + 1)
        };
        Some(Size {
            height: side(input.height, self.kernel.height)?,
            width: side(input.width, self.kernel.width)?,
        })
    }
}

/// Which of a batch norm's scale and shift are learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Affine {
    Learned,
    /// The scale stays 1 and is stored (insightface's `features`); the shift is learned.
    FrozenScale,
    /// Neither exists.
    None,
}

/// What a node computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Layer {
    Input,
    Conv(Conv),
    /// Eps 1e-5, momentum 0.1, unbiased running variance.
    BatchNorm(Affine),
    /// One slope per channel.
    Prelu,
    Relu,
    Relu6,
    Sigmoid,
    /// Sum of two values of the same shape.
    Add,
    /// Product; the second value may be `[1, 1, c]` (per channel) or `[h, w, 1]` (per pixel).
    Mul,
    /// Over the input flattened in C, H, W order.
    Linear {
        out: usize,
        bias: bool,
    },
    /// Zeroes an element with probability `p` in training, and scales the rest by `1/(1-p)`.
    Dropout {
        p: f64,
    },
    GlobalAvgPool,
    /// Mean and maximum over the pixels, as two pixels: `[2, 1, c]`.
    MeanMaxPixels,
    /// Mean and maximum over the channels, as two channels: `[h, w, 2]`.
    MeanMaxChannels,
    /// Sum over the pixels, `[1, 1, c]`.
    SumPixels,
    /// The pixels whose row and column the stride divides.
    Subsample {
        stride: usize,
    },
}

/// One layer of a graph.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Node {
    pub layer: Layer,
    /// PyTorch's module path; parameters are `name.weight`, `name.bias`, ...
    pub name: String,
    pub inputs: Vec<NodeId>,
    /// `[h, w, c]` of the output.
    pub shape: [usize; 3],
    /// Start of the weight (and of a linear layer's bias).
    pub init: Init,
}

/// A network as a graph of layers, in topological order.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Graph {
    pub(crate) nodes: Vec<Node>,
    pub(crate) embedding: NodeId,
    pub(crate) taps: BTreeMap<String, NodeId>,
    /// How its 3 x 3 convolutions are computed.
    pub conv: ConvMode,
}

impl Graph {
    /// As a text that [`Graph::from_json`] reads.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a graph holds numbers and names")
    }

    /// Reads what [`Graph::to_json`] wrote.
    ///
    /// # Errors
    /// [`Error::Data`] for a text that is no graph, or of which a node comes before its input.
    pub fn from_json(text: &str) -> Result<Graph> {
        let graph: Graph = serde_json::from_str(text)
            .map_err(|e| Error::Data(format!("no graph of a network: {e}")))?;
        let count = graph.nodes.len();
        let first = matches!(graph.nodes.first().map(|n| &n.layer), Some(Layer::Input));
        let mut nodes = graph.nodes.iter().enumerate();
        let ordered = nodes.all(|(i, node)| node.inputs.iter().all(|input| input.0 < i));
        let named = [graph.embedding].into_iter();
        let there = named
            .chain(graph.taps.values().copied())
            .all(|id| id.0 < count);
        if !first || !ordered || !there {
            return Err(Error::Data(
                "no graph of a network: a node comes before its input".into(),
            ));
        }
        Ok(graph)
    }

    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// `[h, w, c]` of the input.
    pub fn input_shape(&self) -> [usize; 3] {
        self.nodes[0].shape
    }

    /// Length of the embedding.
    pub fn embedding_size(&self) -> usize {
        self.nodes[self.embedding.0].shape[2]
    }

    /// The same with a tap `node1`, `node2`, ... on every node, which leaves nothing to fuse.
    pub fn with_every_tap(&self) -> Graph {
        let mut graph = self.clone();
        for id in 1..graph.nodes.len() {
            graph.taps.insert(format!("node{id}"), NodeId(id));
        }
        graph
    }

    /// Names of the taps with their `[h, w, c]`.
    pub fn taps(&self) -> impl Iterator<Item = (&str, [usize; 3])> {
        self.taps
            .iter()
            .map(|(name, id)| (name.as_str(), self.nodes[id.0].shape))
    }

    /// The names and shapes of the learned parameters of a node, in PyTorch's order.
    pub(crate) fn parameters(&self, id: usize) -> Vec<(String, Vec<usize>)> {
        let node = &self.nodes[id];
        let named = |what: &str, shape: Vec<usize>| (format!("{}.{what}", node.name), shape);
        let input = |i: usize| self.nodes[node.inputs[i].0].shape;
        let c = node.shape[2];
        match &node.layer {
            Layer::Conv(conv) => {
                let fan = input(0)[2] / conv.groups;
                let mut all = vec![named(
                    "weight",
                    vec![c, fan, conv.kernel.height, conv.kernel.width],
                )];
                if conv.bias {
                    all.push(named("bias", vec![c]));
                }
                all
            }
            Layer::BatchNorm(Affine::Learned) => {
                vec![named("weight", vec![c]), named("bias", vec![c])]
            }
            Layer::BatchNorm(Affine::FrozenScale) => vec![named("bias", vec![c])],
            Layer::Prelu => vec![named("weight", vec![c])],
            Layer::Linear { bias, .. } => {
                let features = input(0).iter().product();
                let mut all = vec![named("weight", vec![c, features])];
                if *bias {
                    all.push(named("bias", vec![c]));
                }
                all
            }
            _ => Vec::new(),
        }
    }

    /// The names and shapes of all parameters and buffers, as in a network's state dict.
    pub fn state(&self) -> Vec<(String, Vec<usize>)> {
        let mut all = Vec::new();
        for (id, node) in self.nodes.iter().enumerate() {
            all.extend(self.parameters(id));
            if let Layer::BatchNorm(affine) = node.layer {
                let frozen = (affine == Affine::FrozenScale).then_some("weight");
                for what in frozen.into_iter().chain(["running_mean", "running_var"]) {
                    all.push((format!("{}.{what}", node.name), vec![node.shape[2]]));
                }
            }
        }
        all
    }

    /// Multiply-accumulates of convolutions and linear layers for one image.
    pub fn macs(&self) -> u64 {
        let weight = |id: usize| -> u64 {
            let (_, shape) = &self.parameters(id)[0];
            shape.iter().map(|&d| d as u64).product()
        };
        let of = |(id, node): (usize, &Node)| match node.layer {
            Layer::Conv(_) => weight(id) * (node.shape[0] * node.shape[1]) as u64,
            Layer::Linear { .. } => weight(id),
            _ => 0,
        };
        self.nodes.iter().enumerate().map(of).sum()
    }
}

/// Builds a [`Graph`] layer by layer. The first mistake is kept and reported by
/// [`GraphBuilder::finish`], so that architectures read as a list of layers.
pub struct GraphBuilder {
    nodes: Vec<Node>,
    taps: BTreeMap<String, NodeId>,
    error: Option<String>,
    conv_init: Init,
    linear_init: Init,
}

impl GraphBuilder {
    /// For images of `[h, w, c]`.
    pub fn new(input: [usize; 3]) -> Self {
        let image = Node {
            layer: Layer::Input,
            name: "input".into(),
            inputs: Vec::new(),
            shape: input,
            init: Init::Constant(0.0),
        };
        let mut builder = GraphBuilder {
            nodes: vec![image],
            taps: BTreeMap::new(),
            error: None,
            conv_init: Init::TorchDefault,
            linear_init: Init::TorchDefault,
        };
        if input.contains(&0) {
            builder.fail(format!("input shape {input:?} has a zero side"));
        }
        builder
    }

    /// Initialisers of the convolutions and linear layers added from here on.
    pub fn initialise(&mut self, conv: Init, linear: Init) {
        self.conv_init = conv;
        self.linear_init = linear;
    }

    pub fn input(&self) -> NodeId {
        NodeId(0)
    }

    /// `[h, w, c]` of a node.
    pub fn shape(&self, id: NodeId) -> [usize; 3] {
        self.nodes[id.0].shape
    }

    fn fail(&mut self, message: String) {
        self.error.get_or_insert(message);
    }

    fn push(&mut self, layer: Layer, name: &str, inputs: &[NodeId], shape: [usize; 3]) -> NodeId {
        let init = match layer {
            Layer::Conv(_) => self.conv_init,
            Layer::Linear { .. } => self.linear_init,
            Layer::Prelu => Init::Constant(0.25),
            _ => Init::Constant(1.0),
        };
        self.nodes.push(Node {
            layer,
            name: name.to_owned(),
            inputs: inputs.to_vec(),
            shape,
            init,
        });
        NodeId(self.nodes.len() - 1)
    }

    pub fn conv(&mut self, x: NodeId, name: &str, conv: Conv) -> NodeId {
        let [h, w, c] = self.shape(x);
        let size = conv.output_size([h, w].into());
        let divides = conv.groups > 0
            && c.is_multiple_of(conv.groups)
            && conv.out.is_multiple_of(conv.groups);
        if size.is_none() || !divides || conv.out == 0 {
            self.fail(format!(
                "`{name}`: {conv:?} does not fit an input of [{h}, {w}, {c}]"
            ));
        }
        let Size { height, width } = size.unwrap_or(Size::square(1));
        self.push(Layer::Conv(conv), name, &[x], [height, width, conv.out])
    }

    pub fn batch_norm(&mut self, x: NodeId, name: &str, affine: Affine) -> NodeId {
        self.push(Layer::BatchNorm(affine), name, &[x], self.shape(x))
    }

    pub fn prelu(&mut self, x: NodeId, name: &str) -> NodeId {
        self.push(Layer::Prelu, name, &[x], self.shape(x))
    }

    pub fn relu(&mut self, x: NodeId) -> NodeId {
        self.push(Layer::Relu, "relu", &[x], self.shape(x))
    }

    pub fn relu6(&mut self, x: NodeId) -> NodeId {
        self.push(Layer::Relu6, "relu6", &[x], self.shape(x))
    }

    pub fn sigmoid(&mut self, x: NodeId) -> NodeId {
        self.push(Layer::Sigmoid, "sigmoid", &[x], self.shape(x))
    }

    pub fn add(&mut self, a: NodeId, b: NodeId) -> NodeId {
        if self.shape(a) != self.shape(b) {
            self.fail(format!(
                "cannot add {:?} and {:?}",
                self.shape(a),
                self.shape(b)
            ));
        }
        self.push(Layer::Add, "add", &[a, b], self.shape(a))
    }

    /// `a * b`, with `b` of the shape of `a`, `[1, 1, c]` or `[h, w, 1]`.
    pub fn mul(&mut self, a: NodeId, b: NodeId) -> NodeId {
        let ([h, w, c], by) = (self.shape(a), self.shape(b));
        if by != [h, w, c] && by != [1, 1, c] && by != [h, w, 1] {
            self.fail(format!("cannot multiply {:?} by {by:?}", [h, w, c]));
        }
        self.push(Layer::Mul, "mul", &[a, b], [h, w, c])
    }

    pub fn linear(&mut self, x: NodeId, name: &str, out: usize, bias: bool) -> NodeId {
        if out == 0 {
            self.fail(format!("`{name}`: no outputs"));
        }
        self.push(Layer::Linear { out, bias }, name, &[x], [1, 1, out])
    }

    pub fn dropout(&mut self, x: NodeId, p: f64) -> NodeId {
        if !(0.0..1.0).contains(&p) {
            self.fail(format!("dropout probability {p} is not in [0, 1)"));
        }
        if p == 0.0 {
            return x;
        }
        self.push(Layer::Dropout { p }, "dropout", &[x], self.shape(x))
    }

    pub fn global_avg_pool(&mut self, x: NodeId) -> NodeId {
        self.push(Layer::GlobalAvgPool, "pool", &[x], [1, 1, self.shape(x)[2]])
    }

    /// Mean and maximum over the pixels, as two pixels: what is shared by both (a 1 x 1
    /// convolution) then is one layer.
    pub fn mean_max_pixels(&mut self, x: NodeId) -> NodeId {
        self.push(Layer::MeanMaxPixels, "pool", &[x], [2, 1, self.shape(x)[2]])
    }

    /// Mean and maximum over the channels, in this order, as two channels.
    pub fn mean_max_channels(&mut self, x: NodeId) -> NodeId {
        let [h, w, _] = self.shape(x);
        self.push(Layer::MeanMaxChannels, "pool", &[x], [h, w, 2])
    }

    pub fn sum_pixels(&mut self, x: NodeId) -> NodeId {
        self.push(Layer::SumPixels, "sum", &[x], [1, 1, self.shape(x)[2]])
    }

    /// The pixels whose row and column `stride` divides; with a stride of 1, `x` itself.
    pub fn subsample(&mut self, x: NodeId, stride: usize) -> NodeId {
        if stride == 0 {
            self.fail("a stride of 0".into());
        }
        if stride <= 1 {
            return x;
        }
        let [h, w, c] = self.shape(x);
        let shape = [h.div_ceil(stride), w.div_ceil(stride), c];
        self.push(Layer::Subsample { stride }, "subsample", &[x], shape)
    }

    /// Makes a node's value an output under this name.
    pub fn tap(&mut self, name: &str, x: NodeId) {
        if self.taps.insert(name.to_owned(), x).is_some() {
            self.fail(format!("two taps are called `{name}`"));
        }
    }

    /// The graph, with the node that yields the embedding.
    pub fn finish(self, embedding: NodeId) -> Result<Graph> {
        let graph = Graph {
            nodes: self.nodes,
            embedding,
            taps: self.taps,
            conv: ConvMode::default(),
        };
        let mut error = self.error;
        let [h, w, _] = graph.nodes[embedding.0].shape;
        if (h, w) != (1, 1) {
            error.get_or_insert(format!("the embedding is a map of {h} x {w}"));
        }
        let mut names = std::collections::BTreeSet::new();
        for id in 0..graph.nodes.len() {
            for (name, _) in graph.parameters(id) {
                if !names.insert(name.clone()) {
                    error.get_or_insert(format!("two parameters are called `{name}`"));
                }
            }
        }
        match error {
            None => Ok(graph),
            Some(message) => Err(Error::Compute(format!("network graph: {message}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_and_counts_follow_the_layers() {
        let mut b = GraphBuilder::new([9, 7, 3]);
        let x = b.conv(b.input(), "c", Conv::new(8, 3).stride(2));
        assert_eq!(b.shape(x), [5, 4, 8]);
        let x = b.conv(x, "d", Conv::new(8, 3).groups(8).with_bias());
        let x = b.linear(x, "l", 6, true);
        let graph = b.finish(x).unwrap();
        assert_eq!(graph.macs(), 20 * 216 + 20 * 72 + 160 * 6);
        assert_eq!(graph.embedding_size(), 6);
    }

    #[test]
    fn the_first_mistake_is_reported() {
        let mut b = GraphBuilder::new([4, 4, 3]);
        let x = b.conv(b.input(), "wrong", Conv::new(4, 3).groups(2));
        let y = b.add(x, b.input());
        let e = b.finish(y).unwrap_err().to_string();
        assert!(e.contains("`wrong`"), "{e}");
        let b = GraphBuilder::new([4, 4, 3]);
        let input = b.input();
        assert!(b.finish(input).unwrap_err().to_string().contains("4 x 4"));
    }
}
