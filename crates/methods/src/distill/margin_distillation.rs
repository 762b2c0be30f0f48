//! MarginDistillation (Svitov and Alyamkin, 2020): ArcFace against the class centres of the
//! teacher. The centres are not trained. The margin of an image grows with the teacher's cosine of
//! its embedding and the centre of its class.
//!
//! `m_i = (m_max - m_min) c_i / max_j c_j + m_min`, where `c_i` is the teacher's cosine of image
//! and class. The maximum is over the batch. Where no cosine is positive, `m_min` holds for all. It
//! takes the place of a head of the student, and is computed on the CPU whatever the device.

use super::{Distill, DistillEntry, DistillInput, Setup, Wants, maths};
use crate::head::cosine::l2_normalize;
use crate::head::{HeadInput, angular};
use candle_core::Tensor;
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};

/// A bound of the margins in radians.
pub(super) const fn bound(name: &'static str, doc: &'static str) -> Param {
    Param {
        name,
        kind: Kind::Float { min: 0.0, max: 1.5 },
        required: false,
        doc,
    }
}

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "margin-distillation",
        summary: "ArcFace against the teacher's class centres, with margins by the teacher's angles",
        source: "Svitov and Alyamkin, MarginDistillation, arXiv 2003.02586, as \
                 david-svitov/margindistillation train/train.py and train/config.py",
        params: &[
            Param {
                name: "s",
                kind: Kind::Float {
                    min: 1.0,
                    max: 1000.0,
                },
                required: false,
                doc: "scale of the cosines (default 64)",
            },
            bound("m_min", "smallest margin in radians (default 0.2)"),
            bound("m_max", "largest margin in radians (default 0.5)"),
        ],
    },
    proof: Proof::Recomputed,
    wants: |_| Wants {
        classes: true,
        ..Wants::default()
    },
    build,
};

struct MarginDistillation {
    scale: f64,
    m_min: f64,
    m_max: f64,
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    Ok(Box::new(MarginDistillation {
        scale: args.f64_or("s", 64.0)?,
        m_min: args.f64_or("m_min", 0.2)?,
        m_max: args.f64_or("m_max", 0.5)?,
    }))
}

impl Distill for MarginDistillation {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        let (student, teacher) = (input.student.embeddings, input.teacher.embeddings);
        let classes = input.teacher.classes()?.to_dtype(student.dtype())?;
        maths::same_batch(student, teacher)?;
        let of_label = Tensor::new(input.labels, classes.device())?;
        let centres = l2_normalize(&maths::wide(&classes.index_select(&of_label, 0)?)?)?;
        let embeddings = l2_normalize(&maths::wide(&teacher.detach())?)?;
        let cosines: Vec<f64> = (centres * embeddings)?.sum(1)?.to_vec1()?;
        let margins = scaled_margins(&cosines, self.m_min, self.m_max);
        let seen = HeadInput {
            embeddings: student,
            weight: &classes.detach(),
            weight_grad: None,
            labels: input.labels,
            logits: false,
            epoch: 1,
            step: input.step,
        };
        angular::softmax_with(&seen, self.scale, &margins)
    }
}

/// `(max - min) v / max v + min`, and `min` where no value is positive.
pub(super) fn scaled_margins(values: &[f64], min: f64, max: f64) -> Vec<f64> {
    let top = values.iter().copied().fold(0.0, f64::max);
    let slope = if top > 0.0 { (max - min) / top } else { 0.0 };
    values.iter().map(|v| slope * v + min).collect()
}
