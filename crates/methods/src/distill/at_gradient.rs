//! Attention transfer by gradients (Zagoruyko and Komodakis, ICLR 2017, section 3.2).

use super::{Distill, DistillEntry, DistillInput, Setup, Wants, maths};
use candle_core::Tensor;
use frbench_base::Result;
use frbench_base::registry::{Info, Params, Proof};

pub(super) const ENTRY: DistillEntry = DistillEntry {
    info: Info {
        name: "at-gradient",
        summary: "distance of input gradients: where a change of the image changes the loss; \
                  trained by finite-difference Hessian-vector products",
        source: "Zagoruyko and Komodakis, ICLR 2017, section 3.2: 1/2 ||J_S - J_T||^2 per image, \
                 mean over the batch, where J is the gradient of an image's own classification \
                 loss with respect to the image as the network sees it; the weight is their beta",
        params: &[],
    },
    proof: Proof::Recomputed,
    wants,
    build,
};

fn wants(_params: &Params) -> Wants {
    Wants {
        input_gradients: true,
        ..Wants::default()
    }
}

struct AtGradient;

fn build(_setup: &Setup) -> Result<Box<dyn Distill>> {
    Ok(Box::new(AtGradient))
}

impl Distill for AtGradient {
    fn loss(&mut self, input: &DistillInput) -> Result<Tensor> {
        let student = input.student.input_gradients()?;
        let teacher = input.teacher.input_gradients()?.detach();
        maths::same_shape(student, &teacher)?;
        let distance = (student - teacher)?.sqr()?.sum_all()?;
        Ok((distance * (0.5 / student.dim(0)? as f64))?)
    }
}
