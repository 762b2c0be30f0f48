//! BoundaryFace (Wu and Gong, ECCV 2022): ArcFace that corrects labels on the way.
//!
//! From the epoch after `epoch_start` on, a sample whose nearest other class would win with a
//! margin, `cos(theta_n + m) > cos(theta_y)`, counts as mislabelled and is trained as class
//! `n` in this step. BoundaryFace adds the boundary term
//! `lambda mean(max(0, max_j cos(theta_j) - cos(theta_y + m)))` with the corrected labels;
//! BoundaryF1 is the same without it.
//!
//! The released code masks by multiplication, so that the masked entries hold a zero which
//! takes part in every maximum: `max(0, max_j ...) > max(0, cos(theta_y))`, and in the term
//! `max(0, max_j ...) - max(0, cos(theta_y + m))`. The clean form is the formula without them.

use super::angular::{Angular, EASY, MARGIN};
use super::entropy;
use super::margin::{Cosines, SCALE};
use super::{Head, HeadEntry, HeadInput, HeadOutput, Preset};
use candle_core::{DType, Tensor};
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_job::HeadSpec;
use rayon::prelude::*;
use std::f64::consts::PI;

const START: Param = Param {
    name: "epoch_start",
    kind: Kind::Int {
        min: 0,
        max: 1_000_000,
    },
    required: true,
    doc: "epochs of plain ArcFace before labels are corrected; 7 on CASIA-WebFace, 11 on MS1M",
};

/// Epochs count from 1 here, and from 0 there.
const MS1M: &str = "SWJTU-3DVision/BoundaryFace training_mode/head_conf.yaml and \
                    distributed_training/train_DDP.py, which corrects in epochs above 10 of 0 to 23";

const FORM: Param = Param {
    name: "form",
    kind: Kind::Choice(&["released", "clean"]),
    required: false,
    doc: "maxima with the zeros of the released code's masks (default), or without",
};

pub(super) const F1: HeadEntry = HeadEntry {
    info: Info {
        name: "boundary-f1",
        summary: "ArcFace that corrects labels of samples far inside another class",
        source: "Wu and Gong, BoundaryFace, ECCV 2022, self-correction alone, as in \
                 `boundaryMargin1.py`",
        params: &[SCALE, MARGIN, EASY, START, FORM],
    },
    proof: Proof::Golden,
    presets: &[
        Preset {
            name: "casia",
            source: "SWJTU-3DVision/BoundaryFace head/boundaryMargin1.py",
            params: r#"{"s": 32, "m": 0.5, "epoch_start": 7}"#,
        },
        Preset {
            name: "ms1m",
            source: MS1M,
            params: r#"{"s": 32, "m": 0.5, "epoch_start": 11}"#,
        },
    ],
    build: |spec| build(F1.info.name, spec, false),
};

pub(super) const FACE: HeadEntry = HeadEntry {
    info: Info {
        name: "boundaryface",
        summary: "boundary-f1 with a term that keeps samples off the nearest class",
        source: "Wu and Gong, BoundaryFace, ECCV 2022, self-correction and boundary term, as in \
                 `boundaryMargin.py`",
        params: &[
            SCALE,
            MARGIN,
            EASY,
            START,
            FORM,
            Param {
                name: "lambda",
                kind: Kind::Float {
                    min: 0.0,
                    max: 1000.0,
                },
                required: false,
                doc: "weight of the boundary term (default pi, fixed in the released code)",
            },
        ],
    },
    proof: Proof::Golden,
    presets: &[
        Preset {
            name: "casia",
            source: "SWJTU-3DVision/BoundaryFace head/boundaryMargin.py",
            params: r#"{"s": 32, "m": 0.5, "epoch_start": 7, "form": "released"}"#,
        },
        Preset {
            name: "ms1m",
            source: MS1M,
            params: r#"{"s": 32, "m": 0.5, "epoch_start": 11, "form": "released"}"#,
        },
    ],
    build: |spec| build(FACE.info.name, spec, true),
};

struct Boundary {
    name: &'static str,
    scale: f64,
    margin: Angular,
    epoch_start: u64,
    /// What the masked entries hold: 0 in the released code.
    masked: f64,
    /// None: no boundary term.
    lambda: Option<f64>,
}

fn build(name: &'static str, spec: &HeadSpec, term: bool) -> Result<Box<dyn Head>> {
    let args = Args::new(name, &spec.params);
    Ok(Box::new(Boundary {
        name,
        scale: args.f64("s")?,
        margin: Angular::new(args.f64("m")?, args.bool_or("easy_margin", false)?),
        epoch_start: args.usize("epoch_start")? as u64,
        masked: match args.text_or("form", "released")? {
            "released" => 0.0,
            _ => f64::NEG_INFINITY,
        },
        lambda: match term {
            true => Some(args.f64_or("lambda", PI)?),
            false => None,
        },
    }))
}

