//! Template verification, 1:1 (IJB-B, IJB-C): insightface recognition/_evaluation_/ijb.
//!
//! Views of an image are added; the norm is kept or removed; the detector score multiplies.
//! Images of one media are averaged, media are summed, the template is L2-normalised; the
//! score of a pair of templates is their dot product.
//!
//! An image that is lost (missing or damaged) is left out of its template. A pair with a template
//! that has no other image is a non-match at every threshold.

use super::input::{Part, ScoreInput};
use super::scores::dot_f64;
use super::trials::Trials;
use super::{ProtocolEntry, Scored, bootstrap, check, evidence, fars, operating};
use frbench_base::registry::{Args, Info, Kind, Param};
use frbench_base::{Error, Result};
use frbench_engine::Device;
use frbench_job::description::TemplateData;
use frbench_job::result::{Metric, ScoreResult};
use frbench_job::{DataFormat, Description, ProtocolSpec, Views};
use rayon::prelude::*;
use std::collections::BTreeMap;

const INFO: Info = Info {
    name: "template-verification",
    summary: "TAR@FAR between templates of several images (IJB-B and IJB-C, 1:1)",
    source: "deepinsight/insightface recognition/arcface_torch/eval_ijbc.py",
    params: &[
        Param {
            name: "norm",
            kind: Kind::Choice(&["keep", "unit"]),
            required: true,
            doc: "whether the length of an image's embedding weighs it within its template (scripts name this N0 and N1 in opposite senses)",
        },
        Param {
            name: "detector_score",
            kind: Kind::Bool,
            required: true,
            doc: "whether the detector's score weighs an image",
        },
        Param {
            name: "far_selection",
            kind: Kind::Choice(&["nearest", "exact"]),
            required: false,
            doc: "nearest: the ROC point nearest to the rate, as IJB scripts do (default); exact: by order statistics, at most the rate",
        },
        Param {
            name: "fars",
            kind: Kind::Floats,
            required: false,
            doc: "false accept rates (default 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)",
        },
        bootstrap::PARAM,
    ],
};

/// The line of the table of protocols.
pub(super) const ENTRY: ProtocolEntry = ProtocolEntry {
    info: INFO,
    parts: &["images"],
    views: Views::Both,
    format: DataFormat::Templates,
    metrics,
    check: check_data,
    score,
};

const FARS: [f64; 6] = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1];

pub(super) fn metrics(spec: &ProtocolSpec) -> Result<Vec<String>> {
    let args = Args::new("template-verification", &spec.params);
    let fars = fars(&args, &FARS)?.into_iter();
    Ok(fars.map(operating::tar_id).collect())
}

/// Whether there are pairs of both kinds.
fn check_data(_: &ProtocolSpec, data: &Description) -> Result<()> {
    match data {
        Description::Templates(data) => super::check::both_kinds(&data.same),
        _ => Err(Error::Data(
            "`template-verification` needs templates".into(),
        )),
    }
}

