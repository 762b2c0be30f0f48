//! Distillation losses, the CBAM block and its network against the numbers of the authors' own
//! code. Relative error is the L2 norm of the difference over that of the expected value.

// Shared with other test programs, each of which uses a part of it.
#[allow(dead_code)]
#[path = "common/parity.rs"]
mod parity;

use candle_core::{DType, Tensor, Var};
use frbench::backbone::cbam_iresnet;
use frbench::distill::{self, DistillInput, Taps};
use frbench::nn::{GraphBuilder, Network, OutputGrads, TrainMode, Value};
use parity::{Case, relative_error};
use std::collections::BTreeMap;

const TOLERANCE: f64 = 2e-5;

#[track_caller]
fn close(case: &Case, tensor: &str, got: &Tensor) {
    assert_eq!(
        got.elem_count(),
        case.f64(tensor).len(),
        "{} {tensor}",
        case.name
    );
    let got = got.to_dtype(DType::F64).unwrap().flatten_all().unwrap();
    let error = relative_error(&got.to_vec1::<f64>().unwrap(), &case.f64(tensor));
    println!("{} {tensor}: {error:.1e}", case.name);
    assert!(error <= TOLERANCE, "{} {tensor}: {error:e}", case.name);
}

fn var(case: &Case, tensor: &str) -> Var {
    Var::from_tensor(&case.tensor(tensor, DType::F32)).unwrap()
}

/// A loss on one tensor of each network: embeddings, maps, or logits.
#[track_caller]
fn pair(name: &str) {
    let case = Case::load(name);
    let mut loss = distill::build(case.op.strip_prefix("distill/").unwrap(), &case.params).unwrap();
    let (student, teacher) = (var(&case, "input.student"), var(&case, "input.teacher"));
    let mut input = DistillInput::of_embeddings(&student, &teacher);
    input.student.logits = Some(&student);
    input.teacher.logits = Some(&teacher);
    let value = loss.loss(&input).unwrap();
    close(&case, "expect.loss", &value);
    let grads = value.backward().unwrap();
    close(&case, "grad.student", grads.get(&student).unwrap());
    assert!(
        grads.get(&teacher).is_none(),
        "{name}: the teacher is constant"
    );
}

macro_rules! pairs {
    ($($test:ident: $($case:literal),+;)+) => {$(
        #[test]
        fn $test() {
            $(pair($case);)+
        }
    )+};
}

pairs! {
    at_by_activation: "a-at-activation", "b-at-activation";
    cckd: "a-cckd", "b-cckd";
    darkrank: "a-darkrank", "b-darkrank";
    fitnet: "a-fitnet", "b-fitnet";
    logit_kd: "a-logit-kd", "b-logit-kd";
    rkd: "a-rkd", "b-rkd";
    sp_of_embeddings: "a-sp-embedding", "b-sp-embedding";
    sp_of_maps: "a-sp-featuremap", "b-sp-featuremap";
}

#[test]
fn a_skd() {
    for name in ["a-a-skd", "b-a-skd"] {
        let case = Case::load(name);
        let mut loss = distill::build("a-skd", &case.params).unwrap();
        let maps = |of: &str| -> BTreeMap<String, Var> {
            let prefix = format!("input.{of}.");
            let names = case.names();
            let names = names.iter().filter_map(|n| n.strip_prefix(&prefix));
            names
                .map(|n| (n.to_owned(), var(&case, &format!("{prefix}{n}"))))
                .collect()
        };
        let (student, teacher) = (maps("student"), maps("teacher"));
        assert!(!student.is_empty());
        let taps = |of: &BTreeMap<String, Var>| {
            let tensors = of.iter().map(|(n, v)| (n.clone(), v.as_tensor().clone()));
            Taps::of_tensors(tensors.collect())
        };
        let (student_taps, teacher_taps) = (taps(&student), taps(&teacher));
        let unused = student.values().next().unwrap();
        let mut input = DistillInput::of_embeddings(unused, unused);
        input.student.taps = Some(&student_taps);
        input.teacher.taps = Some(&teacher_taps);
        let value = loss.loss(&input).unwrap();
        close(&case, "expect.loss", &value);
        let grads = value.backward().unwrap();
        for (tap, leaf) in &student {
            close(
                &case,
                &format!("grad.student.{tap}"),
                grads.get(leaf).unwrap(),
            );
        }
        assert!(teacher.values().all(|leaf| grads.get(leaf).is_none()));
    }
}

/// In evaluation mode, with the gradient of `mean(y^2)`.
#[test]
fn cbam_block() {
    for name in [
        "a-cbam-ir-same",
        "b-cbam-ir-same",
        "a-cbam-ir-down",
        "b-cbam-ir-down",
    ] {
        let case = Case::load(name);
        let x = case.tensor("input.x", DType::F32);
        let (_, c, h, w) = x.dims4().unwrap();
        let mut b = GraphBuilder::new([h, w, c]);
        let number = |name: &str| case.params[name].as_u64().unwrap() as usize;
        let project = case.has("weight.shortcut_layer.0.weight");
        let project = project.then(|| number("stride"));
        let image = b.input();
        let attended = cbam_iresnet::block(&mut b, image, "", number("out_channels"), project);
        for (tap, node) in [
            ("y", attended.out),
            ("channel", attended.channel),
            ("spatial", attended.spatial),
        ] {
            b.tap(tap, node);
        }
        let end = b.global_avg_pool(attended.out);
        let mut net = Network::new(b.finish(end).unwrap());
        let names = case.names();
        let weights = names.iter().filter_map(|n| n.strip_prefix("weight."));
        let state = weights.map(|n| {
            let tensor = format!("weight.{n}");
            (n.to_owned(), (case.shape(&tensor), case.f32(&tensor)))
        });
        net.load_state_dict(&state.collect()).unwrap();

        let value = Value::from_tensor(&x).unwrap();
        let out = net.infer(&value).unwrap();
        for tap in ["y", "channel", "spatial"] {
            close(
                &case,
                &format!("expect.{tap}"),
                &out.taps[tap].to_nchw().unwrap(),
            );
        }
        let mut frozen = net.in_evaluation().unwrap();
        let mode = TrainMode {
            bn_group: x.dim(0).unwrap(),
            seed: 0,
            step: 0,
        };
        let (out, tape) = frozen.forward_train(&value, mode).unwrap();
        let y = out.taps["y"].to_nchw().unwrap();
        close(&case, "expect.y", &y);
        let dy = (&y * (2.0 / y.elem_count() as f64)).unwrap();
        let grads = OutputGrads {
            embedding: None,
            taps: [("y".to_owned(), Value::from_tensor(&dy).unwrap())].into(),
        };
        let dx = frozen.backward(tape, grads, true).unwrap().unwrap();
        close(&case, "grad.x", &dx.to_nchw().unwrap());
    }
}
