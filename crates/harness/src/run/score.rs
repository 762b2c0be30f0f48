//! Executes a scoring job: hands embeddings and the description of a data set to a protocol,
//! and keeps the evidence.

use super::context::Context;
use frbench_base::files;
use frbench_base::key::sha256_hex;
use frbench_base::{Error, Result};
use frbench_data::set::{self, DataSet};
use frbench_eval::protocol::embeddings::Embeddings;
use frbench_eval::protocol::{
    self, Description, GalleryData, IdentificationData, PairData, Part, ScoreInput, TemplateData,
};
use frbench_job::result::{FileHash, ScoreResult};
use frbench_job::{EmbedSpec, JobSpec, ScoreSpec};
use std::collections::BTreeMap;

pub fn run(spec: &ScoreSpec, cx: &mut Context) -> Result<ScoreResult> {
    let set = set::open(cx.jobs.data(&spec.data)?, cx.store.data_root())?;
    let mut matrices = BTreeMap::new();
    for (part, key) in &spec.embeddings {
        let JobSpec::Embed(EmbedSpec { views, .. }) = cx.jobs.spec(key)? else {
            return Err(Error::Bug(format!(
                "job {} is not an embedding job",
                key.short()
            )));
        };
        let path = cx.store.folder(key).file(super::embed::EMBEDDINGS);
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
    let described = Described::of(&set)?;
    let scored = protocol::score(
        &spec.protocol,
        &ScoreInput {
            parts,
            data: described.view(),
            device: cx.options.device.clone(),
        },
    )?;
    let mut result = scored.result;
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

/// A data set as protocols see it: without pixels and files.
enum Described {
    Pairs(PairData),
    Identification(IdentificationData),
    Templates(TemplateData),
    Gallery(GalleryData),
}

impl Described {
    fn of(set: &DataSet) -> Result<Self> {
        Ok(match set {
            DataSet::Pairs(s) => Described::Pairs(PairData {
                same: s.same.clone(),
                folds: None,
                identities: s.identities.as_ref().map(|ids| {
                    let number = numbered(ids);
                    let person = |image: u32| number[&ids[image as usize]];
                    s.pairs
                        .iter()
                        .map(|&(a, b)| (person(a), person(b)))
                        .collect()
                }),
            }),
            DataSet::Identification(s) => Described::Identification(IdentificationData {
                probe_ids: s.probe_ids.clone(),
                noisy_probes: s.noisy_probes.clone(),
                noisy_distractors: s.noisy_distractors.clone(),
            }),
            DataSet::Templates(s) => Described::Templates(TemplateData {
                template: s.template.clone(),
                media: s.media.clone(),
                detector: Some(s.score.clone()),
                pair_a: s.pairs.iter().map(|p| p.0).collect(),
                pair_b: s.pairs.iter().map(|p| p.1).collect(),
                same: s.same.clone(),
                subjects: Some(s.subjects.clone()).filter(|s| !s.is_empty()),
            }),
            DataSet::Gallery(s) => Described::Gallery(GalleryData {
                probe_ids: s.probe_ids.clone(),
                gallery_ids: s.gallery_ids.clone(),
            }),
            DataSet::Train(_) => return Err(Error::Bug("a training set is not scored".into())),
        })
    }

    fn view(&self) -> Description<'_> {
        match self {
            Described::Pairs(d) => Description::Pairs(d),
            Described::Identification(d) => Description::Identification(d),
            Described::Templates(d) => Description::Templates(d),
            Described::Gallery(d) => Description::Gallery(d),
        }
    }
}

/// Small numbers for identities of any size, in order of appearance.
fn numbered(ids: &[u64]) -> BTreeMap<u64, u32> {
    let mut number = BTreeMap::new();
    for &id in ids {
        let next = number.len() as u32;
        number.entry(id).or_insert(next);
    }
    number
}
