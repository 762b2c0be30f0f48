//! Closed-set search in a gallery that also holds distractors (TinyFace).
//!
//! A probe is found at rank N if an image of its person is among the N images of gallery and
//! distractors that are most similar to it: its rank is the number of images of others that are
//! at least as similar as the most similar image of its person. Ties count against the probe;
//! scripts that sort scores leave them to chance. Similarity is the cosine.
//!
//! A probe that is lost (missing or damaged) is a failure to acquire and missed at every rank. A
//! gallery image or distractor that is lost is a failure to enrol and left out; a probe that has
//! no other image of its person in the gallery stays, and is missed.

use super::input::ScoreInput;
use super::mates::{self, Lost, Probe};
use super::trials::Trials;
use super::{ProtocolEntry, Scored, bootstrap, check, evidence, operating, rank_id, ranks};
use frbench_base::registry::{Args, Info, Kind, Param};
use frbench_base::{Error, Result};
use frbench_job::result::{Metric, ScoreResult};
use frbench_job::{DataFormat, Description, ProtocolSpec, Views};
use std::collections::{BTreeMap, BTreeSet};

const INFO: Info = Info {
    name: "gallery-identification",
    summary: "rank-N identification in a gallery with distractors (TinyFace)",
    source: "Cheng et al., Low-Resolution Face Recognition, ACCV 2018, as the code of A-SKD evaluates it",
    params: &[
        Param {
            name: "ranks",
            kind: Kind::Floats,
            required: false,
            doc: "ranks to report (default 1, 5, 10, 20)",
        },
        bootstrap::PARAM,
    ],
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

const RANKS: [f64; 4] = [1.0, 5.0, 10.0, 20.0];

pub(super) fn metrics(spec: &ProtocolSpec) -> Result<Vec<String>> {
    let args = Args::new(INFO.name, &spec.params);
    Ok(ranks(&args, &RANKS)?.into_iter().map(rank_id).collect())
}

/// Whether any probe has an image of its person in the gallery.
fn check_data(_: &ProtocolSpec, data: &Description) -> Result<()> {
    let Description::Gallery(data) = data else {
        return Err(needs_gallery());
    };
    let known: BTreeSet<u32> = data.gallery_ids.iter().copied().collect();
    match data.probe_ids.iter().any(|id| known.contains(id)) {
        true => Ok(()),
        false => Err(mates::without()),
    }
}

fn needs_gallery() -> Error {
    Error::Data(format!(
        "`{}` needs probes, a gallery and distractors",
        INFO.name
    ))
}

/// Searches probes (part `probes`) in parts `gallery` and `distractors`.
pub(super) fn score(spec: &ProtocolSpec, input: &ScoreInput) -> Result<Scored> {
    let args = Args::new(INFO.name, &spec.params);
    let ranks = ranks(&args, &RANKS)?;
    let resamples = bootstrap::resamples(&args)?;
    let Description::Gallery(data) = input.data else {
        return Err(needs_gallery());
    };
    let probes = input.part("probes", Some(data.probe_ids.len()))?;
    let gallery = input.part("gallery", Some(data.gallery_ids.len()))?;
    let distractors = input.part("distractors", Some(data.distractors))?;
    let mut notes = Vec::new();
    let mut searched_parts = vec![(gallery, "gallery")];
    match data.distractors {
        0 if data.lost_distractors == 0 => {
            notes.push("the gallery is a closed set: it has no distractors".into());
        }
        0 => {}
        _ => searched_parts.push((distractors, "distractors")),
    }
    for (part, name) in [(probes, "probes")].iter().chain(&searched_parts) {
        if part.dim() != probes.dim() {
            return Err(Error::Data(format!(
                "probes have {} columns, {name} {}",
                probes.dim(),
                part.dim()
            )));
        }
        notes.extend(check::zero_note(check::spread(part, name)?, name));
    }

    let (vectors, mut searched) = mates::with(&probes, &gallery, data)?;
    let lost = Lost::of(data);
    let all = data.probe_ids.len() + data.lost_probes.len();
    let trials = searched.len() + lost.missed.len();
    if all > trials {
        notes.push(format!(
            "{} probes have no image of their person in the gallery and are left out",
            all - trials
        ));
    }
    notes.extend(lost.notes(data, trials));
    mates::rank(
        &input.device,
        &mut searched,
        &vectors,
        &searched_parts.iter().map(|p| p.0).collect::<Vec<_>>(),
    )?;
    let ties: u64 = searched.iter().map(|p| p.ties).sum();
    if ties > 0 {
        notes.push(format!(
            "{ties} images of others are exactly as similar to a probe as the best of its person; ties count against it"
        ));
    }

    let total = gallery.matrix.rows() + data.distractors;
    let found = |n: usize| searched.iter().filter(|p| p.rank < n as u64).count();
    let share = |n: usize| found(n) as f64 / trials as f64;
    let intervals = resample(&searched, &lost.missed, &ranks, resamples);
    let adds = trials_of(&searched, &lost.missed, &ranks);
    let metrics = ranks
        .iter()
        .zip(intervals)
        .map(|(&n, interval)| Metric {
            id: rank_id(n),
            value: share(n),
            higher_is_better: true,
            chance: Some(mean_chance(&searched, trials, total, n)),
            interval,
            folds: Vec::new(),
        })
        .collect();
    let cmc = operating::log_spaced(total, 100)
        .into_iter()
        .map(|n| (n as f64, share(n)))
        .collect();
    let rows: Vec<u32> = searched.iter().map(|p| p.row).collect();
    let scores: Vec<f64> = searched.iter().map(|p| p.best).collect();
    // Fewer than 2^32 images stand before any.
    let places: Vec<u32> = searched.iter().map(|p| p.rank as u32).collect();
    Ok(Scored {
        result: ScoreResult {
            protocol: "gallery-identification/tinyface".into(),
            model: None,
            metrics,
            series: BTreeMap::from([("cmc".to_owned(), cmc)]),
            notes,
            evidence: Vec::new(),
        },
        evidence: [
            ("probe.npy".into(), evidence::npy_u32(&rows)),
            ("probe_score.npy".into(), evidence::npy_f64(&scores)),
            ("probe_rank.npy".into(), evidence::npy_u32(&places)),
        ]
        .into_iter()
        .chain(adds.evidence())
        .collect(),
    })
}

/// What each probe adds, those that are missed after the others; the gallery is held.
fn trials_of(probes: &[Probe], missed: &[u32], ranks: &[usize]) -> Trials {
    let people = probes
        .iter()
        .map(|p| p.person)
        .chain(missed.iter().copied());
    let mut trials = Trials {
        people: Some(people.map(|p| [p, p]).collect()),
        ..Trials::default()
    };
    for &n in ranks {
        let mut hits: Vec<bool> = probes.iter().map(|p| p.rank < n as u64).collect();
        hits.resize(probes.len() + missed.len(), false);
        trials.share(&rank_id(n), &hits);
    }
    trials
}

/// Mean over all `trials` of the chance to be found at rank `n` in a random order; those that are
/// not among `probes` have none.
fn mean_chance(probes: &[Probe], trials: usize, total: usize, n: usize) -> f64 {
    let mut by_mates: BTreeMap<usize, usize> = BTreeMap::new();
    for probe in probes {
        *by_mates.entry(probe.mates).or_default() += 1;
    }
    let sum: f64 = by_mates
        .iter()
        .map(|(&mates, &count)| count as f64 * chance(mates, total, n))
        .sum();
    sum / trials as f64
}

/// The chance that one of `mates` among `total` images is one of `n` drawn without replacement.
fn chance(mates: usize, total: usize, n: usize) -> f64 {
    let others = total - mates;
    let missed: f64 = (0..n.min(others + 1))
        .map(|k| (others - k) as f64 / (total - k) as f64)
        .product();
    1.0 - missed
}

/// Intervals with persons resampled.
fn resample(
    probes: &[Probe],
    missed: &[u32],
    ranks: &[usize],
    resamples: usize,
) -> Vec<Option<(f64, f64)>> {
    // A probe that is missed has the largest rank.
    let searched = probes.iter().map(|p| (p.person, p.rank));
    let all = searched.chain(missed.iter().map(|&person| (person, u64::MAX)));
    let found = |rank: u64| ranks.iter().map(move |&n| rank < n as u64);
    let trials = all.map(|(person, rank)| (person, found(rank)));
    let counts = bootstrap::by_person(trials, ranks.len());
    bootstrap::ratios(&counts, resamples, "bootstrap/gallery-identification")
}

#[cfg(test)]
mod tests {
    use super::chance;

    #[test]
    fn chance_is_that_of_drawing_without_replacement() {
        // Of the 10 pairs of 5 images, 3 hold neither of two mates.
        assert!((chance(2, 5, 2) - 0.7).abs() < 1e-12);
        assert!((chance(1, 1000, 1) - 1e-3).abs() < 1e-12);
        assert_eq!(chance(2, 5, 4), 1.0);
        assert_eq!(chance(5, 5, 1), 1.0);
        assert_eq!(chance(1, 5, 1_000_000), 1.0);
    }
}
