//! Distillation losses that no published code's numbers are at hand for: against direct
//! computation in f64, hand vectors and finite differences. And what losses remember.

use crate::proofs::Recomputation;
use candle_core::{Device, Tensor, Var};
use frbench::distill::{self, Distill, DistillInput, Setup, Taps};
use frbench::job::OptimizerSpec;
use frbench::job::artefact::Matrix;
use frbench::registry::Params;
use frbench::rng::Stream;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

type State = BTreeMap<String, Matrix<f32>>;

/// Losses by name, each with what computes it a second time.
pub const RECOMPUTED: &[Recomputation] = &[
    ("at-gradient", at_gradient_by_hand),
    ("crd", crd_over_steps),
    ("ekd", ekd_over_steps),
    ("f-kd", by_vectors),
    ("margin-distillation", margin_distillation_by_hand),
    ("shrinkteanet", by_vectors),
    ("triplet-distillation", triplet_distillation_by_hand),
];

/// Six images of three identities.
const LABELS: [u32; 6] = [0, 1, 2, 0, 1, 2];

fn params(value: Value) -> Params {
    serde_json::from_value(value).unwrap()
}

fn build(name: &str, stated: Value) -> Box<dyn Distill> {
    let optimizer = OptimizerSpec {
        momentum: 0.9,
        nesterov: false,
        weight_decay: 0.0,
        clip: None,
        spare_norms: false,
    };
    let setup = Setup {
        params: &params(stated),
        seed: 3,
        labels: &LABELS,
        optimizer: &optimizer,
        derived: &BTreeMap::new(),
    };
    distill::for_training(name, &setup).unwrap()
}

fn normal(purpose: &str, len: usize) -> Vec<f64> {
    let mut stream = Stream::derive(23, purpose, &[]);
    (0..len).map(|_| stream.normal()).collect()
}

fn tensor(data: Vec<f64>, shape: &[usize]) -> Tensor {
    Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
}

fn random(purpose: &str, shape: &[usize]) -> Tensor {
    tensor(normal(purpose, shape.iter().product()), shape)
}

fn scalar(t: &Tensor) -> f64 {
    t.to_scalar().unwrap()
}

fn flat(t: &Tensor) -> Vec<f64> {
    t.flatten_all().unwrap().to_vec1().unwrap()
}

#[track_caller]
fn near(got: f64, want: f64, tolerance: f64) {
    assert!((got - want).abs() <= tolerance, "{got} against {want}");
}

/// The gradient of `loss` at `x` against central differences.
#[track_caller]
fn check_gradient(x: &Tensor, mut loss: impl FnMut(&Tensor) -> Tensor) {
    let leaf = Var::from_tensor(x).unwrap();
    let grads = loss(&leaf).backward().unwrap();
    let gradient = flat(grads.get(&leaf).unwrap());
    let base = flat(x);
    for (at, analytic) in gradient.into_iter().enumerate() {
        let mut shifted = |h: f64| {
            let mut data = base.clone();
            data[at] += h;
            scalar(&loss(&tensor(data, x.dims())))
        };
        let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
        let scale = 1.0 + analytic.abs();
        assert!(
            (numeric - analytic).abs() < 1e-7 * scale,
            "at {at}: {analytic} against {numeric}"
        );
    }
}

/// Three unit vectors in the plane.
fn plane() -> (Tensor, Tensor) {
    let student = tensor(vec![1.0, 0.0, 0.6, 0.8, 0.0, 1.0], &[3, 2]);
    let teacher = tensor(vec![1.0, 0.0, 0.8, 0.6, 0.0, 1.0], &[3, 2]);
    (student, teacher)
}

