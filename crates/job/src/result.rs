//! What a finished job leaves behind in `result.json`: the only input of a report.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
pub enum JobResult {
    Data(DataResult),
    Train(TrainResult),
    Import(ImportResult),
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
    /// sha256 over what the set says beyond that and not every set of its format says: noise
    /// lists, the person on each image, subjects of templates. None where it says nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub facts_sha256: Option<String>,
    /// Name and version of the image decoder the pixels came from.
    pub decoder: String,
    pub images: u64,
    pub identities: u64,
    /// Further counts: `pairs`, `probes`, `distractors`, ...
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// Images that were left out because their bytes are damaged, by part.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub damaged: BTreeMap<String, Vec<u32>>,
    /// Things a reader must know: requested and realised rates of noise, oddities of lists, what
    /// was left out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
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
    /// Of the last checkpoint: the network, its class weights and the state of the optimiser.
    pub checkpoint_sha256: String,
    /// Of the network alone, as it is evaluated.
    #[serde(default)]
    pub model_sha256: String,
    /// Those that the last step was computed on.
    #[serde(default)]
    pub kernels: String,
    pub curve: Vec<CurvePoint>,
    /// Share of its time that the process that finished the training waited for input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input_wait: Option<f64>,
    /// Things a reader must know: a change of kernels on the way.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// What was learned of right and wrong labels, epoch by epoch, where the set knows which
    /// are which.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<LabelEpoch>,
    /// Where the network looks, stage by stage, if it has spatial attention.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attention: Vec<StageAttention>,
    /// Pictures about this network, in the folder of its job.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pictures: Vec<Picture>,
}

/// A network that was read from a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImportResult {
    /// The name of the file, without its folders.
    pub name: String,
    /// sha256 of the file.
    pub file_sha256: String,
    /// The name of its format.
    pub format: String,
    /// Trainable parameters of the network.
    pub parameters: u64,
    /// Multiply-accumulates of one forward pass of one image.
    pub macs: u64,
    pub embedding: usize,
    /// Of the network as it is evaluated.
    pub model_sha256: String,
    /// Things a reader must know: what of the file was left aside, what it does not say and was
    /// assumed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// One epoch of a training on a set whose true labels are known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelEpoch {
    /// 1-based.
    pub epoch: u64,
    /// Images whose label is right.
    pub clean: Fitted,
    /// Images of a person of another class of the set.
    pub flipped: Fitted,
    /// Images of nobody in the set; they have no true class.
    pub outliers: Fitted,
    /// What a head that rewrites labels did, while it does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub corrections: Option<Corrections>,
}

/// How many of some images lie nearest, by cosine, to which class weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fitted {
    pub images: u64,
    /// Those nearest to the class of their label.
    pub to_label: u64,
    /// Those nearest to the class of the person they show.
    pub to_truth: u64,
}

/// Labels that a head rewrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Corrections {
    pub clean: u64,
    pub flipped: u64,
    pub outliers: u64,
    /// Of the flipped ones, those that were given their true class.
    pub to_truth: u64,
}

/// The spatial attention of one block: how much of it falls on the five landmarks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StageAttention {
    /// Such as `layer2.1.spatial`.
    pub tap: String,
    /// Share of the attention, after the sigmoid, within the discs around the eyes, the nose
    /// and the corners of the mouth, mean over images.
    pub on_landmarks: f64,
    /// Share of the map's area that these discs take: what an attention that prefers nothing
    /// would have there.
    pub area: f64,
}

/// A picture for the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Picture {
    /// What it shows; pictures of one kind stand side by side.
    pub kind: PictureKind,
    /// What a reader sees on it.
    pub caption: String,
    /// In the folder of the job.
    pub file: FileHash,
    /// Width and height in pixels.
    pub size: (u32, u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PictureKind {
    /// Faces and where the network looks in them.
    Attention,
    /// Images whose labels were corrected.
    Corrections,
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
    /// The network that was run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
}

/// A trained network, by the hashes of its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Model {
    /// The training that it comes from, as in [`TrainResult::checkpoint_sha256`].
    pub checkpoint_sha256: String,
    /// As in [`TrainResult::model_sha256`].
    pub model_sha256: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreResult {
    /// `verification/insightface`, ...: protocols of different ids never share a column.
    pub protocol: String,
    /// The network that is scored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
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
