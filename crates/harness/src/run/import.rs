//! Executes an import job: a file of weights to a network as trainings leave it.

use super::context::Context;
use super::network::{GRAPH, MODEL};
use frbench_base::files;
use frbench_base::key::sha256_hex;
use frbench_base::{Error, Result};
use frbench_engine::checkpoint::Checkpoint;
use frbench_job::ImportSpec;
use frbench_job::result::ImportResult;

pub fn run(spec: &ImportSpec, cx: &mut Context) -> Result<ImportResult> {
    let path = cx.models.get(&spec.file);
    let path = path.ok_or_else(|| Error::Bug(format!("no file has the sha256 {}", spec.file)))?;
    let read = frbench_weights::read(path)?;
    if read.sha256 != spec.file {
        return Err(Error::Data(format!(
            "{}: it was changed while it was in use; the same command starts again with what is \
             there now",
            path.display()
        )));
    }
    let network = read.network()?;
    let mut model = Checkpoint::default();
    model.metadata.insert(GRAPH.into(), read.graph.to_json());
    model.insert_all("", network.state_dict());
    let bytes = model.to_bytes();
    files::write_atomic(&cx.lock.folder().file(MODEL), &bytes)?;
    let name = path.file_name().unwrap_or_default();
    Ok(ImportResult {
        name: name.to_string_lossy().into_owned(),
        file_sha256: read.sha256,
        format: read.format.to_string(),
        parameters: network.parameter_count() as u64,
        macs: network.macs(),
        embedding: spec.backbone.embedding,
        model_sha256: sha256_hex(&bytes),
        notes: read.notes,
    })
}
