//! Attention transfer by activations (Zagoruyko and Komodakis, ICLR 2017, eq. 2).

use super::sites::{self, Sites, TAPS};
use super::{Distill, DistillEntry, DistillInput, Setup, maths};
use crate::head::cosine::l2_normalize;
use candle_core::Tensor;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};
use frbench_base::{Error, Result};

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "at",
        summary: "distance of attention maps: where activations are large",
        source: "Zagoruyko and Komodakis, ICLR 2017, eq. 2, as RepDistiller \
                 distiller_zoo/AT.py: Q = mean over channels of A^p, flattened and \
                 L2-normalised; the mean of (Q_S - Q_T)^2",
        params: &[
            TAPS,
            Param {
                name: "p",
                kind: Kind::Int { min: 1, max: 16 },
                required: false,
                doc: "power of the activations (default 2)",
            },
        ],
    },
    proof: Proof::Golden,
    wants: sites::wants,
    build,
};

struct At {
    sites: Sites,
    p: u32,
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    Ok(Box::new(At {
        sites: Sites::new(&args)?,
        p: args.usize_or("p", 2)? as u32,
    }))
}

impl Distill for At {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        sites::sum(self.sites.looks(input)?, |student, teacher| {
            let (s, t) = (student.shape()?, teacher.shape()?);
            if s.len() != 4 || t.len() != 4 {
                return Err(Error::Usage(
                    "attention transfer compares maps; name them by `taps`".into(),
                ));
            }
            let p = self.p;
            let (ours, theirs) = if s[2..] == t[2..] {
                (student.powers(p)?, teacher.powers(p)?.detach())
            } else {
                // Pooled before the powers are taken, as RepDistiller does.
                let (s, t) = maths::same_size(&student.whole()?, &teacher.whole()?.detach())?;
                (maths::mean_powers(&s, p)?, maths::mean_powers(&t, p)?)
            };
            maths::mse(&attention(&ours)?, &attention(&theirs)?)
        })
    }
}

/// Powers `[B, 1, H, W]` to `[B, H W]`, rows of length 1.
fn attention(powers: &Tensor) -> Result<Tensor> {
    l2_normalize(&maths::flat(powers)?)
}
