//! What a protocol is given: embeddings by part, and the description of the data.

use super::embeddings::Embeddings;
use frbench_base::{Error, Result};
use frbench_engine::Device;
use frbench_job::{Description, Views};
use std::collections::BTreeMap;

/// The embeddings of one part of a data set.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub matrix: &'a Embeddings,
    /// How the views of an image lie in a row.
    pub views: Views,
}

/// Everything a protocol scores.
#[derive(Clone, Debug)]
pub struct ScoreInput<'a> {
    /// By the names that [`ProtocolEntry::parts`](super::ProtocolEntry) asks for.
    pub parts: BTreeMap<&'a str, Part<'a>>,
    pub data: &'a Description,
    /// Where searches of mates and scores of pairs of templates are computed, the others on the CPU;
    /// the result is the same on every one.
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

    /// Appends the embedding of image `i` to `out` in f32, its views added, not normalised.
    pub fn append_fused(&self, i: usize, out: &mut Vec<f32>) {
        match self.views {
            Views::Both => out.extend(self.fused(i).into_iter().map(|v| v as f32)),
            Views::Original | Views::Sum => out.extend_from_slice(self.matrix.row(i)),
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
