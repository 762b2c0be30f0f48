//! Losses on input gradients: what a training step makes of them, and what it leaves alone.

use crate::common::noise::Noise;
use crate::common::training::{head, input, method, network, training};
use frbench::engine::Network;
use frbench::job::{HeadSpec, InputSpec, MethodSpec, TrainSpec};
use frbench::rng::Stream;
use frbench::train::{
    Batch, FrozenClassifier, FrozenNetwork, InputPipeline, Lesson, Teacher, Trainer,
};
use frbench::{Result, backbone};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;

const CLASSES: usize = 5;
const IMAGES: usize = 20;
const SIDE: usize = 32;

fn spec(method: MethodSpec, backbone: &str, head: HeadSpec) -> TrainSpec {
    let mut spec = TrainSpec {
        method,
        ..training(network(backbone, 8, 0.125), head)
    };
    spec.optimizer.weight_decay = 0.0;
    spec
}

fn arcface() -> HeadSpec {
    head("arcface", json!({"s": 8, "m": 0.2}))
}

fn curricularface() -> HeadSpec {
    head("curricularface", json!({"s": 8, "m": 0.2}))
}

fn distill(weight: f64) -> MethodSpec {
    let losses = json!([{"name": "at-gradient", "weight": weight}]);
    method("distill", json!({"losses": losses, "beta": 1.0}))
}

/// A teacher, and what a training is about.
struct School {
    network: Network,
    input: InputSpec,
    labels: Vec<u32>,
    images: Noise,
}

impl School {
    fn new() -> Self {
        let teacher = network("iresnet18", 12, 0.125);
        let mut network = Network::new(backbone::build(&teacher, SIDE).unwrap());
        network.init(9);
        School {
            network,
            input: input(SIDE),
            labels: (0..IMAGES as u32).map(|i| i % CLASSES as u32).collect(),
            images: Noise::of(IMAGES),
        }
    }

    fn teacher(&self) -> Teacher<'_> {
        let mut stream = Stream::derive(1, "weight", &[]);
        let weight = (0..CLASSES * 12).map(|_| stream.normal() as f32).collect();
        let frozen = FrozenClassifier::new(&arcface(), [CLASSES, 12], weight, BTreeMap::new());
        Teacher {
            rows: None,
            network: Some(FrozenNetwork {
                network: &self.network,
                input: &self.input,
                images: Arc::new(self.images.clone()),
            }),
            classifier: Some(frozen.unwrap()),
        }
    }

    fn lesson(&self, batch: &Batch, labels: &[u32], input_gradients: bool) -> Result<Lesson> {
        let view = InputPipeline::on_host(Arc::new(self.images.clone()), &self.input);
        let images = view.make(&batch.samples, &[&batch.flips])?.value(0)?;
        let mut teacher = self.teacher();
        let lesson = teacher.lesson(batch, labels, Some(&images), input_gradients)?;
        Ok(lesson.expect("there is a teacher"))
    }

    fn try_trainer<'a>(&'a self, spec: &'a TrainSpec) -> Result<Trainer<'a>> {
        Trainer::new(
            spec,
            Arc::new(Noise::of(IMAGES)),
            &self.labels,
            CLASSES,
            self.teacher(),
            &BTreeMap::new(),
        )
    }

    fn trainer<'a>(&'a self, spec: &'a TrainSpec) -> Trainer<'a> {
        self.try_trainer(spec).unwrap()
    }
}

