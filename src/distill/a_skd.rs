//! Attention similarity (A-SKD, Shin et al., ECCV 2022, eqs. 4 to 7): the student should look
//! where the teacher looks.

use super::{Distill, DistillEntry, DistillInput, Setup, Wants, maths};
use crate::head::cosine::l2_normalize;
use crate::registry::{Args, Info, Kind, Param, Params};
use crate::{Error, Result};
use candle_core::Tensor;

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "a-skd",
        summary: "cosine distance of the attention maps of every CBAM block",
        source: "Shin et al., Teaching Where to Look, ECCV 2022, as its \
                 utility/distill_loss.py: lambda times the sum over all channel and spatial \
                 maps, before the sigmoid, of the batch mean of 1 - cosine",
        params: &[
            Param {
                name: "lambda",
                kind: Kind::Float { min: 0.0, max: 1e6 },
                required: true,
                doc: "weight of each map; 5 in the released code",
            },
            Param {
                name: "maps",
                kind: Kind::Choice(&["both", "channel", "spatial"]),
                required: false,
                doc: "which attention is compared (default \"both\")",
            },
            Param {
                name: "distance",
                kind: Kind::Choice(&["cosine", "l2"]),
                required: false,
                doc: "\"cosine\" (default): 1 - cos; \"l2\": the squared distance of the maps, \
                      averaged over their elements, as an ablation",
            },
            Param {
                name: "reduction",
                kind: Kind::Choice(&["sum", "mean"]),
                required: false,
                doc: "over the maps: \"sum\" (default) as in the released code, \"mean\" as in \
                      the authors' later feature-similarity-KD",
            },
        ],
    },
    wants,
    build,
};

struct ASkd {
    lambda: f64,
    kinds: &'static [&'static str],
    cosine: bool,
    mean: bool,
}

fn wants(_params: &Params) -> Wants {
    Wants {
        taps: true,
        ..Wants::default()
    }
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    Ok(Box::new(ASkd {
        lambda: args.f64("lambda")?,
        kinds: match args.text_or("maps", "both")? {
            "channel" => &[".channel"],
            "spatial" => &[".spatial"],
            _ => &[".channel", ".spatial"],
        },
        cosine: args.text_or("distance", "cosine")? == "cosine",
        mean: args.text_or("reduction", "sum")? == "mean",
    }))
}

impl Distill for ASkd {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        let (student, teacher) = (input.student.taps()?, input.teacher.taps()?);
        let is_map = |name: &String| self.kinds.iter().any(|kind| name.ends_with(kind));
        let names: Vec<String> = student.names().into_iter().filter(is_map).collect();
        let theirs: Vec<String> = teacher.names().into_iter().filter(is_map).collect();
        if names.is_empty() || names != theirs {
            return Err(Error::Usage(format!(
                "attention distillation wants two networks with the same attention modules, \
                 such as `cbam-iresnet50`; the student has {} maps and the teacher {}",
                names.len(),
                theirs.len()
            )));
        }
        let mut sum: Option<Tensor> = None;
        for name in &names {
            let one = self.distance(&student.get(name)?, &teacher.get(name)?.detach())?;
            sum = Some(match sum {
                Some(sum) => (sum + one)?,
                None => one,
            });
        }
        let sum = sum.ok_or_else(|| Error::Bug("no attention maps".into()))?;
        let weight = match self.mean {
            true => self.lambda / names.len() as f64,
            false => self.lambda,
        };
        Ok((sum * weight)?)
    }
}

impl ASkd {
    fn distance(&self, student: &Tensor, teacher: &Tensor) -> Result<Tensor> {
        maths::same_shape(student, teacher)?;
        if !self.cosine {
            return maths::mse(student, teacher);
        }
        let unit = |maps: &Tensor| l2_normalize(&maths::wide(&maths::flat(maps)?)?);
        let cosine = (unit(student)? * unit(teacher)?)?.sum(1)?;
        Ok((1.0 - cosine)?.mean_all()?.to_dtype(student.dtype())?)
    }
}
