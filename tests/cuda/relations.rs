//! Losses that relate the features of a batch on a GPU, to a bank that lies there or to each other:
//! they say, learn and remember what they do on the CPU.

use crate::common::gpu::gpu;
use candle_core::{Device, Tensor, Var};
use frbench::compare::relative_error;
use frbench::distill::{self, Bank, Distill, DistillInput, Relations, Setup};
use frbench::engine;
use frbench::job::OptimizerSpec;
use frbench::job::artefact::Matrix;
use frbench::rng::Stream;
use serde_json::json;
use std::collections::BTreeMap;

const BATCH: usize = 9;
/// More than a block has threads.
const DIM: usize = 301;
const IDENTITIES: usize = 40;

fn normal(seed: &str, rows: usize) -> Matrix<f32> {
    let mut stream = Stream::derive(7, seed, &[]);
    Matrix {
        rows,
        cols: DIM,
        data: (0..rows * DIM).map(|_| stream.normal() as f32).collect(),
    }
}

fn batch(seed: &str) -> Tensor {
    let m = normal(seed, BATCH);
    Tensor::from_vec(m.data, (m.rows, m.cols), &Device::Cpu).unwrap()
}

/// An identity occurs twice.
fn labels(step: u64) -> Vec<u32> {
    let mut labels: Vec<u32> = (0..BATCH as u32)
        .map(|i| (7 * i + step as u32) % IDENTITIES as u32)
        .collect();
    labels[3] = labels[5];
    labels
}

fn wide(t: &Tensor) -> Vec<f64> {
    let all: Vec<f32> = t.flatten_all().unwrap().to_vec1().unwrap();
    all.into_iter().map(f64::from).collect()
}

fn params(v: serde_json::Value) -> frbench::registry::Params {
    serde_json::from_value(v).unwrap()
}

/// Losses and gradients of three steps, between which the bank changes, and the bank at the end.
fn related(device: &engine::Device, form: &str) -> Vec<Vec<f64>> {
    let prototypes = normal("prototypes", IDENTITIES);
    let neighbors = distill::mining::neighbors(&prototypes, 11).unwrap().index;
    let mut teacher_bank = Bank::of_prototypes(&prototypes);
    let mut student_bank = Bank::new(normal("others", IDENTITIES));
    student_bank.move_to(device).unwrap();
    teacher_bank.move_to(device).unwrap();
    // As after a checkpoint.
    let saved = normal("saved", IDENTITIES);
    student_bank.restore(Some(saved), "student-bank").unwrap();
    let mut loss = distill::build("rad", &params(json!({"q": 0.03, "form": form}))).unwrap();
    let mut all = Vec::new();
    for step in 0..3 {
        let (labels, teacher) = (labels(step), batch(&format!("teacher {step}")));
        let student = Var::from_tensor(&batch(&format!("student {step}"))).unwrap();
        let input = DistillInput {
            labels: &labels,
            relations: Some(Relations {
                neighbors: &neighbors,
                student_bank: &student_bank,
                teacher_bank: &teacher_bank,
            }),
            ..DistillInput::of_embeddings(student.as_tensor(), &teacher)
        };
        let value = loss.loss(&input).unwrap();
        // Before the way back, as in a training.
        teacher_bank.overwrite(&labels, &teacher).unwrap();
        student_bank.overwrite(&labels, &student).unwrap();
        let grads = value.backward().unwrap();
        all.push(wide(&value));
        all.push(wide(grads.get(&student).unwrap()));
    }
    all
}

#[track_caller]
fn alike(there: &[Vec<f64>], here: &[Vec<f64>], bound: f64) {
    assert_eq!(there.len(), here.len());
    for (i, (there, here)) in there.iter().zip(here).enumerate() {
        let error = relative_error(there, here);
        assert!(error < bound, "{i}: {error}");
        assert!(here.iter().any(|v| *v != 0.0), "{i} is nothing");
    }
}

#[test]
fn relations_to_a_bank_on_the_gpu_are_those_on_the_cpu() {
    let Some(device) = gpu() else { return };
    for form in ["hinge", "dead-zone", "l2"] {
        let there = related(&device, form);
        alike(&there, &related(&engine::Device::CPU, form), 1e-6);
        assert_eq!(there, related(&device, form), "not the same bits again");
    }
}