/// The teacher's input gradients against differences of its cross-entropy over single pixels,
/// which is taken in f64 from the logits that a loss on logits would see.
#[test]
fn the_teachers_input_gradients_are_differences_over_single_pixels() {
    let mut school = School::new();
    let batch = Batch {
        step: 0,
        epoch: 1,
        samples: vec![3, 11, 4],
        flips: vec![false, true, false],
    };
    let labels = [3, 1, 4];
    let lesson = school.lesson(&batch, &labels, true).unwrap();
    let got = lesson.input_gradients.unwrap();
    let got = got.to_vec2::<f32>().unwrap();
    assert_eq!(got[0].len(), SIDE * SIDE * 3);
    let plain = school.lesson(&batch, &labels, false).unwrap();
    assert!(plain.input_gradients.is_none());

    let loss = |school: &School| -> f64 {
        let lesson = school.lesson(&batch, &labels, false).unwrap();
        let logits = lesson.logits.unwrap().to_vec2::<f32>().unwrap();
        let one = |(row, &label): (&Vec<f32>, &u32)| {
            let row: Vec<f64> = row.iter().map(|&v| f64::from(v)).collect();
            row.iter().map(|v| v.exp()).sum::<f64>().ln() - row[label as usize]
        };
        logits.iter().zip(&labels).map(one).sum()
    };
    let (mut off, mut size) = (0.0, 0.0);
    for (i, &image) in batch.samples.iter().enumerate() {
        for pixel in (0..SIDE * SIDE * 3).step_by(157) {
            let mut at = |h: f32| {
                school.images.off = Some((image, pixel, h));
                loss(&school)
            };
            // Short, as activations have kinks.
            let h = 5e-3f32;
            let numeric = (at(h) - at(-h)) / f64::from(2.0 * h);
            off += (f64::from(got[i][pixel]) - numeric).powi(2);
            size += numeric.powi(2);
        }
    }
    let off = (off / size).sqrt();
    assert!(off < 2e-2, "{off:e}");
}

/// The network's parameters and class weights, by checkpoint names, as one vector, and their
/// first gradient: with momentum, the velocity after one step.
fn learned(trainer: &mut Trainer) -> (Vec<String>, Vec<f64>) {
    let saved = trainer.save().unwrap();
    let slots = trainer.network().params().slots().iter();
    let mut names: Vec<String> = slots.map(|v| format!("model.{}", v.name)).collect();
    names.push("head.weight".into());
    let mut gradient = saved.tensor("sgd.velocity").unwrap().1.clone();
    gradient.extend(&saved.tensor("head.velocity").unwrap().1);
    (names, gradient.into_iter().map(f64::from).collect())
}

/// A step's loss as it is reported, differentiated by differences along the gradient that the
/// step has made of it, and along what the loss on input gradients has added to that.
///
/// PReLU slopes are 1 here, so that the network has no kinks (their own gradients, which keep
/// them, are left out of the directions); everything else is as in any training. Reported
/// losses have 24 bits, input gradients are of 32, hence the tolerance.
#[test]
fn a_step_follows_the_gradient_of_the_whole_loss() {
    const WEIGHT: f64 = 20.0;
    let school = School::new();
    let with = spec(distill(WEIGHT), "mobilefacenet", arcface());
    let without = spec(distill(0.0), "mobilefacenet", arcface());
    let mut start = school.trainer(&with).save().unwrap();
    let slopes: Vec<String> = {
        let prelu = |(name, (shape, values)): (&String, &(Vec<usize>, Vec<f32>))| {
            let slopes = shape.len() == 1 && values.iter().all(|v| *v == 0.25);
            slopes.then(|| name.clone())
        };
        start.tensors.iter().filter_map(prelu).collect()
    };
    assert!(slopes.len() > 20, "{slopes:?}");
    for name in &slopes {
        start.tensors.get_mut(name).unwrap().1.fill(1.0);
    }
    let first = |spec: &TrainSpec| {
        let mut trainer = school.trainer(spec);
        trainer.restore(&start).unwrap();
        let report = trainer.step().unwrap();
        (report, learned(&mut trainer))
    };
    let (report, (names, mut total)) = first(&with);
    let (_, (_, head_alone)) = first(&without);
    let parts: BTreeMap<&str, f64> = report.parts.iter().copied().collect();
    let sum = WEIGHT * parts["at-gradient"] + parts["arcface"];
    assert!((report.loss - sum).abs() < 1e-5 * sum, "{report:?}");
    let mut at = 0;
    for name in &names {
        let len = start.tensors[name].1.len();
        if slopes.contains(name) {
            total[at..at + len].fill(0.0);
        }
        at += len;
    }
    let mut added: Vec<f64> = total.iter().zip(&head_alone).map(|(a, b)| a - b).collect();
    for (added, total) in added.iter_mut().zip(&total) {
        if *total == 0.0 {
            *added = 0.0;
        }
    }
    let length = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>().sqrt();
    assert!(length(&added) > 0.1 * length(&total));

    let along = |direction: &[f64], h: f64| {
        let mut moved = start.clone();
        let mut rest = direction.iter();
        for name in &names {
            let values = &mut moved.tensors.get_mut(name).unwrap().1;
            for (value, d) in values.iter_mut().zip(&mut rest) {
                *value = (f64::from(*value) + h * d) as f32;
            }
        }
        let mut trainer = school.trainer(&with);
        trainer.restore(&moved).unwrap();
        let report = trainer.step().unwrap();
        let parts: BTreeMap<&str, f64> = report.parts.iter().copied().collect();
        WEIGHT * parts["at-gradient"] + parts["arcface"]
    };
    for (what, direction) in [("the whole", &total), ("what is added", &added)] {
        let unit: Vec<f64> = direction.iter().map(|d| d / length(direction)).collect();
        let want: f64 = unit.iter().zip(&total).map(|(u, t)| u * t).sum();
        let h = 3e-5;
        let got = (along(&unit, h) - along(&unit, -h)) / (2.0 * h);
        assert!(
            (got / want - 1.0).abs() < 1e-2,
            "{what}: {got} against {want}"
        );
    }
}

