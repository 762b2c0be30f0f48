//! Heads and distillation losses against the numbers of the authors' own code, evaluated in
//! float64. Relative error is the L2 norm of the difference over that of the expected value.

// Shared with other test programs, each of which uses a part of it.
#[allow(dead_code)]
#[path = "common/parity.rs"]
mod parity;

use candle_core::{DType, Device, Tensor, Var};
use frbench::distill::{self, DistillInput, Relations, mining};
use frbench::head::{self, HeadInput};
use frbench::method::{Artefact, Matrix, derive};
use frbench::plan::spec::HeadSpec;
use frbench::registry::Params;
use parity::{Case, relative_error};
use std::collections::BTreeMap;

const TOLERANCE: f64 = 2e-5;

fn close(case: &Case, tensor: &str, got: &Tensor) {
    let got = got.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
    let error = relative_error(&got.to_vec1::<f64>().unwrap(), &case.f64(tensor));
    println!("{} {tensor}: {error:.1e}", case.name);
    assert!(error <= TOLERANCE, "{} {tensor}: {error:e}", case.name);
}

fn var(case: &Case, tensor: &str) -> Var {
    Var::from_tensor(&case.tensor(tensor, DType::F32)).unwrap()
}

fn labels(case: &Case) -> Vec<u32> {
    let labels = case.i64("input.labels");
    labels.into_iter().map(|l| l as u32).collect()
}

/// The parameters of a case by the names a suite uses.
fn suite_params(case: &Case) -> Params {
    let renamed = |name: &str| match name {
        "scale" => "s".to_owned(),
        "margin" => "m".to_owned(),
        other => other.to_owned(),
    };
    let params = case.params.iter();
    params.map(|(k, v)| (renamed(k), v.clone())).collect()
}

fn head_case(name: &str) {
    let case = Case::load(name);
    let mut head = head::build(&HeadSpec {
        name: case.op.strip_prefix("head/").unwrap().to_owned(),
        params: suite_params(&case),
    })
    .unwrap();
    let (embeddings, weight) = (var(&case, "input.embeddings"), var(&case, "input.weight"));
    let output = head
        .forward(&HeadInput {
            embeddings: &embeddings,
            weight: &weight,
            labels: &labels(&case),
            epoch: 1,
            step: 0,
        })
        .unwrap();
    close(&case, "expect.logits", &output.logits);
    close(&case, "expect.loss", &output.loss);
    let grads = output.loss.backward().unwrap();
    close(&case, "grad.embeddings", grads.get(&embeddings).unwrap());
    close(&case, "grad.weight", grads.get(&weight).unwrap());
}

#[test]
fn arcface() {
    head_case("a-arcface");
    head_case("b-arcface");
}

#[test]
fn insightface_arcface() {
    head_case("a-insightface-arcface");
    head_case("b-insightface-arcface");
}

#[test]
fn insightface_cosface() {
    head_case("a-insightface-cosface");
    head_case("b-insightface-cosface");
}

/// With no gradient to replace, CosFace is insightface's form too.
#[test]
fn cosface_is_the_combined_margin_with_m3_alone() {
    let case = Case::load("a-insightface-cosface");
    let mut head = head::build(&HeadSpec {
        name: "cosface".into(),
        params: serde_json::from_value(serde_json::json!({"s": 64, "m": 0.4})).unwrap(),
    })
    .unwrap();
    let (embeddings, weight) = (var(&case, "input.embeddings"), var(&case, "input.weight"));
    let output = head
        .forward(&HeadInput {
            embeddings: &embeddings,
            weight: &weight,
            labels: &labels(&case),
            epoch: 1,
            step: 0,
        })
        .unwrap();
    close(&case, "expect.logits", &output.logits);
    let grads = output.loss.backward().unwrap();
    close(&case, "grad.embeddings", grads.get(&embeddings).unwrap());
}

fn distill_case(name: &str) {
    let case = Case::load(name);
    let mut loss = distill::build(case.op.strip_prefix("distill/").unwrap(), &case.params).unwrap();
    let student = var(&case, "input.student");
    let teacher = var(&case, "input.teacher");
    let related = case.has("input.bank").then(|| {
        let shape = case.shape("input.neighbors");
        let neighbors = Matrix {
            rows: shape[0],
            cols: shape[1],
            data: case
                .i64("input.neighbors")
                .iter()
                .map(|&i| i as u32)
                .collect(),
        };
        (labels(&case), neighbors, matrix(&case, "input.bank"))
    });
    let loss = loss
        .loss(&DistillInput {
            relations: related.as_ref().map(|(labels, neighbors, bank)| Relations {
                labels,
                neighbors,
                student_bank: bank,
                teacher_bank: bank,
            }),
            ..DistillInput::of_embeddings(&student, &teacher)
        })
        .unwrap();
    close(&case, "expect.loss", &loss);
    let grads = loss.backward().unwrap();
    close(&case, "grad.student", grads.get(&student).unwrap());
    assert!(
        grads.get(&teacher).is_none(),
        "{name}: the teacher is constant"
    );
}

fn matrix(case: &Case, tensor: &str) -> Matrix<f32> {
    let shape = case.shape(tensor);
    Matrix {
        rows: shape[0],
        cols: shape[1],
        data: case.f32(tensor),
    }
}

#[test]
fn cosine_distance() {
    distill_case("a-fcd-cosine");
    distill_case("b-fcd-cosine");
}

#[test]
fn fcd() {
    distill_case("a-fcd");
    distill_case("a-fcd-raw");
}

#[test]
fn rad() {
    distill_case("a-rad-hinge");
    distill_case("a-rad-dead-zone");
    distill_case("a-rad-l2");
}

/// Through the derivations, as a training job gets them.
#[test]
fn coupleface_mining() {
    let case = Case::load("a-mining");
    let features = matrix(&case, "input.features");
    let labels = labels(&case);
    let classes = case.shape("expect.prototypes")[0];
    // Mirrors are in the artefact, but not in the prototypes.
    let with_mirrors = Matrix {
        rows: 2 * features.rows,
        cols: features.cols,
        data: (0..features.rows)
            .flat_map(|i| {
                let mirror = features.row(i).iter().rev();
                features
                    .row(i)
                    .iter()
                    .chain(mirror)
                    .copied()
                    .collect::<Vec<_>>()
            })
            .collect(),
    };
    let mut from = BTreeMap::new();
    from.insert("teacher-embeddings".into(), Artefact::F32(with_mirrors));
    let run = |name, params: &Params, from: &BTreeMap<_, _>| {
        derive::run(name, params, from, &labels, classes).unwrap()
    };
    let prototypes = run("prototypes", &Params::new(), &from);
    let Artefact::F32(p) = &prototypes else {
        panic!("prototypes are f32");
    };
    let p = p.clone();
    let data = Tensor::from_vec(p.data.clone(), (p.rows, p.cols), &Device::Cpu).unwrap();
    close(&case, "expect.prototypes", &data);

    from.insert("prototypes".into(), prototypes);
    let Artefact::U32(neighbors) = run("neighbors", &case.params, &from) else {
        panic!("neighbours are u32");
    };
    let got: Vec<i64> = neighbors.data.iter().map(|&i| i64::from(i)).collect();
    assert_eq!(got, case.i64("expect.neighbors"));

    let similarity = mining::neighbors(&p, neighbors.cols).unwrap().similarity;
    let got: Vec<f64> = similarity.data.iter().map(|&s| f64::from(s)).collect();
    let error = relative_error(&got, &case.f64("expect.similarity"));
    assert!(error <= TOLERANCE, "similarity: {error:e}");
}
