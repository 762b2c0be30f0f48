//! Angular distillation of ShrinkTeaNet (Duong et al., 2019): directions like the teacher's,
//! whatever the lengths.

use super::{Distill, DistillEntry, DistillInput, Setup, embeddings_only, same_shape};
use crate::head::cosine::l2_normalize;
use candle_core::Tensor;
use frbench_base::Result;
use frbench_base::registry::{Args, Info, Kind, Param, Proof};

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "shrinkteanet",
        summary: "distance of the directions of embeddings",
        source: "Duong et al., ShrinkTeaNet, 2019, angular distillation; `difference` is the \
                 form VarGFaceNet (ICCV workshops 2019) uses under this name, `cosine` our \
                 recollection of the paper's own; neither was checked against its text",
        params: &[Param {
            name: "form",
            kind: Kind::Choice(&["difference", "cosine"]),
            required: true,
            doc: "\"difference\": |x_s/|x_s| - x_t/|x_t||^2; \"cosine\": (1 - cos(x_s, x_t))^2; \
                  both as means over the batch",
        }],
    },
    proof: Proof::Recomputed,
    wants: embeddings_only,
    build,
};

struct ShrinkTeaNet {
    cosine: bool,
}

fn build(setup: &Setup) -> Result<Box<dyn Distill>> {
    let args = Args::new(ENTRY.info.name, setup.params);
    Ok(Box::new(ShrinkTeaNet {
        cosine: args.text("form")? == "cosine",
    }))
}

impl Distill for ShrinkTeaNet {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        same_shape(input)?;
        let student = l2_normalize(input.student.embeddings)?;
        let teacher = l2_normalize(&input.teacher.embeddings.detach())?;
        if self.cosine {
            let cosine = (student * teacher)?.sum(1)?;
            Ok((1.0 - cosine)?.sqr()?.mean_all()?)
        } else {
            Ok((student - teacher)?.sqr()?.sum(1)?.mean_all()?)
        }
    }
}
