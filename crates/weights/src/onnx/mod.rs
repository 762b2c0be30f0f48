//! ONNX: a model to a network of the engine.
//!
//! A model is read operator by operator; what the engine cannot carry is refused with the name of
//! the operator and of its node. Batch norms, and sums and products with constants, become batch
//! norms; numbers keep their place and their 32 bits. What is done to the input first and whether
//! embeddings end with unit length is told apart, see [`OnnxNetwork`].

mod arithmetic;
mod build;
mod constant;
mod layers;
mod node;
mod operators;
mod proto;
mod shapes;

pub use build::Preprocessing;

use crate::container::{Bytes, map, sha256};
use build::{Build, LARGEST, Value};
use constant::{Beside, constant};
use frbench_base::{Error, Result};
use frbench_engine::{Graph, Network, StateDict};
use node::Node;
use prost::Message;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// The side of an input that the model leaves open.
const USUAL: usize = 112;
/// Numbers of a model, in 32 bits, may take so many times the bytes of its files.
const EXPANSION: usize = 8;
/// The most nodes of a model.
const MOST_NODES: usize = 1 << 16;

/// A network that a model is.
pub struct OnnxNetwork {
    /// The graph from the model's input to its first output, for images of three colours or more,
    /// in the order of colours that the model takes. What it does to its input is part of it.
    pub graph: Graph,
    pub state: StateDict,
    /// What the model does to its input before anything else, if it does.
    pub preprocessing: Option<Preprocessing>,
    /// Whether the model ends by bringing embeddings to unit length, which the graph leaves out.
    pub unit_length: bool,
    /// The highest version of ONNX's operators that it states.
    pub opset: i64,
    /// The program that wrote it, as it says.
    pub producer: String,
    /// What the model cannot say and what was left out, in words.
    pub notes: Vec<String>,
    /// The sha256 of the model, in hexadecimal, and of each file beside it, by its name.
    pub sha256: BTreeMap<String, String>,
}

impl OnnxNetwork {
    /// Reads the model at `path`, and the files beside it that hold its numbers.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no such file; [`Error::Data`] for one that is no model, is
    /// damaged, or asks for what is not supported.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::read(&map(path)?, path)
    }

    /// The same from memory; `path` is for messages, and where files beside it are looked for.
    ///
    /// # Errors
    /// [`Error::Data`], as [`OnnxNetwork::open`].
    pub fn from_bytes(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<Self> {
        Self::read(&Bytes::Owned(bytes), path.as_ref())
    }

    fn read(bytes: &[u8], path: &Path) -> Result<Self> {
        let wrong = |what: String| Error::Data(format!("{}: {what}", path.display()));
        convert(bytes, path).map_err(wrong)
    }

    /// The network, ready to embed.
    ///
    /// # Errors
    /// [`Error::Data`] if the state does not fit, which reading has made sure of.
    pub fn network(&self) -> Result<Network> {
        let mut network = Network::new(self.graph.clone());
        network.load_state_dict(&self.state)?;
        Ok(network)
    }
}

/// Whether the file at `path` may be a model.
///
/// # Errors
/// As [`OnnxNetwork::open`] for one that cannot be read.
pub fn is_model(path: &Path) -> Result<bool> {
    Ok(looks_like(&map(path)?))
}

/// Whether a file that is no other may be a model: it begins with the version of the format.
pub(crate) fn looks_like(bytes: &[u8]) -> bool {
    matches!(bytes, [0x08, 1..=0x1f, 0x12 | 0x3a | 0x42 | 0x1a, ..])
}

