//! Contrastive representation distillation (CRD, Tian et al., ICLR 2020, eqs. 11 to 19): of
//! many images, the student's projection should tell which one the teacher's came from.
//!
//! Both networks' embeddings are projected (two learned maps, L2-normalised) and remembered,
//! one row per training image. A sample is contrasted with images of other identities, drawn
//! anew in every step; the estimate of the normalising constants is that of the first step.

use super::adapter::Linear;
use super::bank::Bank;
use super::relation::dots;
use super::{Distill, DistillEntry, DistillInput, Setup, embeddings_only, maths};
use crate::head::cosine::l2_normalize;
use candle_core::backprop::GradStore;
use candle_core::{DType, Tensor};
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};
use frbench_engine as engine;
use frbench_job::artefact::Matrix;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashSet};

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "crd",
        summary: "noise-contrastive estimation between projections, with a memory of the set",
        source: "Tian et al., Contrastive Representation Distillation, ICLR 2020, eqs. 11 to \
                 19, as RepDistiller crd/criterion.py and crd/memory.py; negatives are images \
                 of other identities, as its dataset/cifar100.py draws them",
        params: &[
            Param {
                name: "dim",
                kind: Kind::Int { min: 2, max: 4096 },
                required: true,
                doc: "dimensions of the projections; 128 in RepDistiller",
            },
            Param {
                name: "negatives",
                kind: Kind::Int {
                    min: 1,
                    max: 1_000_000,
                },
                required: true,
                doc: "images that each sample is contrasted with; 16384 in RepDistiller. A step \
                      holds as many rows of both memories for each sample",
            },
            Param {
                name: "temperature",
                kind: Kind::Float {
                    min: 1e-3,
                    max: 100.0,
                },
                required: true,
                doc: "of the exponentials; 0.07 in RepDistiller",
            },
            Param {
                name: "momentum",
                kind: Kind::Float { min: 0.0, max: 1.0 },
                required: true,
                doc: "share of the old row when a memory row is updated; 0.5 in RepDistiller",
            },
        ],
    },
    proof: Proof::Recomputed,
    wants: embeddings_only,
    build,
};

/// As in RepDistiller.
const EPS: f64 = 1e-7;

struct Crd {
    negatives: usize,
    temperature: f64,
    momentum: f64,
    seed: u64,
    /// Identity of each image.
    labels: Vec<u32>,
    /// Images of each identity.
    counts: BTreeMap<u32, usize>,
    student: Side,
    teacher: Side,
}

/// What is kept of one network.
struct Side {
    projection: Linear,
    /// `[N, dim]`, projections of the training set.
    memory: Bank,
    /// Normalising constant of the scores of this network's projections; 0 before it is known.
    z: f32,
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    let mut counts: BTreeMap<u32, usize> = BTreeMap::new();
    for &label in setup.labels {
        *counts.entry(label).or_default() += 1;
    }
    if counts.len() < 2 {
        return Err(Error::Usage(
            "`crd` remembers a training set; it wants one of two identities or more".into(),
        ));
    }
    let dim = args.usize("dim")?;
    let side = |name: &'static str| {
        let bound = 1.0 / (dim as f64 / 3.0).sqrt();
        let mut stream = Stream::derive(setup.seed, &format!("distill/crd/{name}"), &[]);
        Side {
            projection: Linear::new(name, setup),
            memory: Bank::new(Matrix {
                rows: setup.labels.len(),
                cols: dim,
                data: (0..setup.labels.len() * dim)
                    .map(|_| stream.range(-bound, bound) as f32)
                    .collect(),
            }),
            z: 0.0,
        }
    };
    Ok(Box::new(Crd {
        negatives: args.usize("negatives")?,
        temperature: args.f64("temperature")?,
        momentum: args.f64("momentum")?,
        seed: setup.seed,
        labels: setup.labels.to_vec(),
        counts,
        student: side("student"),
        teacher: side("teacher"),
    }))
}

