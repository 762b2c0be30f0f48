//! Knowledge distillation by logits (Hinton, Vinyals, Dean, 2015, section 2).

use super::{Distill, DistillEntry, DistillInput, Setup, Wants, maths};
use candle_core::Tensor;
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Params, Proof};

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "logit-kd",
        summary: "divergence between the class distributions of teacher and student",
        source: "Hinton et al., 2015, section 2: T^2 KL(softmax(z_T / T) || softmax(z_S / T)), \
                 mean over the batch, as TFace recognition/tasks/ekd/distillation/simple_kd.py; \
                 on the logits of both margin heads, after margin and scale, as in A-SKD+KD",
        params: &[Param {
            name: "temperature",
            kind: Kind::Float {
                min: 0.01,
                max: 1000.0,
            },
            required: true,
            doc: "T; 4 in TFace and A-SKD",
        }],
    },
    proof: Proof::Golden,
    wants,
    build,
};

struct LogitKd {
    temperature: f64,
}

fn wants(_params: &Params) -> Wants {
    Wants {
        logits: true,
        ..Wants::default()
    }
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    Ok(Box::new(LogitKd {
        temperature: args.f64("temperature")?,
    }))
}

impl Distill for LogitKd {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        let (student, teacher) = (input.student.logits()?, input.teacher.logits()?);
        maths::same_shape(student, teacher)?;
        let softened = |z: &Tensor| log_softmax(&(maths::wide(z)? / self.temperature)?);
        let (ours, theirs) = (softened(student)?, softened(&teacher.detach())?);
        let divergence = (theirs.exp()? * (theirs - ours)?)?.sum(1)?.mean_all()?;
        let loss = (divergence * (self.temperature * self.temperature))?;
        Ok(loss.to_dtype(student.dtype())?)
    }
}

/// Over the classes of `[B, C]`. The shift by the maximum cancels, also in the gradient.
fn log_softmax(logits: &Tensor) -> Result<Tensor> {
    let shifted = logits.broadcast_sub(&logits.detach().max_keepdim(1)?)?;
    let log_sum = shifted.exp()?.sum_keepdim(1)?.log()?;
    Ok(shifted.broadcast_sub(&log_sum)?)
}