/// Scores templates. Image `i` is row `i` of the part `images`.
pub(super) fn score(spec: &ProtocolSpec, input: &ScoreInput) -> Result<Scored> {
    let args = Args::new("template-verification", &spec.params);
    let choice = |name: &str, value: &str, known: &[&str]| {
        if known.contains(&value) {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "`template-verification`: `{name}` is `{value}`, want {}",
            known.join(" or ")
        )))
    };
    let norm = args.text("norm")?;
    choice("norm", norm, &["keep", "unit"])?;
    let selection = args.text_or("far_selection", "nearest")?;
    choice("far_selection", selection, &["nearest", "exact"])?;
    let detector = args.bool("detector_score")?;
    let fars = fars(&args, &FARS)?;
    let resamples = bootstrap::resamples(&args)?;
    let Description::Templates(data) = input.data else {
        return Err(Error::Data(
            "`template-verification` needs templates".into(),
        ));
    };
    let part = input.part("images", Some(data.template.len()))?;
    let zeros = check::spread(&part, "images")?;
    let weights = weights(data, detector)?;
    let templates = Templates::build(data, &part, norm == "unit", weights)?;
    let scores = templates.scores(data, &input.device)?;

    let mut notes: Vec<String> = check::zero_note(zeros, "images").into_iter().collect();
    notes.extend(lost(data, &scores));
    let class = |same: bool| {
        let mut of: Vec<f64> = scores
            .iter()
            .zip(&data.same)
            .filter(|(_, s)| **s == same)
            .map(|(v, _)| *v)
            .collect();
        operating::sort_descending(&mut of);
        of
    };
    let (genuine, impostor) = (class(true), class(false));
    let mut points = Vec::with_capacity(fars.len());
    for &far in &fars {
        let point = operating::at_far(far, &genuine, &impostor, impostor.len() as u64)?;
        notes.extend(point.note());
        points.push(point);
    }
    let (tar, threshold): (Vec<f64>, Vec<f64>) = if selection == "exact" {
        points.iter().map(|p| (p.tar(), p.threshold)).unzip()
    } else {
        let nearest = operating::at_nearest_far(&genuine, &impostor, &fars)?;
        for (far, point) in fars.iter().zip(&nearest) {
            notes.push(format!(
                "{}: the nearest point of the curve has {} false accepts of {}",
                operating::tar_id(*far),
                point.false_accepts,
                impostor.len()
            ));
        }
        // Accepted at the point's own score and above: strictly above the next float below.
        let rate = |p: &operating::Nearest| p.true_accepts as f64 / genuine.len() as f64;
        nearest
            .iter()
            .map(|p| (rate(p), p.score.next_down()))
            .unzip()
    };
    let intervals = match &data.subjects {
        Some(subjects) => resample(data, subjects, &scores, &threshold, resamples)?,
        None => {
            notes.push("no interval: the templates' subjects are not known".into());
            vec![None; fars.len()]
        }
    };
    let metrics = (0..fars.len())
        .map(|i| Metric {
            id: operating::tar_id(fars[i]),
            value: tar[i],
            higher_is_better: true,
            chance: Some(fars[i]),
            interval: intervals[i],
            folds: Vec::new(),
        })
        .collect();
    let roc = operating::roc_series(&genuine, &impostor, impostor.len() as u64);
    let points: Vec<(f64, f64)> = fars.iter().copied().zip(threshold).collect();
    let trials = trials_of(data, &scores, &points, impostor.len() as u64);
    let weighing = if detector { "detector" } else { "plain" };
    Ok(Scored {
        result: ScoreResult {
            protocol: format!("template-verification/norm-{norm}/{weighing}/{selection}"),
            model: None,
            metrics,
            series: BTreeMap::from([("roc".to_owned(), roc)]),
            notes,
            evidence: Vec::new(),
        },
        evidence: std::iter::once(("pair_scores.npy".into(), evidence::npy_f64(&scores)))
            .chain(trials.evidence())
            .collect(),
    })
}

/// What each genuine pair adds; impostors, of which there are millions, and with them thresholds,
/// are held.
fn trials_of(data: &TemplateData, scores: &[f64], points: &[(f64, f64)], impostors: u64) -> Trials {
    let genuine: Vec<usize> = (0..scores.len()).filter(|&i| data.same[i]).collect();
    let people = data.subjects.as_ref().and_then(|subjects| {
        let subject = |&i: &usize| subjects.get(&data.pair_a[i]).map(|s| [*s, *s]);
        genuine.iter().map(subject).collect()
    });
    let mut trials = Trials {
        people,
        ..Trials::default()
    };
    for &(far, threshold) in points {
        let id = operating::tar_id(far);
        let hits: Vec<bool> = genuine.iter().map(|&i| scores[i] > threshold).collect();
        trials.share(&id, &hits);
        trials
            .allowed
            .insert(id, operating::allowed(far, impostors));
    }
    trials
}

