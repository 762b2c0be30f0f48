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

impl DataFormat {
    /// As a declaration writes it.
    pub fn name(self) -> &'static str {
        match self {
            DataFormat::Train => "train",
            DataFormat::Pairs => "pairs",
            DataFormat::Identification => "identification",
            DataFormat::Templates => "templates",
            DataFormat::Gallery => "gallery",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum DataSource {
    /// Rendered by the face world.
    Synth(SynthSpec),
    /// Files that the user has; paths are relative to the data set's folder.
    Files {
        files: Vec<String>,
        /// What is done with what is missing, damaged or odd.
        #[serde(default, skip_serializing_if = "Rules::is_default")]
        rules: Rules,
    },
    /// Another training set in which something is wrong.
    Noisy(Box<NoisySpec>),
}

/// How a set is read that is not as it should be. What is left out or repaired is counted and
/// part of the set's identity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rules {
    /// Images whose bytes cannot be read as a whole.
    #[serde(default, skip_serializing_if = "is_default")]
    pub damaged: Damaged,
    /// Images that a list names and that are not there.
    #[serde(default, skip_serializing_if = "is_default")]
    pub missing: Missing,
    /// Oddities of a list (a picture paired with itself, pairs that are listed twice, one person
    /// on both sides of a pair of different people) are errors.
    #[serde(default, skip_serializing_if = "is_default")]
    pub strict: bool,
    /// Pictures of another size than the aligned 112 x 112 are aligned crops all the same.
    #[serde(default, skip_serializing_if = "is_default")]
    pub aligned: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damaged {
    /// An error with file and place.
    #[default]
    Refuse,
    /// Left out of a training set; of what is scored as [`Missing::Miss`] says.
    Skip,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Missing {
    /// An error that lists what is missing.
    #[default]
    Refuse,
    /// A failure to acquire: pairs with it are non-matches at every threshold, a probe is missed
    /// at every rank; a template is what its other images make of it. Or to enrol: it is left out
    /// of the gallery, and probes without another image of their person there are missed.
    Miss,
}

impl Rules {
    pub fn is_default(&self) -> bool {
        is_default(self)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
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