/// Losses, gradients and what is left of a contrast with images that are remembered.
fn contrasted(device: &engine::Device) -> Vec<Vec<f64>> {
    let labels_of_images: Vec<u32> = (0..60).map(|i| i / 2).collect();
    let parameters = params(json!({
        "dim": 24,
        "negatives": 31,
        "temperature": 0.07,
        "momentum": 0.5,
    }));
    let mut loss: Box<dyn Distill> = distill::for_training(
        "crd",
        &Setup {
            params: &parameters,
            seed: 5,
            labels: &labels_of_images,
            optimizer: &OptimizerSpec {
                momentum: 0.9,
                nesterov: false,
                weight_decay: 0.0,
                clip: None,
                spare_norms: false,
            },
            derived: &BTreeMap::new(),
        },
    )
    .unwrap();
    loss.move_to(device).unwrap();
    let mut all = Vec::new();
    for step in 0..3u64 {
        let samples: Vec<u32> = (0..BATCH as u64).map(|i| (5 * i + step) as u32).collect();
        let teacher = batch(&format!("teacher {step}"));
        let student = Var::from_tensor(&batch(&format!("student {step}"))).unwrap();
        let input = DistillInput {
            step,
            samples: &samples,
            ..DistillInput::of_embeddings(student.as_tensor(), &teacher)
        };
        let value = loss.loss(&input).unwrap();
        let grads = value.backward().unwrap();
        loss.learn(&grads, 0.1).unwrap();
        all.push(wide(&value));
        all.push(wide(grads.get(&student).unwrap()));
    }
    let state = loss.state().into_values();
    all.extend(state.map(|m| m.data.into_iter().map(f64::from).collect()));
    all
}

#[test]
fn a_contrast_with_a_memory_on_the_gpu_is_that_on_the_cpu() {
    let Some(device) = gpu() else { return };
    let there = contrasted(&device);
    alike(&there, &contrasted(&engine::Device::CPU), 1e-5);
    assert_eq!(there, contrasted(&device), "not the same bits again");
}

/// Loss and gradient over one batch of which two samples are of one identity.
fn inside(device: &engine::Device, name: &str, stated: &serde_json::Value) -> Vec<Vec<f64>> {
    let mut loss = distill::build(name, &params(stated.clone())).unwrap();
    let (labels, teacher) = (labels(0), batch("teacher"));
    let student = Var::from_tensor(&batch("student")).unwrap();
    let input = DistillInput {
        labels: &labels,
        device,
        ..DistillInput::of_embeddings(student.as_tensor(), &teacher)
    };
    let value = loss.loss(&input).unwrap();
    let grads = value.backward().unwrap();
    vec![wide(&value), wide(grads.get(&student).unwrap())]
}

#[test]
fn relations_inside_a_batch_on_the_gpu_are_those_on_the_cpu() {
    let Some(device) = gpu() else { return };
    for (name, stated) in [
        ("sp", json!({"normalize": "embedding"})),
        ("sp", json!({"normalize": "gram-rows"})),
        ("cckd", json!({"gamma": 0.4, "powers": [0, 1, 2]})),
        (
            "darkrank",
            json!({"alpha": 3.0, "beta": 3.0, "permute_len": 3}),
        ),
        ("rkd", json!({"w_distance": 25.0, "w_angle": 50.0})),
        ("ekd", json!({})),
    ] {
        let there = inside(&device, name, &stated);
        alike(&there, &inside(&engine::Device::CPU, name, &stated), 1e-6);
        assert_eq!(there, inside(&device, name, &stated), "not the same bits");
    }
}

#[test]
fn features_that_do_not_fit_are_refused_as_on_the_cpu() {
    let Some(device) = gpu() else { return };
    let index = Matrix {
        rows: 2,
        cols: 1,
        data: vec![3, IDENTITIES as u32],
    };
    let mut messages = Vec::new();
    for device in [device, engine::Device::CPU] {
        let mut bank = Bank::new(normal("bank", IDENTITIES));
        bank.move_to(&device).unwrap();
        let outside = bank.select(&index, true).err().unwrap();
        let rows = bank.related(&index, &[0, 0, 0]).unwrap();
        let other = distill::relation::dots(&batch("x"), rows).err().unwrap();
        messages.push([outside.to_string(), other.to_string()]);
    }
    assert_eq!(messages[0], messages[1]);
    assert!(messages[0][0].contains("row 40 is wanted of a feature bank of 40 rows"));
    assert!(messages[0][1].contains("[3, 1, 301]"), "{}", messages[0][1]);
}
