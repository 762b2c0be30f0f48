//! Feature consistency distillation alone: the usual practice that CoupleFace adds to.

use super::classification::{BETA, BETA_FROM, Term, wanted};
use super::derive::teacher_embeddings;
use super::{Inputs, MethodEntry, Needs, Objective, Step, StepLoss, only, scalar};
use crate::distill::fcd::NORMALIZE;
use crate::distill::{self, Distill, DistillInput};
use frbench_base::Result;
use frbench_base::registry::{self, Args, Info};
use frbench_job::{HeadSpec, MethodSpec};

pub(super) const ENTRY: MethodEntry = MethodEntry {
    info: Info {
        name: "fcd",
        summary: "feature consistency distillation: embeddings like the teacher's",
        source: "the baseline of CoupleFace (ECCV 2022): L_fcd + beta L_head",
        params: &[NORMALIZE, BETA, BETA_FROM],
    },
    needs,
    build,
};

struct Fcd {
    fcd: Box<dyn Distill>,
    classification: Term,
}

fn needs(spec: &MethodSpec, head: Option<&HeadSpec>) -> Result<Needs> {
    registry::check(&ENTRY.info, &spec.params)?;
    Ok(Needs {
        teacher: true,
        head: wanted(spec, head)?,
        derive: vec![teacher_embeddings()],
        ..Needs::default()
    })
}

fn build(inputs: &Inputs) -> Result<Box<dyn Objective>> {
    registry::check(&ENTRY.info, &inputs.spec.params)?;
    let args = Args::new(ENTRY.info.name, &inputs.spec.params);
    Ok(Box::new(Fcd {
        fcd: distill::build("fcd", &only(&inputs.spec.params, &["normalize"]))?,
        classification: Term::new(&args, inputs.total_steps)?,
    }))
}

impl Objective for Fcd {
    fn step(&mut self, mut step: Step) -> Result<StepLoss> {
        let input = DistillInput::of_embeddings(step.student, step.teacher()?);
        let mut loss = self.fcd.loss(&input)?;
        let mut parts = vec![("fcd", scalar(&loss)?)];
        if let Some((name, term, beta)) = self.classification.loss(&mut step)? {
            parts.push((name, scalar(&term)?));
            loss = (loss + (term * beta)?)?;
        }
        Ok(StepLoss {
            loss,
            parts,
            labels: None,
        })
    }
}
