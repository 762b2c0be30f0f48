//! `distill/*`: distillation losses, and the passes over the training set that serve them.
//!
//! `input.student` and `input.teacher` are what is compared: embeddings, maps or logits;
//! `input.student.NAME` and `input.teacher.NAME` are taps. Only the student gets a gradient.
//! `input.labels` `[B]`, `input.bank` `[M, D]` and `input.neighbors` `[M, K]` go to losses that
//! relate identities. Any other input is state that the loss starts from, any other expected
//! tensor state that it is left with, by the names a checkpoint has.

use super::check::LOSS;
use super::{Case, Check, Family, Run, size};
use candle_core::{Device, Tensor, Var};
use frbench_base::registry::Params;
use frbench_base::{Error, Result};
use frbench_job::artefact::{Artefact, Matrix};
use frbench_methods::distill::{
    self, Bank, DISTILL, Distill, DistillInput, Relations, Taps, mining,
};
use frbench_methods::method::derive;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) const FAMILY: Family = Family {
    name: "distill",
    find: |name| match name {
        MINING => Some(coupleface_mining),
        _ => losses().any(|l| l == name).then_some(loss as Run),
    },
    operations: || losses().chain([MINING]).collect(),
};

const MINING: &str = "coupleface-mining";

fn losses() -> impl Iterator<Item = &'static str> {
    DISTILL.iter().map(|d| d.info.name)
}

/// What is given of one network.
struct Side {
    /// Of nothing, where the case has taps only.
    features: Var,
    taps: BTreeMap<String, Var>,
}

impl Side {
    fn of(case: &Case, name: &str) -> Result<Side> {
        let prefix = format!("input.{name}");
        let taps = case.names(&prefix).map(|tap| {
            let leaf = case.var(&format!("{prefix}.{tap}"))?;
            Ok((tap.to_string(), leaf))
        });
        let taps: BTreeMap<String, Var> = taps.collect::<Result<_>>()?;
        let features = match case.has(&prefix) || taps.is_empty() {
            true => case.var(&prefix)?,
            false => Var::from_tensor(&Tensor::new(&[[0f32]], &Device::Cpu)?)?,
        };
        Ok(Side { features, taps })
    }

    fn taps(&self) -> Taps {
        let tensors = self.taps.iter();
        Taps::of_tensors(
            tensors
                .map(|(name, leaf)| (name.clone(), leaf.as_tensor().clone()))
                .collect(),
        )
    }

    fn leaves(&self) -> impl Iterator<Item = (&str, &Var)> {
        let taps = self.taps.iter().map(|(name, leaf)| (name.as_str(), leaf));
        taps.chain([("", &self.features)])
    }
}

fn loss(case: &Case) -> Result<Vec<Check>> {
    let mut loss = distill::build(case.operation(), &case.params)?;
    fits(case)?;
    start(case, &mut *loss)?;
    let (student, teacher) = (Side::of(case, "student")?, Side::of(case, "teacher")?);
    let (student_taps, teacher_taps) = (student.taps(), teacher.taps());
    let labels = match case.has("input.labels") {
        true => case.u32("input.labels")?,
        false => Vec::new(),
    };
    let bank = match case.has("input.bank") {
        true => Some((Bank::new(case.matrix("input.bank")?), neighbors(case)?)),
        false => None,
    };
    let mut input = DistillInput::of_embeddings(&student.features, &teacher.features);
    for (view, side, taps) in [
        (&mut input.student, &student, &student_taps),
        (&mut input.teacher, &teacher, &teacher_taps),
    ] {
        view.logits = Some(&side.features);
        view.taps = Some(taps);
    }
    input.labels = &labels;
    input.relations = bank.as_ref().map(|(bank, neighbors)| Relations {
        neighbors,
        student_bank: bank,
        teacher_bank: bank,
    });
    let value = loss.loss(&input)?;
    let grads = value.backward()?;
    if teacher.leaves().any(|(_, leaf)| grads.get(leaf).is_some()) {
        return Err(Error::Compute("the teacher gets a gradient".into()));
    }

    let mut checks = vec![Check::tensor(case, "expect.loss", &value)?];
    for (name, leaf) in student.leaves() {
        let tensor = match name {
            "" => "grad.student".to_string(),
            tap => format!("grad.student.{tap}"),
        };
        if case.has(&tensor) {
            let gradient = grads.get(leaf);
            let gradient = gradient
                .ok_or_else(|| Error::Compute(format!("`{tensor}`: there is no gradient")))?;
            checks.push(Check::tensor(case, &tensor, gradient)?);
        }
    }
    let state = loss.state();
    for name in case.names("expect").filter(|n| *n != "loss") {
        let kept = state.get(name).ok_or_else(|| {
            Error::Compute(format!("`expect.{name}`: the loss remembers no such thing"))
        })?;
        let kept: Vec<f64> = kept.data.iter().map(|&v| f64::from(v)).collect();
        checks.push(Check::relative(
            case,
            &format!("expect.{name}"),
            &kept,
            LOSS,
        )?);
    }
    Ok(checks)
}