/// The loss of [`plane`] as computed by hand: name, parameters, value, tolerance.
fn vectors() -> Vec<(&'static str, Value, f64, f64)> {
    let rkd = |d, a| json!({"w_distance": d, "w_angle": a});
    vec![
        ("sp", json!({"normalize": "embedding"}), 0.017778, 5e-7),
        ("sp", json!({"normalize": "gram-rows"}), 0.008448, 5e-7),
        ("rkd", rkd(1, 0), 0.015_867_92, 5e-9),
        ("rkd", rkd(0, 1), 0.000_218_05, 5e-9),
        ("rkd", rkd(25, 50), 0.407601, 5e-7),
        (
            "cckd",
            json!({"gamma": 0.4, "powers": [0, 1]}),
            0.002_297_13,
            5e-9,
        ),
        (
            "cckd",
            json!({"gamma": 0.4, "powers": [0, 1, 2]}),
            0.005_590_3,
            5e-8,
        ),
        (
            "shrinkteanet",
            json!({"form": "difference"}),
            0.026667,
            5e-7,
        ),
        // One of three has cosine 0.96.
        (
            "shrinkteanet",
            json!({"form": "cosine"}),
            0.0016 / 3.0,
            1e-12,
        ),
        // Two elements of six differ, by 0.2 each.
        ("f-kd", json!({}), 0.08 / 6.0, 1e-12),
    ]
}

/// Holds the loss of that name against every vector that there is of it.
fn by_vectors(name: &str) {
    let (student, teacher) = plane();
    let all = vectors().into_iter();
    let own: Vec<_> = all.filter(|v| v.0 == name).collect();
    assert!(!own.is_empty(), "`{name}` has no vector here");
    for (_, stated, want, tolerance) in own {
        let input = DistillInput::of_embeddings(&student, &teacher);
        let got = scalar(&build(name, stated.clone()).loss(&input).unwrap());
        assert!((got - want).abs() < tolerance, "{name} {stated}: {got}");
    }
}

#[test]
fn vectors_computed_by_hand() {
    let names: BTreeSet<&str> = vectors().iter().map(|v| v.0).collect();
    names.into_iter().for_each(by_vectors);
}

#[test]
fn input_gradients_by_hand() {
    at_gradient_by_hand("at-gradient");
}

fn at_gradient_by_hand(name: &str) {
    let student = tensor(vec![1.0, 2.0, 0.0, 1.0], &[2, 2]);
    let teacher = tensor(vec![0.0, 0.0, 2.0, 1.0], &[2, 2]);
    let unused = tensor(vec![0.0], &[1, 1]);
    let loss = |student: &Tensor| {
        let mut input = DistillInput::of_embeddings(&unused, &unused);
        input.student.input_gradients = Some(student);
        input.teacher.input_gradients = Some(&teacher);
        build(name, json!({})).loss(&input).unwrap()
    };
    // Half of 1 + 4 and of 4, as a mean of two.
    near(scalar(&loss(&student)), 2.25, 1e-12);
    check_gradient(&student, loss);
    let input = DistillInput::of_embeddings(&unused, &unused);
    assert!(build(name, json!({})).loss(&input).is_err());
}

#[test]
fn attention_by_hand() {
    let taps = |data: Vec<f64>| {
        Taps::of_tensors([("0.channel".to_owned(), tensor(data, &[1, 3, 1, 1]))].into())
    };
    let (student, teacher) = (taps(vec![1.0, 2.0, -1.0]), taps(vec![2.0, 0.0, 1.0]));
    let unused = tensor(vec![0.0], &[1, 1]);
    let mut input = DistillInput::of_embeddings(&unused, &unused);
    input.student.taps = Some(&student);
    input.teacher.taps = Some(&teacher);
    for (stated, want) in [
        (json!({"lambda": 1}), 0.817426),
        (json!({"lambda": 5, "maps": "channel"}), 5.0 * 0.817426),
        (json!({"lambda": 3, "distance": "l2"}), 9.0),
        (json!({"lambda": 2, "reduction": "mean"}), 2.0 * 0.817426),
    ] {
        let got = scalar(&build("a-skd", stated).loss(&input).unwrap());
        near(got, want, 3e-6);
    }
    let error = build("a-skd", json!({"lambda": 1, "maps": "spatial"})).loss(&input);
    assert!(error.is_err(), "there are no spatial maps");

    // Maps [[1,2],[0,1]] and [[0,1],[2,0]]: Q = (0.152499, 0.762493, 0.609994, 0.152499).
    let maps = tensor(vec![1.0, 2.0, 0.0, 1.0, 0.0, 1.0, 2.0, 0.0], &[1, 2, 2, 2]);
    let even = tensor(vec![1.0; 4], &[1, 1, 2, 2]);
    let input = DistillInput::of_embeddings(&maps, &even);
    let got = scalar(&build("at", json!({})).loss(&input).unwrap());
    let q = [0.152499, 0.762493, 0.609994, 0.152499];
    let want = q.iter().map(|q: &f64| (q - 0.5).powi(2)).sum::<f64>() / 4.0;
    near(got, want, 1e-6);
}

