//! Search in a gallery that does not know everybody.
//!
//! Probes whose person has no image in the gallery are unknown; distractors of the gallery are nobody's
//! mates. TPIR at an FPIR is by a rule of [`watchlist`], which says how its threshold is chosen. A
//! person may have several images in the gallery: the most similar one counts. Ties count against the
//! probe. Similarity is the cosine.
//!
//! A probe that is lost (missing or damaged) is a failure to acquire: if its person is enrolled, it is
//! missed at every rank and threshold, else it raises no alarm. A gallery image that is lost is a
//! failure to enrol and left out; a probe that has no other image of its person there is missed.

use super::input::ScoreInput;
use super::mates::{self, Lost};
use super::search::{self, Gallery, Vectors};
use super::trials::Trials;
use super::watchlist::{self, Answer, Answers, Asked, Point};
use super::{
    ProtocolEntry, RANKS, Scored, bootstrap, check, evidence, histogram, operating, rank_id,
};
use frbench_base::registry::{Args, Info};
use frbench_base::{Error, Result};
use frbench_job::description::GalleryData;
use frbench_job::result::{Metric, ScoreResult};
use frbench_job::{DataFormat, Description, ProtocolSpec, Views};
use std::collections::BTreeSet;

const INFO: Info = Info {
    name: "open-set-identification",
    summary: "TPIR at FPIR: identification among people some of whom the gallery does not know",
    source: "Phillips, Grother, Micheals, Evaluation Methods in Face Recognition, 2011 (DIR at FAR), as \
             bob.measure computes it, or with the thresholds of deepinsight/insightface \
             recognition/_evaluation_/ijb/ijb_evals.py",
    params: &[watchlist::RULE, watchlist::FPIRS, RANKS, bootstrap::PARAM],
};

/// The line of the table of protocols.
pub(super) const ENTRY: ProtocolEntry = ProtocolEntry {
    info: INFO,
    parts: &["probes", "gallery", "distractors"],
    views: Views::Sum,
    format: DataFormat::Gallery,
    metrics,
    check: check_data,
    score,
};

/// The rule unless a suite states another.
const DEFAULT: &str = "bob";

/// Points, as their place in `fpirs`, and ranks of which TPIR is given.
fn pairs(asked: &Asked) -> Vec<(usize, usize)> {
    let points = 0..asked.fpirs.len();
    let all = points.flat_map(|p| asked.ranks.iter().map(move |&rank| (p, rank)));
    all.collect()
}

fn metrics(spec: &ProtocolSpec) -> Result<Vec<String>> {
    let asked = Asked::of(&Args::new(INFO.name, &spec.params), DEFAULT)?;
    let tpir = |(p, rank): (usize, usize)| watchlist::tpir_id(asked.fpirs[p], rank);
    let tpir = pairs(&asked).into_iter().map(tpir);
    Ok(tpir
        .chain(asked.ranks.iter().map(|&r| rank_id(r)))
        .collect())
}

/// Whether there are probes of people who are enrolled, and of people who are not.
fn check_data(_: &ProtocolSpec, data: &Description) -> Result<()> {
    let Description::Gallery(data) = data else {
        return Err(needs_gallery());
    };
    let enrolled: BTreeSet<u32> = data.gallery_ids.iter().copied().collect();
    let known = data.probe_ids.iter().filter(|id| enrolled.contains(id));
    match known.count() {
        0 => Err(mates::without()),
        n if n == data.probe_ids.len() => Err(without_unknown(n)),
        _ => Ok(()),
    }
}

fn needs_gallery() -> Error {
    Error::Data(format!("`{}` needs probes and a gallery", INFO.name))
}

fn without_unknown(probes: usize) -> Error {
    Error::Data(format!(
        "the people on all of the {probes} probes are in the gallery; an open-set search needs probes \
         of people who are not"
    ))
}

/// A probe and what the gallery answers.
struct Probe {
    /// Row in the data set; none of those that are lost.
    row: Option<u32>,
    person: u32,
    answer: Answer,
}

