//! Face verification on pairs: k-fold accuracy under a named rule, and TAR@FAR.
//!
//! Several "10-fold accuracies" are in use (they differ in view fusion, threshold grid, tie
//! rule and in what follows the +-), so a rule is part of the protocol's id.

mod face_pytorch;
mod facex_zoo;
mod insightface;
mod intervals;

use super::input::{Part, ScoreInput};
use super::rates;
use super::trials::{self, Trials};
use super::{ProtocolEntry, Scored, bootstrap, check, evidence, fars, operating};
use frbench_base::registry::{Args, Info, Kind, Param};
use frbench_base::{Error, Result};
use frbench_job::description::PairData;
use frbench_job::result::{Metric, ScoreResult};
use frbench_job::{DataFormat, Description, Pixels, ProtocolSpec, Views};
use std::collections::BTreeMap;

/// What a rule is given.
struct Pairs<'a> {
    part: Part<'a>,
    /// Rows of each pair; none: a non-match at every threshold.
    pairs: &'a [Option<(u32, u32)>],
    same: &'a [bool],
    /// Fold of each pair.
    fold: &'a [u32],
    folds: usize,
}

/// What a rule finds.
struct Outcome {
    /// Similarity of each pair over the whole set; larger is more alike.
    similarity: Vec<f64>,
    /// Accuracy on each held-out fold.
    accuracy: Vec<f64>,
    /// Whether each pair was judged rightly while held out.
    right: Vec<bool>,
    /// Fold values of the rule's further metrics.
    folded: Vec<Vec<f64>>,
    /// The threshold of each fold, as the rule has it.
    threshold: Vec<f64>,
    notes: Vec<String>,
}

/// One of the field's verification algorithms.
struct Rule {
    name: &'static str,
    /// Ids of metrics besides accuracy and TAR@FAR.
    folded: &'static [&'static str],
    score: fn(&Pairs) -> Result<Outcome>,
}

/// The rule of face.evoLVe.
const FACE_EVOLVE: &str = "face-evolve";

static RULES: &[Rule] = &[
    Rule {
        name: "insightface",
        folded: &[insightface::VAL],
        score: insightface::score,
    },
    Rule {
        name: "face-pytorch",
        folded: &[],
        score: face_pytorch::score,
    },
    Rule {
        name: "facex-zoo",
        folded: &[],
        score: facex_zoo::score,
    },
    // Its numbers differ from insightface's by the pixels alone.
    Rule {
        name: FACE_EVOLVE,
        folded: &[insightface::VAL],
        score: insightface::score,
    },
];

