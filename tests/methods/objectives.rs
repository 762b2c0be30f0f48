//! Methods as the trainer drives them: needs, schedules of terms, feature banks, resumption.

use candle_core::{Device, Tensor, Var};
use frbench::distill::{self, Bank, DistillInput, Relations};
use frbench::head::{self, Head};
use frbench::job::artefact::{Artefact, Matrix};
use frbench::job::{HeadSpec, MethodSpec, OptimizerSpec};
use frbench::method::{self, Classifier, Inputs, Objective, Step, StepLoss};
use frbench::rng::Stream;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CLASSES: usize = 8;
const DIM: usize = 6;
const BATCH: usize = 5;
const STEPS: u64 = 10;

fn normal(purpose: &str, index: u64, rows: usize, cols: usize) -> Matrix<f32> {
    let mut stream = Stream::derive(17, purpose, &[index]);
    Matrix {
        rows,
        cols,
        data: (0..rows * cols).map(|_| stream.normal() as f32).collect(),
    }
}

fn tensor(m: Matrix<f32>) -> Tensor {
    Tensor::from_vec(m.data, (m.rows, m.cols), &Device::Cpu).unwrap()
}

fn method_spec(name: &str, params: Value) -> MethodSpec {
    MethodSpec {
        name: name.into(),
        params: serde_json::from_value(params).unwrap(),
    }
}

fn arcface() -> HeadSpec {
    HeadSpec {
        name: "arcface".into(),
        params: serde_json::from_value(json!({"s": 16, "m": 0.3})).unwrap(),
    }
}

fn optimizer() -> OptimizerSpec {
    OptimizerSpec {
        momentum: 0.9,
        nesterov: false,
        weight_decay: 0.0,
        clip: None,
        spare_norms: false,
    }
}

/// CoupleFace with `changes` to its parameters.
fn coupleface(changes: Value) -> MethodSpec {
    let mut params = json!({"normalize": true, "alpha": 1, "beta": 0, "q": 0.03, "k": 3});
    for (name, value) in changes.as_object().unwrap() {
        params[name] = value.clone();
    }
    method_spec("coupleface", params)
}

/// Identities of the training set.
fn set_labels() -> Vec<u32> {
    (0..24).map(|i| i % CLASSES as u32).collect()
}

/// Runs the derivations a method needs, the way the planner orders them.
fn derived(spec: &MethodSpec) -> BTreeMap<String, Artefact> {
    let needs = method::find(&spec.name).unwrap().needs;
    let mut done = BTreeMap::new();
    let labels = set_labels();
    for need in needs(spec, Some(&arcface())).unwrap().derive {
        let artefact = if need.derivation == "embeddings" {
            Artefact::F32(normal("teacher of the set", 0, 48, DIM))
        } else {
            let from = need
                .from
                .iter()
                .map(|name| {
                    (
                        (*name).to_owned(),
                        BTreeMap::get(&done, *name).cloned().unwrap(),
                    )
                })
                .collect();
            method::derive::run(need.derivation, &need.params, &from, &labels, CLASSES).unwrap()
        };
        done.insert(need.name.to_owned(), artefact);
    }
    done
}

fn build(spec: &MethodSpec) -> Box<dyn Objective> {
    let derived = derived(spec);
    (method::find(&spec.name).unwrap().build)(&Inputs {
        spec,
        seed: 1,
        classes: CLASSES,
        embedding: DIM,
        labels: &set_labels(),
        optimizer: &optimizer(),
        total_steps: STEPS,
        derived: &derived,
    })
    .unwrap()
}

/// Labels of a step; step 0 has identity 3 twice.
fn labels(step: u64) -> [u32; BATCH] {
    match step {
        0 => [3, 0, 7, 3, 1],
        _ => std::array::from_fn(|i| (step as u32 * 5 + i as u32 * 3) % CLASSES as u32),
    }
}

/// A linear student trained by plain gradient descent beside a fixed teacher.
struct Training {
    objective: Box<dyn Objective>,
    head: Box<dyn Head>,
    student: Var,
    weight: Var,
}

impl Training {
    fn new(spec: &MethodSpec) -> Self {
        Training {
            objective: build(spec),
            head: head::build(&arcface()).unwrap(),
            student: Var::from_tensor(&tensor(normal("student", 0, DIM, DIM))).unwrap(),
            weight: Var::from_tensor(&tensor(normal("weight", 0, CLASSES, DIM))).unwrap(),
        }
    }

    fn images(step: u64) -> Tensor {
        tensor(normal("images", step, BATCH, DIM))
    }

    fn teacher(step: u64) -> Tensor {
        let teacher = tensor(normal("teacher", 0, DIM, DIM));
        Self::images(step).matmul(&teacher).unwrap()
    }

