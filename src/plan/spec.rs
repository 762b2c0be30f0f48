//! The specification of one job: everything that can change its numbers, and nothing else.
//!
//! Specs are serialised to canonical JSON and hashed; they never hold a path, host, worker
//! count or time. A dependency is named by the cache key of the job it comes from.

use crate::key::Key;
use crate::registry::Params;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One unit of work.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case")]
#[allow(clippy::large_enum_variant)] // a plan holds hundreds, not millions
pub enum JobSpec {
    Data(DataSpec),
    Train(TrainSpec),
    Derive(DeriveSpec),
    Embed(EmbedSpec),
    Score(ScoreSpec),
}

/// A data set, generated or brought by the user. Its identity is the hash of its files and
/// of its decoded pixels with their labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataSpec {
    /// The folder under the data root, such as `synth-lfw-1200-v1`.
    pub name: String,
    pub format: DataFormat,
    pub source: DataSource,
    /// The pinned identity, if the suite or the registry states one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
}

impl DataSpec {
    /// Whether the identities of the sets that it is made of, if any, are known: before, nobody
    /// can say what it is.
    pub fn has_known_parts(&self) -> bool {
        self.parts().all(|p| p.identity.is_some())
    }

    /// The sets that this one is made of: first its base.
    pub fn parts(&self) -> impl Iterator<Item = &DataSpec> {
        let parts = match &self.source {
            DataSource::Noisy(noisy) => [Some(&noisy.base), noisy.outliers.as_ref()],
            DataSource::Synth(_) | DataSource::Files { .. } => [None, None],
        };
        parts.into_iter().flatten()
    }

    /// The same, to be changed.
    pub fn parts_mut(&mut self) -> impl Iterator<Item = &mut DataSpec> {
        let parts = match &mut self.source {
            DataSource::Noisy(noisy) => {
                let NoisySpec { base, outliers, .. } = noisy.as_mut();
                [Some(base), outliers.as_mut()]
            }
            DataSource::Synth(_) | DataSource::Files { .. } => [None, None],
        };
        parts.into_iter().flatten()
    }
}

/// What the files of a data set hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DataFormat {
    /// `train.rec`, `train.idx`, `property`.
    Train,
    /// A `.bin` verification pack.
    Pairs,
    /// Probes with identities, and distractors.
    Identification,
    /// Images grouped by template and media, and a list of template pairs (IJB).
    Templates,
    /// Probes and a gallery with identities, and distractors in the gallery (TinyFace).
    Gallery,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum DataSource {
    /// Rendered by the face world.
    Synth(SynthSpec),
    /// Files that the user has; paths are relative to the data set's folder.
    Files { files: Vec<String> },
    /// Another training set in which something is wrong.
    Noisy(Box<NoisySpec>),
}

/// Noise planted in a training set, as the scripts of BoundaryFace (Wu and Gong, ECCV 2022) do.
/// The sets it is made of are named by their identities, where these are known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NoisySpec {
    pub base: DataSpec,
    /// Where open-set noise is taken from; none without any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outliers: Option<DataSpec>,
    /// Share of each class's images that get the label of another class.
    pub closed: f64,
    /// Share of each class's images that are replaced by outliers.
    pub open: f64,
    pub seed: u64,
}

/// What the face world should render.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SynthSpec {
    /// Version of the generator. A change of any pixel is a new version.
    pub world: String,
    /// `train`, `lfw`, `cfp-fp`, `agedb-30`, `megaface`, `tinyface`, ...
    pub twin: String,
    /// Sizes, such as `identities`, `images`, `pairs`, `probes`, `distractors`.
    pub size: BTreeMap<String, u64>,
}

/// Training one network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainSpec {
    pub method: MethodSpec,
    pub backbone: BackboneSpec,
    pub input: InputSpec,
    pub head: Option<HeadSpec>,
    /// The data job of the training set.
    pub data: Key,
    /// The training job of the teacher.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub teacher: Option<Key>,
    /// Derived artefacts by the name under which the method knows them; [`KEPT_IMAGES`] is the
    /// training's own.
    #[serde(default)]
    pub derived: BTreeMap<String, Key>,
    pub seed: u64,
    pub schedule: ScheduleSpec,
    pub optimizer: OptimizerSpec,
    /// Images per optimiser step.
    pub batch: usize,
    /// Images over which batch norm takes its statistics; divides `batch`.
    pub bn_group: usize,
    /// Random horizontal flip.
    pub flip: bool,
    /// The part of a batch that is not drawn at random; none means no part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub balanced: Option<BalancedSpec>,
    /// The arithmetic of the network.
    #[serde(default, skip_serializing_if = "Precision::is_default")]
    pub precision: Precision,
}