fn convert(bytes: &[u8], path: &Path) -> Result<OnnxNetwork, String> {
    let model = proto::Model::decode(bytes).map_err(|e| format!("no ONNX model: {e}"))?;
    let graph = model
        .graph
        .ok_or("no ONNX model: there is no graph in it")?;
    if !model.functions.is_empty() || !graph.sparse_initializer.is_empty() {
        return Err("functions and sparse tensors of a model are not supported".into());
    }
    if graph.node.len() > MOST_NODES {
        return Err(format!(
            "{} nodes; {MOST_NODES} are the most",
            graph.node.len()
        ));
    }
    let nodes = graph.node.iter().map(|bytes| Node::decode(bytes));
    let nodes = nodes.collect::<Result<Vec<Node>, _>>()?;
    let mut notes = Vec::new();
    let mut initializers: BTreeMap<String, proto::Tensor> = BTreeMap::new();
    for bytes in &graph.initializer {
        let tensor = proto::Tensor::decode(bytes.as_slice());
        let tensor = tensor.map_err(|e| format!("an initialiser: {e}"))?;
        initializers.insert(tensor.name.clone(), tensor);
    }
    let infos = |all: &[Vec<u8>]| -> Result<Vec<proto::ValueInfo>, String> {
        let all = all
            .iter()
            .map(|bytes| proto::ValueInfo::decode(bytes.as_slice()));
        all.collect::<Result<_, _>>()
            .map_err(|e| format!("inputs and outputs: {e}"))
    };
    // Before version 4 of the format, initialisers are among the inputs.
    let inputs = infos(&graph.input)?;
    let mut inputs = inputs
        .into_iter()
        .filter(|i| !initializers.contains_key(&i.name));
    let (input, None) = (
        inputs.next().ok_or("a model without an input")?,
        inputs.next(),
    ) else {
        return Err("a model of more than one input; want one, the image".into());
    };
    let outputs = infos(&graph.output)?;
    let [output, others @ ..] = outputs.as_slice() else {
        return Err("a model without an output".into());
    };
    if !others.is_empty() {
        let names: Vec<&str> = others.iter().take(8).map(|o| o.name.as_str()).collect();
        notes.push(format!(
            "`{}` is taken as the embedding; the model also gives {}",
            output.name,
            names.join(", ")
        ));
    }

    let mut beside = Beside::of(path);
    let (shape, first) = input_shape(&input, &mut notes)?;
    let budget = EXPANSION
        .saturating_mul(bytes.len())
        .saturating_add(1 << 20);
    let mut build = Build::new(shape, budget);
    let image = build.graph.input();
    let image = if first {
        Value::Map(image)
    } else {
        Value::Last(image)
    };
    let mut values: BTreeMap<String, Value> = [(input.name.clone(), image)].into();
    let needed = needed(&nodes, &output.name);
    for (node, _) in nodes.iter().zip(&needed).filter(|(_, needed)| **needed) {
        let named = |what: String| format!("node `{}`, operator `{}`: {what}", node.name, node.op);
        let mut taken = Vec::new();
        for name in &node.inputs {
            if let Some(tensor) = initializers.remove(name) {
                let known = beside.bytes();
                let found = constant(&tensor, &mut beside);
                let found = found.map_err(|what| named(format!("`{name}`: {what}")))?;
                // A file that came along may be read from.
                build.allow(EXPANSION.saturating_mul(beside.bytes() - known));
                build
                    .charge(4 * found.shape.iter().product::<usize>())
                    .map_err(&named)?;
                values.insert(name.clone(), Value::Constant(Arc::new(found)));
            }
            taken.push(match (name.as_str(), values.get(name)) {
                ("", _) => None,
                (_, Some(value)) => Some(value.clone()),
                _ => {
                    return Err(named(format!(
                        "it takes `{name}`, which nothing before it makes"
                    )));
                }
            });
        }
        let made = operators::run(&mut build, node, &taken, &mut beside).map_err(&named)?;
        build.bounded(&made).map_err(&named)?;
        if let Some(name) = node.outputs.first() {
            values.insert(name.clone(), made);
        }
    }
    let missing = || format!("nothing makes the output `{}`", output.name);
    let made = values.get(&output.name).ok_or_else(missing)?;
    let (embedding, unit_length) = match made {
        Value::Map(x) | Value::Flat(x) => (*x, false),
        Value::Unit(x) => (*x, true),
        other => return Err(format!("the output is {}, want a vector", other.words())),
    };
    let [h, w, _] = build.graph.shape(embedding);
    if (h, w) != (1, 1) {
        return Err(format!(
            "the output is a map of {h} x {w} pixels, want a vector"
        ));
    }
    let mut hashes = beside.sha256();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    hashes.insert(name.into_owned(), sha256(bytes));
    let preprocessing = build.preprocessing();
    Ok(OnnxNetwork {
        graph: build.graph.finish(embedding).map_err(|e| e.to_string())?,
        state: build.state,
        preprocessing,
        unit_length,
        opset: model
            .opset_import
            .iter()
            .map(|o| o.version)
            .max()
            .unwrap_or(0),
        producer: model
            .producer_name
            .chars()
            .filter(|c| !c.is_control())
            .take(60)
            .collect(),
        notes,
        sha256: hashes,
    })
}

/// Which nodes the output needs.
fn needed(nodes: &[Node], output: &str) -> Vec<bool> {
    let mut names: BTreeSet<&str> = [output].into();
    let mut needed = vec![false; nodes.len()];
    for (node, needed) in nodes.iter().zip(&mut needed).rev() {
        if node
            .outputs
            .iter()
            .any(|name| names.contains(name.as_str()))
        {
            *needed = true;
            names.extend(node.inputs.iter().map(String::as_str));
        }
    }
    needed
}

/// `[h, w, c]` of the input, and whether the channels come first.
fn input_shape(
    input: &proto::ValueInfo,
    notes: &mut Vec<String>,
) -> Result<([usize; 3], bool), String> {
    let tensor = input.of.as_ref().and_then(|of| of.tensor.as_ref());
    let shape = tensor.and_then(|tensor| tensor.shape.as_ref());
    let sides: Vec<i64> = shape.map_or_else(Vec::new, |s| s.dim.iter().map(|d| d.value).collect());
    let wrong = || {
        format!(
            "the input `{}` has the shape {sides:?}, want images",
            input.name
        )
    };
    let &[_, a, b, c] = sides.as_slice() else {
        return Err(wrong());
    };
    // Colours are few, and one side at least.
    let colours = |n: i64| (1..=4).contains(&n);
    let (first, [h, w, c]) = match (colours(a), colours(c)) {
        (true, false) => (true, [b, c, a]),
        (false, true) => (false, [a, b, c]),
        _ if a > 0 => (true, [b, c, a]),
        _ => return Err(wrong()),
    };
    let mut open = false;
    let mut side = |n: i64| match n {
        // An open side is 0, or of old -1.
        -1 | 0 => {
            open = true;
            Ok(USUAL)
        }
        n => usize::try_from(n)
            .ok()
            .filter(|n| *n <= LARGEST)
            .ok_or_else(wrong),
    };
    let shape = [side(h)?, side(w)?, side(c)?];
    if open {
        notes.push(format!(
            "the model leaves the sides of its input open; {USUAL} pixels are taken"
        ));
    }
    Ok((shape, first))
}

#[cfg(test)]
mod tests;
