//! Triplet distillation (Feng et al., ICIP 2020): a triplet loss whose margin is larger where the
//! teacher tells positive and negative further apart.
//!
//! `mean(max(0, d(a, p) - d(a, n) + m))` over triplets of the batch, of L2-normalised embeddings,
//! with `m = (m_max - m_min) D / max D + m_min` and `D = max(0, d_t(a, n) - d_t(a, p))` of the
//! teacher. The maximum is over the triplets of the batch. Distances are squared, or angles.
//!
//! Triplets are FaceNet's: each pair of a person with one negative, drawn at random. It is drawn
//! from those that are further away than the positive, by less than `alpha` in the student's
//! squared distance. The published code chooses triplets in bags of 7,200 images ahead of training.
//! Here they are of the batch, which wants several images of a person (`balanced`). A batch without
//! any adds 0.

use super::margin_distillation::{bound, scaled_margins};
use super::{Distill, DistillEntry, DistillInput, Setup, embeddings_only, gram::gram, maths};
use crate::head::cosine::l2_normalize;
use candle_core::{DType, Tensor};
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "triplet-distillation",
        summary: "triplets of a batch with margins by the teacher's distances",
        source: "Feng et al., Triplet Distillation for Deep Face Recognition, ICIP 2020, as \
                 david-svitov/margindistillation train/train.py and train/config.py have it",
        params: &[
            Param {
                name: "distance",
                kind: Kind::Choice(&["l2", "angle"]),
                required: false,
                doc: "squared distances (default) or angles of L2-normalised embeddings",
            },
            bound("m_min", "smallest margin (default 0.2)"),
            bound("m_max", "largest margin (default 0.5)"),
            Param {
                name: "alpha",
                kind: Kind::Float { min: 0.0, max: 4.0 },
                required: false,
                doc: "how much further away a negative may be than the positive, in squared \
                      distance (default 0.35)",
            },
        ],
    },
    proof: Proof::Recomputed,
    wants: embeddings_only,
    build,
};

struct TripletDistillation {
    angles: bool,
    m_min: f64,
    m_max: f64,
    alpha: f64,
    seed: u64,
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    Ok(Box::new(TripletDistillation {
        angles: args.text_or("distance", "l2")? == "angle",
        m_min: args.f64_or("m_min", 0.2)?,
        m_max: args.f64_or("m_max", 0.5)?,
        alpha: args.f64_or("alpha", 0.35)?,
        seed: setup.seed,
    }))
}

impl Distill for TripletDistillation {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        let (student, teacher) = (input.student.embeddings, input.teacher.embeddings);
        let b = maths::same_batch(student, teacher)?;
        if b != input.labels.len() {
            return Err(Error::Compute(format!(
                "{} labels for {b} samples",
                input.labels.len()
            )));
        }
        let cosines = |x: &Tensor| -> Result<Tensor> {
            let unit = l2_normalize(&maths::wide(&maths::flat(x)?)?)?;
            Ok(gram(&unit, input.device)?.flatten_all()?)
        };
        let ours = cosines(student)?;
        let values: Vec<f64> = ours.to_vec1()?;
        let triplets = self.triplets(&values, input.labels, input.step);
        if triplets.is_empty() {
            return Ok((student.sum_all()? * 0.0)?);
        }
        let theirs: Vec<f64> = cosines(&teacher.detach())?.to_vec1()?;
        let gap = |t: &[u32; 2]| {
            let [positive, negative] = t.map(|at| self.distance(theirs[at as usize]).0);
            (negative - positive).max(0.0)
        };
        let gaps: Vec<f64> = triplets.iter().map(gap).collect();
        let margins = scaled_margins(&gaps, self.m_min, self.m_max);
        let [positive, negative] = [0, 1].map(|i| {
            let at: Vec<u32> = triplets.iter().map(|t| t[i]).collect();
            let at = Tensor::new(at, ours.device())?;
            self.distances(&ours.index_select(&at, 0)?)
        });
        let margins = Tensor::new(margins, ours.device())?;
        let loss = ((positive? - negative?)? + margins)?.relu()?.mean_all()?;
        Ok(loss.to_dtype(student.dtype())?)
    }
}

impl TripletDistillation {
    /// Places of `(a, p)` and `(a, n)` in the flat matrix of the student's cosines.
    fn triplets(&self, cosines: &[f64], labels: &[u32], step: u64) -> Vec<[u32; 2]> {
        let b = labels.len();
        let squared = |i: usize, j: usize| 2.0 - 2.0 * cosines[i * b + j];
        let mut stream = Stream::derive(self.seed, "distill/triplets", &[step]);
        let mut out = Vec::new();
        for a in 0..b {
            for p in (a + 1..b).filter(|&p| labels[p] == labels[a]) {
                let near = squared(a, p);
                let fits = |n: &usize| {
                    let far = squared(a, *n);
                    labels[*n] != labels[a] && near < far && far - near < self.alpha
                };
                let negatives: Vec<usize> = (0..b).filter(fits).collect();
                if !negatives.is_empty() {
                    let n = negatives[stream.below(negatives.len() as u64) as usize];
                    out.push([(a * b + p) as u32, (a * b + n) as u32]);
                }
            }
        }
        out
    }

    /// The distance of two unit vectors by their cosine, and its slope.
    fn distance(&self, cosine: f64) -> (f64, f64) {
        if !self.angles {
            return (2.0 - 2.0 * cosine, -2.0);
        }
        let cosine = cosine.clamp(-1.0, 1.0);
        let sine = (1.0 - cosine * cosine).sqrt().max(SINE);
        (libm::acos(cosine), -1.0 / sine)
    }

    /// The distances of cosines `[T]`: values as constants, slopes on a term that is zero.
    fn distances(&self, cosines: &Tensor) -> Result<Tensor> {
        let data: Vec<f64> = cosines.to_dtype(DType::F64)?.to_vec1()?;
        let (values, slopes): (Vec<f64>, Vec<f64>) = data.iter().map(|&c| self.distance(c)).unzip();
        let constant = |data: Vec<f64>| Tensor::new(data, cosines.device());
        let moved = (constant(slopes)? * (cosines - cosines.detach())?)?;
        Ok((constant(values)? + moved)?)
    }
}

/// Sines below this count as this, which keeps slopes of angles finite.
const SINE: f64 = 1e-4;
