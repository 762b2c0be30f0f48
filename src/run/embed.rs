//! Executes an embedding job: one part of a data set through a trained network.

use super::scheduler::Context;
use super::train::load_network;
use crate::Result;
use crate::data::set;
use crate::nn::{Device, Network, Value};
use crate::plan::spec::{EmbedSpec, InputSpec, Views};
use crate::protocol::embeddings::EmbeddingWriter;
use crate::result::EmbedResult;
use crate::train::Images;
use serde_json::json;
use std::time::Instant;

/// The matrix an embedding job leaves behind.
pub const EMBEDDINGS: &str = "embeddings.f32";
/// Images per forward pass. Part of no key: an embedding does not depend on its neighbours.
pub fn batch(device: &Device) -> usize {
    match device {
        Device::Cpu => 64,
        Device::Cuda(_) => 512,
    }
}

pub fn run(spec: &EmbedSpec, cx: &mut Context) -> Result<EmbedResult> {
    let model = cx.jobs.train(&spec.model)?;
    let set = set::open(cx.jobs.data(&spec.data)?, cx.store.data_root())?;
    let source = set.part(&spec.part)?;
    let images = cx
        .store
        .images
        .view(&spec.data, &spec.part, source, model.input.size)?;
    let network = load_network(model, &cx.store.folder(&spec.model), cx)?;
    let n = images.len();
    let dim = model.backbone.embedding * if spec.views == Views::Both { 2 } else { 1 };
    let mut input = model.input.clone();
    if spec.native {
        input.degrade = None;
    }
    write_rows(cx, n, dim, &mut |from, to| {
        let indices: Vec<u32> = (from as u32..to as u32).collect();
        embed_views(&network, images.as_ref(), &indices, &input, spec.views)
    })
}

/// Fill the job's matrix chunk by chunk, going on where an earlier process stopped.
/// `rows(from, to)` returns the rows `from..to`.
pub fn write_rows(
    cx: &mut Context,
    n: usize,
    dim: usize,
    rows: &mut dyn FnMut(usize, usize) -> Result<Vec<f32>>,
) -> Result<EmbedResult> {
    let path = cx.claim.folder().file(EMBEDDINGS);
    let mut writer = EmbeddingWriter::resume(&path, dim)?;
    let mut at = writer.rows();
    if at > 0 {
        cx.claim.event("resumed", json!({ "row": at }))?;
        cx.observer.resumed(cx.job, at as u64, "row");
    }
    let started = Instant::now();
    let first = at;
    while at < n {
        cx.stop
            .check(&format!("{} at row {at} of {n}", cx.job.label))?;
        let to = n.min(at + batch(&cx.options.device));
        writer.append(&rows(at, to)?)?;
        at = to;
        let rate = (at - first) as f64 / started.elapsed().as_secs_f64();
        cx.progress(at as u64, n as u64, "rows", &format!("{rate:.0} rows/s"));
    }
    writer.finish()?;
    let seconds = started.elapsed().as_secs_f64();
    Ok(EmbedResult {
        seconds,
        rows: n as u64,
        dim,
        images_per_second: (n - first) as f64 / seconds.max(1e-9),
    })
}

/// Raw embeddings of `indices`, one row each, in the layout of `views`.
pub fn embed_views(
    network: &Network,
    images: &dyn Images,
    indices: &[u32],
    input: &InputSpec,
    views: Views,
) -> Result<Vec<f32>> {
    let original = embed(network, images, indices, input, false)?;
    if views == Views::Original {
        return Ok(original);
    }
    let mirrored = embed(network, images, indices, input, true)?;
    if views == Views::Sum {
        return Ok(original.iter().zip(&mirrored).map(|(a, b)| a + b).collect());
    }
    let dim = original.len() / indices.len().max(1);
    let mut both = Vec::with_capacity(2 * original.len());
    for (a, b) in original.chunks_exact(dim).zip(mirrored.chunks_exact(dim)) {
        both.extend_from_slice(a);
        both.extend_from_slice(b);
    }
    Ok(both)
}

/// Raw embeddings of `indices`, or of their mirror images, row-major.
pub fn embed(
    network: &Network,
    images: &dyn Images,
    indices: &[u32],
    input: &InputSpec,
    flip: bool,
) -> Result<Vec<f32>> {
    let side = input.size;
    let mut pixels = vec![0.0; indices.len() * side * side * 3];
    images.fill(indices, &vec![flip; indices.len()], input, &mut pixels)?;
    let x = Value::new([indices.len(), side, side, 3], pixels)?;
    Ok(network.infer(&x)?.embedding.to_vec())
}
