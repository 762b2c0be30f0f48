//! Distillation losses and mining: hand vectors, finite differences and invariances.

use candle_core::{Device, Tensor, Var};
use frbench::distill::{self, Bank, Distill, DistillInput, Relations, mining};
use frbench::job::artefact::{Artefact, Matrix};
use frbench::method::derive;
use frbench::registry::Params;
use frbench::rng::Stream;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

fn build(name: &str, params: Value) -> Box<dyn Distill> {
    distill::build(name, &serde_json::from_value(params).unwrap()).unwrap()
}

fn normal(purpose: &str, rows: usize, cols: usize) -> Matrix<f32> {
    let mut stream = Stream::derive(5, purpose, &[]);
    Matrix {
        rows,
        cols,
        data: (0..rows * cols).map(|_| stream.normal() as f32).collect(),
    }
}

/// In f64, so that finite differences are sharp.
fn tensor(m: &Matrix<f32>) -> Tensor {
    let data: Vec<f64> = m.data.iter().map(|&v| f64::from(v)).collect();
    Tensor::from_vec(data, (m.rows, m.cols), &Device::Cpu).unwrap()
}

/// Six identities in seven dimensions, each with three neighbours; five samples.
struct Scene {
    bank: Bank,
    neighbors: Matrix<u32>,
    labels: Vec<u32>,
    student: Tensor,
    teacher: Tensor,
}

fn scene() -> Scene {
    let bank = normal("bank", 6, 7);
    let neighbors = mining::neighbors(&bank, 3).unwrap().index;
    Scene {
        bank: Bank::new(bank),
        neighbors,
        labels: vec![0, 5, 2, 2, 4],
        student: tensor(&normal("student", 5, 7)),
        teacher: tensor(&normal("teacher", 5, 7)),
    }
}

impl Scene {
    fn loss(&self, of: &mut dyn Distill, student: &Tensor, teacher: &Tensor) -> Tensor {
        let input = DistillInput {
            labels: &self.labels,
            relations: Some(Relations {
                neighbors: &self.neighbors,
                student_bank: &self.bank,
                teacher_bank: &self.bank,
            }),
            ..DistillInput::of_embeddings(student, teacher)
        };
        of.loss(&input).unwrap()
    }

    fn value(&self, of: &mut dyn Distill, student: &Tensor, teacher: &Tensor) -> f64 {
        self.loss(of, student, teacher).to_scalar().unwrap()
    }
}

fn every_loss() -> Vec<(&'static str, Box<dyn Distill>)> {
    vec![
        ("cosine", build("cosine", json!({}))),
        ("fcd", build("fcd", json!({"normalize": true}))),
        ("fcd-raw", build("fcd", json!({"normalize": false}))),
        ("hinge", build("rad", json!({"q": 0.03}))),
        (
            "dead-zone",
            build("rad", json!({"q": 0.03, "form": "dead-zone"})),
        ),
        ("l2", build("rad", json!({"q": 0.03, "form": "l2"}))),
    ]
}

#[test]
fn fcd_computed_by_hand() {
    let student = Tensor::new(&[[1.0f64, 0.0], [0.6, 0.8], [0.0, 1.0]], &Device::Cpu).unwrap();
    let teacher = Tensor::new(&[[1.0f64, 0.0], [0.8, 0.6], [0.0, 1.0]], &Device::Cpu).unwrap();
    let teacher = (teacher * 3.0).unwrap();
    let input = DistillInput::of_embeddings(&student, &teacher);
    let loss = build("fcd", json!({"normalize": true}))
        .loss(&input)
        .unwrap();
    assert!((loss.to_scalar::<f64>().unwrap() - 0.026667).abs() < 5e-7);
    // Rows (-2, 0), (-1.8, -1), (0, -2) apart: (4 + 4.24 + 4) / 3.
    let loss = build("fcd", json!({"normalize": false}))
        .loss(&input)
        .unwrap();
    assert!((loss.to_scalar::<f64>().unwrap() - 4.08).abs() < 1e-12);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let scene = scene();
    for (name, mut loss) in every_loss() {
        let student = Var::from_tensor(&scene.student).unwrap();
        let grads = scene
            .loss(&mut *loss, &student, &scene.teacher)
            .backward()
            .unwrap();
        let gradient = grads.get(&student).unwrap().flatten_all().unwrap();
        let base: Vec<f64> = scene.student.flatten_all().unwrap().to_vec1().unwrap();
        for (at, analytic) in gradient.to_vec1::<f64>().unwrap().into_iter().enumerate() {
            let mut shifted = |h: f64| {
                let mut data = base.clone();
                data[at] += h;
                let student = Tensor::from_vec(data, (5, 7), &Device::Cpu).unwrap();
                scene.value(&mut *loss, &student, &scene.teacher)
            };
            let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
            assert!(
                (numeric - analytic).abs() < 1e-8 * (1.0 + analytic.abs()),
                "{name} at {at}: {analytic} against {numeric}"
            );
        }
    }
}