impl Boundary {
    /// The labels to train with in this step.
    fn corrected(&self, cosines: &Cosines) -> Result<Vec<u32>> {
        let nearest = nearest_others(&cosines.matrix()?, &cosines.labels)?;
        let rows = nearest.iter().zip(&cosines.target).zip(&cosines.labels);
        Ok(rows
            .map(|((&(other, c), &target), &label)| {
                // The guarded margin increases with the cosine, so the nearest class in the
                // margined cosine is the nearest class.
                let margined = self.margin.at(c).value.max(self.masked);
                let wins = margined > target.max(self.masked);
                if wins { other } else { label }
            })
            .collect())
    }

    /// The boundary term before its weight.
    fn term(&self, cosines: &Cosines) -> Result<Tensor> {
        let matrix = cosines.matrix()?;
        let (b, classes) = matrix.dims2()?;
        let nearest = nearest_others(&matrix, &cosines.labels)?;
        let mut at: Vec<i64> = Vec::with_capacity(2 * b);
        at.extend(
            nearest
                .iter()
                .enumerate()
                .map(|(i, n)| (i * classes) as i64 + i64::from(n.0)),
        );
        at.extend(entropy::positions(&cosines.labels, (b, classes))?);
        let at = Tensor::from_vec(at, 2 * b, matrix.device())?;
        let both = matrix.flatten_all()?.index_select(&at, 0)?;
        let (other, target) = (both.narrow(0, 0, b)?, both.narrow(0, b, b)?);

        // The margined target: a constant, and its slope on a term that is zero.
        let margined = cosines.targets(1.0, |c| self.margin.at(c));
        let column = |of: fn(&super::margin::Margined) -> f64| -> Result<Tensor> {
            let data: Vec<f64> = margined.iter().map(of).collect();
            Ok(Tensor::from_vec(data, b, target.device())?.to_dtype(target.dtype())?)
        };
        let moved = (column(|m| m.slope)? * (&target - target.detach())?)?;
        let mut margined = (column(|m| m.value)? + moved)?;
        let mut other = other;
        if self.masked == 0.0 {
            (other, margined) = (other.relu()?, margined.relu()?);
        }
        Ok((other - margined)?.relu()?.mean_all()?)
    }
}

impl Head for Boundary {
    fn name(&self) -> &'static str {
        self.name
    }

    fn rewrites_labels(&self) -> bool {
        true
    }

    fn forward(&mut self, input: &HeadInput) -> Result<HeadOutput> {
        let mut cosines = Cosines::of(input)?;
        let active = input.epoch > self.epoch_start && cosines.classes(input)? > 1;
        if active {
            let labels = self.corrected(&cosines)?;
            cosines = Cosines::new(cosines.matrix()?, &labels)?;
        }
        let targets = cosines.targets(self.scale, |c| self.margin.at(c));
        let mut output = cosines.plain_softmax(targets, self.scale)?;
        if active {
            if let Some(lambda) = self.lambda {
                let aux = (self.term(&cosines)? * lambda)?;
                output.loss = (output.loss + &aux)?;
                output.aux_loss = Some(aux);
            }
            output.labels = Some(cosines.labels);
        }
        Ok(output)
    }
}

/// For each row the class other than its own with the largest cosine, the first of equals.
fn nearest_others(matrix: &Tensor, labels: &[u32]) -> Result<Vec<(u32, f64)>> {
    let (_, classes) = matrix.dims2()?;
    let flat = matrix.detach().flatten_all()?;
    if flat.dtype() == DType::F32 {
        let data = flat.to_vec1::<f32>()?;
        return Ok(nearest(&data, classes, labels, f32::NEG_INFINITY));
    }
    let data = flat.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    Ok(nearest(&data, classes, labels, f64::NEG_INFINITY))
}

fn nearest<T>(data: &[T], classes: usize, labels: &[u32], lowest: T) -> Vec<(u32, f64)>
where
    T: Copy + PartialOrd + Into<f64> + Sync,
{
    data.par_chunks(classes)
        .zip(labels)
        .map(|(row, &label)| {
            let (before, from) = row.split_at(label as usize);
            let mut best = (label, lowest);
            let others = before
                .iter()
                .zip(0..)
                .chain(from.iter().zip(label..).skip(1));
            for (&c, class) in others {
                if c > best.1 {
                    best = (class, c);
                }
            }
            (best.0, best.1.into())
        })
        .collect()
}
