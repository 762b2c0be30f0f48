//! Evaluation-oriented distillation (EKD, Huang et al., CVPR 2022): what an evaluation sees of
//! a pair is which thresholds its similarity passes, so student and teacher should pass the
//! same ones.
//!
//! Each network has anchors: its thresholds at some false positive rates, moving averages over
//! the negative pairs of its batches, updated before use. The soft rank of a pair is the sum
//! over the anchors of `sigmoid((similarity - anchor) / T)`. The loss is the mean squared
//! difference of the soft ranks over the positive pairs, and over the negative pairs that the
//! student finds most similar.

use super::gram::gram;
use super::{Distill, DistillEntry, DistillInput, Setup, embeddings_only, maths};
use crate::head::cosine::l2_normalize;
use candle_core::Tensor;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Error, Result};
use frbench_engine as engine;
use frbench_job::artefact::Matrix;
use std::collections::BTreeMap;

const WEIGHT: Kind = Kind::Float { min: 0.0, max: 1e6 };

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "ekd",
        summary: "soft ranks of pairs among thresholds at false positive rates",
        source: "Huang et al., Evaluation-oriented Knowledge Distillation, CVPR 2022, as TFace \
                 recognition/tasks/ekd/distillation/ekd.py; defaults are that file's constants",
        params: &[
            Param {
                name: "fprs",
                kind: Kind::Floats,
                required: false,
                doc: "false positive rates of the anchors (default [1e-1, 1e-2, 1e-3, 1e-4, \
                      1e-5, 1e-6])",
            },
            Param {
                name: "temperature",
                kind: Kind::Float {
                    min: 1e-4,
                    max: 10.0,
                },
                required: false,
                doc: "T, width of the steps of the soft rank, in cosines (default 0.01)",
            },
            Param {
                name: "momentum",
                kind: Kind::Float { min: 0.0, max: 1.0 },
                required: false,
                doc: "share of a batch in the moving average of the anchors (default 0.01)",
            },
            Param {
                name: "topk",
                kind: Kind::Int {
                    min: 1,
                    max: 100_000_000,
                },
                required: false,
                doc: "negative pairs that count, the most similar by the student (default 2000)",
            },
            Param {
                name: "w_positive",
                kind: WEIGHT,
                required: false,
                doc: "weight of the positive pairs (default 0.02)",
            },
            Param {
                name: "w_negative",
                kind: WEIGHT,
                required: false,
                doc: "weight of the negative pairs (default 0.01)",
            },
        ],
    },
    proof: Proof::Recomputed,
    wants: embeddings_only,
    build,
};

struct Ekd {
    fprs: Vec<f64>,
    temperature: f64,
    momentum: f64,
    topk: usize,
    w_positive: f64,
    w_negative: f64,
    /// One threshold per rate, from 0.
    student_anchors: Vec<f32>,
    teacher_anchors: Vec<f32>,
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    let fprs = match setup.params.contains_key("fprs") {
        true => args.floats("fprs")?,
        false => vec![1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6],
    };
    if fprs.is_empty() || !fprs.iter().all(|f| (1e-12..1.0).contains(f)) {
        return Err(Error::Usage(format!(
            "`ekd`: `fprs` is {fprs:?}, want rates above 0 and below 1"
        )));
    }
    Ok(Box::new(Ekd {
        temperature: args.f64_or("temperature", 0.01)?,
        momentum: args.f64_or("momentum", 0.01)?,
        topk: args.usize_or("topk", 2000)?,
        w_positive: args.f64_or("w_positive", 0.02)?,
        w_negative: args.f64_or("w_negative", 0.01)?,
        student_anchors: vec![0.0; fprs.len()],
        teacher_anchors: vec![0.0; fprs.len()],
        fprs,
    }))
}

/// The pairs of a batch by their place in its matrix of similarities.
#[derive(Default)]
struct Pairs {
    positive: Vec<u32>,
    negative: Vec<u32>,
}

impl Pairs {
    fn of(labels: &[u32]) -> Self {
        let mut pairs = Pairs::default();
        for i in 0..labels.len() {
            for j in i + 1..labels.len() {
                let kind = match labels[i] == labels[j] {
                    true => &mut pairs.positive,
                    false => &mut pairs.negative,
                };
                kind.push((i * labels.len() + j) as u32);
            }
        }
        pairs
    }
}