#[test]
fn a_student_like_its_teacher_has_no_loss_and_no_gradient() {
    let scene = scene();
    for (name, mut loss) in every_loss() {
        let student = Var::from_tensor(&scene.teacher).unwrap();
        let loss = scene.loss(&mut *loss, &student, &scene.teacher);
        let value = loss.to_scalar::<f64>().unwrap();
        // The hinge wants the student to be further from others than the teacher by q.
        let want = if name == "hinge" { 0.03 } else { 0.0 };
        assert!((value - want).abs() < 1e-12, "{name}: {value}");
        if name != "hinge" {
            let grads = loss.backward().unwrap();
            let gradient = grads.get(&student).unwrap().abs().unwrap();
            let largest = gradient.flatten_all().unwrap().max(0).unwrap();
            assert!(largest.to_scalar::<f64>().unwrap() < 1e-12, "{name}");
        }
    }
    // Also with a dead zone of no width, where the slope of a one-sided maximum matters.
    let mut loss = build("rad", json!({"q": 0, "form": "dead-zone"}));
    let student = Var::from_tensor(&scene.teacher).unwrap();
    let grads = scene
        .loss(&mut *loss, &student, &scene.teacher)
        .backward()
        .unwrap();
    let gradient: Vec<f64> = grads
        .get(&student)
        .unwrap()
        .flatten_all()
        .unwrap()
        .to_vec1()
        .unwrap();
    assert_eq!(gradient, vec![0.0; 35]);
}

#[test]
fn the_gradient_reaches_the_student_alone() {
    let scene = scene();
    for (name, mut loss) in every_loss() {
        let student = Var::from_tensor(&scene.student).unwrap();
        let teacher = Var::from_tensor(&scene.teacher).unwrap();
        let grads = scene
            .loss(&mut *loss, &student, &teacher)
            .backward()
            .unwrap();
        assert!(grads.get(&student).is_some(), "{name}");
        assert!(grads.get(&teacher).is_none(), "{name}");
    }
}

/// One sample, one neighbour: as the student turns towards the neighbour, the hinge rises.
#[test]
fn the_hinge_grows_with_the_students_relation() {
    let bank = Bank::new(Matrix {
        rows: 2,
        cols: 2,
        data: vec![0.0, 1.0, 1.0, 0.0],
    });
    let neighbors = Matrix {
        rows: 2,
        cols: 1,
        data: vec![1, 0],
    };
    let teacher = Tensor::new(&[[0.6f64, 0.8]], &Device::Cpu).unwrap();
    let mut loss = build("rad", json!({"q": 0.03}));
    let mut at = |cos: f64| {
        let student = Tensor::new(&[[cos, (1.0 - cos * cos).sqrt()]], &Device::Cpu).unwrap();
        let input = DistillInput {
            labels: &[0],
            relations: Some(Relations {
                neighbors: &neighbors,
                student_bank: &bank,
                teacher_bank: &bank,
            }),
            ..DistillInput::of_embeddings(&student, &teacher)
        };
        loss.loss(&input).unwrap().to_scalar::<f64>().unwrap()
    };
    // The teacher's relation is 0.6, so the hinge opens at 0.57.
    assert_eq!(at(0.5), 0.0);
    assert!((at(0.6) - 0.03).abs() < 1e-12);
    assert!((at(0.9) - 0.33).abs() < 1e-12);
}

#[test]
fn embeddings_of_different_sizes_are_an_error() {
    let scene = scene();
    let teacher = tensor(&normal("teacher", 5, 8));
    for (name, mut loss) in every_loss() {
        let input = DistillInput::of_embeddings(&scene.student, &teacher);
        let message = loss
            .loss(&input)
            .err()
            .unwrap_or_else(|| panic!("{name}"))
            .to_string();
        assert!(
            message.contains("(5, 7)") && message.contains("(5, 8)"),
            "{message}"
        );
    }
}

/// More identities than one block of the similarity matrix has rows or columns, and many
/// that are exactly alike.
#[test]
fn mining_in_blocks_finds_what_a_full_search_finds() {
    let mut prototypes = normal("mining", 2500, 12);
    for copy in 0..40 {
        let (from, to) = (copy * 3 * 12, (2400 + copy) * 12);
        prototypes.data.copy_within(from..from + 12, to);
    }
    let k = 9;
    let mined = mining::neighbors(&prototypes, k).unwrap();
    let unit: Vec<Vec<f64>> = (0..2500)
        .map(|i| {
            let row: Vec<f64> = prototypes.row(i).iter().map(|&v| f64::from(v)).collect();
            let norm = row.iter().map(|v| v * v).sum::<f64>().sqrt();
            row.iter().map(|v| f64::from((v / norm) as f32)).collect()
        })
        .collect();
    for i in (0..2500).step_by(7).chain(2400..2440) {
        let mut all: Vec<(f64, u32)> = (0..2500)
            .filter(|&j| j != i)
            .map(|j| {
                let cos = unit[i]
                    .iter()
                    .zip(&unit[j])
                    .map(|(a, b)| a * b)
                    .sum::<f64>();
                ((cos * 1e12).round(), j as u32)
            })
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let want: Vec<u32> = all[..k].iter().map(|&(_, j)| j).collect();
        assert_eq!(mined.index.row(i), want, "identity {i}");
    }
}

