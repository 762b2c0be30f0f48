//! A training that uses all of a teacher: taps and logits in the step, losses that remember
//! and learn, and what is saved of them.

use crate::common::noise::Noise;
use crate::common::training::{constant, head, input, method, network, training};
use frbench::backbone;
use frbench::engine::Network;
use frbench::job::{HeadSpec, InputSpec, TrainSpec};
use frbench::rng::Stream;
use frbench::train::{FrozenClassifier, FrozenNetwork, Teacher, Trainer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CLASSES: usize = 5;
const NOISE: Noise = Noise::of(20);

fn arcface() -> HeadSpec {
    head("arcface", json!({"s": 16, "m": 0.2}))
}

fn spec(losses: Value) -> TrainSpec {
    TrainSpec {
        method: method("distill", json!({"losses": losses, "beta": 0.1})),
        schedule: constant(8),
        ..training(network("cbam-iresnet18", 8, 0.125), arcface())
    }
}

/// A teacher of the student's kind, with embeddings of another size.
struct School {
    network: Network,
    input: InputSpec,
    labels: Vec<u32>,
}

impl School {
    fn new() -> Self {
        let teacher = network("cbam-iresnet18", 12, 0.125);
        let mut network = Network::new(backbone::build(&teacher, 32).unwrap());
        network.init(9);
        School {
            network,
            input: input(32),
            labels: (0..NOISE.images as u32)
                .map(|i| i % CLASSES as u32)
                .collect(),
        }
    }

    fn trainer<'a>(&'a self, spec: &'a TrainSpec) -> Trainer<'a> {
        let mut stream = Stream::derive(1, "weight", &[]);
        let weight = (0..CLASSES * 12).map(|_| stream.normal() as f32).collect();
        let teacher = Teacher {
            rows: None,
            network: Some(FrozenNetwork {
                network: &self.network,
                input: &self.input,
                images: std::sync::Arc::new(NOISE),
            }),
            classifier: Some(
                FrozenClassifier::new(&arcface(), [CLASSES, 12], weight, BTreeMap::new()).unwrap(),
            ),
        };
        let derived = BTreeMap::new();
        Trainer::new(
            spec,
            std::sync::Arc::new(NOISE),
            &self.labels,
            CLASSES,
            teacher,
            &derived,
        )
        .unwrap()
    }
}

#[test]
fn a_resumed_training_with_every_kind_of_loss_is_the_undisturbed_one() {
    let losses = json!([
        {"name": "a-skd", "lambda": 5.0},
        {"name": "at", "weight": 100.0, "taps": ["stage2", "stage3"]},
        {"name": "fitnet", "taps": ["stage3=stage4"]},
        {"name": "fitnet", "weight": 0.5},
        {"name": "logit-kd", "weight": 0.2, "temperature": 4},
        {"name": "ekd", "weight": 10.0},
        {"name": "crd", "dim": 6, "negatives": 7, "temperature": 0.2, "momentum": 0.5},
        {"name": "sp", "normalize": "gram-rows", "taps": ["stage4"]},
        {"name": "rkd", "w_distance": 1, "w_angle": 2},
    ]);
    let spec = spec(losses);
    let school = School::new();
    let mut whole = school.trainer(&spec);
    let reports: Vec<_> = (0..8).map(|_| whole.step().unwrap()).collect();
    let names: Vec<&str> = reports[0].parts.iter().map(|p| p.0).collect();
    let want = [
        "a-skd", "at", "fitnet", "fitnet", "logit-kd", "ekd", "crd", "sp", "rkd", "arcface",
    ];
    assert_eq!(names, want);
    let (first, last) = (&reports[0].parts[0], &reports[7].parts[0]);
    assert!(last.1 < first.1, "attention: {} to {}", first.1, last.1);

    let mut begun = school.trainer(&spec);
    (0..3).for_each(|_| drop(begun.step().unwrap()));
    let saved = begun.save().unwrap();
    for part in [
        "2-fitnet.regressor0.values",
        "2-fitnet.regressor0.velocity",
        "3-fitnet.regressor0.values",
        "5-ekd.student-anchors",
        "6-crd.teacher.memory",
        "6-crd.student.values",
    ] {
        let name = format!("objective.{part}");
        assert!(saved.tensors.contains_key(&name), "{name}");
    }
    let mut resumed = school.trainer(&spec);
    resumed.restore(&saved).unwrap();
    (3..8).for_each(|_| drop(resumed.step().unwrap()));
    assert_eq!(
        resumed.save().unwrap().to_bytes(),
        whole.save().unwrap().to_bytes()
    );
}

/// The attention loss alone: its gradient enters the network by the taps only.
#[test]
fn gradients_of_taps_reach_the_network() {
    let mut spec = spec(json!([{"name": "a-skd", "lambda": 5.0}]));
    spec.method.params.insert("beta".into(), json!(0.0));
    spec.head = None;
    let school = School::new();
    let mut trainer = school.trainer(&spec);
    let before = trainer.network().state_dict();
    let losses: Vec<f64> = (0..8).map(|_| trainer.step().unwrap().loss).collect();
    let after = trainer.network().state_dict();
    let moved = |name: &str| before[name].1 != after[name].1;
    assert!(moved("input_layer.0.weight"));
    assert!(moved("layer4.1.spatial_layer.conv.weight"));
    assert!(losses[7] < losses[0], "{losses:?}");
}

/// Logits alone: the student's head is trained by the teacher's distribution.
#[test]
fn gradients_of_logits_reach_the_network_and_its_class_weights() {
    let mut spec = spec(json!([{"name": "logit-kd", "temperature": 4}]));
    spec.method.params.insert("beta".into(), json!(0.0));
    let school = School::new();
    let mut trainer = school.trainer(&spec);
    let weights = |t: &mut Trainer| t.save().unwrap().tensor("head.weight").unwrap().1.clone();
    let before = (trainer.network().state_dict(), weights(&mut trainer));
    let losses: Vec<f64> = (0..8).map(|_| trainer.step().unwrap().loss).collect();
    let after = (trainer.network().state_dict(), weights(&mut trainer));
    let stem = "input_layer.0.weight";
    assert_ne!(before.0[stem].1, after.0[stem].1);
    assert_ne!(before.1, after.1);
    assert!(losses[7] < losses[0], "{losses:?}");
}

/// The class weights of the teacher in place of a head: the student learns, and has none of its own.
#[test]
fn class_weights_of_a_teacher_take_the_place_of_a_head() {
    let losses = json!([{"name": "margin-distillation", "s": 16}]);
    let spec = TrainSpec {
        method: method("distill", json!({"losses": losses})),
        backbone: network("cbam-iresnet18", 12, 0.125),
        head: None,
        schedule: constant(20),
        ..spec(json!([]))
    };
    let school = School::new();
    let mut trainer = school.trainer(&spec);
    let losses: Vec<f64> = (0..20).map(|_| trainer.step().unwrap().loss).collect();
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..5]), mean(&losses[15..]));
    assert!(last < 0.8 * first, "{losses:?}");
    assert!(!trainer.save().unwrap().tensors.contains_key("head.weight"));
}
