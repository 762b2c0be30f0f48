//! Executes a derive job: a whole-set pass whose artefact trainings are built on.

use super::context::Context;
use super::embed::Extraction;
use super::folder::RunFolder;
use super::store::Store;
use super::teacher::class_weights;
use frbench_base::files;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_data::manifest::hash_file;
use frbench_eval::protocol::embeddings::Embeddings;
use frbench_job::artefact::{Artefact, Matrix};
use frbench_job::result::{DeriveResult, FileHash};
use frbench_job::{DeriveSpec, Views};
use frbench_methods::method;
use frbench_methods::method::derive::KEPT_FROM;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;
use std::time::Instant;

/// The one derivation that runs a network; the others are pure (`method::derive`), and may be
/// given a network's class weights.
const BY_NETWORK: &str = "embeddings";
/// Where a derive job keeps embeddings.
pub const EMBEDDINGS: &str = super::embed::EMBEDDINGS;
/// Where it keeps any other artefact.
const ARTEFACT: &str = "artefact.safetensors";
/// The one tensor in that file.
const TENSOR: &str = "artefact";

/// Whether the job runs the network that it names, which others only take class weights of.
pub fn runs_network(spec: &DeriveSpec) -> bool {
    spec.derivation == BY_NETWORK
}

pub fn run(spec: &DeriveSpec, cx: &mut Context) -> Result<DeriveResult> {
    let started = Instant::now();
    let set = super::open::train_set(&spec.data, cx)?;
    let folder = cx.lock.folder().clone();
    let mut counts = BTreeMap::new();
    let file = if runs_network(spec) {
        let key = spec
            .model
            .as_ref()
            .ok_or_else(|| Error::Bug("teacher embeddings without a teacher".into()))?;
        let model = cx.jobs.network(key)?;
        let images = cx.images(&spec.data, "images", &set.source, model.input.size)?;
        let network = model.load(&cx.store.folder(key), cx)?;
        // An image, and its mirror image, each in a row.
        let extraction = Extraction {
            network: &network,
            images,
            mirrors: None,
            input: model.input,
            views: Views::Both,
            dim: model.backbone.embedding,
            rows_per_image: 2,
        };
        let done = extraction.run(cx)?;
        counts.insert("rows".into(), done.rows);
        EMBEDDINGS
    } else {
        let mut from = BTreeMap::new();
        for (name, key) in &spec.from {
            from.insert(name.clone(), load(key, cx.store)?);
        }
        if let Some(model) = &spec.model {
            let weights = class_weights(&cx.store.folder(model))?;
            from.insert(KEPT_FROM[1].to_string(), Artefact::F32(weights));
        }
        let artefact = method::derive::run(
            &spec.derivation,
            &spec.params,
            &from,
            &set.data.labels,
            set.data.classes as usize,
        )?;
        let (rows, cols) = match &artefact {
            Artefact::F32(m) => (m.rows, m.cols),
            Artefact::U32(m) => (m.rows, m.cols),
        };
        counts.insert("images".into(), set.data.labels.len() as u64);
        counts.insert("rows".into(), rows as u64);
        counts.insert("columns".into(), cols as u64);
        keep(&artefact, &folder)?;
        ARTEFACT
    };
    let (sha256, bytes) = hash_file(&folder.file(file))?;
    Ok(DeriveResult {
        seconds: started.elapsed().as_secs_f64(),
        files: vec![FileHash {
            path: file.to_string(),
            bytes,
            sha256,
        }],
        counts,
    })
}

fn keep(artefact: &Artefact, folder: &RunFolder) -> Result<()> {
    let (dtype, rows, cols, bytes): (_, _, _, Vec<u8>) = match artefact {
        Artefact::F32(m) => (
            Dtype::F32,
            m.rows,
            m.cols,
            m.data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
        Artefact::U32(m) => (
            Dtype::U32,
            m.rows,
            m.cols,
            m.data.iter().flat_map(|v| v.to_le_bytes()).collect(),
        ),
    };
    let bug = |e: safetensors::SafeTensorError| Error::Bug(format!("a derived artefact: {e}"));
    let view = TensorView::new(dtype, vec![rows, cols], &bytes).map_err(bug)?;
    let bytes = safetensors::serialize([(TENSOR, view)], None).map_err(bug)?;
    files::write_atomic(&folder.file(ARTEFACT), &bytes)
}

/// The artefact of a finished derive job.
pub fn load(key: &Key, store: &Store) -> Result<Artefact> {
    let folder = store.folder(key);
    if store.seal(key)?.hash(EMBEDDINGS).is_some() {
        let e = Embeddings::open(folder.file(EMBEDDINGS))?;
        let (rows, cols) = (e.rows(), e.dim());
        let data = (0..rows).flat_map(|i| e.row(i)).copied().collect();
        return Ok(Artefact::F32(Matrix { rows, cols, data }));
    }
    let path = folder.file(ARTEFACT);
    let wrong = |what: String| {
        Error::Data(format!(
            "{}: not a derived artefact: {what}",
            path.display()
        ))
    };
    let bytes = files::read(&path)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| wrong(e.to_string()))?;
    let tensor = tensors.tensor(TENSOR).map_err(|e| wrong(e.to_string()))?;
    let &[rows, cols] = tensor.shape() else {
        return Err(wrong("it is no matrix".into()));
    };
    let (words, _) = tensor.data().as_chunks::<4>();
    Ok(match tensor.dtype() {
        Dtype::F32 => {
            let data = words.iter().map(|&w| f32::from_le_bytes(w)).collect();
            Artefact::F32(Matrix { rows, cols, data })
        }
        Dtype::U32 => {
            let data = words.iter().map(|&w| u32::from_le_bytes(w)).collect();
            Artefact::U32(Matrix { rows, cols, data })
        }
        other => return Err(wrong(format!("its type is {other:?}"))),
    })
}