#[test]
fn mining_does_not_depend_on_the_number_of_threads() {
    let prototypes = normal("threads", 700, 32);
    let mine = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| mining::neighbors(&prototypes, 20).unwrap())
    };
    assert_eq!(mine(1), mine(3));
}

#[test]
fn neighbours_exclude_the_identity_itself_and_ties_go_to_the_lower_index() {
    let alike = Matrix {
        rows: 5,
        cols: 2,
        data: [1.0f32, 2.0].repeat(5),
    };
    let mined = mining::neighbors(&alike, 3).unwrap();
    assert_eq!(
        mined.index.data,
        [1, 2, 3, 0, 2, 3, 0, 1, 3, 0, 1, 2, 0, 1, 2]
    );
    let all = mining::neighbors(&alike, 4).unwrap();
    assert_eq!(all.index.row(2), [0, 1, 3, 4]);
}

#[test]
fn random_neighbours_are_other_identities_drawn_by_the_seed() {
    let drawn = mining::random_neighbors(50, 20, 3).unwrap();
    for identity in 0..50 {
        let row: BTreeSet<u32> = drawn.row(identity).iter().copied().collect();
        assert_eq!(row.len(), 20, "no repetition");
        assert!(!row.contains(&(identity as u32)), "not itself");
        assert!(row.iter().all(|&j| j < 50));
    }
    assert_eq!(drawn, mining::random_neighbors(50, 20, 3).unwrap());
    assert_ne!(drawn, mining::random_neighbors(50, 20, 4).unwrap());
    // All of them, when all are asked for.
    let all = mining::random_neighbors(6, 5, 0).unwrap();
    for identity in 0..6u32 {
        let mut row = all.row(identity as usize).to_vec();
        row.sort_unstable();
        let others: Vec<u32> = (0..6).filter(|&j| j != identity).collect();
        assert_eq!(row, others);
    }
    // Every identity is drawn about equally often: 49 times 20 of 49 in expectation.
    let many = mining::random_neighbors(50, 20, 9).unwrap();
    for j in 0..50 {
        let count = many.data.iter().filter(|&&d| d == j).count();
        assert!(
            (8..=32).contains(&count),
            "identity {j} was drawn {count} times"
        );
    }
}

#[test]
fn derivations_say_what_is_wrong() {
    let run = |name: &str, params: Value, from: BTreeMap<String, Artefact>, labels: &[u32]| {
        let params: Params = serde_json::from_value(params).unwrap();
        derive::run(name, &params, &from, labels, 3)
            .expect_err("an error")
            .to_string()
    };
    let holding =
        |name: &str, m: Matrix<f32>| BTreeMap::from([(name.to_owned(), Artefact::F32(m))]);
    let message = run(
        "neighbors",
        json!({"k": 3}),
        holding("prototypes", normal("p", 3, 4)),
        &[],
    );
    assert!(
        message.contains("k is 3") && message.contains("only 2 others"),
        "{message}"
    );
    let message = run(
        "random-neighbors",
        json!({"k": 3, "seed": 0}),
        BTreeMap::new(),
        &[],
    );
    assert!(message.contains("only 2 others"), "{message}");
    let message = run("neighbours", json!({}), BTreeMap::new(), &[]);
    assert!(message.contains("did you mean `neighbors`?"), "{message}");

    let embeddings = |rows| holding("teacher-embeddings", normal("e", rows, 4));
    let message = run("prototypes", json!({}), embeddings(8), &[0, 1, 3, 0]);
    assert!(message.contains("label 3"), "{message}");
    let message = run("prototypes", json!({}), embeddings(8), &[0, 2, 2, 0]);
    assert!(
        message.contains("identity 1 of 3 has no image"),
        "{message}"
    );
    let message = run("prototypes", json!({}), embeddings(7), &[0, 1, 2, 0]);
    assert!(message.contains("7 rows"), "{message}");
    let mut broken = normal("e", 8, 4);
    broken.data[9] = f32::NAN;
    let message = run(
        "prototypes",
        json!({}),
        holding("teacher-embeddings", broken),
        &[0, 1, 2, 0],
    );
    assert!(message.contains("identity 1"), "{message}");

    let judged = |weights: [usize; 2], labels: &[u32]| {
        let mut from = holding("embeddings", normal("e", 4, 5));
        from.extend(holding(
            "class-weights",
            normal("w", weights[0], weights[1]),
        ));
        run("kept-images", json!({"degrees": 75}), from, labels)
    };
    let message = judged([6, 4], &[0, 1, 2, 0]);
    assert!(
        message.contains("5 dimensions") && message.contains("of 4"),
        "{message}"
    );
    let message = judged([7, 5], &[0, 1, 2, 0]);
    assert!(
        message.contains("7 rows") && message.contains("2 centres"),
        "{message}"
    );
    let message = judged([6, 5], &[0, 1, 3, 0]);
    assert!(message.contains("label 3"), "{message}");
    let message = judged([6, 5], &[0, 1, 2]);
    assert!(message.contains('3') && message.contains('4'), "{message}");
}
