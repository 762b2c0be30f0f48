//! Executes a scoring job: hands embeddings and the description of a data set to a protocol,
//! and keeps the evidence.

use super::context::Context;
use frbench_base::files;
use frbench_base::key::sha256_hex;
use frbench_base::{Error, Result};
use frbench_eval::protocol::embeddings::Embeddings;
use frbench_eval::protocol::{self, Part, ScoreInput};
use frbench_job::result::{FileHash, JobResult, ScoreResult};
use frbench_job::{EmbedSpec, JobSpec, ScoreSpec};
use std::collections::BTreeMap;

pub fn run(spec: &ScoreSpec, cx: &mut Context) -> Result<ScoreResult> {
    let set = super::open::data_set(&spec.data, cx)?;
    let mut matrices = BTreeMap::new();
    let mut models = Vec::new();
    for (part, key) in &spec.embeddings {
        let JobSpec::Embed(EmbedSpec { views, .. }) = cx.jobs.spec(key)? else {
            return Err(Error::Bug(format!(
                "job {} is not an embedding job",
                key.short()
            )));
        };
        let path = cx.store.folder(key).file(super::embed::EMBEDDINGS);
        if let Some(Ok(JobResult::Embed(embedded))) = cx.store.result(key) {
            models.extend(embedded.model);
        }
        matrices.insert(part.as_str(), (Embeddings::open(&path)?, *views));
    }
    let parts = matrices
        .iter()
        .map(|(&name, (matrix, views))| {
            (
                name,
                Part {
                    matrix,
                    views: *views,
                },
            )
        })
        .collect();
    let scored = protocol::score(
        &spec.protocol,
        &ScoreInput {
            parts,
            data: &set.description,
            device: cx.options.device.clone(),
        },
    )?;
    let mut result = scored.result;
    models.dedup();
    if models.len() > 1 {
        return Err(Error::Bug(
            "the parts were embedded by several networks".into(),
        ));
    }
    result.model = models.pop();
    for (name, bytes) in scored.evidence {
        files::write_atomic(&cx.lock.folder().file(&name), &bytes)?;
        result.evidence.push(FileHash {
            path: name,
            bytes: bytes.len() as u64,
            sha256: sha256_hex(&bytes),
        });
    }
    Ok(result)
}
