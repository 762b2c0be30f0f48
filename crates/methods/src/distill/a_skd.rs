//! Attention similarity (A-SKD, Shin et al., ECCV 2022, eqs. 4 to 7): the student should look
//! where the teacher looks.

use super::{Distill, DistillEntry, DistillInput, Setup, Taps, Wants, maths};
use crate::head::cosine::l2_normalize;
use candle_core::Tensor;
use frbench_base::registry::{Args, Info, Kind, Param, Params, Proof};
use frbench_base::{Error, Result};

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
                kind: Kind::Choice(&["both", "channel", "spatial", "channel-pooling"]),
                required: false,
                doc: "which attention is compared (default \"both\"); \"channel-pooling\": no \
                      learned maps, but the mean over channels of the output of every stage, \
                      reconstructed after the name of an ablation",
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
    proof: Proof::Golden,
    wants,
    build,
};

struct ASkd {
    lambda: f64,
    compared: Compared,
    cosine: bool,
    mean: bool,
}

/// Which taps are compared.
enum Compared {
    /// Learned maps, by what their names end in.
    Maps(&'static [&'static str]),
    /// Outputs of stages, averaged over their channels.
    Stages,
}

impl Compared {
    fn has(&self, tap: &str) -> bool {
        match self {
            Compared::Maps(ends) => ends.iter().any(|end| tap.ends_with(end)),
            Compared::Stages => tap.starts_with("stage"),
        }
    }

    /// What is compared of a tap.
    fn map(&self, taps: &Taps, name: &str) -> Result<Tensor> {
        match self {
            Compared::Maps(_) => taps.get(name),
            Compared::Stages => taps.powers(name, 1),
        }
    }
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
        compared: match args.text_or("maps", "both")? {
            "channel" => Compared::Maps(&[".channel"]),
            "spatial" => Compared::Maps(&[".spatial"]),
            "channel-pooling" => Compared::Stages,
            _ => Compared::Maps(&[".channel", ".spatial"]),
        },
        cosine: args.text_or("distance", "cosine")? == "cosine",
        mean: args.text_or("reduction", "sum")? == "mean",
    }))
}

impl Distill for ASkd {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        let (student, teacher) = (input.student.taps()?, input.teacher.taps()?);
        let is_map = |name: &String| self.compared.has(name);
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
            let ours = self.compared.map(student, name)?;
            let theirs = self.compared.map(teacher, name)?.detach();
            let one = self.distance(&ours, &theirs)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::distill::Outputs;
    use candle_core::Device;
    use serde_json::json;
    use std::collections::BTreeMap;

    /// Pooled over channels, a stage is compared by where it is active alone.
    #[test]
    fn channel_pooling_sees_where_and_not_in_which_channel() {
        let tap = |values: [f32; 8]| {
            let tensor = Tensor::from_slice(&values, (1, 2, 2, 2), &Device::Cpu).unwrap();
            Taps::of_tensors(BTreeMap::from([("stage1".to_string(), tensor)]))
        };
        let teacher = tap([1.0, 0.0, 0.0, 1.0, 3.0, 0.0, 0.0, 1.0]);
        let swapped = tap([3.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0]);
        let elsewhere = tap([0.0, 1.0, 1.0, 0.0, 0.0, 3.0, 1.0, 0.0]);
        let params = Params::from([
            ("lambda".to_string(), json!(2.0)),
            ("maps".to_string(), json!("channel-pooling")),
        ]);
        let embeddings = Tensor::zeros((1, 4), candle_core::DType::F32, &Device::Cpu).unwrap();
        let mut loss = crate::distill::build("a-skd", &params).unwrap();
        let mut of = |student: &Taps| -> f32 {
            let view = |taps| Outputs {
                taps: Some(taps),
                ..Outputs::of_embeddings(&embeddings)
            };
            let mut input = DistillInput::of_embeddings(&embeddings, &embeddings);
            (input.student, input.teacher) = (view(student), view(&teacher));
            loss.loss(&input).unwrap().to_scalar().unwrap()
        };
        assert!(of(&swapped).abs() < 1e-6);
        // No place in common: a cosine of 0.
        assert!((of(&elsewhere) - 2.0).abs() < 1e-6);
    }
}
