//! Heads against their formulas, written out plainly in f64, whose gradients are taken by finite
//! differences.

use candle_core::{Device, Tensor, Var};
use frbench::head::{self, Head, HeadInput};
use frbench::job::HeadSpec;
use frbench::rng::Stream;
use serde_json::{Value, json};
use std::f64::consts::PI;

type Rows = Vec<Vec<f64>>;

const SEED: u64 = 9;
const STEP: u64 = 4;

/// What a formula is computed from. `x` and `w` are moved by finite differences; what a head
/// treats as constant is taken from where they were.
struct Scene<'a> {
    x: &'a Rows,
    w: &'a Rows,
    x0: &'a Rows,
    w0: &'a Rows,
    labels: &'a [u32],
}

/// Logits, the labels they are for, and what is added to the cross-entropy.
type Formula = fn(&Scene) -> (Rows, Vec<u32>, f64);

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

fn cosines(x: &Rows, w: &Rows) -> Rows {
    let cos = |x: &[f64], w: &[f64]| dot(x, w) / (norm(x) * norm(w));
    x.iter()
        .map(|x| w.iter().map(|w| cos(x, w)).collect())
        .collect()
}

impl Scene<'_> {
    fn cosines(&self) -> Rows {
        cosines(self.x, self.w)
    }

    fn frozen(&self) -> Rows {
        cosines(self.x0, self.w0)
    }

    /// Logits from sample, class, whether it is the target, and cosine; no aux loss.
    fn map(&self, of: impl Fn(usize, usize, bool, f64) -> f64) -> (Rows, Vec<u32>, f64) {
        let rows = self.cosines().into_iter().enumerate().map(|(i, row)| {
            let row = row.into_iter().enumerate();
            row.map(|(j, c)| of(i, j, j == self.labels[i] as usize, c))
                .collect()
        });
        (rows.collect(), self.labels.to_vec(), 0.0)
    }
}

fn cross_entropy(logits: &Rows, labels: &[u32]) -> f64 {
    let row = |(row, &y): (&Vec<f64>, &u32)| {
        row.iter().map(|v| v.exp()).sum::<f64>().ln() - row[y as usize]
    };
    logits.iter().zip(labels).map(row).sum::<f64>() / labels.len() as f64
}

/// `cos(theta + m)`, and what stands in for it beyond `pi - m`.
fn arc(c: f64, m: f64) -> f64 {
    if c.acos() < PI - m {
        (c.acos() + m).cos()
    } else {
        c - m * m.sin()
    }
}

fn softmax(s: &Scene) -> (Rows, Vec<u32>, f64) {
    let rows = s.x.iter().map(|x| s.w.iter().map(|w| dot(x, w)).collect());
    (rows.collect(), s.labels.to_vec(), 0.0)
}

fn normface(s: &Scene) -> (Rows, Vec<u32>, f64) {
    s.map(|_, _, _, c| 8.0 * c)
}

fn sphereface_target(c: f64, lambda: f64) -> f64 {
    let theta = c.acos();
    let k = (4.0 * theta / PI).floor();
    let psi = (-1f64).powi(k as i32) * (4.0 * theta).cos() - 2.0 * k;
    (lambda * c + psi) / (1.0 + lambda)
}

fn sphereface(s: &Scene) -> (Rows, Vec<u32>, f64) {
    let lambda = 20.0 / (1.0 + 0.1f64).powi(2);
    s.map(|_, _, y, c| 8.0 * if y { sphereface_target(c, lambda) } else { c })
}

fn sphereface_norm(s: &Scene) -> (Rows, Vec<u32>, f64) {
    let lambda = 5.0;
    s.map(|i, _, y, c| norm(&s.x[i]) * if y { sphereface_target(c, lambda) } else { c })
}

fn cosface(s: &Scene) -> (Rows, Vec<u32>, f64) {
    s.map(|_, _, y, c| 8.0 * if y { c - 0.35 } else { c })
}

fn two_scales(s: &Scene) -> (Rows, Vec<u32>, f64) {
    s.map(|_, _, y, c| {
        if y {
            12.0 * ((0.9 * c.acos() + 0.4).cos() - 0.15)
        } else {
            8.0 * c
        }
    })
}

fn subcenter(s: &Scene) -> (Rows, Vec<u32>, f64) {
    let nearest = |row: &Vec<f64>| -> Vec<f64> { row.chunks(2).map(|c| c[0].max(c[1])).collect() };
    let mut rows: Rows = s.cosines().iter().map(nearest).collect();
    for (row, &y) in rows.iter_mut().zip(s.labels) {
        row[y as usize] = arc(row[y as usize], 0.5);
        row.iter_mut().for_each(|v| *v *= 8.0);
    }
    (rows, s.labels.to_vec(), 0.0)
}

