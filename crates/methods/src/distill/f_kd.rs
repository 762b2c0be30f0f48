//! F-KD (Massoli et al., cross-resolution learning for face recognition, 2020): raw features
//! like the teacher's.

use super::{Distill, DistillEntry, DistillInput, Setup, embeddings_only, maths};
use candle_core::Tensor;
use frbench_base::Result;
use frbench_base::registry::{Info, Proof};

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "f-kd",
        summary: "mean squared distance of raw embeddings, over all elements",
        source: "Massoli et al., Image and Vision Computing 2020: CE + lambda MSE(student, \
                 teacher) with lambda 0.1, as fvmassoli/cross-resolution-face-recognition \
                 trainer.py; lambda is the weight that a suite states",
        params: &[],
    },
    proof: Proof::Recomputed,
    wants: embeddings_only,
    build,
};

struct FKd;

fn build(_setup: &Setup) -> Result<Box<dyn Distill>> {
    Ok(Box::new(FKd))
}

impl Distill for FKd {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        maths::mse(input.student.embeddings, &input.teacher.embeddings.detach())
    }
}
