//! Relational knowledge distillation (Park et al., CVPR 2019, eqs. 5 to 10).

use super::angles;
use super::gram::{gram, squared_distances};
use super::sites::{self, Sites, TAPS};
use super::{Distill, DistillEntry, DistillInput, Setup, maths};
use candle_core::Tensor;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Error, Result};

const WEIGHT: Kind = Kind::Float { min: 0.0, max: 1e6 };

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "rkd",
        summary: "distances of pairs and angles of triples inside a batch, like the teacher's",
        source: "Park et al., CVPR 2019, eqs. 5 to 10, as TFace \
                 recognition/tasks/ekd/distillation/rkd.py: distances over their mean, angles as \
                 cosines, both by the smooth L1 distance, over B^2 pairs and B^3 triples",
        params: &[
            TAPS,
            Param {
                name: "w_distance",
                kind: WEIGHT,
                required: true,
                doc: "weight of the distances; 1 in the paper, 25 in RepDistiller and TFace",
            },
            Param {
                name: "w_angle",
                kind: WEIGHT,
                required: true,
                doc: "weight of the angles; 2 in the paper, 50 in RepDistiller and TFace",
            },
        ],
    },
    proof: Proof::Golden,
    wants: sites::wants,
    build,
};

/// Squared distances below this count as this, as in the sources.
const FLOOR: f64 = 1e-12;

struct Rkd {
    sites: Sites,
    w_distance: f64,
    w_angle: f64,
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    Ok(Box::new(Rkd {
        sites: Sites::new(&args)?,
        w_distance: args.f64("w_distance")?,
        w_angle: args.f64("w_angle")?,
    }))
}

impl Distill for Rkd {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        sites::sum(self.sites.pairs(input)?, |student, teacher| {
            if maths::same_batch(student, teacher)? < 2 {
                return Err(Error::Compute(
                    "relations inside a batch want two samples".into(),
                ));
            }
            let x = maths::wide(&maths::flat(student)?)?;
            let y = maths::wide(&maths::flat(teacher)?)?;
            let (ours, theirs) = (gram(&x, input.device)?, gram(&y, input.device)?);
            let distances = maths::smooth_l1(&distances(&x, &ours)?, &distances(&y, &theirs)?)?;
            let mut loss = (distances * self.w_distance)?;
            // The costly part, B^3.
            if self.w_angle != 0.0 {
                loss = (loss + (angles::gap(&ours, &theirs, input.device)? * self.w_angle)?)?;
            }
            Ok(loss.to_dtype(student.dtype())?)
        })
    }
}

/// Distances of all pairs over their mean, `[B, B]`.
fn distances(x: &Tensor, gram: &Tensor) -> Result<Tensor> {
    let squared = squared_distances(x, gram)?;
    let b = squared.dim(0)?;
    let others = maths::off_diagonal(b, &squared)?;
    let distances = (squared.maximum(FLOOR)?.sqrt()? * others)?;
    let mean = (distances.sum_all()? / (b * (b - 1)) as f64)?;
    Ok(distances.broadcast_div(&mean)?)
}
