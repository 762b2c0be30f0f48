//! `backbone/*`: the embedding of a whole network in evaluation mode.
//!
//! Weights and input are not stored but generated from their names (`fill` =
//! `splitmix64-v1`), so that a case of any size is a few kilobytes. `state_dict` in the
//! metadata gives the shape of each weight by its PyTorch name; `params.prelu` lists those that
//! are slopes of a PReLU; `params.input` and `params.input_shape` describe the input, NCHW.

use super::check::{self, Check};
use super::{Case, Family, Run, size};
use candle_core::{Device, Tensor};
use frbench_base::registry::{self, Args, Proof};
use frbench_base::{Error, Result};
use frbench_engine::{Graph, Layer, Network, StateDict, Value};
use frbench_job::BackboneSpec;
use frbench_methods::backbone::{self, BACKBONES};
use frbench_weights::aliases::{ALIASES, Alias};
use std::collections::BTreeMap;

pub(super) const FAMILY: Family = Family {
    name: "backbone",
    find: |name| {
        let known = BACKBONES.iter().any(|b| b.info.name == ours(name));
        known.then_some(run as Run)
    },
    operations: || BACKBONES.iter().map(|b| b.info.name).collect(),
};

/// The backbone that an operation means: several networks are called MobileFaceNet, and each
/// says in its proof which name of a case is its own. Other code bases have names of their own for
/// the same network.
fn ours(operation: &str) -> &str {
    if operation == "mobilefacenet-treb1en" {
        return "mobilefacenet";
    }
    if let Some(alias) = alias(operation) {
        return alias.of;
    }
    let known_so = |proof| matches!(proof, Proof::GoldenAs(name) if name == operation);
    let backbone = BACKBONES.iter().find(|b| known_so(b.proof));
    backbone.map_or(operation, |b| b.info.name)
}

/// Whose names the weights of an operation have, if they are not the backbone's own.
fn alias(operation: &str) -> Option<&'static Alias> {
    ALIASES.iter().find(|alias| alias.name == operation)
}

fn run(case: &Case) -> Result<Vec<Check>> {
    let wrong = |what: String| Error::Data(format!("{}: {what}", case.path.display()));
    let fill = case.metadata.get("fill").map_or("", String::as_str);
    if fill != "splitmix64-v1" {
        return Err(wrong(format!(
            "weights are made from their names, and the metadata's `fill` says how: it is \
             `{fill}`, want `splitmix64-v1`"
        )));
    }
    let shapes = case.metadata.get("state_dict").map_or("", String::as_str);
    let shapes: BTreeMap<String, Vec<usize>> = serde_json::from_str(shapes)
        .map_err(|e| wrong(format!("`state_dict` is no object of shapes: {e}")))?;
    let prelu: Vec<String> = param(case, "prelu")?;
    let input: String = param(case, "input")?;
    let shape: [usize; 4] = param(case, "input_shape")?;
    let (_, embedding) = case.shape2("expect.embedding")?;
    let channels = Args::new(&case.op, &case.params).usize_or("input_channels", 3)?;
    if shape[0] == 0 || shape[1] != channels || shape[2] != shape[3] {
        return Err(wrong(format!(
            "`input_shape` is {shape:?}, want `[N, {channels}, S, S]`: square images of {channels} \
             channels"
        )));
    }

    let own = ["prelu", "input", "input_shape"];
    let params = case
        .params
        .iter()
        .filter(|(name, _)| !own.contains(&name.as_str()));
    let spec = BackboneSpec {
        name: ours(case.operation()).into(),
        embedding,
        params: params.map(|(k, v)| (k.clone(), v.clone())).collect(),
        conv: Default::default(),
    };
    let line = BACKBONES.iter().find(|b| b.info.name == spec.name);
    if let Some(line) = line {
        registry::check(&line.info, &spec.params)?;
    }
    // What a shape says is computed with only where it is no more than memory.
    let weights_of = shapes
        .values()
        .map(|s| ("the weights of `state_dict`", 4, &s[..]));
    let mut held: Vec<size::Held> = weights_of.collect();
    held.push(("the input", 4, &shape));
    size::check(case, &held)?;
    let graph = backbone::build(&spec, shape[2])?;
    fits(case, &graph, shape[0])?;
    let alias = alias(case.operation());
    let mut state: StateDict = shapes
        .into_iter()
        .map(|(name, shape)| {
            let values = weights(&name, &shape, &prelu);
            let ours = alias.map_or_else(|| name.clone(), |alias| alias.ours(&name));
            (ours, (shape, values))
        })
        .collect();
    for &(name, value) in alias.map_or(&[][..], |alias| alias.fill) {
        state.insert(name.into(), (vec![embedding], vec![value; embedding]));
    }
    let mut net = Network::new(graph);
    net.load_state_dict(&state)
        .map_err(|e| Error::Compute(e.to_string()))?;
    let pixels = noise(&input, shape.iter().product()).map(|u| u as f32);
    let x = Tensor::from_vec(pixels.collect::<Vec<_>>(), &shape, &Device::Cpu)?;
    let got = net.infer(&Value::from_tensor(&x)?)?.embedding;
    let got: Vec<f64> = got.data().iter().map(|&v| f64::from(v)).collect();
    Ok(vec![Check::relative(
        case,
        "expect.embedding",
        &got,
        check::BACKBONE,
    )?])
}

