//! A network trained alone with its margin head: a teacher, or a student without one.

use super::classification::{classify, require_head};
use super::{Inputs, MethodEntry, Needs, Objective, Step, StepLoss, scalar};
use frbench_base::Result;
use frbench_base::registry::{self, Info};
use frbench_job::{HeadSpec, MethodSpec};

pub(super) const ENTRY: MethodEntry = MethodEntry {
    info: Info {
        name: "margin-softmax",
        summary: "a network trained alone with its margin head",
        source: "the head's paper",
        params: &[],
    },
    needs,
    build,
};

struct MarginSoftmax;

fn needs(spec: &MethodSpec, head: Option<&HeadSpec>) -> Result<Needs> {
    registry::check(&ENTRY.info, &spec.params)?;
    require_head(spec, head)?;
    Ok(Needs {
        head: true,
        ..Needs::default()
    })
}

fn build(inputs: &Inputs) -> Result<Box<dyn Objective>> {
    registry::check(&ENTRY.info, &inputs.spec.params)?;
    Ok(Box::new(MarginSoftmax))
}

impl Objective for MarginSoftmax {
    fn step(&mut self, mut step: Step) -> Result<StepLoss> {
        let (name, output) = classify(&mut step, false)?;
        let parts = vec![(name, scalar(&output.loss)?)];
        Ok(StepLoss {
            loss: output.loss,
            parts,
            labels: output.labels,
        })
    }
}