/// The arithmetic of a network. Parameters, statistics, losses and similarities are in 32 bits
/// in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// All of it in 32 bits.
    #[default]
    F32,
    /// Convolutions and products of 32-bit floats on tensor cores, which read 10 bits of their
    /// fractions. On a GPU.
    Tf32,
    /// Activations, and the weights that convolutions and products read, in bfloat16. On a GPU.
    Bf16,
}

impl Precision {
    pub(crate) fn is_default(&self) -> bool {
        *self == Precision::default()
    }

    /// As suites write it.
    pub fn name(self) -> &'static str {
        match self {
            Precision::F32 => "f32",
            Precision::Tf32 => "tf32",
            Precision::Bf16 => "bf16",
        }
    }
}

/// The derived artefact that confines a training to some images of its set: their numbers,
/// ascending, `[kept, 1]`.
pub const KEPT_IMAGES: &str = "kept-images";

/// A part of every batch that shows several images of each of some identities, as EKD (Huang
/// et al., CVPR 2022) fills half of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalancedSpec {
    /// Images of a batch that are drawn so, a multiple of `per_identity`.
    pub images: usize,
    pub per_identity: usize,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MethodSpec {
    pub name: String,
    #[serde(default)]
    pub params: Params,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HeadSpec {
    pub name: String,
    #[serde(default)]
    pub params: Params,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BackboneSpec {
    pub name: String,
    /// Embedding size.
    pub embedding: usize,
    /// `width`, `stem_stride`, `dropout`, ... as the backbone documents.
    #[serde(default)]
    pub params: Params,
    #[serde(default, skip_serializing_if = "ConvMode::is_fast")]
    pub conv: ConvMode,
}

/// How dense 3 x 3 convolutions of stride 1 are computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConvMode {
    /// By Winograd's F(4x4, 3x3) where it is faster: a quarter of the multiplications, and
    /// some three times the rounding error of a direct sum.
    #[default]
    Fast,
    /// Always as a direct sum.
    Direct,
}

impl ConvMode {
    fn is_fast(&self) -> bool {
        *self == ConvMode::Fast
    }
}

/// How images become the network's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputSpec {
    /// Side of the square input, in pixels; aligned 112 x 112 crops are reduced by area.
    pub size: usize,
    pub color: Color,
    /// `x / 255` is mapped to `(x - mean) / std`.
    pub mean: f64,
    pub std: f64,
    /// What is taken from the image, after mirroring, before the network sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub degrade: Option<DegradeSpec>,
}

impl InputSpec {
    /// Whether the inputs of two networks have the same form and units, so that what changes
    /// them can be compared; one may have lost resolution.
    pub fn is_compatible(&self, other: &InputSpec) -> bool {
        let form = |i: &InputSpec| (i.size, i.color, i.mean, i.std);
        form(self) == form(other)
    }
}

/// A loss of resolution: the input is reduced to `side` x `side` and enlarged again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DegradeSpec {
    pub kind: DegradeKind,
    /// Pixels, at most the input's.
    pub side: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DegradeKind {
    /// Both ways by the nearest pixel, then a vertical blur: the code of A-SKD as released.
    #[serde(rename = "nearest+blur")]
    NearestBlur,
    /// Both ways by cubic convolution, reduced with antialiasing.
    #[serde(rename = "bicubic")]
    Bicubic,
}

/// As a suite names it.
impl std::fmt::Display for DegradeKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            DegradeKind::NearestBlur => "nearest+blur",
            DegradeKind::Bicubic => "bicubic",
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Color {
    Rgb,
    Bgr,
}

/// Length of training and the learning rate over it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleSpec {
    pub length: Length,
    /// Peak learning rate.
    pub lr: f64,
    /// Linear warm-up from 0, in the unit of `length`.
    #[serde(default)]
    pub warmup: f64,
    pub decay: Decay,
}

/// How long to train. Epochs are passes over the set; the last partial batch is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Length {
    Steps(u64),
    Epochs(f64),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Decay {
    Constant,
    /// Multiply by `gamma` at each milestone (unit of `length`).
    Step {
        milestones: Vec<f64>,
        gamma: f64,
    },
    /// `lr * (1 - progress)^power`.
    Polynomial {
        power: f64,
    },
    Cosine,
}

/// SGD, as PyTorch defines it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OptimizerSpec {
    pub momentum: f64,
    pub nesterov: bool,
    pub weight_decay: f64,
    /// Largest L2 norm of the backbone's gradient; none means no clipping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip: Option<f64>,
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
    /// Rough cost in floating-point operations, for ETA and `frbench show`.
    pub cost: f64,
}