/// Refuses a network whose weights, or activations of so many images, take too much memory.
fn fits(case: &Case, graph: &Graph, images: usize) -> Result<()> {
    let mut shapes: Vec<(&str, usize, Vec<usize>)> = Vec::new();
    // Layers mostly follow each other; that is near enough for a limit.
    let nodes = graph.nodes();
    for (before, node) in nodes.iter().zip(nodes.iter().skip(1)) {
        let ([h, w, c], [from_h, from_w, from]) = (node.shape, before.shape);
        shapes.push(("activations", 1, vec![images, h, w, c]));
        match &node.layer {
            Layer::Conv(conv) => {
                let fan = vec![
                    c,
                    from / conv.groups.max(1),
                    conv.kernel.height,
                    conv.kernel.width,
                ];
                shapes.push(("weights", 2, fan));
            }
            Layer::Linear { .. } => shapes.push(("weights", 2, vec![c, from_h, from_w, from])),
            _ => {}
        }
    }
    let held: Vec<size::Held> = shapes.iter().map(|(w, n, s)| (*w, *n, &s[..])).collect();
    size::check(case, &held)
}

fn param<T: serde::de::DeserializeOwned>(case: &Case, name: &str) -> Result<T> {
    let value = case.params.get(name).cloned().unwrap_or_default();
    serde_json::from_value(value)
        .map_err(|e| Error::Data(format!("{}: `params.{name}`: {e}", case.path.display())))
}

/// Values that keep a random network's activations within reach, whatever its depth.
fn weights(name: &str, shape: &[usize], prelu: &[String]) -> Vec<f32> {
    let fan: usize = shape.iter().skip(1).product();
    let (centre, spread) = match name {
        _ if name.ends_with("running_var") => (1.0, 0.2),
        _ if name.ends_with("running_mean") || name.ends_with("bias") => (0.0, 0.1),
        _ if prelu.iter().any(|p| p == name) => (0.25, 0.1),
        _ if shape.len() >= 2 => (0.0, (3.0 / fan as f64).sqrt()),
        _ => (1.0, 0.1),
    };
    let noise = noise(name, shape.iter().product());
    noise.map(|u| (centre + spread * u) as f32).collect()
}

/// `len` numbers in [-1, 1) that follow from a name.
fn noise(name: &str, len: usize) -> impl Iterator<Item = f64> {
    let crc = u64::from(crc32fast::hash(name.as_bytes()));
    (0..len as u64)
        .map(move |i| (splitmix64((crc << 32) | i) >> 40) as f64 / f64::from(1 << 23) - 1.0)
}

fn splitmix64(x: u64) -> u64 {
    let mut z = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