const INFO: Info = Info {
    name: "verification",
    summary: "k-fold verification accuracy and TAR@FAR on pairs (LFW, CFP-FP, AgeDB-30, ...)",
    source: "deepinsight/insightface recognition/arcface_torch/eval/verification.py; face-pytorch: \
             gist-ailab/teaching-where-to-look evaluation/eval_agedb.py, after Face_Pytorch; facex-zoo: \
             JDAI-CV/FaceX-Zoo test_protocol/lfw/lfw_evaluator.py; face-evolve: ZhaoJ9014/face.evoLVe \
             util/utils.py, without its mix-up of colours in the last batch",
    params: &[
        Param {
            name: "rule",
            kind: choice!(RULES),
            required: false,
            doc: "view fusion, threshold grid and tie rule (default insightface)",
        },
        Param {
            name: "folds",
            kind: Kind::Int { min: 2, max: 1000 },
            required: false,
            doc: "number of contiguous folds (default 10)",
        },
        Param {
            name: "fars",
            kind: Kind::Floats,
            required: false,
            doc: "false accept rates of TAR@FAR, by order statistics over all pairs (default 1e-3, 1e-2, 1e-1)",
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
    format: DataFormat::Pairs,
    metrics,
    check: check_data,
    score,
};

const FARS: [f64; 3] = [1e-3, 1e-2, 1e-1];

fn rule(args: &Args) -> Result<&'static Rule> {
    let name = args.text_or("rule", "insightface")?;
    RULES.iter().find(|r| r.name == name).ok_or_else(|| {
        let known: Vec<&str> = RULES.iter().map(|r| r.name).collect();
        Error::Usage(format!(
            "`verification`: unknown rule `{name}`; known: {}",
            known.join(", ")
        ))
    })
}

pub(super) fn metrics(spec: &ProtocolSpec) -> Result<Vec<String>> {
    let args = Args::new(INFO.name, &spec.params);
    let mut ids = vec!["accuracy".to_string()];
    ids.extend(fars(&args, &FARS)?.into_iter().map(operating::tar_id));
    ids.extend(rule(&args)?.folded.iter().map(|id| id.to_string()));
    ids.extend(rates::Options::of(&args)?.ids());
    Ok(ids)
}

/// What the rule of `spec` does to pictures before a network sees them.
pub(super) fn pixels(spec: &ProtocolSpec) -> Pixels {
    let rule = spec.params.get("rule").and_then(|rule| rule.as_str());
    match rule == Some(FACE_EVOLVE) {
        true => Pixels::Zoomed,
        false => Pixels::Plain,
    }
}

/// The number of folds.
fn folds(args: &Args) -> Result<usize> {
    match args.usize_or("folds", 10)? {
        few @ 0..2 => Err(Error::Usage(format!(
            "`verification`: {few} folds; a threshold is chosen on the other folds, so at least 2"
        ))),
        folds => Ok(folds),
    }
}

/// Whether such pairs can be scored in these folds.
fn check_data(spec: &ProtocolSpec, data: &Description) -> Result<()> {
    let folds = folds(&Args::new(INFO.name, &spec.params))?;
    let Description::Pairs(data) = data else {
        return Err(Error::Data("`verification` needs pairs of images".into()));
    };
    check_pairs(data)?;
    let fold = fold_of_pairs(data, folds)?;
    check_folds(data, &fold, folds).map(drop)
}

/// Scores a verification set. An image may be in several pairs.
pub(super) fn score(spec: &ProtocolSpec, input: &ScoreInput) -> Result<Scored> {
    let args = Args::new("verification", &spec.params);
    let rule = rule(&args)?;
    let folds = folds(&args)?;
    let fars = fars(&args, &FARS)?;
    let options = rates::Options::of(&args)?;
    let resamples = bootstrap::resamples(&args)?;
    let Description::Pairs(data) = input.data else {
        return Err(Error::Data("`verification` needs pairs of images".into()));
    };
    let part = input.part("images", Some(data.images))?;
    check_pairs(data)?;
    let zeros = check::spread(&part, "images")?;
    let fold = fold_of_pairs(data, folds)?;
    let mut notes = check_folds(data, &fold, folds)?;
    notes.extend(check::zero_note(zeros, "images"));
    notes.extend(unusable(data));

    let mut outcome = (rule.score)(&Pairs {
        part,
        pairs: &data.pairs,
        same: &data.same,
        fold: &fold,
        folds,
    })?;
    notes.append(&mut outcome.notes);
    let (genuine, impostor) = split(&outcome.similarity, &data.same);
    let mut points = Vec::with_capacity(fars.len());
    for &far in &fars {
        let point = operating::at_far(far, &genuine, &impostor, impostor.len() as u64)?;
        notes.extend(point.note());
        points.push(point);
    }

    let (held, said) = options.of_scores(&genuine, &impostor)?;
    notes.extend(said);
    let intervals = match &data.identities {
        Some(persons) => intervals::resample(
            data,
            persons,
            &outcome.right,
            &outcome.similarity,
            (&fars, &held),
            resamples,
        )?,
        None => {
            notes.push("no interval: the pairs' identities are not known, and pairs that share a person are not independent".into());
            vec![None; 1 + fars.len() + held.len()]
        }
    };
    let trials = trials_of(data, &outcome, (&genuine, &impostor), &points);
    let share = genuine.len() as f64 / data.same.len() as f64;
    let mut metrics = vec![Metric {
        id: "accuracy".into(),
        value: super::mean(&outcome.accuracy),
        higher_is_better: true,
        chance: Some(share.max(1.0 - share)),
        interval: intervals[0],
        folds: outcome.accuracy,
    }];
    for (point, interval) in points.iter().zip(&intervals[1..]) {
        metrics.push(Metric {
            id: operating::tar_id(point.far),
            value: point.tar(),
            higher_is_better: true,
            chance: Some(point.far),
            interval: *interval,
            folds: Vec::new(),
        });
    }
    for (id, folds) in rule.folded.iter().zip(outcome.folded) {
        metrics.push(Metric {
            id: id.to_string(),
            value: super::mean(&folds),
            higher_is_better: true,
            chance: None,
            interval: None,
            folds,
        });
    }
    metrics.extend(options.metrics(&held, intervals[1 + fars.len()..].iter().copied()));
    let series = BTreeMap::from([(
        "roc".to_owned(),
        operating::roc_series(&genuine, &impostor, impostor.len() as u64),
    )]);
    Ok(Scored {
        result: ScoreResult {
            protocol: format!("verification/{}", rule.name),
            model: None,
            metrics,
            series,
            notes,
            evidence: Vec::new(),
        },
        evidence: [
            (
                "pair_similarity.npy".into(),
                evidence::npy_f64(&outcome.similarity),
            ),
            ("pair_right.npy".into(), evidence::npy_bool(&outcome.right)),
            (
                "fold_threshold.npy".into(),
                evidence::npy_f64(&outcome.threshold),
            ),
        ]
        .into_iter()
        .chain(trials.evidence())
        .collect(),
    })
}

/// What each pair adds to accuracy and to TAR at each FAR.
fn trials_of(
    data: &PairData,
    outcome: &Outcome,
    scores: (&[f64], &[f64]),
    points: &[operating::OperatingPoint],
) -> Trials {
    let people = data.identities.as_ref();
    let mut trials = Trials {
        people: people.map(|pairs| pairs.iter().map(|&(a, b)| [a, b]).collect()),
        ..Trials::default()
    };
    let adds = trials::accuracy(&outcome.right, &data.same);
    trials.adds.push(("accuracy".into(), adds));
    for point in points {
        let id = operating::tar_id(point.far);
        let allowed = operating::allowed(point.far, point.impostors);
        let adds = trials::tar(
            &outcome.similarity,
            &data.same,
            scores,
            allowed,
            point.threshold,
        );
        trials.allowed.insert(id.clone(), allowed);
        trials.adds.push((id, adds));
    }
    trials
}

/// # Errors
/// [`Error::Data`] if the description contradicts itself.
fn check_pairs(data: &PairData) -> Result<()> {
    if data.pairs.len() != data.same.len() {
        let (pairs, labels) = (data.pairs.len(), data.same.len());
        return Err(Error::Data(format!("{pairs} pairs and {labels} labels")));
    }
    let beyond =
        |pair: &Option<(u32, u32)>| pair.is_some_and(|(a, b)| a.max(b) as usize >= data.images);
    match data.pairs.iter().position(beyond) {
        Some(i) => Err(Error::Data(format!(
            "pair {i} names an image beyond the {} of the set",
            data.images
        ))),
        None => Ok(()),
    }
}

/// A note on pairs that are non-matches because an image of them could not be used.
fn unusable(data: &PairData) -> Option<String> {
    let lost = |class: bool| {
        let pairs = data.pairs.iter().zip(&data.same);
        pairs.filter(|(p, s)| p.is_none() && **s == class).count()
    };
    let (genuine, impostor) = (lost(true), lost(false));
    (genuine + impostor > 0).then(|| {
        format!(
            "failure to acquire: {genuine} genuine and {impostor} impostor pairs have an image that \
             is missing or damaged, and are non-matches at every threshold"
        )
    })
}

/// The fold of each pair: as the data set states, or contiguous blocks, the first ones
/// larger by one if the number of pairs does not divide (as scikit-learn's `KFold`).
fn fold_of_pairs(data: &PairData, folds: usize) -> Result<Vec<u32>> {
    let pairs = data.same.len();
    if pairs < 2 * folds {
        return Err(Error::Data(format!(
            "{pairs} pairs are too few for {folds} folds"
        )));
    }
    if let Some(given) = &data.folds {
        if given.len() != pairs {
            return Err(Error::Data(format!(
                "{} fold numbers for {pairs} pairs",
                given.len()
            )));
        }
        if let Some(i) = given.iter().position(|&f| f as usize >= folds) {
            return Err(Error::Data(format!(
                "pair {i} is in fold {}, but there are {folds} folds (0 to {})",
                given[i],
                folds - 1
            )));
        }
        return Ok(given.clone());
    }
    let (size, larger) = (pairs / folds, pairs % folds);
    Ok((0..folds)
        .flat_map(|f| std::iter::repeat_n(f as u32, size + usize::from(f < larger)))
        .collect())
}

/// Refuses pairs that no threshold can be chosen on; uneven folds are noted.
fn check_folds(data: &PairData, fold: &[u32], folds: usize) -> Result<Vec<String>> {
    let mut counts = vec![(0usize, 0usize); folds];
    for (&f, &same) in fold.iter().zip(&data.same) {
        if same {
            counts[f as usize].0 += 1;
        } else {
            counts[f as usize].1 += 1;
        }
    }
    if let Some(f) = counts.iter().position(|c| c.0 == 0 || c.1 == 0) {
        return Err(Error::Data(format!(
            "fold {f} of {folds} holds {} genuine and {} impostor pairs, and a threshold needs both \
             kinds: {}",
            counts[f].0,
            counts[f].1,
            match counts.iter().all(|c| c.0 == 0) || counts.iter().all(|c| c.1 == 0) {
                true => "the whole set holds pairs of one kind",
                false =>
                    "the list is ordered by class; interleave it, or state the fold of each pair",
            }
        )));
    }
    let uneven = counts.iter().filter(|c| c.0 != c.1).count();
    Ok((uneven > 0)
        .then(|| {
            format!("{uneven} of {folds} folds hold unequal numbers of genuine and impostor pairs")
        })
        .into_iter()
        .collect())
}

/// Genuine and impostor scores, each from high to low.
fn split(similarity: &[f64], same: &[bool]) -> (Vec<f64>, Vec<f64>) {
    let of = |class: bool| {
        let mut scores: Vec<f64> = similarity
            .iter()
            .zip(same)
            .filter(|(_, s)| **s == class)
            .map(|(v, _)| *v)
            .collect();
        operating::sort_descending(&mut scores);
        scores
    };
    (of(true), of(false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_are_those_of_scikit_learn() {
        // KFold(4) on 10 pairs: 3, 3, 2, 2.
        let data = PairData::packed(vec![true; 10]);
        let folds = fold_of_pairs(&data, 4).unwrap();
        assert_eq!(folds, [0, 0, 0, 1, 1, 1, 2, 2, 3, 3]);
    }
}
