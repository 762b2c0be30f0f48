//! What a finished job leaves behind in `result.json`: the only input of a report.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
pub enum JobResult {
    Data(DataResult),
    Train(TrainResult),
    Derive(DeriveResult),
    Embed(EmbedResult),
    Score(ScoreResult),
}

/// Identity of a data set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataResult {
    pub name: String,
    pub files: Vec<FileHash>,
    /// sha256 over the decoded pixels of every image with its label, in order.
    pub pixels_sha256: String,
    /// Name and version of the image decoder the pixels came from.
    pub decoder: String,
    pub images: u64,
    pub identities: u64,
    /// Further counts: `pairs`, `probes`, `distractors`, ...
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    pub path: String,
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainResult {
    pub steps: u64,
    /// Images seen, repetitions included.
    pub images: u64,
    pub seconds: f64,
    pub images_per_second: f64,
    /// Trainable parameters of the backbone (without the head).
    pub parameters: u64,
    /// Multiply-accumulates of one forward pass of one image.
    pub macs: u64,
    pub embedding: usize,
    pub checkpoint_sha256: String,
    pub curve: Vec<CurvePoint>,
    /// Share of its time that the process that finished the training waited for input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_wait: Option<f64>,
    /// Things a reader must know: a change of kernels on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// Averages since the previous point.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CurvePoint {
    pub step: u64,
    pub epoch: f64,
    pub lr: f64,
    pub loss: f64,
    /// Parts of the loss by name, before weighting.
    pub parts: BTreeMap<String, f64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeriveResult {
    pub seconds: f64,
    pub files: Vec<FileHash>,
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EmbedResult {
    pub seconds: f64,
    pub rows: u64,
    pub dim: usize,
    pub images_per_second: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreResult {
    /// `verification/insightface`, ...: protocols of different ids never share a column.
    pub protocol: String,
    pub metrics: Vec<Metric>,
    /// Curves for plots, by name (`roc`): points `(x, y)`.
    #[serde(default)]
    pub series: BTreeMap<String, Vec<(f64, f64)>>,
    /// Things a reader must know: ties at a threshold, few false accepts, ...
    #[serde(default)]
    pub notes: Vec<String>,
    /// Files kept as evidence (pair scores, ranks).
    #[serde(default)]
    pub evidence: Vec<FileHash>,
}

/// One number of a protocol for one model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// `accuracy`, `tar@far=1e-3`, `rank-1`.
    pub id: String,
    /// In `[0, 1]` for rates.
    pub value: f64,
    pub higher_is_better: bool,
    /// What a blind guess scores, where that has a meaning.
    #[serde(default)]
    pub chance: Option<f64>,
    /// 95 % interval of this one model, identities resampled.
    #[serde(default)]
    pub interval: Option<(f64, f64)>,
    /// Fold values, where there are folds.
    #[serde(default)]
    pub folds: Vec<f64>,
}