/// All the passes beside the step, whose outcome is then too small to count: network, class
/// weights, running statistics and a head that remembers are to the bit those of a training
/// without them. Dropout included.
#[test]
fn probes_leave_no_trace() {
    let probed = spec(distill(1e-30), "cbam-iresnet18", curricularface());
    let alone = method("margin-softmax", json!({}));
    let plain = spec(alone, "cbam-iresnet18", curricularface());
    let school = School::new();
    let end = |spec: &TrainSpec| {
        let mut trainer = school.trainer(spec);
        (0..4).for_each(|_| drop(trainer.step().unwrap()));
        let mut saved = trainer.save().unwrap();
        saved.tensors.retain(|name, _| !name.ends_with("velocity"));
        saved
    };
    let (probed, plain) = (end(&probed), end(&plain));
    assert_ne!(plain.metadata["head"], "{}", "the head remembers");
    assert_eq!(probed.to_bytes(), plain.to_bytes());
}

#[test]
fn a_resumed_training_is_the_undisturbed_one_on_any_number_of_threads() {
    let spec = spec(distill(5.0), "mobilefacenet", curricularface());
    let school = School::new();
    let on = |threads: usize, killed: Option<usize>| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        pool.unwrap().install(|| {
            let mut trainer = school.trainer(&spec);
            for step in 0..6 {
                if killed == Some(step) {
                    let saved = trainer.save().unwrap();
                    trainer = school.trainer(&spec);
                    trainer.restore(&saved).unwrap();
                }
                let report = trainer.step().unwrap();
                assert_eq!(report.parts[0].0, "at-gradient");
            }
            trainer.save().unwrap().to_bytes()
        })
    };
    let whole = on(1, None);
    assert_eq!(on(1, Some(3)), whole);
    assert_eq!(on(3, Some(1)), whole);
}

/// Alone it still trains network and class weights, and what it compares comes nearer.
#[test]
fn it_trains_without_the_heads_loss() {
    let mut method = distill(1.0);
    method.params.insert("beta".into(), json!(0.0));
    let spec = spec(method, "mobilefacenet", arcface());
    let school = School::new();
    let mut trainer = school.trainer(&spec);
    let weights = |t: &mut Trainer| t.save().unwrap().tensor("head.weight").unwrap().1.clone();
    let before = weights(&mut trainer);
    let losses: Vec<f64> = (0..6).map(|_| trainer.step().unwrap().loss).collect();
    assert_ne!(weights(&mut trainer), before);
    assert!(losses[5] < losses[0], "{losses:?}");
}

#[test]
fn another_input_is_refused() {
    let mut school = School::new();
    school.input.std = 0.25;
    let spec = spec(distill(1.0), "mobilefacenet", arcface());
    let error = school.try_trainer(&spec).err().unwrap().to_string();
    assert!(error.contains("normalisation"), "{error}");
}
