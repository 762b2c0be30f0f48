//! `distill/*`: distillation losses, and the passes over the training set that serve them.
//!
//! `input.student*` and `input.teacher*` go in; only the student gets a gradient.

use super::{Case, Check, Family, Operation, lookup};
use crate::distill::{self, DistillInput, Relations, mining};
use crate::method::{Artefact, Matrix, derive};
use crate::registry::Params;
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use std::collections::BTreeMap;

pub(super) const FAMILY: Family = Family {
    name: "distill",
    find: |name| lookup(OPERATIONS, name),
    operations: || OPERATIONS.iter().map(|o| o.0).collect(),
};

/// Every operation and what runs it: one line per loss.
static OPERATIONS: &[Operation] = &[
    ("cosine", loss),
    ("coupleface-mining", coupleface_mining),
    ("fcd", loss),
    ("rad", related_loss),
];

/// A loss on embeddings alone.
fn loss(case: &Case) -> Result<Vec<Check>> {
    run(case, None)
}

/// A loss that relates embeddings to a bank: `input.labels` `[B]`, `input.bank` `[M, D]`,
/// `input.neighbors` `[M, K]`.
fn related_loss(case: &Case) -> Result<Vec<Check>> {
    let (rows, cols) = case.shape2("input.neighbors")?;
    let neighbors = Matrix {
        rows,
        cols,
        data: case.u32("input.neighbors")?,
    };
    let bank = case.matrix("input.bank")?;
    run(
        case,
        Some(Relations {
            labels: &case.u32("input.labels")?,
            neighbors: &neighbors,
            student_bank: &bank,
            teacher_bank: &bank,
        }),
    )
}

fn run(case: &Case, relations: Option<Relations>) -> Result<Vec<Check>> {
    let loss = distill::build(case.operation(), &case.params)?;
    let student = case.var("input.student")?;
    let teacher = case.var("input.teacher")?;
    let value = loss.loss(&DistillInput {
        student: &student,
        teacher: &teacher,
        relations,
    })?;
    let grads = value.backward()?;
    if grads.get(&teacher).is_some() {
        return Err(Error::Compute("the teacher gets a gradient".into()));
    }
    let gradient = grads
        .get(&student)
        .ok_or_else(|| Error::Compute("the student gets no gradient".into()))?;
    Ok(vec![
        Check::tensor(case, "expect.loss", &value)?,
        Check::tensor(case, "grad.student", gradient)?,
    ])
}

/// Prototypes and neighbours through the derivations, as a training job gets them.
/// `input.features` `[N, D]`, `input.labels` `[N]`.
fn coupleface_mining(case: &Case) -> Result<Vec<Check>> {
    let labels = case.u32("input.labels")?;
    let (classes, _) = case.shape2("expect.prototypes")?;
    let run = |name, params: &Params, from: &BTreeMap<String, Artefact>| {
        derive::run(name, params, from, &labels, classes)
    };
    let embeddings = with_mirrors(&case.matrix("input.features")?);
    let mut from = BTreeMap::from([("teacher-embeddings".into(), Artefact::F32(embeddings))]);
    let prototypes = match run("prototypes", &Params::new(), &from)? {
        Artefact::F32(m) => m,
        Artefact::U32(_) => return Err(Error::Bug("prototypes are f32".into())),
    };
    from.insert("prototypes".into(), Artefact::F32(prototypes.clone()));
    let neighbors = match run("neighbors", &case.params, &from)? {
        Artefact::U32(m) => m,
        Artefact::F32(_) => return Err(Error::Bug("neighbours are u32".into())),
    };
    let similarity = mining::neighbors(&prototypes, neighbors.cols)?.similarity;
    let tensor = |m: Matrix<f32>| Tensor::from_vec(m.data, (m.rows, m.cols), &Device::Cpu);
    let index: Vec<i64> = neighbors.data.iter().map(|&i| i64::from(i)).collect();
    Ok(vec![
        Check::tensor(case, "expect.prototypes", &tensor(prototypes)?)?,
        Check::exact(case, "expect.neighbors", &index)?,
        Check::tensor(case, "expect.similarity", &tensor(similarity)?)?,
    ])
}

/// The form of the artefact: each row followed by its mirror's, which prototypes leave out.
fn with_mirrors(features: &Matrix<f32>) -> Matrix<f32> {
    let mut data = Vec::with_capacity(2 * features.data.len());
    for i in 0..features.rows {
        data.extend_from_slice(features.row(i));
        data.extend(features.row(i).iter().rev());
    }
    Matrix {
        rows: 2 * features.rows,
        cols: features.cols,
        data,
    }
}