/// MV-Softmax: `hard` of a negative cosine above the target's `margined` one.
fn mv(s: &Scene, margined: fn(f64) -> f64, hard: fn(f64) -> f64) -> (Rows, Vec<u32>, f64) {
    let frozen = s.frozen();
    s.map(|i, j, y, c| {
        let threshold = margined(frozen[i][s.labels[i] as usize]);
        8.0 * match y {
            true => margined(c),
            false if frozen[i][j] > threshold => hard(c),
            false => c,
        }
    })
}

fn mv_am_adaptive(s: &Scene) -> (Rows, Vec<u32>, f64) {
    mv(s, |c| c - 0.35, |c| 1.2 * c + 0.2)
}

fn mv_am_easy(s: &Scene) -> (Rows, Vec<u32>, f64) {
    mv(
        s,
        |c| if c > 0.35 { c - 0.35 } else { c },
        |c| 1.12 * c + 0.12,
    )
}

fn mv_am_fixed(s: &Scene) -> (Rows, Vec<u32>, f64) {
    mv(s, |c| c - 0.35, |c| c + 0.2)
}

fn mv_arc_adaptive(s: &Scene) -> (Rows, Vec<u32>, f64) {
    mv(s, |c| arc(c, 0.5), |c| 1.2 * c + 0.2)
}

