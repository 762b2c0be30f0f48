//! Identification among distractors (MegaFace challenge 1).
//!
//! For every ordered pair of images of one person (probe, gallery) the rank is the number of
//! distractors that are strictly more similar to the probe than the gallery image; ties
//! favour the genuine pair. Rank-N is the share of pairs with rank below N. TAR@FAR takes
//! every (probe, distractor) score as an impostor.

mod sweep;

use super::input::{Description, IdentificationData, Part, ScoreInput};
use super::scores::{dot, fused};
use super::{Scored, bootstrap, check, evidence, fars, operating, rank_id, ranks};
use crate::plan::spec::ProtocolSpec;
use crate::registry::{Args, Info, Kind, Param};
use crate::result::{Metric, ScoreResult};
use crate::{Error, Result};
use std::collections::BTreeMap;
use std::collections::BTreeSet;

pub(super) static INFO: Info = Info {
    name: "identification",
    summary: "rank-N identification and TAR@FAR among distractors (MegaFace challenge 1)",
    source: "Kemelmacher-Shlizerman et al., The MegaFace Benchmark, CVPR 2016, and its devkit",
    params: &[
        Param {
            name: "ranks",
            kind: Kind::Floats,
            required: false,
            doc: "ranks to report (default 1, 5, 10)",
        },
        Param {
            name: "fars",
            kind: Kind::Floats,
            required: false,
            doc: "false accept rates over all probe-distractor scores (default 1e-6, 1e-5, 1e-4, 1e-3)",
        },
        bootstrap::PARAM,
    ],
};

/// An ordered genuine pair.
#[derive(Clone, Copy, Debug)]
struct Pair {
    probe: u32,
    gallery: u32,
    score: f64,
}

const RANKS: [f64; 3] = [1.0, 5.0, 10.0];
const FARS: [f64; 4] = [1e-6, 1e-5, 1e-4, 1e-3];

pub(super) fn metrics(spec: &ProtocolSpec) -> Result<Vec<String>> {
    let args = Args::new("identification", &spec.params);
    let ranks = ranks(&args, &RANKS)?.into_iter().map(rank_id);
    let fars = fars(&args, &FARS)?.into_iter().map(operating::tar_id);
    Ok(ranks.chain(fars).collect())
}

