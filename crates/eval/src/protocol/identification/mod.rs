//! Identification among distractors (MegaFace challenge 1).
//!
//! For every ordered pair of images of one person (probe, gallery) the rank is the number of
//! distractors that are strictly more similar to the probe than the gallery image; ties
//! favour the genuine pair. Rank-N is the share of pairs with rank below N. TAR@FAR takes
//! every (probe, distractor) score as an impostor.
//!
//! A probe image that is lost (missing or damaged) is a failure to acquire. Every ordered pair
//! with it, on either side, is missed at every rank and threshold, and each comparison of it with
//! a distractor is a non-match. A distractor that is lost is a failure to enrol and is left out.

mod devkit;
mod noise;

use super::input::{Part, ScoreInput};
use super::search::{self, Gallery, Ladder, Vectors};
use super::trials::Trials;
use super::{
    FIRST_RANKS, ProtocolEntry, RANKS, Scored, bootstrap, check, evidence, fars, operating,
    rank_id, ranks,
};
use frbench_base::registry::{Args, Info, Kind, Param};
use frbench_base::{Error, Result};
use frbench_engine::Device;
use frbench_job::description::IdentificationData;
use frbench_job::result::{Metric, ScoreResult};
use frbench_job::{DataFormat, Description, ProtocolSpec, Views};
use noise::Noise;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

const INFO: Info = Info {
    name: "identification",
    summary: "rank-N identification and TAR@FAR among distractors (MegaFace challenge 1)",
    source: "Kemelmacher-Shlizerman et al., The MegaFace Benchmark, CVPR 2016, and its devkit",
    params: &[
        RANKS,
        Param {
            name: "fars",
            kind: Kind::Floats,
            required: false,
            doc: "false accept rates over all probe-distractor scores (default 1e-6, 1e-5, 1e-4, 1e-3)",
        },
        noise::PARAM,
        Param {
            name: "devkit",
            kind: Kind::Bool,
            required: false,
            doc: "also TAR as read off the curve of the development kit: impostors of the first 100 probes, \
                  steps of 1 % (default false)",
        },
        bootstrap::PARAM,
    ],
};

/// The line of the table of protocols.
pub(super) const ENTRY: ProtocolEntry = ProtocolEntry {
    info: INFO,
    parts: &["probes", "distractors"],
    views: Views::Sum,
    format: DataFormat::Identification,
    metrics,
    check: check_data,
    score,
};

/// An ordered genuine pair.
#[derive(Clone, Copy, Debug)]
struct Pair {
    probe: u32,
    gallery: u32,
    score: f64,
}

const FARS: [f64; 4] = [1e-6, 1e-5, 1e-4, 1e-3];

pub(super) fn metrics(spec: &ProtocolSpec) -> Result<Vec<String>> {
    let args = Args::new("identification", &spec.params);
    let ranks = ranks(&args, &FIRST_RANKS)?.into_iter().map(rank_id);
    let tars = fars(&args, &FARS)?.into_iter().map(operating::tar_id);
    let tars: Vec<String> = tars.collect();
    let read = match args.bool_or("devkit", false)? {
        true => tars.iter().map(|id| format!("devkit/{id}")).collect(),
        false => Vec::new(),
    };
    Ok(ranks.chain(tars).chain(read).collect())
}

/// Whether any person has two probes that count.
fn check_data(_: &ProtocolSpec, data: &Description) -> Result<()> {
    let Description::Identification(data) = data else {
        return Err(needs_probes());
    };
    let noisy: BTreeSet<usize> = data.noisy_probes.iter().copied().collect();
    let mut seen = BTreeSet::new();
    let probes = data.probe_ids.iter().enumerate();
    let mut kept = probes.filter(|(i, _)| !noisy.contains(i));
    match kept.any(|(_, person)| !seen.insert(person)) {
        true => Ok(()),
        false => Err(without_pairs()),
    }
}

fn needs_probes() -> Error {
    Error::Data("`identification` needs probes and distractors".into())
}

fn without_pairs() -> Error {
    Error::Data("no person has two probe images, so there is no genuine pair".into())
}