impl Distill for Ekd {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        let (student, teacher) = (input.student.embeddings, input.teacher.embeddings);
        if maths::same_batch(student, teacher)? != input.labels.len() {
            return Err(Error::Compute(format!(
                "{} labels for {} samples",
                input.labels.len(),
                student.dim(0)?
            )));
        }
        let pairs = Pairs::of(input.labels);
        let dtype = student.dtype();
        let student = similarities(student, input.device)?;
        let teacher = similarities(&teacher.detach(), input.device)?;
        let values: Vec<f64> = student.to_vec1()?;
        let hardest = most_similar(&pairs.negative, &values);
        let theirs: Vec<f64> = teacher.to_vec1()?;
        let theirs_hardest = most_similar(&pairs.negative, &theirs);
        let (fprs, momentum) = (&self.fprs, self.momentum);
        follow(&mut self.student_anchors, fprs, momentum, &hardest, &values);
        follow(
            &mut self.teacher_anchors,
            fprs,
            momentum,
            &theirs_hardest,
            &theirs,
        );

        let mut loss = (student.sum_all()? * 0.0)?;
        let hardest = &hardest[..self.topk.min(hardest.len())];
        for (weight, kind) in [
            (self.w_positive, pairs.positive.as_slice()),
            (self.w_negative, hardest),
        ] {
            // A batch need not hold both kinds.
            if weight > 0.0 && !kind.is_empty() {
                let kind = Tensor::new(kind, student.device())?;
                let ranks = self.ranks(&student.index_select(&kind, 0)?, &self.student_anchors)?;
                let want = self.ranks(&teacher.index_select(&kind, 0)?, &self.teacher_anchors)?;
                loss = (loss + (maths::mse(&ranks, &want)? * weight)?)?;
            }
        }
        Ok(loss.to_dtype(dtype)?)
    }

    fn state(&self) -> BTreeMap<String, Matrix<f32>> {
        let row = |data: &Vec<f32>| Matrix {
            rows: 1,
            cols: data.len(),
            data: data.clone(),
        };
        BTreeMap::from([
            (STUDENT.to_owned(), row(&self.student_anchors)),
            (TEACHER.to_owned(), row(&self.teacher_anchors)),
        ])
    }

    fn restore(&mut self, mut state: BTreeMap<String, Matrix<f32>>) -> Result<()> {
        for (name, anchors) in [
            (STUDENT, &mut self.student_anchors),
            (TEACHER, &mut self.teacher_anchors),
        ] {
            match state.remove(name) {
                Some(saved) if saved.data.len() == anchors.len() => *anchors = saved.data,
                _ => {
                    return Err(Error::Data(format!(
                        "the checkpoint has no `{name}` of {} numbers",
                        anchors.len()
                    )));
                }
            }
        }
        Ok(())
    }
}

const STUDENT: &str = "student-anchors";
const TEACHER: &str = "teacher-anchors";

/// Cosines of all pairs, `[B B]`, in f64: the steps of the soft rank are steep.
fn similarities(embeddings: &Tensor, device: &engine::Device) -> Result<Tensor> {
    let unit = l2_normalize(&maths::wide(embeddings)?)?;
    Ok(gram(&unit, device)?.flatten_all()?)
}

/// The pairs by falling similarity; of equal ones the first in the batch first.
fn most_similar(pairs: &[u32], similarity: &[f64]) -> Vec<u32> {
    let mut sorted = pairs.to_vec();
    let of = |pair: &u32| similarity[*pair as usize];
    sorted.sort_by(|a, b| of(b).total_cmp(&of(a)).then(a.cmp(b)));
    sorted
}

/// Moves the anchors towards the thresholds of this batch: at a rate of `1 / n`, the
/// similarity of negative pair number `count / n`, the most similar being number 0.
fn follow(anchors: &mut [f32], fprs: &[f64], momentum: f64, negatives: &[u32], similarity: &[f64]) {
    if negatives.is_empty() {
        return;
    }
    for (anchor, fpr) in anchors.iter_mut().zip(fprs) {
        // 1 / 1e-3 is a little less than 1000.
        let at = (negatives.len() as f64 / (1.0 / fpr).round()).floor() as usize;
        let threshold = similarity[negatives[at.min(negatives.len() - 1)] as usize];
        *anchor = (momentum * threshold + (1.0 - momentum) * f64::from(*anchor)) as f32;
    }
}

impl Ekd {
    /// Soft rank of each similarity `[P]` among the anchors, `[P]`.
    fn ranks(&self, similarity: &Tensor, anchors: &[f32]) -> Result<Tensor> {
        let anchors = Tensor::new(anchors, similarity.device())?.to_dtype(similarity.dtype())?;
        let above = similarity
            .unsqueeze(1)?
            .broadcast_sub(&anchors.unsqueeze(0)?)?;
        // Far from every step the sigmoid is flat, and exp must not overflow.
        let exponent = (above / -self.temperature)?.clamp(-50.0, 50.0)?;
        let passed = (exponent.exp()? + 1.0)?.recip()?;
        Ok(passed.sum(1)?)
    }
}
