//! What a job is: the specification of one unit of work, and the jobs that it needs.

use crate::{DataSpec, ImportSpec, TrainSpec};
use frbench_base::key::Key;
use frbench_base::registry::Params;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One unit of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant)] // a plan holds hundreds, not millions
pub enum JobSpec {
    Data(DataSpec),
    Train(TrainSpec),
    Import(ImportSpec),
    Derive(DeriveSpec),
    Embed(EmbedSpec),
    Score(ScoreSpec),
}

/// A whole-set artefact made before training: `embeddings`, `prototypes`, `neighbors`, ...
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeriveSpec {
    pub derivation: String,
    #[serde(default)]
    pub params: Params,
    pub data: Key,
    /// The network it is computed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Key>,
    /// Artefacts it is computed from, by name.
    #[serde(default)]
    pub from: BTreeMap<String, Key>,
}

/// Embedding one part of a data set with a trained network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbedSpec {
    pub model: Key,
    pub data: Key,
    /// `images`, `probes`, `gallery`, `distractors`.
    pub part: String,
    pub views: Views,
    /// The network sees the images without the loss of resolution it was trained under.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub native: bool,
    /// What the rule of the protocol does to pictures before a network sees them.
    #[serde(default, skip_serializing_if = "Pixels::is_plain")]
    pub pixels: Pixels,
}

/// What a rule of evaluation does to pictures before a network sees them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pixels {
    /// Nothing.
    #[default]
    Plain,
    /// Enlarged by 8/7 and cut to the middle, through 8 bits: face.evoLVe.
    Zoomed,
}

impl Pixels {
    pub fn is_plain(&self) -> bool {
        *self == Pixels::Plain
    }
}

/// Which views of an image are embedded and how they are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Views {
    /// The image only.
    Original,
    /// The sum of the raw embeddings of the image and its mirror.
    Sum,
    /// Both, side by side (twice the embedding size).
    Both,
}

/// Scoring embeddings under a protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreSpec {
    pub protocol: ProtocolSpec,
    pub data: Key,
    /// Embedding jobs by the part of the data set.
    pub embeddings: BTreeMap<String, Key>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProtocolSpec {
    /// `verification`, `identification`, `template-verification`, `gallery-identification`.
    pub name: String,
    #[serde(default)]
    pub params: Params,
}

/// A job with its keys and the jobs it needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// Address of the result: the spec, the code of this kind of job, numeric crate versions.
    pub key: Key,
    /// The same without the code: tonight's run can be held against a baseline.
    pub comparison: Key,
    /// For people, such as `train coupleface seed 1`.
    pub label: String,
    pub spec: JobSpec,
    pub needs: Vec<Key>,
    /// The canonical JSON whose sha256 is the key.
    #[serde(skip)]
    pub made_of: Arc<str>,
    /// Rough cost in floating-point operations, for ETA and `frbench show`.
    pub cost: f64,
}
