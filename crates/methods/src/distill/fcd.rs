//! Feature consistency distillation: the embeddings of one image should agree.

use super::{Distill, DistillEntry, DistillInput, Setup, embeddings_only, same_shape};
use crate::head::cosine::l2_normalize;
use candle_core::Tensor;
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "fcd",
        summary: "mean squared L2 distance between the embeddings of student and teacher",
        source: "feature consistency distillation as CoupleFace (ECCV 2022) uses it; whether \
                 its features are L2-normalised is not published, so it is stated",
        params: &[NORMALIZE],
    },
    proof: Proof::Golden,
    wants: embeddings_only,
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

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    Ok(Box::new(Fcd {
        normalize: args.bool("normalize")?,
    }))
}

impl Distill for Fcd {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        same_shape(input)?;
        let student = input.student.embeddings;
        let teacher = input.teacher.embeddings.detach();
        let difference = if self.normalize {
            (l2_normalize(student)? - l2_normalize(&teacher)?)?
        } else {
            (student - teacher)?
        };
        Ok(difference.sqr()?.sum(1)?.mean_all()?)
    }
}