/// Scores probes (part `probes`) against distractors (part `distractors`).
pub(super) fn score(spec: &ProtocolSpec, input: &ScoreInput) -> Result<Scored> {
    let args = Args::new("identification", &spec.params);
    let ranks = ranks(&args, &RANKS)?;
    let fars = fars(&args, &FARS)?;
    let resamples = bootstrap::resamples(&args)?;
    let Description::Identification(data) = input.data else {
        return Err(Error::Data(
            "`identification` needs probes and distractors".into(),
        ));
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
    let noise = Noise::new(data, distractors.matrix.rows())?;
    notes.extend(noise.note());

    let vectors = Probes::new(&probes, data, &noise);
    let pairs = vectors.pairs(data)?;
    let swept = sweep::run(&vectors, &pairs, &distractors, &noise.distractors, &fars)?;

    let mut genuine: Vec<f64> = pairs.iter().map(|p| p.score).collect();
    operating::sort_descending(&mut genuine);
    let mut points = Vec::with_capacity(fars.len());
    for &far in &fars {
        let point = operating::at_far(far, &genuine, &swept.tail, swept.impostors)?;
        notes.extend(point.note());
        points.push(point);
    }
    let ties: u64 = swept.ties;
    if ties > 0 {
        notes.push(format!(
            "{ties} distractor scores equal a genuine score of their probe; ties favour the genuine pair"
        ));
    }

    let intervals = resample(data, &pairs, &swept.ranks, &ranks, &points, resamples);
    let below = |n: usize| swept.ranks.iter().filter(|&&r| (r as usize) < n).count();
    let share = |n: usize| below(n) as f64 / pairs.len() as f64;
    let competitors = 1.0 + swept.distractors as f64;
    let mut metrics: Vec<Metric> = ranks
        .iter()
        .map(|&n| Metric {
            id: rank_id(n),
            value: share(n),
            higher_is_better: true,
            chance: Some((n as f64 / competitors).min(1.0)),
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
    let cmc = operating::log_spaced(swept.distractors + 1, 100)
        .into_iter()
        .map(|n| (n as f64, share(n)))
        .collect();
    let roc = operating::roc_series(&genuine, &swept.tail, swept.impostors);
    let column = |of: fn(&Pair) -> u32| -> Vec<u32> { pairs.iter().map(of).collect() };
    let scores: Vec<f64> = pairs.iter().map(|p| p.score).collect();
    Ok(Scored {
        result: ScoreResult {
            protocol: "identification/megaface".into(),
            metrics,
            series: BTreeMap::from([("cmc".to_owned(), cmc), ("roc".to_owned(), roc)]),
            notes,
            evidence: Vec::new(),
        },
        evidence: vec![
            (
                "pair_probe.npy".into(),
                evidence::npy_u32(&column(|p| p.probe)),
            ),
            (
                "pair_gallery.npy".into(),
                evidence::npy_u32(&column(|p| p.gallery)),
            ),
            ("pair_score.npy".into(), evidence::npy_f64(&scores)),
            ("pair_rank.npy".into(), evidence::npy_u32(&swept.ranks)),
            ("impostor_tail.npy".into(), evidence::npy_f64(&swept.tail)),
        ],
    })
}

/// Rows on the noise lists. They are dropped: the one treatment that has the intended
/// result under every scorer.
struct Noise {
    probes: BTreeSet<usize>,
    distractors: BTreeSet<usize>,
}

impl Noise {
    fn new(data: &IdentificationData, distractors: usize) -> Result<Self> {
        let within =
            |rows: &[usize], count: usize, name: &str| match rows.iter().find(|&&r| r >= count) {
                Some(row) => Err(Error::Data(format!(
                    "the noise list names row {row} of the {name}, which have {count}"
                ))),
                None => Ok(rows.iter().copied().collect()),
            };
        Ok(Noise {
            probes: within(&data.noisy_probes, data.probe_ids.len(), "probes")?,
            distractors: within(&data.noisy_distractors, distractors, "distractors")?,
        })
    }

    fn note(&self) -> Option<String> {
        let (p, d) = (self.probes.len(), self.distractors.len());
        (p + d > 0).then(|| format!("{p} noisy probes and {d} noisy distractors were dropped"))
    }
}

/// Probe embeddings that are not on the noise list.
struct Probes {
    dim: usize,
    /// Row in the data set.
    index: Vec<u32>,
    /// Row-major, views added, in f32.
    rows: Vec<f32>,
    inverse_norm: Vec<f64>,
}

impl Probes {
    fn new(part: &Part, data: &IdentificationData, noise: &Noise) -> Self {
        let index: Vec<u32> = (0..data.probe_ids.len())
            .filter(|i| !noise.probes.contains(i))
            .map(|i| i as u32)
            .collect();
        let (rows, inverse_norm) = fused(part, index.iter().map(|&i| i as usize));
        Probes {
            dim: part.dim(),
            index,
            rows,
            inverse_norm,
        }
    }

    fn row(&self, i: usize) -> &[f32] {
        &self.rows[i * self.dim..(i + 1) * self.dim]
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
                    let scale = self.inverse_norm[i] * self.inverse_norm[j];
                    pairs.push(Pair {
                        probe: self.index[i],
                        gallery: self.index[j],
                        score: dot(self.row(i), self.row(j)) * scale,
                    });
                }
            }
        }
        if pairs.is_empty() {
            return Err(Error::Data(
                "no person has two probe images, so there is no genuine pair".into(),
            ));
        }
        Ok(pairs)
    }
}

/// Intervals with persons resampled and thresholds held.
fn resample(
    data: &IdentificationData,
    pairs: &[Pair],
    rank: &[u32],
    ranks: &[usize],
    points: &[operating::OperatingPoint],
    resamples: usize,
) -> Vec<Option<(f64, f64)>> {
    let (numbers, people) =
        bootstrap::number(pairs.iter().map(|p| data.probe_ids[p.probe as usize]));
    let mut counts = vec![vec![0u64; 1 + ranks.len() + points.len()]; people];
    for (pair, &rank) in pairs.iter().zip(rank) {
        let row = &mut counts[numbers[&data.probe_ids[pair.probe as usize]] as usize];
        row[0] += 1;
        let hits = ranks.iter().map(|&n| (rank as usize) < n);
        let hits = hits.chain(points.iter().map(|p| pair.score > p.threshold));
        for (count, hit) in row[1..].iter_mut().zip(hits) {
            *count += u64::from(hit);
        }
    }
    bootstrap::ratios(&counts, resamples, "bootstrap/identification")
}
