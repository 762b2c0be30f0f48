//! Cosine distance between the embeddings of teacher and student.

use super::{Distill, DistillEntry, DistillInput, Setup, embeddings_only, same_shape};
use crate::head::cosine::l2_normalize;
use candle_core::Tensor;
use frbench_base::Result;
use frbench_base::registry::{Info, Proof};

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "cosine",
        summary: "mean of 1 - cos(student, teacher)",
        source: "TFace recognition/tasks/ekd/distillation/cosine_distance.py",
        params: &[],
    },
    proof: Proof::Golden,
    wants: embeddings_only,
    build,
};

struct Cosine;

fn build(_setup: &Setup) -> Result<Box<dyn Distill>> {
    Ok(Box::new(Cosine))
}

impl Distill for Cosine {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        same_shape(input)?;
        let student = l2_normalize(input.student.embeddings)?;
        let teacher = l2_normalize(&input.teacher.embeddings.detach())?;
        let cosine = (student * teacher)?.sum(1)?;
        Ok((1.0 - cosine)?.mean_all()?)
    }
}
