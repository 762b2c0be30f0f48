//! DarkRank (Chen et al., AAAI 2018, eqs. 3 to 6), hard variant: the teacher's ranking of the
//! nearest samples of a batch should be likely under the student's distances.

use super::gram::{gram, squared_distances};
use super::{Distill, DistillEntry, DistillInput, Setup, embeddings_only, maths};
use crate::head::cosine::l2_normalize;
use candle_core::{DType, Tensor};
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_engine as engine;

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "darkrank",
        summary: "likelihood of the teacher's ranking of the nearest samples of a batch",
        source: "Chen et al., AAAI 2018, eqs. 3 to 6, hard variant as TFace \
                 recognition/tasks/ekd/distillation/darkrank.py: scores -alpha d^beta of \
                 L2-normalised embeddings, Plackett-Luce likelihood of the first permute_len",
        params: &[
            Param {
                name: "alpha",
                kind: Kind::Float {
                    min: 0.0,
                    max: 1000.0,
                },
                required: true,
                doc: "factor of the scores; 3 in the paper and in TFace",
            },
            Param {
                name: "beta",
                kind: Kind::Float {
                    min: 0.1,
                    max: 20.0,
                },
                required: true,
                doc: "power of the distances; 3 in the paper and in TFace",
            },
            Param {
                name: "permute_len",
                kind: Kind::Int { min: 1, max: 1000 },
                required: true,
                doc: "how many of the nearest samples are ranked; 3 in TFace",
            },
        ],
    },
    proof: Proof::Golden,
    wants: embeddings_only,
    build,
};

/// Squared distances below this count as this, as in TFace.
const FLOOR: f64 = 1e-12;

struct DarkRank {
    alpha: f64,
    beta: f64,
    permute_len: usize,
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    Ok(Box::new(DarkRank {
        alpha: args.f64("alpha")?,
        beta: args.f64("beta")?,
        permute_len: args.usize("permute_len")?,
    }))
}

impl Distill for DarkRank {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        let (student, teacher) = (input.student.embeddings, input.teacher.embeddings);
        let b = maths::same_batch(student, teacher)?;
        let teacher = self
            .scores(&teacher.detach(), input.device)?
            .to_vec2::<f64>()?;
        let length = self.permute_len.min(b - 1);
        let mut ranking = Vec::with_capacity(b * length);
        for scores in &teacher {
            let mut order: Vec<u32> = (0..b as u32).collect();
            let score = |i: &u32| scores[*i as usize];
            order.sort_by(|i, j| score(j).total_cmp(&score(i)).then(i.cmp(j)));
            // The first is the sample itself.
            ranking.extend_from_slice(&order[1..=length]);
        }
        let ranking = Tensor::from_vec(ranking, (b, length), student.device())?;
        let ranked = self.scores(student, input.device)?.gather(&ranking, 1)?;
        let mut unlikely = Tensor::zeros(b, DType::F64, student.device())?;
        for i in 0..length {
            let rest = ranked.narrow(1, i, length - i)?.contiguous()?;
            let first = ranked.narrow(1, i, 1)?.squeeze(1)?;
            unlikely = ((unlikely + log_sum_exp(&rest)?)? - first)?;
        }
        Ok(unlikely.mean_all()?.to_dtype(student.dtype())?)
    }
}

impl DarkRank {
    /// `-alpha d^beta` for all pairs, `[B, B]`, in f64.
    fn scores(&self, embeddings: &Tensor, device: &engine::Device) -> Result<Tensor> {
        let x = l2_normalize(&maths::wide(&maths::flat(embeddings)?)?)?;
        let squared = squared_distances(&x, &gram(&x, device)?)?;
        let distance = squared.maximum(FLOOR)?.sqrt()?;
        Ok((distance.powf(self.beta)? * -self.alpha)?)
    }
}

/// Over the columns of `[B, N]`. The shift by the maximum cancels, also in the gradient.
fn log_sum_exp(x: &Tensor) -> Result<Tensor> {
    let top = x.detach().max_keepdim(1)?;
    let sum = x.broadcast_sub(&top)?.exp()?.sum(1)?.log()?;
    Ok((sum + top.squeeze(1)?)?)
}
