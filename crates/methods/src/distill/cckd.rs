//! Correlation congruence (Peng et al., ICCV 2019, eqs. 5 to 9).

use super::gram::gram;
use super::{Distill, DistillEntry, DistillInput, Setup, embeddings_only, maths};
use crate::head::cosine::l2_normalize;
use candle_core::Tensor;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Error, Result};
use frbench_engine as engine;

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "cckd",
        summary: "correlations inside a batch, by a Gaussian kernel's Taylor series",
        source: "Peng et al., ICCV 2019, eqs. 5 to 9, as TFace \
                 recognition/tasks/ekd/distillation/cc.py: sum over p of \
                 exp(-2 gamma) (2 gamma)^p / p! G^p with G the cosines of the batch; mean \
                 squared distance. AberHu's code sums p = 0, 1, 2; TFace's p = 0, 1",
        params: &[
            Param {
                name: "gamma",
                kind: Kind::Float {
                    min: 0.0,
                    max: 100.0,
                },
                required: true,
                doc: "width of the kernel; 0.4 in the paper and in both codes",
            },
            Param {
                name: "powers",
                kind: Kind::Floats,
                required: true,
                doc: "the exponents p that are summed, whole numbers from 0 to 20: [0, 1] or \
                      [0, 1, 2]",
            },
        ],
    },
    proof: Proof::Golden,
    wants: embeddings_only,
    build,
};

struct Cckd {
    gamma: f64,
    powers: Vec<u32>,
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    let stated = args.floats("powers")?;
    let whole = |p: &f64| p.fract() == 0.0 && (0.0..=20.0).contains(p);
    if stated.is_empty() || !stated.iter().all(whole) {
        return Err(Error::Usage(format!(
            "`cckd`: `powers` is {stated:?}, want whole numbers from 0 to 20"
        )));
    }
    Ok(Box::new(Cckd {
        gamma: args.f64("gamma")?,
        powers: stated.into_iter().map(|p| p as u32).collect(),
    }))
}

impl Distill for Cckd {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        let (student, teacher) = (input.student.embeddings, input.teacher.embeddings);
        maths::same_batch(student, teacher)?;
        let theirs = self.correlation(&teacher.detach(), input.device)?;
        let loss = maths::mse(&self.correlation(student, input.device)?, &theirs)?;
        Ok(loss.to_dtype(student.dtype())?)
    }
}

impl Cckd {
    /// `[B, B]`, in f64.
    fn correlation(&self, embeddings: &Tensor, device: &engine::Device) -> Result<Tensor> {
        let gram = gram(
            &l2_normalize(&maths::wide(&maths::flat(embeddings)?)?)?,
            device,
        )?;
        let mut sum = gram.zeros_like()?;
        for &p in &self.powers {
            let mut power = gram.ones_like()?;
            let mut factor = libm::exp(-2.0 * self.gamma);
            for i in 1..=p {
                power = (power * &gram)?;
                factor *= 2.0 * self.gamma / f64::from(i);
            }
            sum = (sum + (power * factor)?)?;
        }
        Ok(sum)
    }
}
