//! What a data set is: its files or its generator, and what is planted in it.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
