//! What a protocol is given: embeddings by part, and the plain description of the data.

use super::embeddings::Embeddings;
use frbench_base::{Error, Result};
use frbench_engine::Device;
use frbench_job::Views;
use std::collections::BTreeMap;

/// The embeddings of one part of a data set.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub matrix: &'a Embeddings,
    /// How the views of an image lie in a row.
    pub views: Views,
}

/// A verification set: pair `i` is images `2i` and `2i + 1`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairData {
    /// Whether both images of a pair show one person.
    pub same: Vec<bool>,
    /// Fold of each pair, `0..folds`; none: contiguous folds, as `.bin` packs have them.
    pub folds: Option<Vec<u32>>,
    /// The persons of each pair, if known.
    pub identities: Option<Vec<(u32, u32)>>,
}

/// Probes with identities; distractors are nobody's probe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdentificationData {
    /// The person of each probe image.
    pub probe_ids: Vec<u32>,
    /// Probe rows on the noise list; they are left out.
    pub noisy_probes: Vec<usize>,
    /// Distractor rows on the noise list; they are left out.
    pub noisy_distractors: Vec<usize>,
}

/// Probes, and a gallery with images of their people; distractors of the gallery are nobody's
/// mate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GalleryData {
    /// The person of each probe image.
    pub probe_ids: Vec<u32>,
    /// The person of each gallery image that is not a distractor.
    pub gallery_ids: Vec<u32>,
}

/// Images grouped by template and media, and pairs of templates (IJB 1:1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TemplateData {
    /// Template of each image.
    pub template: Vec<u32>,
    /// Media (a still, or the frames of one video) of each image.
    pub media: Vec<u32>,
    /// Detector score of each image, if known.
    pub detector: Option<Vec<f32>>,
    /// Templates of each pair.
    pub pair_a: Vec<u32>,
    pub pair_b: Vec<u32>,
    pub same: Vec<bool>,
    /// Person of each template, if known.
    pub subjects: Option<BTreeMap<u32, u32>>,
}

/// The description that a protocol needs.
#[derive(Clone, Copy, Debug)]
pub enum Description<'a> {
    Pairs(&'a PairData),
    Identification(&'a IdentificationData),
    Templates(&'a TemplateData),
    Gallery(&'a GalleryData),
}

/// Everything a protocol scores.
#[derive(Clone, Debug)]
pub struct ScoreInput<'a> {
    /// By the names that [`ProtocolEntry::parts`](super::ProtocolEntry) asks for.
    pub parts: BTreeMap<&'a str, Part<'a>>,
    pub data: Description<'a>,
    /// Where searches and scores of templates are computed; the result is the same on every one.
    pub device: Device,
}

impl<'a> ScoreInput<'a> {
    pub(super) fn part(&self, name: &str, rows: Option<usize>) -> Result<Part<'a>> {
        let part = *self
            .parts
            .get(name)
            .ok_or_else(|| Error::Data(format!("the embeddings of `{name}` are missing")))?;
        if let Some(rows) = rows.filter(|&r| r != part.matrix.rows()) {
            return Err(Error::Data(format!(
                "{}: {} embeddings of `{name}`, but the data set has {rows} images",
                part.matrix.path().display(),
                part.matrix.rows()
            )));
        }
        if part.views == Views::Both && part.matrix.dim() % 2 == 1 {
            return Err(Error::Data(format!(
                "{}: two views side by side in an odd number of columns ({})",
                part.matrix.path().display(),
                part.matrix.dim()
            )));
        }
        Ok(part)
    }
}

impl Part<'_> {
    /// Size of one embedding.
    pub fn dim(&self) -> usize {
        match self.views {
            Views::Both => self.matrix.dim() / 2,
            Views::Original | Views::Sum => self.matrix.dim(),
        }
    }

    /// The embedding of image `i` in f64, its views added, not normalised.
    pub fn fused(&self, i: usize) -> Vec<f64> {
        let row = self.matrix.row(i);
        match self.views {
            Views::Both => {
                let (image, mirror) = row.split_at(row.len() / 2);
                let pairs = image.iter().zip(mirror);
                pairs.map(|(&a, &b)| f64::from(a) + f64::from(b)).collect()
            }
            Views::Original | Views::Sum => row.iter().map(|&v| f64::from(v)).collect(),
        }
    }
}