/// Searches probes (part `probes`) in parts `gallery` and `distractors`.
fn score(spec: &ProtocolSpec, input: &ScoreInput) -> Result<Scored> {
    let args = Args::new(INFO.name, &spec.params);
    let asked = Asked::of(&args, DEFAULT)?;
    let resamples = bootstrap::resamples(&args)?;
    let Description::Gallery(data) = input.data else {
        return Err(needs_gallery());
    };
    check_data(spec, input.data)?;
    let mut notes = Vec::new();
    let probes = search(data, input, &mut notes)?;
    let answers = Answers::new(probes.iter().map(|p| p.answer).collect())?;
    let at = |fpir: &f64| answers.at(*fpir, asked.rule);
    let points: Vec<Point> = asked.fpirs.iter().map(at).collect();
    let known = answers.known();
    notes.push(format!(
        "{known} probes are of people in the gallery, {} of people who are not",
        answers.all.len() - known
    ));
    for point in &points {
        notes.push(point.note(answers.count(|a| point.finds(a, 1)), known));
    }

    let ids = metrics(spec)?;
    let hits = self::known(&probes, &asked, &points);
    let intervals = intervals(&hits, ids.len(), resamples);
    let trials = trials_of(&hits, &ids);
    let enrolled = data.gallery_ids.len() + data.distractors;
    let tpir = pairs(&asked).into_iter();
    let tpir = tpir.map(|(p, rank)| (answers.tpir(&points[p], rank), None));
    let chance = |rank: usize| (rank as f64 / enrolled as f64).min(1.0);
    let ranks = asked.ranks.iter();
    let ranks = ranks.map(|&n| (answers.rank(n), Some(chance(n))));
    let metrics = ids.into_iter().zip(tpir.chain(ranks)).zip(intervals);
    let metrics = metrics.map(|((id, (value, chance)), interval)| Metric {
        id,
        value,
        higher_is_better: true,
        chance,
        interval,
        folds: Vec::new(),
    });
    let cmc = operating::log_spaced(enrolled, 100);
    let cmc = cmc.into_iter().map(|n| (n as f64, answers.rank(n)));
    let (mates, strangers) = answers.scores();
    let rows: Vec<&Probe> = probes.iter().filter(|p| p.row.is_some()).collect();
    let row: Vec<u32> = rows.iter().filter_map(|p| p.row).collect();
    let (score, before): (Vec<f64>, Vec<u32>) = rows.iter().map(|p| p.answer.evidence()).unzip();
    Ok(Scored {
        result: ScoreResult {
            protocol: format!("open-set-identification/{}", asked.rule.name),
            model: None,
            metrics: metrics.collect(),
            series: histogram::histograms(&mates, strangers)
                .chain([
                    ("cmc".to_owned(), cmc.collect()),
                    ("dir".to_owned(), answers.curve(asked.rule)),
                ])
                .collect(),
            notes,
            evidence: Vec::new(),
        },
        evidence: [
            ("probe.npy".into(), evidence::npy_u32(&row)),
            ("probe_score.npy".into(), evidence::npy_f64(&score)),
            ("probe_rank.npy".into(), evidence::npy_u32(&before)),
        ]
        .into_iter()
        .chain(trials.evidence())
        .collect(),
    })
}

/// The person of a known probe, and whether it is a hit under each metric.
type Known = (u32, Vec<bool>);

/// All known probes. Unknown ones, and with them thresholds, are held in what follows from them.
fn known(probes: &[Probe], asked: &Asked, points: &[Point]) -> Vec<Known> {
    let pairs = pairs(asked);
    let hits = |answer: &Answer| {
        let accepted = pairs.iter().map(|&(p, rank)| points[p].finds(answer, rank));
        let found = asked.ranks.iter().map(|&rank| answer.found(rank));
        accepted.chain(found).collect()
    };
    let known = probes.iter().filter(|p| p.answer.is_known());
    known.map(|p| (p.person, hits(&p.answer))).collect()
}

