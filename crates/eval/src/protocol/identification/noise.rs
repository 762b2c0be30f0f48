//! What is done with images on MegaFace's noise lists.
//!
//! A treatment is published with a scorer, and under another one it would do something else: of a
//! noisy distractor that is filled with the number 100 the devkit's score, -|x - y|^2, is far below
//! all others, where a dot product might be above. So a treatment here is what it amounts to under its
//! own scorer. On unit vectors that scorer orders like the cosine.

use super::super::input::Part;
use super::super::search::Vectors;
use frbench_base::registry::{Param, named};
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};
use frbench_job::description::IdentificationData;
use std::collections::{BTreeMap, BTreeSet};

/// A published treatment.
pub struct Treatment {
    pub name: &'static str,
    pub probes: Noisy,
    pub distractors: Filled,
    /// What is done, in words.
    pub says: &'static str,
}

/// What becomes of a noisy probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Noisy {
    Dropped,
    /// It is replaced by the sum of the unit vectors of its person's other probes, to each number of
    /// which a uniform one of this size on either side of 0 is added.
    Replaced {
        jitter: f64,
    },
}

/// What becomes of a noisy distractor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Filled {
    Dropped,
    /// It stays, below everything.
    Below,
    /// It stays as a vector of zeros, whose score is 0.
    Zeros,
}

/// The treatments; the scorer of each is named behind it.
pub static TREATMENTS: &[Treatment] = &[
    Treatment {
        name: "drop",
        probes: Noisy::Dropped,
        distractors: Filled::Dropped,
        says: "dropped",
    },
    Treatment {
        name: "insightface",
        probes: Noisy::Replaced { jitter: 1e-3 },
        distractors: Filled::Below,
        says: "treated as insightface's remove_noises.py does for the devkit: a probe is the jittered \
               centre of its person's others, a distractor is below all others",
    },
    Treatment {
        name: "cavaface",
        probes: Noisy::Replaced { jitter: 1e-3 },
        distractors: Filled::Below,
        says: "treated as cavaface does for the devkit: a probe is the jittered centre of its person's \
               others, a distractor is below all others",
    },
    Treatment {
        name: "facex-zoo",
        probes: Noisy::Replaced { jitter: 0.0 },
        distractors: Filled::Zeros,
        says: "treated as FaceX-Zoo does for its dot product: a probe is the centre of its person's \
               others, a distractor is a vector of zeros and scores 0",
    },
];

pub const PARAM: Param = Param {
    name: "noise",
    kind: choice!(TREATMENTS),
    required: false,
    doc: "what is done with images on the noise lists, each treatment under its own scorer: drop \
          (default), insightface and cavaface (the devkit's), facex-zoo (a dot product)",
};

/// The treatment called `name`.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub fn treatment(name: &str) -> Result<&'static Treatment> {
    named(TREATMENTS, |t| t.name, "treatment of noise", name)
}

/// Rows on the noise lists.
pub struct Noise {
    pub probes: BTreeSet<usize>,
    distractors: BTreeSet<usize>,
    treatment: &'static Treatment,
}

impl Noise {
    /// # Errors
    /// [`Error::Data`] for a row that is not there.
    pub fn new(
        data: &IdentificationData,
        distractors: usize,
        treatment: &'static Treatment,
    ) -> Result<Self> {
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
            treatment,
        })
    }

    /// The distractors of `count` that are searched.
    pub fn kept(&self, count: usize) -> Result<Vec<usize>> {
        let kept: Vec<usize> = (0..count)
            .filter(|row| !self.distractors.contains(row))
            .collect();
        match kept.is_empty() {
            true => Err(Error::Data("there are no distractors left".into())),
            false => Ok(kept),
        }
    }

    /// Distractors that stay without being searched, and the score that every probe has with them.
    pub fn filled(&self) -> Option<(usize, f64)> {
        let score = match self.treatment.distractors {
            Filled::Dropped => return None,
            Filled::Below => f64::NEG_INFINITY,
            Filled::Zeros => 0.0,
        };
        (!self.distractors.is_empty()).then_some((self.distractors.len(), score))
    }

    /// The rows of probes that are scored, and their vectors.
    ///
    /// # Errors
    /// [`Error::Data`] for a noisy probe whose person has no other to replace it by.
    pub fn vectors(&self, part: &Part, data: &IdentificationData) -> Result<(Vec<u32>, Vectors)> {
        let rows = 0..data.probe_ids.len();
        let Noisy::Replaced { jitter } = self.treatment.probes else {
            let rows: Vec<usize> = rows.filter(|i| !self.probes.contains(i)).collect();
            let vectors = Vectors::of(part, rows.iter().copied());
            return Ok((rows.into_iter().map(|i| i as u32).collect(), vectors));
        };
        let mut vectors = Vectors::of(part, rows.clone());
        let wanted: BTreeSet<u32> = self.probes.iter().map(|&i| data.probe_ids[i]).collect();
        let mut centres: BTreeMap<u32, Vec<f64>> = BTreeMap::new();
        for i in rows.clone().filter(|i| !self.probes.contains(i)) {
            let person = data.probe_ids[i];
            if wanted.contains(&person) {
                let sum = centres
                    .entry(person)
                    .or_insert_with(|| vec![0.0; vectors.dim]);
                let unit = vectors.inverse_norms[i];
                let row = vectors.row(i).iter().map(|&v| f64::from(v) * unit);
                sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
            }
        }
        for &i in &self.probes {
            let person = data.probe_ids[i];
            let Some(centre) = centres.get(&person) else {
                return Err(Error::Data(format!(
                    "probe {i} is on the noise list, and its person {person} has no other probe that \
                     could stand for it, as `noise = \"{}\"` says",
                    self.treatment.name
                )));
            };
            let mut draw = Stream::derive(0, "megaface/jitter", &[i as u64]);
            let row = centre.iter().map(|c| {
                let jitter = match jitter > 0.0 {
                    true => jitter * (2.0 * draw.uniform() - 1.0),
                    false => 0.0,
                };
                (c + jitter) as f32
            });
            let row: Vec<f32> = row.collect();
            vectors.replace(i, &row);
        }
        Ok((rows.map(|i| i as u32).collect(), vectors))
    }

    /// What a reader must know of it.
    pub fn note(&self) -> Option<String> {
        let (p, d) = (self.probes.len(), self.distractors.len());
        (p + d > 0).then(|| {
            format!(
                "{p} noisy probes and {d} noisy distractors were {}",
                self.treatment.says
            )
        })
    }
}
