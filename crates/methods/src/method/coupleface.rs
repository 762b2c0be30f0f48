//! CoupleFace (Liu et al., ECCV 2022): feature consistency and mutual relations.
//!
//! `L = L_fcd + alpha L_rad + beta L_head`; CoupleFace+ is `beta > 0`. `L_rad` compares the
//! relations of a sample to the identities mined for its own, which a feature bank stands for
//! with one feature each.
//!
//! The bank starts from the prototypes. After the loss of a step is taken, the teacher's
//! features of the batch overwrite the rows of their identities, so no sample is related to
//! features of its own batch. With `relation = "student-student"` the student's relations
//! `R(f_s, f_s)` are taken against a second bank, of student features (constants: no gradient
//! passes). It also starts from the teacher's prototypes: until an identity has been seen
//! there is no student feature of it, and the two variants then begin with the same loss.

use super::classification::{BETA_FROM, Term, wanted};
use super::derive::{need, teacher_embeddings};
use super::{Inputs, MethodEntry, Needs, Objective, Step, StepLoss, only, scalar};
use crate::distill::fcd::NORMALIZE;
use crate::distill::rad::{FORM, Q};
use crate::distill::{self, Bank, Distill, DistillInput, Relations};
use frbench_base::registry::{self, Args, Info, Kind, Param};
use frbench_base::{Error, Result};
use frbench_engine as engine;
use frbench_job::artefact::{Artefact, Matrix};
use frbench_job::{HeadSpec, MethodSpec};
use serde_json::json;
use std::collections::BTreeMap;

pub(super) const ENTRY: MethodEntry = MethodEntry {
    info: Info {
        name: "coupleface",
        summary: "feature consistency plus relations to mined identities (beta > 0: CoupleFace+)",
        source: "Liu et al., ECCV 2022, arXiv 2204.05502: L_fcd + alpha L_rad + beta L_arcface; \
                 formulas are reconstructed, as no code was published",
        params: &[
            NORMALIZE,
            Param {
                name: "alpha",
                kind: Kind::Float {
                    min: 0.0,
                    max: 1000.0,
                },
                required: true,
                doc: "weight of the relation loss; 1 in the paper",
            },
            Param {
                name: "beta",
                kind: Kind::Float {
                    min: 0.0,
                    max: 1000.0,
                },
                required: true,
                doc: "weight of the head's loss; 0 is CoupleFace, 0.01 CoupleFace+ in the paper",
            },
            BETA_FROM,
            Q,
            FORM,
            Param {
                name: "k",
                kind: Kind::Int {
                    min: 1,
                    max: 100_000,
                },
                required: true,
                doc: "other identities each is related to, fewer than there are; 100 in the paper",
            },
            Param {
                name: "relation",
                kind: Kind::Choice(&["student-teacher", "student-student"]),
                required: false,
                doc: "what the student's feature is related to: the teacher's features of other \
                      identities, or its own (default \"student-teacher\")",
            },
            Param {
                name: "mining",
                kind: Kind::Choice(&["neighbors", "random"]),
                required: false,
                doc: "which identities: the most similar ones, or random ones (default \
                      \"neighbors\")",
            },
            Param {
                name: "mining_seed",
                kind: Kind::Int {
                    min: 0,
                    max: 1 << 53,
                },
                required: false,
                doc: "seed of random mining, shared by all training seeds (default 0)",
            },
        ],
    },
    needs,
    build,
};

struct CoupleFace {
    fcd: Box<dyn Distill>,
    rad: Box<dyn Distill>,
    alpha: f64,
    classification: Term,
    neighbors: Matrix<u32>,
    teacher_bank: Bank,
    /// Student features, where relations are between student features.
    student_bank: Option<Bank>,
}

fn needs(spec: &MethodSpec, head: Option<&HeadSpec>) -> Result<Needs> {
    registry::check(&ENTRY.info, &spec.params)?;
    let args = Args::new(ENTRY.info.name, &spec.params);
    let k = ("k", json!(args.usize("k")?));
    let mined = if args.text_or("mining", "neighbors")? == "random" {
        let seed = ("seed", json!(args.usize_or("mining_seed", 0)?));
        need("neighbors", "random-neighbors", &[k, seed], &[])
    } else {
        need("neighbors", "neighbors", &[k], &["prototypes"])
    };
    let prototypes = need("prototypes", "prototypes", &[], &["teacher-embeddings"]);
    Ok(Needs {
        teacher: true,
        head: wanted(spec, head)?,
        derive: vec![teacher_embeddings(), prototypes, mined],
        ..Needs::default()
    })
}

