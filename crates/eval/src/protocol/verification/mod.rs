//! Face verification on pairs: k-fold accuracy under a named rule, and TAR@FAR.
//!
//! Several "10-fold accuracies" are in use (they differ in view fusion, threshold grid, tie
//! rule and in what follows the +-), so a rule is part of the protocol's id.

mod face_pytorch;
mod facex_zoo;
mod insightface;
mod intervals;

use super::input::{Part, ScoreInput};
use super::operating::{self, OperatingPoint};
use super::pairs;
use super::rates::{self, Held, Ties};
use super::trials::{self, Trials};
use super::{ProtocolEntry, Scored, bootstrap, check, evidence, fars, histogram};
use frbench_base::registry::{Args, Info, Kind, Param, named};
use frbench_base::{Error, Result};
use frbench_job::description::PairData;
use frbench_job::result::{Metric, ScoreResult};
use frbench_job::{DataFormat, Description, Pixels, ProtocolSpec, Views};

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
    named(RULES, |r| r.name, "rule of verification", name)
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
    let data = pairs::of(data, INFO.name)?;
    let fold = fold_of_pairs(data, folds)?;
    check_folds(data, &fold, folds).map(drop)
}

/// Scores a verification set. An image may be in several pairs.
pub(super) fn score(spec: &ProtocolSpec, input: &ScoreInput) -> Result<Scored> {
    let args = Args::new(INFO.name, &spec.params);
    let rule = rule(&args)?;
    let folds = folds(&args)?;
    let fars = fars(&args, &FARS)?;
    let options = rates::Options::of(&args)?;
    let resamples = bootstrap::resamples(&args)?;
    let data = pairs::of(input.data, INFO.name)?;
    let part = input.part("images", Some(data.images))?;
    let zeros = check::spread(&part, "images")?;
    let fold = fold_of_pairs(data, folds)?;
    let mut notes = check_folds(data, &fold, folds)?;
    notes.extend(check::zero_note(zeros, "images"));
    notes.extend(pairs::lost(data));

    let mut outcome = (rule.score)(&Pairs {
        part,
        pairs: &data.pairs,
        same: &data.same,
        fold: &fold,
        folds,
    })?;
    notes.append(&mut outcome.notes);
    let (genuine, impostor) = pairs::split(&outcome.similarity, &data.same);
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
            persons,
            &data.same,
            &outcome.right,
            &outcome.similarity,
            (&fars, &held),
            resamples,
        ),
        None => {
            notes.push(pairs::WITHOUT_PEOPLE.into());
            vec![None; 1 + fars.len() + held.len()]
        }
    };
    let trials = trials_of(data, &outcome, (&genuine, &impostor), &points, &held);
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
    metrics.extend(rates::metrics(&held, &intervals[1 + fars.len()..]));
    Ok(Scored {
        result: ScoreResult {
            protocol: format!("verification/{}", rule.name),
            model: None,
            metrics,
            series: histogram::series(&genuine, &impostor),
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

/// What each pair adds to accuracy, to TAR at each FAR and to FNMR at each FMR.
fn trials_of(
    data: &PairData,
    outcome: &Outcome,
    scores: (&[f64], &[f64]),
    points: &[OperatingPoint],
    held: &[Held],
) -> Trials {
    let mut trials = Trials {
        people: pairs::trials(data),
        ..Trials::default()
    };
    let adds = trials::accuracy(&outcome.right, &data.same);
    trials.add("accuracy".into(), &adds);
    let tar = |allowed: u64, threshold: (f64, Ties)| {
        let similarity = &outcome.similarity;
        trials::tar(similarity, &data.same, scores, allowed, threshold)
    };
    for point in points {
        let allowed = operating::allowed(point.far, point.impostors);
        let adds = tar(allowed, (point.threshold, Ties::NonMatch));
        trials.allow(operating::tar_id(point.far), allowed);
        trials.add(operating::tar_id(point.far), &adds);
    }
    for (rate, allowed) in held.iter().filter_map(|h| Some((h, h.allowed()?))) {
        let mut adds = tar(allowed, rate.threshold());
        adds.iter_mut().for_each(|v| *v = -*v);
        trials.allow(rate.id.clone(), allowed);
        trials.add(rate.id.clone(), &adds);
    }
    trials
}

/// The fold of each pair: as the data set states, or [`PairData::blocks`].
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
    Ok(PairData::blocks(pairs, folds))
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