#[test]
fn gradients_are_those_of_finite_differences() {
    let (student, teacher) = (random("student", &[5, 4]), random("teacher", &[5, 4]));
    for (name, stated) in [
        ("shrinkteanet", json!({"form": "difference"})),
        ("shrinkteanet", json!({"form": "cosine"})),
        ("f-kd", json!({})),
        (
            "darkrank",
            json!({"alpha": 2.5, "beta": 1.5, "permute_len": 9}),
        ),
        ("cckd", json!({"gamma": 0.7, "powers": [1, 3]})),
        ("rkd", json!({"w_distance": 1, "w_angle": 2})),
    ] {
        let mut loss = build(name, stated);
        check_gradient(&student, |x| {
            let input = DistillInput::of_embeddings(x, &teacher);
            loss.loss(&input).unwrap()
        });
    }
    // Maps of other sizes and channels, and another power.
    let (student, teacher) = (
        random("maps", &[2, 3, 5, 4]),
        random("theirs", &[2, 4, 3, 3]),
    );
    for (name, stated) in [
        ("at", json!({"p": 3})),
        ("at", json!({"p": 1})),
        ("sp", json!({"normalize": "gram-rows"})),
        ("fitnet", json!({})),
    ] {
        let mut loss = build(name, stated);
        check_gradient(&student, |x| {
            let input = DistillInput::of_embeddings(x, &teacher);
            loss.loss(&input).unwrap()
        });
    }
}

