//! Template verification, 1:1 (IJB-B, IJB-C): insightface recognition/_evaluation_/ijb.
//!
//! The score of a pair of [`templates`] is their dot product.
//!
//! An image that is lost (missing or damaged) is left out of its template. A pair with a template
//! that has no other image is a non-match at every threshold.

use super::input::ScoreInput;
use super::rates::{self, Held};
use super::scores::dot_f64;
use super::templates::{self, Templates};
use super::trials::Trials;
use super::{ProtocolEntry, Scored, bootstrap, check, evidence, fars, histogram, operating, pairs};
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
        templates::NORM,
        templates::DETECTOR_SCORE,
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
        rates::FMRS,
        rates::FMR_RULE,
        rates::EER_RULE,
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
    let fars = fars(&args, &FARS)?.into_iter().map(operating::tar_id);
    Ok(fars.chain(rates::Options::of(&args)?.ids()).collect())
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
    let (unit, detector) = templates::weighing(&args)?;
    let selection = args.text_or("far_selection", "nearest")?;
    choice("far_selection", selection, &["nearest", "exact"])?;
    let fars = fars(&args, &FARS)?;
    let options = rates::Options::of(&args)?;
    let resamples = bootstrap::resamples(&args)?;
    let Description::Templates(data) = input.data else {
        return Err(Error::Data(
            "`template-verification` needs templates".into(),
        ));
    };
    let part = input.part("images", Some(data.template.len()))?;
    let zeros = check::spread(&part, "images")?;
    let weights = templates::weights(data, detector)?;
    let templates = Templates::build(data, &part, unit, weights)?;
    let scores = templates.scores(data, &input.device)?;

    let mut notes: Vec<String> = check::zero_note(zeros, "images").into_iter().collect();
    notes.extend(lost(data, &scores));
    let (genuine, impostor) = pairs::split(&scores, &data.same);
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
    let (held, said) = options.of_scores(&genuine, &impostor)?;
    notes.extend(said);
    let intervals = match &data.subjects {
        Some(subjects) => resample(data, subjects, &scores, (&threshold, &held), resamples)?,
        None => {
            notes.push("no interval: the templates' subjects are not known".into());
            vec![None; fars.len() + held.len()]
        }
    };
    let mut metrics: Vec<Metric> = (0..fars.len())
        .map(|i| Metric {
            id: operating::tar_id(fars[i]),
            value: tar[i],
            higher_is_better: true,
            chance: Some(fars[i]),
            interval: intervals[i],
            folds: Vec::new(),
        })
        .collect();
    metrics.extend(rates::metrics(&held, &intervals[fars.len()..]));
    let points: Vec<(f64, f64)> = fars.iter().copied().zip(threshold).collect();
    let trials = trials_of(data, &scores, (&points, &held), impostor.len() as u64);
    let norm = if unit { "unit" } else { "keep" };
    let weighing = if detector { "detector" } else { "plain" };
    Ok(Scored {
        result: ScoreResult {
            protocol: format!("template-verification/norm-{norm}/{weighing}/{selection}"),
            model: None,
            metrics,
            series: histogram::series(&genuine, &impostor),
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
fn trials_of(
    data: &TemplateData,
    scores: &[f64],
    (points, held): (&[(f64, f64)], &[Held]),
    impostors: u64,
) -> Trials {
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
        trials.allow(id, operating::allowed(far, impostors));
    }
    for (rate, allowed) in held.iter().filter_map(|h| Some((h, h.allowed()?))) {
        let misses = genuine.iter().map(|&i| !rate.accepts(scores[i]));
        trials.share(&rate.id, &misses.collect::<Vec<bool>>());
        trials.allow(rate.id.clone(), allowed);
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

/// The scores of pairs of templates.
impl Templates {
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
        let pairs = left.par_iter().zip(right);
        Ok(pairs
            .map(|(a, b)| dot_f64(self.row(*a), self.row(*b)))
            .collect())
    }
}

/// Intervals of the true accept rates and of what else is `held`, subjects of genuine pairs
/// resampled, thresholds held. A rate of impostor pairs has none.
fn resample(
    data: &TemplateData,
    subjects: &BTreeMap<u32, u32>,
    scores: &[f64],
    (thresholds, held): (&[f64], &[Held]),
    resamples: usize,
) -> Result<Vec<Option<(f64, f64)>>> {
    // Genuine pairs of each subject, and those accepted at each threshold.
    let subject = |i: usize| {
        let template = data.pair_a[i];
        let missing = || Error::Data(format!("template {template} has no subject"));
        subjects.get(&template).copied().ok_or_else(missing)
    };
    let genuine = (0..scores.len()).filter(|&i| data.same[i]);
    let genuine: Vec<(u32, f64)> = genuine
        .map(|i| Ok((subject(i)?, scores[i])))
        .collect::<Result<_>>()?;
    let hits = |score: f64| {
        let accepted = thresholds.iter().map(move |&t| score > t);
        accepted.chain(held.iter().map(move |h| !h.accepts(score)))
    };
    let trials = genuine
        .into_iter()
        .map(|(subject, score)| (subject, hits(score)));
    let counts = bootstrap::by_person(trials, thresholds.len() + held.len());
    let purpose = "bootstrap/template-verification";
    let mut intervals = bootstrap::ratios(&counts, resamples, purpose);
    let of_held = intervals[thresholds.len()..].iter_mut().zip(held);
    of_held
        .filter(|(_, h)| h.is_eer())
        .for_each(|(i, _)| *i = None);
    Ok(intervals)
}