/// Scores probes (part `probes`) against distractors (part `distractors`).
pub(super) fn score(spec: &ProtocolSpec, input: &ScoreInput) -> Result<Scored> {
    let args = Args::new("identification", &spec.params);
    let ranks = ranks(&args, &FIRST_RANKS)?;
    let fars = fars(&args, &FARS)?;
    let resamples = bootstrap::resamples(&args)?;
    let Description::Identification(data) = input.data else {
        return Err(needs_probes());
    };
    let probes = input.part("probes", Some(data.probe_ids.len()))?;
    let distractors = input.part("distractors", None)?;
    if probes.dim() != distractors.dim() {
        return Err(Error::Data(format!(
            "probes have {} columns, distractors {}",
            probes.dim(),
            distractors.dim()
        )));
    }
    let mut notes = Vec::new();
    for (part, name) in [(&probes, "probes"), (&distractors, "distractors")] {
        notes.extend(check::zero_note(check::spread(part, name)?, name));
    }
    let treatment = noise::treatment(args.text_or("noise", "drop")?)?;
    let noise = Noise::new(data, distractors.matrix.rows(), treatment)?;
    notes.extend(noise.note());

    let probes = Probes::new(&probes, data, &noise)?;
    let pairs = probes.pairs(data)?;
    let rows = noise.kept(distractors.matrix.rows())?;
    let gallery = Gallery {
        part: &distractors,
        rows: &rows,
    };
    let lost = Lost::of(data, &probes);
    notes.extend(lost.notes(data, pairs.len(), rows.len()));
    let found = Found::search(
        &input.device,
        (&probes, &pairs),
        (gallery, noise.filled()),
        &fars,
        &lost,
    )?;

    let mut genuine: Vec<f64> = pairs.iter().map(|p| p.score).collect();
    operating::sort_descending(&mut genuine);
    genuine.resize(pairs.len() + lost.pairs(), f64::NEG_INFINITY);
    let mut points = Vec::with_capacity(fars.len());
    for &far in &fars {
        let point = operating::at_far(far, &genuine, &found.tail, found.impostors)?;
        notes.extend(point.note());
        points.push(point);
    }
    if found.ties > 0 {
        notes.push(format!(
            "{} distractor scores equal a genuine score of their probe; ties favour the genuine pair",
            found.ties
        ));
    }

    let ranked = (&pairs[..], &found.ranks[..]);
    let intervals = resample(data, ranked, &lost, &ranks, &points, resamples);
    let trials = trials_of(data, ranked, &lost, &ranks, &points);
    let below = |n: usize| found.ranks.iter().filter(|&&r| (r as usize) < n).count();
    let share = |n: usize| below(n) as f64 / genuine.len() as f64;
    let acquired = pairs.len() as f64 / genuine.len() as f64;
    let competitors = 1.0 + (rows.len() + noise.filled().map_or(0, |f| f.0)) as f64;
    let mut metrics: Vec<Metric> = ranks
        .iter()
        .map(|&n| Metric {
            id: rank_id(n),
            value: share(n),
            higher_is_better: true,
            chance: Some((n as f64 / competitors).min(1.0) * acquired),
            interval: None,
            folds: Vec::new(),
        })
        .collect();
    metrics.extend(points.iter().map(|p| Metric {
        id: operating::tar_id(p.far),
        value: p.tar(),
        higher_is_better: true,
        chance: Some(p.far),
        interval: None,
        folds: Vec::new(),
    }));
    for (metric, interval) in metrics.iter_mut().zip(intervals) {
        metric.interval = interval;
    }
    if args.bool_or("devkit", false)? {
        let device = &input.device;
        metrics.extend(read_off(
            device,
            &fars,
            (&probes, &pairs),
            (gallery, &noise),
            &lost,
        )?);
        notes.push(format!(
            "devkit/...: the curve of the development kit, whose impostor scores are those of the first \
             {} probes and whose points are steps of more than 1 % of TAR; linear between them",
            devkit::PROBES.min(probes.vectors.len())
        ));
    }
    let cmc = operating::log_spaced(rows.len() + 1, 100)
        .into_iter()
        .map(|n| (n as f64, share(n)))
        .collect();
    let roc = operating::roc_series(&genuine, &found.tail, found.impostors);
    let column = |of: fn(&Pair) -> u32| -> Vec<u32> { pairs.iter().map(of).collect() };
    let scores: Vec<f64> = pairs.iter().map(|p| p.score).collect();
    Ok(Scored {
        result: ScoreResult {
            protocol: match treatment.name {
                "drop" => "identification/megaface".into(),
                name => format!("identification/megaface/noise-{name}"),
            },
            model: None,
            metrics,
            series: BTreeMap::from([("cmc".to_owned(), cmc), ("roc".to_owned(), roc)]),
            notes,
            evidence: Vec::new(),
        },
        evidence: [
            (
                "pair_probe.npy".into(),
                evidence::npy_u32(&column(|p| p.probe)),
            ),
            (
                "pair_gallery.npy".into(),
                evidence::npy_u32(&column(|p| p.gallery)),
            ),
            ("pair_score.npy".into(), evidence::npy_f64(&scores)),
            ("pair_rank.npy".into(), evidence::npy_u32(&found.ranks)),
            ("impostor_tail.npy".into(), evidence::npy_f64(&found.tail)),
        ]
        .into_iter()
        .chain(trials.evidence())
        .collect(),
    })
}