/// Refuses what takes too much memory: relations between the samples of a batch, as often as the
/// parameters say (orders of a kernel, ranks), and those between the sizes of student and teacher.
fn fits(case: &Case) -> Result<()> {
    let shapes = |side: &str| -> Result<Vec<Vec<usize>>> {
        let prefix = format!("input.{side}");
        let taps = case.names(&prefix).map(|tap| format!("{prefix}.{tap}"));
        let whole = case.has(&prefix).then_some(prefix.clone());
        taps.chain(whole)
            .map(|t| Ok(case.shape(&t)?.to_vec()))
            .collect()
    };
    let (students, teachers) = (shapes("student")?, shapes("teacher")?);
    let batch = students
        .iter()
        .filter_map(|s| s.first())
        .max()
        .copied()
        .unwrap_or(0);
    let orders: f64 = case.params.values().map(numbers).sum();
    let mut held = vec![(
        "relations of the batch",
        32 + orders as usize,
        vec![batch, batch],
    )];
    for shape in students.iter().chain(&teachers) {
        held.push(("features", 16, shape.clone()));
    }
    let pairs = students
        .iter()
        .flat_map(|s| teachers.iter().map(move |t| (s, t)));
    for (student, teacher) in pairs {
        if let ([_, _, h, w], [_, _, to_h, to_w]) = (&student[..], &teacher[..]) {
            held.push(("maps of one size", 2, vec![*h, *to_h]));
            held.push(("maps of one size", 2, vec![*w, *to_w]));
        }
        // The one loss that learns a map from student to teacher.
        if let ("fitnet", [n, from, pixels @ ..], [_, to, ..]) =
            (case.operation(), &student[..], &teacher[..])
        {
            held.push(("the regressor", 8, vec![*from, *to]));
            held.push(("what it gives", 8, [&[*n, *to], pixels].concat()));
        }
    }
    if case.has("input.bank") {
        let ((_, k), (rows, d)) = (case.shape2("input.neighbors")?, case.shape2("input.bank")?);
        held.push(("the neighbours of the batch", 8, vec![batch, k, d]));
        held.push(("the bank", 4, vec![rows, d]));
    }
    let held: Vec<size::Held> = held.iter().map(|(w, n, s)| (*w, *n, &s[..])).collect();
    size::check(case, &held)
}

/// The sum of the numbers in a parameter that are above 0.
fn numbers(value: &Value) -> f64 {
    match value {
        Value::Array(items) => items.iter().map(numbers).sum(),
        value => value.as_f64().map_or(0.0, |n| n.max(0.0)),
    }
}

/// Puts a loss into the state that the case gives.
fn start(case: &Case, loss: &mut dyn Distill) -> Result<()> {
    let mut state = loss.state();
    for (name, kept) in &mut state {
        let tensor = format!("input.{name}");
        if case.has(&tensor) {
            kept.data = case.f32(&tensor)?;
        }
    }
    loss.restore(state)
}

fn neighbors(case: &Case) -> Result<Matrix<u32>> {
    let (rows, cols) = case.shape2("input.neighbors")?;
    let data = case.u32("input.neighbors")?;
    Ok(Matrix { rows, cols, data })
}

/// Prototypes and neighbours through the derivations, as a training job gets them.
/// `input.features` `[N, D]`, `input.labels` `[N]`.
fn coupleface_mining(case: &Case) -> Result<Vec<Check>> {
    let labels = case.u32("input.labels")?;
    let (classes, _) = case.shape2("expect.prototypes")?;
    let (images, d) = case.shape2("input.features")?;
    let k = case.params.get("k").and_then(Value::as_u64).unwrap_or(0);
    size::check(
        case,
        &[
            ("prototypes", 8, &[classes, d]),
            ("neighbours", 8, &[classes, k as usize]),
            ("features", 8, &[images, d]),
        ],
    )?;
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