impl Distill for Crd {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        let (student, teacher) = (input.student.embeddings, input.teacher.embeddings);
        if maths::same_batch(student, teacher)? != input.samples.len() {
            return Err(Error::Compute(format!(
                "{} sample numbers for {} samples",
                input.samples.len(),
                student.dim(0)?
            )));
        }
        let drawn = self.draw(input)?;
        let student = self.student.project(student)?;
        let teacher = self.teacher.project(&teacher.detach())?;
        // Each network's projections are contrasted with the other's memory.
        let against_teacher = self.teacher.memory.select(&drawn, false)?;
        let against_student = self.student.memory.select(&drawn, false)?;
        let count = self.labels.len() as f64;
        let mut loss: Option<Tensor> = None;
        for (side, projected, rows) in [
            (&mut self.student, &student, against_teacher),
            (&mut self.teacher, &teacher, against_student),
        ] {
            let scores = (dots(projected, rows)? / self.temperature)?.exp()?;
            let one = side.contrast(&scores, count)?;
            loss = Some(match loss {
                Some(sum) => (sum + one)?,
                None => one,
            });
        }
        for (side, projected) in [(&mut self.student, student), (&mut self.teacher, teacher)] {
            side.memory
                .blend(input.samples, &projected, self.momentum)?;
        }
        loss.ok_or_else(|| Error::Bug("no contrast".into()))
    }

    fn learn(&mut self, grads: &GradStore, lr: f64) -> Result<()> {
        self.student.projection.learn(grads, lr)?;
        self.teacher.projection.learn(grads, lr)
    }

    fn move_to(&mut self, device: &engine::Device) -> Result<()> {
        self.student.memory.move_to(device)?;
        self.teacher.memory.move_to(device)
    }

    fn state(&self) -> BTreeMap<String, Matrix<f32>> {
        let mut state = BTreeMap::new();
        for (name, side) in [("student", &self.student), ("teacher", &self.teacher)] {
            side.projection.save(&mut state);
            state.insert(format!("{name}.memory"), side.memory.features().clone());
            let z = Matrix {
                rows: 1,
                cols: 1,
                data: vec![side.z],
            };
            state.insert(format!("{name}.z"), z);
        }
        state
    }

    fn restore(&mut self, mut state: BTreeMap<String, Matrix<f32>>) -> Result<()> {
        for (name, side) in [
            ("student", &mut self.student),
            ("teacher", &mut self.teacher),
        ] {
            side.projection.restore(&mut state)?;
            let of = |what: &str| format!("{name}.{what}");
            let memory = state.remove(&of("memory"));
            side.memory.restore(memory, &of("memory"))?;
            let z = state.remove(&of("z"));
            let z = z.as_ref().and_then(|z| z.data.first());
            side.z = *z.ok_or_else(|| Error::Data(format!("the checkpoint has no `{name}.z`")))?;
        }
        Ok(())
    }
}

impl Crd {
    /// For each sample its own image, then images of other identities: without repetition
    /// where there are enough. A function of seed and step. `[B, 1 + negatives]`.
    fn draw(&self, input: &DistillInput) -> Result<Matrix<u32>> {
        let images = self.labels.len() as u64;
        if let Some(sample) = input.samples.iter().find(|s| u64::from(**s) >= images) {
            return Err(Error::Compute(format!(
                "sample {sample} is not one of the {images} images of the training set"
            )));
        }
        let (step, cols) = (input.step, 1 + self.negatives);
        let mut data = vec![0; input.samples.len() * cols];
        let rows = data.par_chunks_mut(cols).zip(input.samples).enumerate();
        let (labels, counts, seed) = (&self.labels, &self.counts, self.seed);
        rows.for_each(|(i, (row, &sample))| {
            let own = labels[sample as usize];
            let others = labels.len() - counts.get(&own).copied().unwrap_or(0);
            let repeat = others < cols - 1;
            let mut seen = HashSet::new();
            let mut stream = Stream::derive(seed, "distill/crd/negatives", &[step, i as u64]);
            row[0] = sample;
            for negative in &mut row[1..] {
                *negative = loop {
                    let draw = stream.below(images) as u32;
                    if labels[draw as usize] != own && (repeat || seen.insert(draw)) {
                        break draw;
                    }
                };
            }
        });
        Ok(Matrix {
            rows: input.samples.len(),
            cols,
            data,
        })
    }
}

impl Side {
    fn project(&mut self, embeddings: &Tensor) -> Result<Tensor> {
        let dim = self.memory.features().cols;
        l2_normalize(&self.projection.apply(embeddings, dim)?)
    }

    /// Eq. 18 over scores `[B, 1 + negatives]`, the first column being the positive ones:
    /// sums over the contrasts, mean over the batch.
    fn contrast(&mut self, scores: &Tensor, images: f64) -> Result<Tensor> {
        let (b, columns) = scores.dims2()?;
        if self.z == 0.0 {
            let mean = scores.detach().to_dtype(DType::F64)?.mean_all()?;
            self.z = (mean.to_scalar::<f64>()? * images) as f32;
        }
        let p = (scores / f64::from(self.z))?;
        let noise = (columns - 1) as f64 / images;
        let positive = p.narrow(1, 0, 1)?;
        let negative = p.narrow(1, 1, columns - 1)?;
        let hit = (&positive / (&positive + (noise + EPS))?)?.log()?;
        let miss = ((negative + (noise + EPS))?.recip()? * noise)?.log()?;
        Ok(((hit.sum_all()? + miss.sum_all()?)? / -(b as f64))?)
    }
}