    fn loss(&mut self, step: u64, student: &Tensor) -> StepLoss {
        self.objective
            .step(Step {
                step,
                epoch: 1,
                steps_per_epoch: STEPS,
                samples: &[0, 1, 2, 3, 4],
                labels: &labels(step),
                student,
                taps: None,
                classified: None,
                teacher: Some(&Self::teacher(step)),
                teacher_taps: None,
                teacher_logits: None,
                teacher_classes: None,
                input_gradients: None,
                device: &frbench::engine::Device::CPU,
                classifier: Some(Classifier {
                    head: &mut *self.head,
                    weight: &self.weight,
                    weight_grad: None,
                }),
            })
            .unwrap()
    }

    /// One step of training; the loss, its parts and whether the class weights had a gradient.
    fn step(&mut self, step: u64) -> (f32, Vec<(&'static str, f64)>, bool) {
        let student = Self::images(step).matmul(&self.student).unwrap();
        let out = self.loss(step, &student);
        let grads = out.loss.backward().unwrap();
        self.objective.learn(&grads, 0.05).unwrap();
        let mut classified = false;
        for (leaf, is_weight) in [(&self.student, false), (&self.weight, true)] {
            if let Some(gradient) = grads.get(leaf) {
                classified |= is_weight;
                let moved = (leaf.as_tensor() - (gradient * 0.05).unwrap()).unwrap();
                leaf.set(&moved).unwrap();
            }
        }
        (out.loss.to_scalar().unwrap(), out.parts, classified)
    }
}

fn names(parts: &[(&'static str, f64)]) -> Vec<&'static str> {
    parts.iter().map(|(name, _)| *name).collect()
}

#[test]
fn methods_say_what_they_need() {
    let needs = |spec: &MethodSpec, head: Option<&HeadSpec>| {
        (method::find(&spec.name).unwrap().needs)(spec, head)
    };
    let head = arcface();
    let alone = needs(&method_spec("margin-softmax", json!({})), Some(&head)).unwrap();
    assert!(alone.head && !alone.teacher && alone.derive.is_empty());

    let fcd = needs(&method_spec("fcd", json!({"normalize": true})), None).unwrap();
    assert!(!fcd.head && fcd.teacher && fcd.derive.len() == 1);

    let plain = needs(&coupleface(json!({})), None).unwrap();
    assert!(!plain.head && plain.teacher);
    let passes: Vec<_> = plain
        .derive
        .iter()
        .map(|d| (d.name, d.derivation))
        .collect();
    let want = [
        ("teacher-embeddings", "embeddings"),
        ("prototypes", "prototypes"),
        ("neighbors", "neighbors"),
    ];
    assert_eq!(passes, want);
    assert!(
        needs(&coupleface(json!({"beta": 0.01})), Some(&head))
            .unwrap()
            .head
    );

    let random = needs(
        &coupleface(json!({"mining": "random", "mining_seed": 4})),
        None,
    )
    .unwrap();
    assert_eq!(random.derive[2].derivation, "random-neighbors");
    assert_eq!(random.derive[2].params["seed"], json!(4));

    // What is shared must be equal: the form of the loss is no part of what is derived.
    let l2 = needs(&coupleface(json!({"form": "l2", "q": 0.1})), None).unwrap();
    assert_eq!(l2.derive, plain.derive);

    for (spec, says) in [
        (
            method_spec("margin-softmax", json!({})),
            "no head is stated",
        ),
        (coupleface(json!({"beta": 0.01})), "no head is stated"),
        (coupleface(json!({"betta": 0.01})), "did you mean `beta`?"),
        (coupleface(json!({"relation": "both"})), "student-student"),
        (method_spec("fcd", json!({})), "`normalize`"),
    ] {
        let message = needs(&spec, None).expect_err(says).to_string();
        assert!(message.contains(says), "{message}");
    }
    let unknown = method::find("coupelface")
        .err()
        .expect("an error")
        .to_string();
    assert!(unknown.contains("did you mean `coupleface`?"));
}

#[test]
fn margin_softmax_is_the_head_alone() {
    let mut training = Training::new(&method_spec("margin-softmax", json!({})));
    let first = training.step(0);
    assert_eq!(names(&first.1), ["arcface"]);
    assert!(first.2);
    assert!((f64::from(first.0) - first.1[0].1).abs() < 1e-6);
    let last = (1..60).map(|_| training.step(0).0).last().unwrap();
    assert!(last < 0.5 * first.0, "{} to {last}", first.0);
}

#[test]
fn the_head_sets_in_where_beta_from_says() {
    for (from, first) in [(json!(0.5), 5), (json!(3), 3), (json!(0), 0)] {
        for spec in [
            coupleface(json!({"beta": 0.1, "beta_from": from})),
            method_spec(
                "fcd",
                json!({"normalize": true, "beta": 0.1, "beta_from": from}),
            ),
        ] {
            let mut training = Training::new(&spec);
            for step in 0..STEPS {
                let (loss, parts, classified) = training.step(step);
                assert_eq!(classified, step >= first, "{from} at step {step}");
                assert_eq!(names(&parts).contains(&"arcface"), step >= first);
                let weight = |name: &str| if name == "arcface" { 0.1 } else { 1.0 };
                let sum: f64 = parts.iter().map(|(name, v)| weight(name) * v).sum();
                assert!((sum - f64::from(loss)).abs() < 1e-5, "{parts:?} {loss}");
            }
        }
    }
}

#[test]
fn coupleface_is_its_two_losses_against_the_prototypes_at_first() {
    let spec = coupleface(json!({"alpha": 0.7}));
    let mut training = Training::new(&spec);
    let student = Training::images(0).matmul(&training.student).unwrap();
    let out = training.loss(0, &student);

    let derived = derived(&spec);
    let (Artefact::F32(prototypes), Artefact::U32(neighbors)) =
        (&derived["prototypes"], &derived["neighbors"])
    else {
        panic!("types of artefacts");
    };
    let params = |v: Value| serde_json::from_value(v).unwrap();
    let teacher = Training::teacher(0);
    let labels = labels(0);
    let bank = Bank::new(prototypes.clone());
    let input = DistillInput {
        labels: &labels,
        relations: Some(Relations {
            neighbors,
            student_bank: &bank,
            teacher_bank: &bank,
        }),
        ..DistillInput::of_embeddings(&student, &teacher)
    };
    let value = |name: &str, v: Value| {
        let loss = distill::build(name, &params(v))
            .unwrap()
            .loss(&input)
            .unwrap();
        loss.to_scalar::<f32>().unwrap()
    };
    let fcd = value("fcd", json!({"normalize": true}));
    let rad = value("rad", json!({"q": 0.03}));
    let got = out.loss.to_scalar::<f32>().unwrap();
    assert!((got - (fcd + 0.7 * rad)).abs() < 1e-6);
    assert_eq!(names(&out.parts), ["fcd", "rad"]);
}

#[test]
fn a_step_overwrites_the_bank_rows_of_its_identities() {
    let mut training = Training::new(&coupleface(json!({})));
    let before = training.objective.state()["teacher-bank"].clone();
    training.step(0);
    let after = training.objective.state()["teacher-bank"].clone();
    let teacher = Training::teacher(0).to_vec2::<f32>().unwrap();
    for identity in 0..CLASSES {
        // The last sample of an identity in the batch: of identity 3 the fourth, not the first.
        let last = labels(0).iter().rposition(|&l| l as usize == identity);
        let Some(sample) = last else {
            assert_eq!(
                after.row(identity),
                before.row(identity),
                "identity {identity}"
            );
            continue;
        };
        let norm = teacher[sample].iter().map(|v| v * v).sum::<f32>().sqrt();
        for (got, raw) in after.row(identity).iter().zip(&teacher[sample]) {
            assert!((got - raw / norm).abs() < 1e-6, "identity {identity}");
        }
    }
}

#[test]
fn the_second_bank_holds_student_features_as_constants() {
    let mut teachers = Training::new(&coupleface(json!({"form": "l2"})));
    let mut students = Training::new(&coupleface(
        json!({"form": "l2", "relation": "student-student"}),
    ));
    assert_eq!(
        teachers.step(0).0,
        students.step(0).0,
        "both start from the prototypes"
    );
    let state = students.objective.state();
    assert_ne!(state["teacher-bank"], state["student-bank"]);
    assert!(!teachers.objective.state().contains_key("student-bank"));
    assert_ne!(teachers.step(1).0, students.step(1).0);

    // The gradient of the loss with the banks held fixed is all of the gradient.
    let state = students.objective.state();
    let base = Training::images(2).matmul(&students.student).unwrap();
    let leaf = Var::from_tensor(&base.to_dtype(candle_core::DType::F64).unwrap()).unwrap();
    let teacher = Training::teacher(2)
        .to_dtype(candle_core::DType::F64)
        .unwrap();
    let mut loss_of = |student: &Tensor| {
        students.objective.restore(state.clone()).unwrap();
        let step = Step {
            step: 2,
            epoch: 1,
            steps_per_epoch: STEPS,
            samples: &[0, 1, 2, 3, 4],
            labels: &labels(2),
            student,
            taps: None,
            classified: None,
            teacher: Some(&teacher),
            teacher_taps: None,
            teacher_logits: None,
            teacher_classes: None,
            input_gradients: None,
            device: &frbench::engine::Device::CPU,
            classifier: None,
        };
        students.objective.step(step).unwrap().loss
    };
    let grads = loss_of(&leaf).backward().unwrap();
    let gradient = grads.get(&leaf).unwrap().flatten_all().unwrap();
    let values: Vec<f64> = leaf.flatten_all().unwrap().to_vec1().unwrap();
    for (at, analytic) in gradient.to_vec1::<f64>().unwrap().into_iter().enumerate() {
        let mut shifted = |h: f64| {
            let mut values = values.clone();
            values[at] += h;
            let student = Tensor::from_vec(values, (BATCH, DIM), &Device::Cpu).unwrap();
            loss_of(&student).to_scalar::<f64>().unwrap()
        };
        let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
        assert!(
            (numeric - analytic).abs() < 1e-8,
            "at {at}: {analytic} against {numeric}"
        );
    }
}

#[test]
fn a_resumed_training_is_the_undisturbed_one() {
    for changes in [
        json!({}),
        json!({"beta": 0.1, "beta_from": 0.5}),
        json!({"relation": "student-student", "mining": "random", "form": "dead-zone"}),
    ] {
        resumes(&coupleface(changes));
    }
    for losses in [
        json!([{"name": "ekd", "weight": 30.0, "momentum": 0.5}]),
        json!([{"name": "crd", "dim": 4, "negatives": 5, "temperature": 0.3, "momentum": 0.5}]),
        json!([{"name": "fitnet", "regressor": "linear"}, {"name": "f-kd", "weight": 0.1}]),
    ] {
        resumes(&method_spec(
            "distill",
            json!({"losses": losses, "beta": 0.1}),
        ));
    }
}

fn resumes(spec: &MethodSpec) {
    let mut whole = Training::new(spec);
    let want: Vec<_> = (0..STEPS).map(|s| whole.step(s)).collect();

    let mut first = Training::new(spec);
    let mut got: Vec<_> = (0..4).map(|s| first.step(s)).collect();
    let mut resumed = Training::new(spec);
    resumed.student.set(&first.student.copy().unwrap()).unwrap();
    resumed.weight.set(&first.weight.copy().unwrap()).unwrap();
    let forgetful = resumed.loss(4, &Training::images(4).matmul(&first.student).unwrap());
    resumed.objective.restore(first.objective.state()).unwrap();
    got.extend((4..STEPS).map(|s| resumed.step(s)));

    assert_eq!(got, want);
    let forgetful = forgetful.loss.to_scalar::<f32>().unwrap();
    assert_ne!(forgetful, want[4].0);
    assert_eq!(resumed.objective.state(), whole.objective.state());
}

#[test]
fn a_teacher_of_another_size_and_a_foreign_checkpoint_are_errors() {
    let spec = coupleface(json!({}));
    let derived = derived(&spec);
    let build = |embedding, classes| {
        (method::find("coupleface").unwrap().build)(&Inputs {
            spec: &spec,
            seed: 1,
            classes,
            embedding,
            labels: &set_labels(),
            optimizer: &optimizer(),
            total_steps: STEPS,
            derived: &derived,
        })
    };
    let message = build(DIM + 1, CLASSES).err().expect("an error").to_string();
    assert!(message.contains("same size"), "{message}");
    let mut objective = build(DIM, CLASSES).unwrap();
    let message = objective
        .restore(BTreeMap::new())
        .expect_err("an error")
        .to_string();
    assert!(message.contains("teacher-bank"), "{message}");
}

/// The head sees the first samples of a batch alone, the losses that compare networks all.
#[test]
fn part_of_a_batch_can_be_left_to_the_losses() {
    let losses = json!({"beta": 1, "losses": [{"name": "fcd", "normalize": true}]});
    let spec = method_spec("distill", losses);
    let mut training = Training::new(&spec);
    let (images, teacher) = (Training::images(1), Training::teacher(1));
    let student = images.matmul(&training.student).unwrap();
    let mut parts = |rows: usize, classified: Option<usize>| {
        let (student, teacher) = (
            student.narrow(0, 0, rows).unwrap(),
            teacher.narrow(0, 0, rows).unwrap(),
        );
        let step = Step {
            step: 1,
            epoch: 1,
            steps_per_epoch: STEPS,
            samples: &[0, 1, 2, 3, 4][..rows],
            labels: &labels(1)[..rows],
            student: &student,
            taps: None,
            classified,
            teacher: Some(&teacher),
            teacher_taps: None,
            teacher_logits: None,
            teacher_classes: None,
            input_gradients: None,
            device: &frbench::engine::Device::CPU,
            classifier: Some(Classifier {
                head: &mut *training.head,
                weight: &training.weight,
                weight_grad: None,
            }),
        };
        training.objective.step(step).unwrap().parts
    };
    let (all, some, first) = (parts(5, None), parts(5, Some(3)), parts(3, None));
    assert_eq!(some[0], all[0], "the loss on all");
    assert_eq!(some[1], first[1], "the head on the first three");
    assert_ne!(some[1], all[1]);
}
