//! Feature consistency distillation: the embeddings of one image should agree.

use super::{Distill, DistillEntry, DistillInput, same_shape};
use crate::Result;
use crate::head::cosine::l2_normalize;
use crate::registry::{Args, Info, Kind, Param, Params};
use candle_core::Tensor;

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "fcd",
        summary: "mean squared L2 distance between the embeddings of student and teacher",
        source: "feature consistency distillation as CoupleFace (ECCV 2022) uses it; whether \
                 its features are L2-normalised is not published, so it is stated",
        params: &[NORMALIZE],
    },
    build,
};

/// Shared with the methods that use this loss.
pub const NORMALIZE: Param = Param {
    name: "normalize",
    kind: Kind::Bool,
    required: true,
    doc: "take the distance of L2-normalised embeddings (then it is 2 - 2 cos)",
};

struct Fcd {
    normalize: bool,
}

fn build(params: &Params) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, params);
    Ok(Box::new(Fcd {
        normalize: args.bool("normalize")?,
    }))
}

impl Distill for Fcd {
    fn loss(&self, input: &DistillInput) -> Result<Tensor> {
        same_shape(input)?;
        let teacher = input.teacher.detach();
        let difference = if self.normalize {
            (l2_normalize(input.student)? - l2_normalize(&teacher)?)?
        } else {
            (input.student - teacher)?
        };
        Ok(difference.sqr()?.sum(1)?.mean_all()?)
    }
}