/// A note on images that are missing or damaged.
fn lost(data: &TemplateData, scores: &[f64]) -> Option<String> {
    let pairs = |same: bool| {
        let of = scores.iter().zip(&data.same);
        of.filter(|(score, s)| **s == same && **score == f64::NEG_INFINITY)
            .count()
    };
    (!data.lost.is_empty()).then(|| {
        format!(
            "failure to acquire: {} images are missing or damaged and left out of their templates; \
             {} templates have no other image, so that {} genuine and {} impostor pairs are \
             non-matches at every threshold",
            data.lost.len(),
            data.lost_templates().len(),
            pairs(true),
            pairs(false)
        )
    })
}

/// Detector scores, if they count.
fn weights(data: &TemplateData, detector: bool) -> Result<Option<&[f32]>> {
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
struct Templates {
    /// Row of each template id.
    row: BTreeMap<u32, u32>,
    dim: usize,
    data: Vec<f64>,
}

impl Templates {
    fn build(
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

    /// The score of every pair; that of a pair with a template that is lost is below all others.
    fn scores(&self, data: &TemplateData, device: &Device) -> Result<Vec<f64>> {
        let pairs = data.same.len();
        if data.pair_a.len() != pairs || data.pair_b.len() != pairs {
            return Err(Error::Data(format!(
                "{} and {} templates and {pairs} labels in the list of pairs",
                data.pair_a.len(),
                data.pair_b.len()
            )));
        }
        let lost = data.lost_templates();
        let rows = |templates: &[u32]| -> Result<Vec<Option<u32>>> {
            let row = |(pair, template): (usize, &u32)| match self.row.get(template) {
                Some(row) => Ok(Some(*row)),
                None if lost.contains(template) => Ok(None),
                None => Err(Error::Data(format!(
                    "pair {pair} names template {template}, which has no image"
                ))),
            };
            templates.par_iter().enumerate().map(row).collect()
        };
        let (left, right) = (rows(&data.pair_a)?, rows(&data.pair_b)?);
        let all = || left.iter().zip(&right).map(|(a, b)| Option::zip(*a, *b));
        let (left, right): (Vec<u32>, Vec<u32>) = all().flatten().unzip();
        let mut scored = self.compared(device, &left, &right)?.into_iter();
        let score = |pair: Option<(u32, u32)>| match pair {
            Some(_) => scored.next(),
            None => Some(f64::NEG_INFINITY),
        };
        Ok(all().map_while(score).collect())
    }

    /// The scores of pairs of rows.
    fn compared(&self, device: &Device, left: &[u32], right: &[u32]) -> Result<Vec<f64>> {
        if let Some(scores) = device.pair_scores(&self.data, self.dim, [left, right])? {
            return Ok(scores);
        }
        let row = |&at: &u32| &self.data[at as usize * self.dim..][..self.dim];
        let pairs = left.par_iter().zip(right);
        Ok(pairs.map(|(a, b)| dot_f64(row(a), row(b))).collect())
    }
}

/// Intervals of the true accept rates, subjects of genuine pairs resampled, thresholds held.
fn resample(
    data: &TemplateData,
    subjects: &BTreeMap<u32, u32>,
    scores: &[f64],
    thresholds: &[f64],
    resamples: usize,
) -> Result<Vec<Option<(f64, f64)>>> {
    // Genuine pairs of each subject, and those accepted at each threshold.
    let mut by_subject: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for i in (0..scores.len()).filter(|&i| data.same[i]) {
        let subject = subjects
            .get(&data.pair_a[i])
            .ok_or_else(|| Error::Data(format!("template {} has no subject", data.pair_a[i])))?;
        let counts = by_subject
            .entry(*subject)
            .or_insert_with(|| vec![0; 1 + thresholds.len()]);
        counts[0] += 1;
        for (count, &t) in counts[1..].iter_mut().zip(thresholds) {
            *count += u64::from(scores[i] > t);
        }
    }
    let counts: Vec<Vec<u64>> = by_subject.into_values().collect();
    Ok(bootstrap::ratios(
        &counts,
        resamples,
        "bootstrap/template-verification",
    ))
}
