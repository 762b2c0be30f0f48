//! The face world as a measuring instrument: what must not tell who someone is, does not. What is
//! found is what docs/measurements/face-world.csv states.

use frbench::data::align::TEMPLATE_112;
use frbench::data::decode::decode;
use frbench::job::SynthSpec;
use frbench::synth::{Arrangement, SEED, Twin, World, twin};
use rayon::prelude::*;
use std::collections::HashSet;
use std::fs;
use std::path::Path;

fn spec(name: &str, size: &[(&str, u64)]) -> SynthSpec {
    SynthSpec {
        world: "v1".into(),
        twin: name.into(),
        size: size.iter().map(|(k, v)| (k.to_string(), *v)).collect(),
    }
}

/// 10-fold accuracy in percent: the threshold is chosen on nine folds, judged on the tenth.
fn ten_folds(distance: &[f64], same: &[bool]) -> f64 {
    let mut thresholds = distance.to_vec();
    thresholds.sort_by(f64::total_cmp);
    let fold = distance.len() / 10;
    let accuracy = |t: f64, of: &dyn Fn(usize) -> bool| {
        let chosen: Vec<usize> = (0..distance.len()).filter(|&i| of(i)).collect();
        let right = chosen.iter().filter(|&&i| (distance[i] < t) == same[i]);
        right.count() as f64 / chosen.len() as f64
    };
    let total: f64 = (0..10)
        .map(|k| {
            let best = thresholds
                .iter()
                .map(|&t| (accuracy(t, &|i| i / fold != k), t))
                .fold((0.0, 0.0), |a, b| if b.0 > a.0 { b } else { a });
            accuracy(best.1, &|i| i / fold == k)
        })
        .sum();
    10.0 * total
}

fn cosine_distance(a: &[f64], b: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    1.0 - dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Decoded images of a pair twin as values in 0..1, and which pairs are genuine.
fn images(t: &Twin) -> (Vec<Vec<f64>>, Vec<bool>) {
    let Arrangement::Pairs { pairs } = &t.layout else {
        panic!("a twin of pairs");
    };
    let all = (0..t.len())
        .into_par_iter()
        .map(|i| {
            let image = decode(&t.render_jpeg(i).unwrap()).unwrap();
            image.pixels.iter().map(|p| f64::from(*p) / 255.0).collect()
        })
        .collect();
    (all, pairs.iter().map(|p| p.same()).collect())
}

fn verify(images: &[Vec<f64>], same: &[bool], distance: impl Fn(&[f64], &[f64]) -> f64) -> f64 {
    let d: Vec<f64> = images.chunks(2).map(|p| distance(&p[0], &p[1])).collect();
    ten_folds(&d, same)
}

#[test]
fn people_cannot_be_told_by_color_thumbnail_or_raw_pixels() {
    let t = twin(&spec("lfw", &[("pairs", 800)])).unwrap();
    let (images, same) = images(&t);
    let color = |v: &[f64]| -> Vec<f64> {
        let mean = |k| v.iter().skip(k).step_by(3).sum::<f64>() / (112.0 * 112.0);
        (0..3).map(mean).collect()
    };
    let colors: Vec<Vec<f64>> = images.iter().map(|v| color(v)).collect();
    let by_color = verify(&colors, &same, |a, b| {
        a.iter().zip(b).map(|(x, y)| (x - y) * (x - y)).sum()
    });
    let thumbnail = |v: &[f64]| -> Vec<f64> {
        let mut cells = vec![0.0; 64];
        for (i, p) in v.chunks(3).enumerate() {
            cells[i / 112 / 14 * 8 + i % 112 / 14] += p.iter().sum::<f64>();
        }
        let mean = cells.iter().sum::<f64>() / 64.0;
        cells.iter().map(|c| c - mean).collect()
    };
    let thumbnails: Vec<Vec<f64>> = images.iter().map(|v| thumbnail(v)).collect();
    let by_thumbnail = verify(&thumbnails, &same, cosine_distance);
    let by_pixels = verify(&images, &same, cosine_distance);
    held("mean-colour-percent", by_color);
    held("thumbnail-percent", by_thumbnail);
    held("raw-pixels-percent", by_pixels);
}

/// A figure is the one that is stated, and below its bound.
fn held(figure: &str, found: f64) {
    let file = "docs/measurements/face-world.csv";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    let text = fs::read_to_string(path).unwrap();
    let line = text.lines().find(|l| l.split(',').next() == Some(figure));
    let stated: Vec<&str> = line.expect("a line of the figure").split(',').collect();
    let found_text = format!("{found:.1}");
    assert_eq!(found_text, stated[1], "{file} says otherwise of {figure}");
    let bound: f64 = stated[2].parse().unwrap();
    assert!(found < bound, "{figure}: {found}, at most {bound}");
}

#[test]
fn landmarks_of_frontal_faces_align_to_the_template() {
    let t = twin(&spec("lfw", &[("pairs", 400)])).unwrap();
    let world = World::new("v1", SEED).unwrap();
    let mut errors = Vec::new();
    for i in 0..t.len() {
        let item = t.item(i);
        if item.condition.yaw.abs() >= 10f32.to_radians() {
            continue;
        }
        let seen = world.render(&world.identity(item.identity), &item.condition);
        for (p, q) in seen.landmarks.iter().zip(&TEMPLATE_112) {
            errors.push(((p[0] - q[0]).powi(2) + (p[1] - q[1]).powi(2)).sqrt());
        }
    }
    errors.sort_by(f64::total_cmp);
    let median = errors[errors.len() / 2];
    assert!(errors.len() > 1000);
    held("landmarks-px", median);
}

#[test]
fn no_two_of_many_identities_coincide() {
    let world = World::new("v1", SEED).unwrap();
    let t = twin(&spec("megaface", &[])).unwrap();
    let first = t.len() - 1_000_000;
    let cells: Vec<u128> = (first..first + 200_000)
        .into_par_iter()
        .map(|i| world.identity(t.identity(i)).cell())
        .collect();
    let distinct: HashSet<u128> = cells.iter().copied().collect();
    assert_eq!(distinct.len(), cells.len());
}