fn adaface(s: &Scene) -> (Rows, Vec<u32>, f64) {
    let norms: Vec<f64> = s.x0.iter().map(|x| norm(x)).collect();
    let n = norms.len() as f64;
    let mean = norms.iter().sum::<f64>() / n;
    let std = (norms.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    let (mean, std) = (0.9 * mean + 0.1 * 20.0, 0.9 * std + 0.1 * 100.0);
    s.map(|i, _, y, c| {
        let c = c.clamp(-0.999, 0.999);
        let q = ((norms[i] - mean) / (std + 1e-3) * 3.0).clamp(-1.0, 1.0);
        8.0 * if y {
            (c.acos() - 0.4 * q).cos() - (0.4 + 0.4 * q)
        } else {
            c
        }
    })
}

fn magface(s: &Scene) -> (Rows, Vec<u32>, f64) {
    let a: Vec<f64> = s.x.iter().map(|x| norm(x).clamp(1.5, 2.5)).collect();
    let margin = |a: f64| 0.4 / (2.5 - 1.5) * (a - 1.5) + 0.4;
    let aux = a.iter().map(|a| a / 2.5f64.powi(2) + 1.0 / a).sum::<f64>() / a.len() as f64;
    let (rows, labels, _) = s.map(|i, _, y, c| 8.0 * if y { arc(c, margin(a[i])) } else { c });
    (rows, labels, 3.0 * aux)
}

fn elastic(s: &Scene, target: fn(f64, f64) -> f64) -> (Rows, Vec<u32>, f64) {
    let mut stream = Stream::derive(SEED, "head/elasticface", &[STEP]);
    let margins: Vec<f64> = s.x.iter().map(|_| 0.5 + 0.05 * stream.normal()).collect();
    s.map(|i, _, y, c| 8.0 * if y { target(c, margins[i]) } else { c })
}

fn elastic_arc(s: &Scene) -> (Rows, Vec<u32>, f64) {
    elastic(s, |c, m| (c.acos() + m).cos())
}

fn elastic_cos(s: &Scene) -> (Rows, Vec<u32>, f64) {
    elastic(s, |c, m| c - m)
}

fn curricularface(s: &Scene) -> (Rows, Vec<u32>, f64) {
    let frozen = s.frozen();
    let own = |i: usize| frozen[i][s.labels[i] as usize];
    let t = 0.1 * (0..s.x.len()).map(own).sum::<f64>() / s.x.len() as f64;
    s.map(|i, j, y, c| {
        8.0 * match y {
            true => arc(c, 0.5),
            false if frozen[i][j] > (own(i).acos() + 0.5).cos() => c * (t + c),
            false => c,
        }
    })
}

/// The boundary term by its formula, without the zeros of the released code.
fn boundaryface_clean(s: &Scene) -> (Rows, Vec<u32>, f64) {
    let largest_but = |row: &[f64], y: usize| {
        let others = (0..row.len()).filter(|&j| j != y);
        others.max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap()
    };
    let frozen = s.frozen();
    let labels: Vec<u32> = frozen
        .iter()
        .zip(s.labels)
        .map(|(row, &y)| {
            let n = largest_but(row, y as usize);
            if arc(row[n], 0.3) > row[y as usize] {
                n as u32
            } else {
                y
            }
        })
        .collect();
    let mut rows = s.cosines();
    let mut aux = 0.0;
    for (row, &y) in rows.iter_mut().zip(&labels) {
        let y = y as usize;
        let other = row[largest_but(row, y)];
        row[y] = arc(row[y], 0.3);
        aux += (other - row[y]).max(0.0) / labels.len() as f64;
        row.iter_mut().for_each(|v| *v *= 8.0);
    }
    (rows, labels, 2.0 * aux)
}

/// Head, parameters, rows of weights per class, and the formula.
fn formulas() -> Vec<(&'static str, Value, usize, Formula)> {
    let sphere = |magnitude: &str| {
        json!({
            "magnitude": magnitude, "m": 4, "lambda_base": 20, "lambda_gamma": 0.1,
            "lambda_power": 2, "lambda_min": 5
        })
    };
    let mut scaled = sphere("scale");
    scaled["s"] = json!(8);
    let mut normed = sphere("norm");
    normed["lambda_base"] = json!(1);
    let elastic =
        |form: &str| json!({"s": 8, "form": form, "m": 0.5, "sigma": 0.05, "plus": "none"});
    vec![
        ("softmax", json!({}), 1, softmax as Formula),
        ("normface", json!({"s": 8}), 1, normface),
        ("sphereface", scaled, 1, sphereface),
        ("sphereface", normed, 1, sphereface_norm),
        ("cosface", json!({"s": 8, "m": 0.35}), 1, cosface),
        (
            "combined-margin",
            json!({"s_p": 12, "s_n": 8, "m1": 0.9, "m2": 0.4, "m3": 0.15, "target_gradient": "exact"}),
            1,
            two_scales,
        ),
        (
            "subcenter-arcface",
            json!({"s": 8, "m": 0.5, "k": 2}),
            2,
            subcenter,
        ),
        (
            "mv-am",
            json!({"s": 8, "m": 0.35, "t": 0.2, "variant": "adaptive"}),
            1,
            mv_am_adaptive,
        ),
        (
            "mv-am",
            json!({"s": 8, "m": 0.35, "t": 0.12, "variant": "adaptive", "easy_margin": true}),
            1,
            mv_am_easy,
        ),
        (
            "mv-am",
            json!({"s": 8, "m": 0.35, "t": 0.2, "variant": "fixed"}),
            1,
            mv_am_fixed,
        ),
        (
            "mv-arcface",
            json!({"s": 8, "m": 0.5, "t": 0.2, "variant": "adaptive"}),
            1,
            mv_arc_adaptive,
        ),
        (
            "curricularface",
            json!({"s": 8, "m": 0.5, "momentum": 0.1}),
            1,
            curricularface,
        ),
        (
            "adaface",
            json!({"s": 8, "m": 0.4, "h": 3.0, "t_alpha": 0.9}),
            1,
            adaface,
        ),
        (
            "magface",
            json!({"s": 8, "l_a": 1.5, "u_a": 2.5, "l_margin": 0.4, "u_margin": 0.8, "lambda_g": 3}),
            1,
            magface,
        ),
        ("elasticface", elastic("arc"), 1, elastic_arc),
        ("elasticface", elastic("cos"), 1, elastic_cos),
        (
            "boundaryface",
            json!({"s": 8, "m": 0.3, "epoch_start": 1, "form": "clean", "lambda": 2}),
            1,
            boundaryface_clean,
        ),
    ]
}

fn build(name: &str, params: &Value) -> Box<dyn Head> {
    let spec = HeadSpec {
        name: name.into(),
        params: serde_json::from_value(params.clone()).unwrap(),
    };
    let mut head = head::build(&spec).unwrap();
    head.seed(SEED);
    head
}

const LABELS: [u32; 7] = [0, 3, 2, 3, 1, 4, 0];

fn normal(purpose: &str, rows: usize) -> Rows {
    let mut stream = Stream::derive(31, purpose, &[]);
    (0..rows)
        .map(|_| (0..4).map(|_| stream.normal()).collect())
        .collect()
}

fn var(rows: &Rows) -> Var {
    Var::from_tensor(&Tensor::new(rows.clone(), &Device::Cpu).unwrap()).unwrap()
}

fn input<'a>(x: &'a Tensor, w: &'a Tensor) -> HeadInput<'a> {
    HeadInput {
        embeddings: x,
        weight: w,
        weight_grad: None,
        labels: &LABELS,
        logits: true,
        epoch: 2,
        step: STEP,
    }
}

/// Holds the head against the formula: logits, labels, loss and gradients.
fn compare(name: &str, params: &Value, per_class: usize, formula: Formula) {
    let (x, w) = (normal("x", LABELS.len()), normal("w", 5 * per_class));
    let at = |x1: &Rows, w1: &Rows| {
        let scene = Scene {
            x: x1,
            w: w1,
            x0: &x,
            w0: &w,
            labels: &LABELS,
        };
        let (logits, labels, aux) = formula(&scene);
        let loss = cross_entropy(&logits, &labels) + aux;
        (logits, labels, loss)
    };
    let leaves = [var(&x), var(&w)];
    let output = build(name, params)
        .forward(&input(&leaves[0], &leaves[1]))
        .unwrap();
    let (logits, labels, loss) = at(&x, &w);
    assert_eq!(
        output.labels.clone().unwrap_or(LABELS.to_vec()),
        labels,
        "{name}"
    );
    let got = output.logits().unwrap().to_vec2::<f64>().unwrap();
    for (got, want) in got.iter().flatten().zip(logits.iter().flatten()) {
        assert!(
            (got - want).abs() < 1e-9,
            "{name} {params}: logit {got}, want {want}"
        );
    }
    let got = output.loss.to_scalar::<f64>().unwrap();
    assert!(
        (got - loss).abs() < 1e-10,
        "{name} {params}: loss {got}, want {loss}"
    );

    let grads = output.loss.backward().unwrap();
    for (which, leaf) in leaves.iter().enumerate() {
        let gradient = grads.get(leaf).unwrap().to_vec2::<f64>().unwrap();
        for (i, row) in gradient.iter().enumerate() {
            for (d, &analytic) in row.iter().enumerate() {
                let shifted = |h: f64| {
                    let (mut x1, mut w1) = (x.clone(), w.clone());
                    [&mut x1, &mut w1][which][i][d] += h;
                    at(&x1, &w1).2
                };
                let numeric = (shifted(1e-5) - shifted(-1e-5)) / 2e-5;
                assert!(
                    (numeric - analytic).abs() < 1e-7 * (1.0 + analytic.abs()),
                    "{name} {params} leaf {which} at {i}, {d}: {analytic} against {numeric}"
                );
            }
        }
    }
}

/// Holds the head of that name against every formula that there is of it.
pub fn recompute(name: &str) {
    let all = formulas().into_iter();
    let own: Vec<_> = all.filter(|f| f.0 == name).collect();
    assert!(!own.is_empty(), "`{name}` has no formula here");
    for (name, params, per_class, formula) in own {
        compare(name, &params, per_class, formula);
    }
}

#[test]
fn heads_are_their_formulas_and_their_gradients_those_of_finite_differences() {
    for (name, params, per_class, formula) in formulas() {
        compare(name, &params, per_class, formula);
    }
}

/// The scene is no accident of one branch: targets and negatives on both sides of every mask.
#[test]
fn the_scene_has_hard_and_easy_negatives_and_large_angles() {
    let cosines = cosines(&normal("x", LABELS.len()), &normal("w", 5));
    let (mut hard, mut easy, mut beyond) = (0, 0, 0);
    for (row, &y) in cosines.iter().zip(&LABELS) {
        let target = arc(row[y as usize], 0.5);
        beyond += usize::from(row[y as usize].acos() > PI - 0.5);
        let others = (0..5).filter(|&j| j != y as usize);
        let (above, below): (Vec<usize>, Vec<usize>) = others.partition(|&j| row[j] > target);
        hard += above.len();
        easy += below.len();
    }
    assert!(hard > 3 && easy > 3, "{hard} {easy} {beyond}");
}

#[test]
fn stateful_heads_resume_to_the_bit() {
    let mut stateful = 0;
    for (name, params, per_class, _) in formulas() {
        let w = var(&normal("w", 5 * per_class));
        let step = |head: &mut Box<dyn Head>, i: u64| {
            let x = var(&normal(&format!("x{i}"), LABELS.len()));
            let output = head.forward(&input(&x, &w)).unwrap();
            output.logits().unwrap().to_vec2::<f64>().unwrap()
        };
        let mut head = build(name, &params);
        for i in 0..3 {
            step(&mut head, i);
        }
        // As a checkpoint holds it.
        let text = serde_json::to_string(&head.state()).unwrap();
        let mut resumed = build(name, &params);
        if head.state() != resumed.state() {
            stateful += 1;
        }
        resumed
            .restore(&serde_json::from_str(&text).unwrap())
            .unwrap();
        for i in 3..6 {
            assert_eq!(step(&mut head, i), step(&mut resumed, i), "{name}");
        }
        assert_eq!(head.state(), resumed.state());
        if !head.state().is_empty() {
            let error = resumed.restore(&Default::default()).unwrap_err();
            assert!(error.to_string().contains(name), "{error}");
        }
    }
    assert_eq!(
        stateful, 4,
        "SphereFace in two forms, CurricularFace, AdaFace"
    );
}