fn rows(x: &Tensor) -> Vec<Vec<f64>> {
    x.to_vec2().unwrap()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

fn margin_distillation_by_hand(name: &str) {
    let (student, teacher) = (random("student", &[6, 5]), random("teacher", &[6, 5]));
    let centres = random("centres", &[4, 5]);
    let (x, t, w) = (rows(&student), rows(&teacher), rows(&centres));
    let (s, low, high) = (8.0, 0.1, 0.7);
    let sure: Vec<f64> = (0..6)
        .map(|i| cosine(&t[i], &w[LABELS[i] as usize]))
        .collect();
    let surest = sure.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    assert!(surest > 0.0 && sure.iter().any(|c| *c < 0.0), "{sure:?}");
    let mut want = 0.0;
    for (i, row) in x.iter().enumerate() {
        let margin = (high - low) / surest * sure[i] + low;
        let label = LABELS[i] as usize;
        let logit = |j: usize| {
            let c = cosine(row, &w[j]);
            s * if j == label {
                (c.acos() + margin).cos()
            } else {
                c
            }
        };
        let all: f64 = (0..4).map(|j| logit(j).exp()).sum();
        want += (all.ln() - logit(label)) / 6.0;
    }
    let mut loss = build(name, json!({"s": s, "m_min": low, "m_max": high}));
    let mut value = |x: &Tensor| {
        let mut input = DistillInput::of_embeddings(x, &teacher);
        input.labels = &LABELS;
        input.teacher.classes = Some(&centres);
        loss.loss(&input).unwrap()
    };
    near(scalar(&value(&student)), want, 1e-9);
    check_gradient(&student, value);
}

/// Which negative a pair gets is drawn: the loss is that of one of the possible draws.
fn triplet_distillation_by_hand(name: &str) {
    let (student, teacher) = (random("student", &[6, 5]), random("teacher", &[6, 5]));
    let (x, t) = (rows(&student), rows(&teacher));
    let (low, high, alpha) = (0.2, 0.6, 1.5);
    for (distance, of) in [
        ("l2", (|c| 2.0 - 2.0 * c) as fn(f64) -> f64),
        ("angle", |c: f64| c.acos()),
    ] {
        let far = |v: &[Vec<f64>], i: usize, j: usize| of(cosine(&v[i], &v[j]));
        let squared = |i: usize, j: usize| 2.0 - 2.0 * cosine(&x[i], &x[j]);
        // Image i and i + 3 show one person.
        let mut draws: Vec<Vec<(usize, usize)>> = vec![Vec::new()];
        let mut choices = 0;
        for (a, who) in LABELS[..3].iter().enumerate() {
            let pair = squared(a, a + 3);
            let fits = |n: &usize| {
                LABELS[*n] != *who && squared(a, *n) > pair && squared(a, *n) < pair + alpha
            };
            let negatives: Vec<usize> = (0..6).filter(fits).collect();
            choices += negatives.len();
            if !negatives.is_empty() {
                let longer = |d: &Vec<(usize, usize)>| {
                    let more = negatives
                        .iter()
                        .map(|&n| [d.clone(), vec![(a, n)]].concat());
                    more.collect::<Vec<_>>()
                };
                draws = draws.iter().flat_map(longer).collect();
            }
        }
        assert!(choices > 2 && draws[0].len() > 1, "{draws:?}");
        let of_draw = |draw: &Vec<(usize, usize)>| {
            let gap = |&(a, n): &(usize, usize)| (far(&t, a, n) - far(&t, a, a + 3)).max(0.0);
            let widest = draw.iter().map(gap).fold(0.0, f64::max);
            let one = |at: &(usize, usize)| {
                let margin = match widest > 0.0 {
                    true => (high - low) / widest * gap(at) + low,
                    false => low,
                };
                (far(&x, at.0, at.0 + 3) - far(&x, at.0, at.1) + margin).max(0.0)
            };
            draw.iter().map(one).sum::<f64>() / draw.len() as f64
        };
        let want: Vec<f64> = draws.iter().map(of_draw).collect();
        let stated = json!({"distance": distance, "m_min": low, "m_max": high, "alpha": alpha});
        let mut loss = build(name, stated);
        let mut value = |x: &Tensor, step: u64| {
            let mut input = DistillInput::of_embeddings(x, &teacher);
            (input.labels, input.step) = (&LABELS, step);
            loss.loss(&input).unwrap()
        };
        let mut seen = BTreeSet::new();
        for step in 0..40 {
            let got = scalar(&value(&student, step));
            let like = want.iter().position(|w| (w - got).abs() < 1e-9);
            seen.insert(like.unwrap_or_else(|| panic!("{got} is none of {want:?}")));
        }
        assert!(seen.len() > 1, "every step draws alike");
        check_gradient(&student, |x| value(x, 3));
    }
    // Nobody is shown twice.
    let mut loss = build(name, json!({}));
    let mut input = DistillInput::of_embeddings(&student, &teacher);
    input.labels = &[0, 1, 2, 3, 4, 5];
    assert_eq!(scalar(&loss.loss(&input).unwrap()), 0.0);
}

#[test]
fn margins_of_a_teacher_follow_their_definitions() {
    margin_distillation_by_hand("margin-distillation");
    triplet_distillation_by_hand("triplet-distillation");
}

/// `sigmoid((s - anchor) / T)` summed over the anchors.
fn soft_rank(s: f64, anchors: &[f32], t: f64) -> f64 {
    let step = |a: &f32| 1.0 / (1.0 + (-(s - f64::from(*a)) / t).clamp(-50.0, 50.0).exp());
    anchors.iter().map(step).sum()
}

/// EKD from its definition, for one step; moves the anchors.
fn ekd_by_hand(x: [&Tensor; 2], labels: &[u32], anchors: &mut [Vec<f32>; 2], topk: usize) -> f64 {
    let (momentum, t) = (0.25, 0.05);
    let cosines = |x: &Tensor| {
        let rows: Vec<Vec<f64>> = x.to_vec2().unwrap();
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut pairs = Vec::new();
        for i in 0..rows.len() {
            for j in i + 1..rows.len() {
                let (a, b) = (&rows[i], &rows[j]);
                let cos = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
                pairs.push((labels[i] == labels[j], cos));
            }
        }
        pairs
    };
    let [student, teacher] = x.map(cosines);
    for (anchors, pairs) in anchors.iter_mut().zip([&student, &teacher]) {
        let mut negatives: Vec<f64> = pairs.iter().filter(|p| !p.0).map(|p| p.1).collect();
        negatives.sort_by(|a, b| b.total_cmp(a));
        for (anchor, every) in anchors.iter_mut().zip([10, 100]) {
            let threshold = negatives[negatives.len() / every];
            *anchor = (momentum * threshold + (1.0 - momentum) * f64::from(*anchor)) as f32;
        }
    }
    let gap = |i: usize| {
        let ours = soft_rank(student[i].1, &anchors[0], t);
        (ours - soft_rank(teacher[i].1, &anchors[1], t)).powi(2)
    };
    let mean = |pairs: &[usize]| pairs.iter().map(|&i| gap(i)).sum::<f64>() / pairs.len() as f64;
    let (positive, mut negative): (Vec<usize>, Vec<usize>) =
        (0..student.len()).partition(|&i| student[i].0);
    negative.sort_by(|&a, &b| student[b].1.total_cmp(&student[a].1));
    negative.truncate(topk);
    0.3 * mean(&positive) + 0.2 * mean(&negative)
}

#[test]
fn ekd_follows_its_definition_over_steps() {
    ekd_over_steps("ekd");
}

fn ekd_over_steps(name: &str) {
    let stated = |momentum: f64| {
        json!({"fprs": [0.1, 0.01], "temperature": 0.05, "momentum": momentum, "topk": 9,
               "w_positive": 0.3, "w_negative": 0.2})
    };
    let mut loss = build(name, stated(0.25));
    let mut anchors = [vec![0.0; 2], vec![0.0; 2]];
    for step in 0..4 {
        let student = random(&format!("student {step}"), &[6, 5]);
        let teacher = random(&format!("teacher {step}"), &[6, 5]);
        let mut input = DistillInput::of_embeddings(&student, &teacher);
        input.labels = &LABELS;
        let got = scalar(&loss.loss(&input).unwrap());
        let want = ekd_by_hand([&student, &teacher], &LABELS, &mut anchors, 9);
        near(got, want, 1e-6 * want);
        assert_eq!(loss.state()["student-anchors"].data, anchors[0]);
        assert_eq!(loss.state()["teacher-anchors"].data, anchors[1]);
    }
    // Anchors are constants: with a momentum of 0 they also stay where they are.
    let mut still = build(name, stated(0.0));
    still.restore(loss.state()).unwrap();
    let (student, teacher) = (random("student", &[6, 5]), random("teacher", &[6, 5]));
    check_gradient(&student, |x| {
        let mut input = DistillInput::of_embeddings(x, &teacher);
        input.labels = &LABELS;
        still.loss(&input).unwrap()
    });
    // A batch without a positive pair has the other term.
    let mut input = DistillInput::of_embeddings(&student, &teacher);
    input.labels = &[0, 1, 2, 3, 4, 5];
    assert!(scalar(&still.loss(&input).unwrap()).is_finite());
    assert!(still.restore(State::new()).is_err());
}

const CRD_DIM: usize = 3;

fn crd(name: &str) -> Box<dyn Distill> {
    // As many negatives as there are: whatever the draw, they are all drawn.
    let stated = json!({"dim": CRD_DIM, "negatives": 4, "temperature": 0.5, "momentum": 0.6});
    build(name, stated)
}

/// `W x + b`, L2-normalised; `w` as a state holds it.
fn project(x: &[f64], w: &Matrix<f32>) -> Vec<f64> {
    let (weight, bias) = w.data.split_at(w.rows * x.len());
    let row = |i: usize| {
        let products = weight[i * x.len()..].iter().zip(x);
        products.map(|(w, x)| f64::from(*w) * x).sum::<f64>() + f64::from(bias[i])
    };
    let y: Vec<f64> = (0..w.rows).map(row).collect();
    let norm = y.iter().map(|v| v * v).sum::<f64>().sqrt();
    y.into_iter().map(|v| v / norm).collect()
}

/// CRD from its definition, with constants `z` of student and teacher.
fn crd_by_hand(x: [&Tensor; 2], samples: &[u32], state: &State, z: [Option<f64>; 2]) -> f64 {
    let images = LABELS.len() as f64;
    let noise = 4.0 / images;
    let mut total = 0.0;
    for (side, (own, other)) in [("student", "teacher"), ("teacher", "student")]
        .into_iter()
        .enumerate()
    {
        let memory = &state[&format!("{other}.memory")];
        let rows: Vec<Vec<f64>> = x[side].to_vec2().unwrap();
        let mut scores: Vec<(bool, f64)> = Vec::new();
        for (x, &sample) in rows.iter().zip(samples) {
            let p = project(x, &state[&format!("{own}.values")]);
            for (image, label) in LABELS.iter().enumerate() {
                let is_self = image == sample as usize;
                if is_self || *label != LABELS[sample as usize] {
                    let dot = p.iter().zip(memory.row(image));
                    let dot: f64 = dot.map(|(p, m)| p * f64::from(*m)).sum();
                    scores.push((is_self, (dot / 0.5).exp()));
                }
            }
        }
        let mean = scores.iter().map(|s| s.1).sum::<f64>() / scores.len() as f64;
        let z = z[side].unwrap_or(mean * images);
        for (is_self, score) in scores {
            let p = score / z;
            let rate = if is_self { p } else { noise };
            total -= (rate / (p + noise + 1e-7)).ln() / samples.len() as f64;
        }
    }
    total
}

#[test]
fn crd_follows_its_definition_over_steps() {
    crd_over_steps("crd");
}

fn crd_over_steps(name: &str) {
    let samples = [4, 0, 5];
    let (student, teacher) = (random("student", &[3, 4]), random("teacher", &[3, 6]));
    let input = |step| {
        let mut input = DistillInput::of_embeddings(&student, &teacher);
        input.samples = &samples;
        input.step = step;
        input
    };
    let mut loss = crd(name);
    let before = loss.state();
    let got = scalar(&loss.loss(&input(0)).unwrap());
    // The projections start when their size is known.
    let mut state = loss.state();
    let after = state.clone();
    for side in ["student", "teacher"] {
        state.insert(
            format!("{side}.memory"),
            before[&format!("{side}.memory")].clone(),
        );
    }
    let want = crd_by_hand([&student, &teacher], &samples, &state, [None, None]);
    near(got, want, 1e-6 * want);

    // Rows of the batch move towards its projections, the others stay.
    for (side, x) in [("student", &student), ("teacher", &teacher)] {
        let (old, new) = (
            &before[&format!("{side}.memory")],
            &after[&format!("{side}.memory")],
        );
        let rows: Vec<Vec<f64>> = x.to_vec2().unwrap();
        for image in 0..LABELS.len() {
            let Some(b) = samples.iter().position(|&s| s as usize == image) else {
                assert_eq!(old.row(image), new.row(image));
                continue;
            };
            let p = project(&rows[b], &after[&format!("{side}.values")]);
            let mixed = old.row(image).iter().zip(&p);
            let mixed: Vec<f64> = mixed.map(|(m, p)| 0.6 * f64::from(*m) + 0.4 * p).collect();
            let norm = mixed.iter().map(|v| v * v).sum::<f64>().sqrt();
            for (got, want) in new.row(image).iter().zip(mixed) {
                near(f64::from(*got), want / norm, 1e-6);
            }
        }
    }

    // Later steps keep the constants of the first.
    let z = ["student", "teacher"].map(|side| Some(f64::from(after[&format!("{side}.z")].data[0])));
    let got = scalar(&loss.loss(&input(1)).unwrap());
    let want = crd_by_hand([&student, &teacher], &samples, &after, z);
    near(got, want, 1e-6 * want);

    check_gradient(&student, |x| {
        loss.restore(after.clone()).unwrap();
        let mut input = DistillInput::of_embeddings(x, &teacher);
        input.samples = &samples;
        loss.loss(&input).unwrap()
    });
}

/// What a loss learns follows the gradient, and is restored to the bit.
#[test]
fn projections_learn_and_resume() {
    let samples = [4, 0, 5];
    let f32s = |t: Tensor| t.to_dtype(candle_core::DType::F32).unwrap();
    let student = f32s(random("student", &[3, 4]));
    let teacher = f32s(random("teacher", &[3, 6]));
    let contrast = || crd("crd");
    let regress = || build("fitnet", json!({}));
    for make in [&contrast as &dyn Fn() -> Box<dyn Distill>, &regress] {
        let step = |loss: &mut dyn Distill, step: u64| {
            let student = Var::from_tensor(&student).unwrap();
            let mut input = DistillInput::of_embeddings(&student, &teacher);
            input.samples = &samples;
            input.step = step;
            let value = loss.loss(&input).unwrap();
            let grads = value.backward().unwrap();
            loss.learn(&grads, 0.05).unwrap();
            value.to_scalar::<f32>().unwrap()
        };
        let mut whole = make();
        let want: Vec<f32> = (0..30).map(|s| step(&mut *whole, s)).collect();
        assert!(want[29] < 0.9 * want[0], "{want:?}");

        let mut first = make();
        let mut got: Vec<f32> = (0..9).map(|s| step(&mut *first, s)).collect();
        let mut resumed = make();
        resumed.restore(first.state()).unwrap();
        got.extend((9..30).map(|s| step(&mut *resumed, s)));
        assert_eq!(got, want);
        assert_eq!(resumed.state(), whole.state());
    }
}

#[test]
fn negatives_are_drawn_anew_in_every_step_and_by_the_seed() {
    let (student, teacher) = (random("student", &[2, 4]), random("teacher", &[2, 4]));
    let draw = |seed: u64, step: u64| {
        let optimizer = OptimizerSpec {
            momentum: 0.0,
            nesterov: false,
            weight_decay: 0.0,
            clip: None,
            spare_norms: false,
        };
        let labels: Vec<u32> = (0..60).map(|i| i / 2).collect();
        let setup = Setup {
            params: &params(json!({"dim": 4, "negatives": 3, "temperature": 0.1, "momentum": 0.5})),
            // The same start, so that only the draw differs.
            seed,
            labels: &labels,
            optimizer: &optimizer,
            derived: &BTreeMap::new(),
        };
        let mut loss = distill::for_training("crd", &setup).unwrap();
        let mut input = DistillInput::of_embeddings(&student, &teacher);
        input.samples = &[7, 30];
        input.step = step;
        scalar(&loss.loss(&input).unwrap())
    };
    assert_eq!(draw(1, 0), draw(1, 0));
    assert_ne!(draw(1, 0), draw(1, 1));
    assert_ne!(draw(1, 0), draw(2, 0));
}

#[test]
fn what_cannot_be_computed_says_why() {
    let message = |name: &str, stated: Value| {
        let params = params(stated);
        distill::build(name, &params).err().expect(name).to_string()
    };
    for declared in distill::DECLARED {
        assert!(
            distill::DISTILL
                .iter()
                .all(|d| d.info.name != declared.name)
        );
        let said = message(declared.name, json!({}));
        assert!(said.contains(declared.reason), "{said}");
    }
    assert!(message("rdk", json!({})).contains("did you mean `rkd`?"));
    assert!(message("cckd", json!({"gamma": 0.4, "powers": [0.5]})).contains("powers"));
    assert!(message("ekd", json!({"fprs": [2]})).contains("fprs"));
    let stated = json!({"dim": 4, "negatives": 3, "temperature": 0.1, "momentum": 0.5});
    assert!(message("crd", stated).contains("training set"));
    assert!(message("fitnet", json!({"taps": []})).contains("empty"));

    let maps = random("maps", &[2, 4]);
    let input = DistillInput::of_embeddings(&maps, &maps);
    let said = build("at", json!({})).loss(&input).unwrap_err().to_string();
    assert!(said.contains("`taps`"), "{said}");
    let taps = Taps::of_tensors(BTreeMap::new());
    let mut input = DistillInput::of_embeddings(&maps, &maps);
    (input.student.taps, input.teacher.taps) = (Some(&taps), Some(&taps));
    let said = build("at", json!({"taps": ["stage9"]})).loss(&input);
    let said = said.unwrap_err().to_string();
    assert!(said.contains("no tap `stage9`"), "{said}");
}