/// What each ordered pair adds, those that are lost after the others; distractors, and with them
/// thresholds, are held.
fn trials_of(
    data: &IdentificationData,
    (pairs, rank): (&[Pair], &[u32]),
    lost: &Lost,
    ranks: &[usize],
    points: &[operating::OperatingPoint],
) -> Trials {
    let compared = pairs.iter().map(|p| data.probe_ids[p.probe as usize]);
    let missed = lost.pairs.iter();
    let missed = missed.flat_map(|(&person, &n)| std::iter::repeat_n(person, n as usize));
    let mut trials = Trials {
        people: Some(compared.chain(missed).map(|p| [p, p]).collect()),
        ..Trials::default()
    };
    let mut add = |id: &str, hit: &dyn Fn(usize) -> bool| {
        let mut hits: Vec<bool> = (0..pairs.len()).map(hit).collect();
        hits.resize(pairs.len() + lost.pairs(), false);
        trials.share(id, &hits);
    };
    for &n in ranks {
        add(&rank_id(n), &|i| (rank[i] as usize) < n);
    }
    for point in points {
        let id = operating::tar_id(point.far);
        add(&id, &|i| pairs[i].score > point.threshold);
    }
    for point in points {
        let allowed = operating::allowed(point.far, point.impostors);
        trials.allow(operating::tar_id(point.far), allowed);
    }
    trials
}

/// Rates that are read off the curve of the development kit.
fn read_off(
    device: &Device,
    fars: &[f64],
    (probes, pairs): (&Probes, &[Pair]),
    (gallery, noise): (Gallery, &Noise),
    lost: &Lost,
) -> Result<Vec<Metric>> {
    let unordered = pairs.iter().filter(|p| p.probe < p.gallery);
    let genuine: Vec<f64> = unordered.map(|p| p.score).collect();
    let first = probes.vectors.first(devkit::PROBES);
    let genuine = (genuine, lost.pairs() / 2);
    let points = devkit::curve(device, genuine, &first, gallery, noise.filled())?;
    let metric = |far: &f64| Metric {
        id: format!("devkit/{}", operating::tar_id(*far)),
        value: devkit::read(&points, *far),
        higher_is_better: true,
        chance: Some(*far),
        interval: None,
        folds: Vec::new(),
    };
    Ok(fars.iter().map(metric).collect())
}

/// Probes that are scored.
struct Probes {
    /// Row in the data set.
    index: Vec<u32>,
    vectors: Vectors,
}

impl Probes {
    fn new(part: &Part, data: &IdentificationData, noise: &Noise) -> Result<Self> {
        let (index, vectors) = noise.vectors(part, data)?;
        Ok(Probes { index, vectors })
    }

    /// Every ordered pair of images of one person, by probe; `probe` and `gallery` are rows
    /// of the data set.
    fn pairs(&self, data: &IdentificationData) -> Result<Vec<Pair>> {
        let mut people: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (i, &row) in self.index.iter().enumerate() {
            let person = data.probe_ids[row as usize];
            people.entry(person).or_default().push(i);
        }
        let mut pairs = Vec::new();
        for i in 0..self.index.len() {
            for &j in &people[&data.probe_ids[self.index[i] as usize]] {
                if i != j {
                    pairs.push(Pair {
                        probe: self.index[i],
                        gallery: self.index[j],
                        score: self.vectors.score(i, &self.vectors, j),
                    });
                }
            }
        }
        if pairs.is_empty() {
            return Err(without_pairs());
        }
        Ok(pairs)
    }
}

/// What is not compared, because an image of it is missing or damaged.
struct Lost {
    /// Ordered pairs of each person that hold a lost probe.
    pairs: BTreeMap<u32, u64>,
    probes: usize,
}

impl Lost {
    fn of(data: &IdentificationData, probes: &Probes) -> Self {
        let mut people: BTreeMap<u32, [u64; 2]> = BTreeMap::new();
        for &row in &probes.index {
            people.entry(data.probe_ids[row as usize]).or_default()[0] += 1;
        }
        for &person in &data.lost_probes {
            people.entry(person).or_default()[1] += 1;
        }
        let ordered = |n: u64| n * n.saturating_sub(1);
        let pairs = people
            .into_iter()
            .map(|(person, [there, lost])| (person, ordered(there + lost) - ordered(there)))
            .filter(|(_, pairs)| *pairs > 0);
        Lost {
            pairs: pairs.collect(),
            probes: data.lost_probes.len(),
        }
    }

    fn pairs(&self) -> usize {
        self.pairs.values().sum::<u64>() as usize
    }