fn build(inputs: &Inputs) -> Result<Box<dyn Objective>> {
    registry::check(&ENTRY.info, &inputs.spec.params)?;
    let params = &inputs.spec.params;
    let args = Args::new(ENTRY.info.name, params);
    let (prototypes, neighbors) = artefacts(inputs)?;
    let teacher_bank = Bank::of_prototypes(prototypes);
    let student_bank = (args.text_or("relation", "student-teacher")? == "student-student")
        .then(|| Bank::of_prototypes(prototypes));
    Ok(Box::new(CoupleFace {
        fcd: distill::build("fcd", &only(params, &["normalize"]))?,
        rad: distill::build("rad", &only(params, &["form", "q"]))?,
        alpha: args.f64("alpha")?,
        classification: Term::new(&args, inputs.total_steps)?,
        neighbors: neighbors.clone(),
        teacher_bank,
        student_bank,
    }))
}

/// Prototypes `[classes, D]` and neighbours `[classes, k]`, checked for shape.
fn artefacts<'a>(inputs: &Inputs<'a>) -> Result<(&'a Matrix<f32>, &'a Matrix<u32>)> {
    let (classes, dim) = (inputs.classes, inputs.embedding);
    let prototypes = match inputs.derived.get("prototypes") {
        Some(Artefact::F32(m)) if m.rows == classes && m.cols == dim => m,
        Some(Artefact::F32(m)) => {
            return Err(Error::Compute(format!(
                "prototypes are [{}, {}], want [{classes}, {dim}]: the teacher's and the \
                 student's embeddings must have the same size",
                m.rows, m.cols
            )));
        }
        _ => return Err(Error::Bug("coupleface was given no prototypes".into())),
    };
    match inputs.derived.get("neighbors") {
        Some(Artefact::U32(m)) if m.rows == classes => Ok((prototypes, m)),
        Some(Artefact::U32(m)) => Err(Error::Compute(format!(
            "neighbours are known for {} identities, want {classes}",
            m.rows
        ))),
        _ => Err(Error::Bug("coupleface was given no neighbours".into())),
    }
}

impl Objective for CoupleFace {
    fn step(&mut self, mut step: Step) -> Result<StepLoss> {
        let teacher_bank = &self.teacher_bank;
        let student_bank = self.student_bank.as_ref();
        let input = DistillInput {
            labels: step.labels,
            relations: Some(Relations {
                neighbors: &self.neighbors,
                student_bank: student_bank.unwrap_or(teacher_bank),
                teacher_bank,
            }),
            ..DistillInput::of_embeddings(step.student, step.teacher()?)
        };
        let fcd = self.fcd.loss(&input)?;
        let rad = self.rad.loss(&input)?;
        let mut parts = vec![("fcd", scalar(&fcd)?), ("rad", scalar(&rad)?)];
        let mut loss = (fcd + (rad * self.alpha)?)?;
        if let Some((name, term, beta)) = self.classification.loss(&mut step)? {
            parts.push((name, scalar(&term)?));
            loss = (loss + (term * beta)?)?;
        }

        self.teacher_bank.overwrite(step.labels, step.teacher()?)?;
        if let Some(bank) = &mut self.student_bank {
            bank.overwrite(step.labels, step.student)?;
        }
        Ok(StepLoss {
            loss,
            parts,
            labels: None,
        })
    }

    fn move_to(&mut self, device: &engine::Device) -> Result<()> {
        let banks = [Some(&mut self.teacher_bank), self.student_bank.as_mut()];
        let mut banks = banks.into_iter().flatten();
        banks.try_for_each(|bank| bank.move_to(device))
    }

    fn state(&self) -> BTreeMap<String, Matrix<f32>> {
        let mut state = BTreeMap::new();
        state.insert(TEACHER_BANK.into(), self.teacher_bank.features().clone());
        if let Some(bank) = &self.student_bank {
            state.insert(STUDENT_BANK.into(), bank.features().clone());
        }
        state
    }

    fn restore(&mut self, mut state: BTreeMap<String, Matrix<f32>>) -> Result<()> {
        self.teacher_bank
            .restore(state.remove(TEACHER_BANK), TEACHER_BANK)?;
        if let Some(bank) = &mut self.student_bank {
            bank.restore(state.remove(STUDENT_BANK), STUDENT_BANK)?;
        }
        Ok(())
    }
}

const TEACHER_BANK: &str = "teacher-bank";
const STUDENT_BANK: &str = "student-bank";