/// What each known probe adds to the metrics, whose ids are given.
fn trials_of(known: &[Known], ids: &[String]) -> Trials {
    let mut trials = Trials {
        people: Some(known.iter().map(|(person, _)| [*person; 2]).collect()),
        ..Trials::default()
    };
    for (k, id) in ids.iter().enumerate() {
        let hits: Vec<bool> = known.iter().map(|(_, hits)| hits[k]).collect();
        trials.share(id, &hits);
    }
    trials
}

/// Intervals of so many metrics with people resampled.
fn intervals(known: &[Known], metrics: usize, resamples: usize) -> Vec<Option<(f64, f64)>> {
    let trials = known.iter();
    let trials = trials.map(|(person, hits)| (*person, hits.iter().copied()));
    let counts = bootstrap::by_person(trials, metrics);
    bootstrap::ratios(&counts, resamples, "bootstrap/open-set-identification")
}

/// What gallery and distractors answer to every probe, those that are lost last.
fn search(data: &GalleryData, input: &ScoreInput, notes: &mut Vec<String>) -> Result<Vec<Probe>> {
    let part = input.part("probes", Some(data.probe_ids.len()))?;
    let gallery = input.part("gallery", Some(data.gallery_ids.len()))?;
    let distractors = input.part("distractors", Some(data.distractors))?;
    let mut enrolled = vec![gallery];
    enrolled.extend((data.distractors > 0).then_some(distractors));
    for (part, name) in [part, gallery, distractors]
        .iter()
        .zip(["probes", "gallery", "distractors"])
        .take(1 + enrolled.len())
    {
        if part.dim() != gallery.dim() {
            return Err(Error::Data(format!(
                "the gallery has {} columns, {name} {}",
                gallery.dim(),
                part.dim()
            )));
        }
        notes.extend(check::zero_note(check::spread(part, name)?, name));
    }
    let (vectors, mut mated) = mates::with(&part, &gallery, data)?;
    mates::rank(&input.device, &mut mated, &vectors, &enrolled)?;

    let left: BTreeSet<u32> = data.gallery_ids.iter().copied().collect();
    let gone: BTreeSet<u32> = data.lost_gallery.iter().copied().collect();
    let is_known = |person: &u32| left.contains(person) || gone.contains(person);
    let unknown: Vec<usize> = (0..data.probe_ids.len())
        .filter(|&row| !is_known(&data.probe_ids[row]))
        .collect();
    let vectors = Vectors::of(&part, unknown.iter().copied());
    let mut highest = vec![f64::NEG_INFINITY; unknown.len()];
    for part in &enrolled {
        let rows: Vec<usize> = (0..part.matrix.rows()).collect();
        let found = search::highest(&vectors, Gallery { part, rows: &rows });
        highest
            .iter_mut()
            .zip(found)
            .for_each(|(h, f)| *h = h.max(f));
    }

    let lost = Lost::of(data);
    let known = mated.iter().map(|p| Probe {
        row: Some(p.row),
        person: p.person,
        answer: Answer::Known {
            mate: p.best,
            before: p.rank,
        },
    });
    let strangers = unknown.iter().zip(highest).map(|(&row, highest)| Probe {
        row: Some(row as u32),
        person: data.probe_ids[row],
        answer: Answer::Unknown { highest },
    });
    let without_row = |person: u32, answer| Probe {
        row: None,
        person,
        answer,
    };
    let missed = lost.missed.iter().map(|&p| without_row(p, Answer::MISSED));
    let silent = data.lost_probes.iter().filter(|p| !is_known(p));
    let silent = silent.map(|&p| without_row(p, Answer::SILENT));
    let mut probes: Vec<Probe> = known.chain(strangers).collect();
    probes.sort_by_key(|p| p.row);
    let there = probes.len();
    probes.extend(missed.chain(silent));
    notes.extend(lost.notes(data, mated.len() + lost.missed.len()));
    let lost_unknown = probes[there..]
        .iter()
        .filter(|p| p.answer == Answer::SILENT);
    match lost_unknown.count() {
        0 => {}
        n => notes.push(format!(
            "failure to acquire: {n} probes of people who are not in the gallery are missing or \
             damaged; they raise no alarm"
        )),
    }
    Ok(probes)
}