    fn notes(&self, data: &IdentificationData, compared: usize, distractors: usize) -> Vec<String> {
        let mut notes = Vec::new();
        if self.probes > 0 {
            let (probes, pairs) = (self.probes, self.pairs());
            notes.push(format!(
                "failure to acquire: {probes} probes are missing or damaged; {pairs} of {} ordered \
                 pairs of one person hold one and are missed at every rank and threshold, and {} \
                 comparisons with distractors are non-matches",
                compared + pairs,
                probes * distractors
            ));
        }
        if data.lost_distractors > 0 {
            notes.push(format!(
                "failure to enrol: {} distractors are missing or damaged and left out, {distractors} \
                 are left",
                data.lost_distractors
            ));
        }
        notes
    }
}

/// What the search among distractors has found.
struct Found {
    /// Rank of each pair, 0-based.
    ranks: Vec<u32>,
    /// Distractor scores equal to a genuine score of their probe.
    ties: u64,
    /// The highest impostor scores, descending: those that the largest FAR needs, and every
    /// score tied with the last.
    tail: Vec<f64>,
    impostors: u64,
}

impl Found {
    fn search(
        device: &Device,
        (probes, pairs): (&Probes, &[Pair]),
        (gallery, filled): (Gallery, Option<(usize, f64)>),
        fars: &[f64],
        lost: &Lost,
    ) -> Result<Self> {
        let (more, score) = filled.map_or((0, f64::NEG_INFINITY), |(n, score)| (n as u64, score));
        let there = probes.index.len() as u64;
        let compared = gallery.rows.len() as u64 * there;
        let impostors = (gallery.rows.len() as u64 + more) * (there + lost.probes as u64);
        let largest = fars.iter().copied().fold(0.0, f64::max);
        let wanted = operating::allowed(largest, impostors).min(impostors - 1) as usize + 1;
        let keep = wanted.min(compared as usize);
        let mut ladders = vec![Ladder::default(); probes.index.len()];
        for (pairs, slot) in by_probe(probes, pairs) {
            ladders[slot] = Ladder::new(pairs.iter().map(|p| p.score).collect());
        }
        let mut tail = search::run(device, &probes.vectors, &mut ladders, gallery, keep)?;
        // Distractors of one score for every probe, where a rate reaches down to it.
        let below = tail
            .last()
            .is_none_or(|&last| tail.len() < wanted || last <= score);
        if below && score > f64::NEG_INFINITY {
            let reached = usize::try_from(more * there).unwrap_or(usize::MAX);
            tail.extend(std::iter::repeat_n(score, reached.min(wanted)));
            operating::sort_descending(&mut tail);
        }
        // Of the comparisons that could not be made, as many as a rate reaches into.
        tail.resize(tail.len().max(wanted), f64::NEG_INFINITY);
        let ranks = by_probe(probes, pairs)
            .flat_map(|(pairs, slot)| {
                let ladder = &ladders[slot];
                pairs.iter().map(|pair| {
                    let k = ladder.scores.partition_point(|&s| s < pair.score);
                    let filled = if score > pair.score { more } else { 0 };
                    u32::try_from(ladder.above[k] + filled).unwrap_or(u32::MAX)
                })
            })
            .collect();
        let of_filled = pairs.iter().filter(|p| p.score == score).count() as u64 * more;
        Ok(Found {
            ranks,
            ties: ladders.iter().map(|l| l.ties).sum::<u64>() + of_filled,
            tail,
            impostors,
        })
    }
}

/// The pairs of each probe that has any, and the probe's place among the kept probes.
fn by_probe<'a>(
    probes: &'a Probes,
    pairs: &'a [Pair],
) -> impl Iterator<Item = (&'a [Pair], usize)> {
    pairs.chunk_by(|a, b| a.probe == b.probe).map(|group| {
        let slot = probes.index.binary_search(&group[0].probe);
        (group, slot.expect("pairs are of kept probes"))
    })
}

/// Intervals with persons resampled and thresholds held.
fn resample(
    data: &IdentificationData,
    (pairs, rank): (&[Pair], &[u32]),
    lost: &Lost,
    ranks: &[usize],
    points: &[operating::OperatingPoint],
    resamples: usize,
) -> Vec<Option<(f64, f64)>> {
    let hits = |rank: u32, score: f64| {
        let found = ranks.iter().map(move |&n| (rank as usize) < n);
        found.chain(points.iter().map(move |p| score > p.threshold))
    };
    let compared = pairs.iter().zip(rank).map(|(pair, &rank)| {
        let person = data.probe_ids[pair.probe as usize];
        (person, hits(rank, pair.score))
    });
    // Those that are lost have no rank, and a score below all others.
    let missed = lost.pairs.iter().flat_map(|(&person, &n)| {
        let missed = std::iter::repeat_n((), n as usize);
        missed.map(move |()| (person, hits(u32::MAX, f64::NEG_INFINITY)))
    });
    let metrics = ranks.len() + points.len();
    let counts = bootstrap::by_person(compared.chain(missed), metrics);
    bootstrap::ratios(&counts, resamples, "bootstrap/identification")
}
