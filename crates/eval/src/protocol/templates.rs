//! Embeddings of templates, as IJB's scripts make them: views of an image are added; the norm is kept
//! or removed; the detector score multiplies. Images of one media are averaged, media are summed, the
//! template is L2-normalised.

use super::input::Part;
use frbench_base::registry::{Args, Kind, Param};
use frbench_base::{Error, Result};
use frbench_job::description::TemplateData;
use rayon::prelude::*;
use std::collections::BTreeMap;

pub const NORM: Param = Param {
    name: "norm",
    kind: Kind::Choice(&["keep", "unit"]),
    required: true,
    doc: "whether the length of an image's embedding weighs it within its template (scripts name this N0 and N1 in opposite senses)",
};

pub const DETECTOR_SCORE: Param = Param {
    name: "detector_score",
    kind: Kind::Bool,
    required: true,
    doc: "whether the detector's score weighs an image",
};

/// Whether norms are removed, and detector scores count.
///
/// # Errors
/// [`Error::Usage`].
pub fn weighing(args: &Args) -> Result<(bool, bool)> {
    let unit = match args.text(NORM.name)? {
        "keep" => false,
        "unit" => true,
        other => {
            return Err(Error::Usage(format!(
                "`{}`: `norm` is `{other}`, want keep or unit",
                args.of
            )));
        }
    };
    Ok((unit, args.bool(DETECTOR_SCORE.name)?))
}

/// Detector scores, if they count.
pub fn weights(data: &TemplateData, detector: bool) -> Result<Option<&[f32]>> {
    if !detector {
        return Ok(None);
    }
    match &data.detector {
        Some(scores) if scores.len() == data.template.len() => {
            match scores.iter().position(|s| !s.is_finite()) {
                None => Ok(Some(scores)),
                Some(i) => Err(Error::Data(format!(
                    "the detector score of image {i} is {}",
                    scores[i]
                ))),
            }
        }
        Some(scores) => Err(Error::Data(format!(
            "{} detector scores for {} images",
            scores.len(),
            data.template.len()
        ))),
        None => Err(Error::Data(
            "`detector_score = true`, but the data set has no detector scores".into(),
        )),
    }
}

/// Unit template embeddings.
pub struct Templates {
    /// Row of each template id.
    pub row: BTreeMap<u32, u32>,
    pub dim: usize,
    /// Row-major.
    pub data: Vec<f64>,
}

impl Templates {
    /// One for each template that has an image; without `unit` the length of an image's embedding
    /// weighs it.
    ///
    /// # Errors
    /// [`Error::Data`] where lists differ in length.
    pub fn build(
        data: &TemplateData,
        part: &Part,
        unit: bool,
        weights: Option<&[f32]>,
    ) -> Result<Self> {
        if data.media.len() != data.template.len() {
            return Err(Error::Data(format!(
                "{} media ids for {} images",
                data.media.len(),
                data.template.len()
            )));
        }
        let mut order: Vec<usize> = (0..data.template.len()).collect();
        order.sort_by_key(|&i| (data.template[i], data.media[i], i));
        let groups: Vec<&[usize]> = order
            .chunk_by(|&a, &b| data.template[a] == data.template[b])
            .collect();
        let dim = part.dim();
        let image = |i: usize| {
            let mut row = part.fused(i);
            let mut scale = weights.map_or(1.0, |w| f64::from(w[i]));
            if unit {
                let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
                scale /= if norm > 0.0 { norm } else { 1.0 };
            }
            row.iter_mut().for_each(|v| *v *= scale);
            row
        };
        let mut rows = vec![0.0; groups.len() * dim];
        rows.par_chunks_mut(dim)
            .zip(&groups)
            .for_each(|(sum, images)| {
                for media in images.chunk_by(|&a, &b| data.media[a] == data.media[b]) {
                    let share = 1.0 / media.len() as f64;
                    for &i in media {
                        let row = image(i);
                        sum.iter_mut().zip(&row).for_each(|(s, v)| *s += v * share);
                    }
                }
                let norm = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
                if norm > 0.0 {
                    sum.iter_mut().for_each(|v| *v /= norm);
                }
            });
        let ids = groups.iter().map(|g| data.template[g[0]]);
        Ok(Templates {
            row: ids.zip(0..).collect(),
            dim,
            data: rows,
        })
    }

    /// The embedding in a row.
    pub fn row(&self, at: u32) -> &[f64] {
        &self.data[at as usize * self.dim..][..self.dim]
    }
}
