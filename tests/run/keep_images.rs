//! Drop and retrain, on a tiny scale: a network with several centres per class is trained on
//! images some of whose labels are wrong, and another one on those that it keeps.

use crate::common::runs::{self, result};
use frbench::engine::checkpoint::Checkpoint;
use frbench::job::SynthSpec;
use frbench::protocol::Embeddings;
use frbench::synth::twin;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const PEOPLE: usize = 8;
const IMAGES: usize = 50;
const CENTRES: usize = 2;
const DEGREES: f64 = 75.0;

const SUITE: &str = r#"
schema = 1
name = "keep"
title = "Drop and retrain"
analysis = "Nothing follows from it."

[[baseline]]
id = "all"
label = "All images"
method = { name = "margin-softmax" }
head = { name = "subcenter-arcface", s = 16.0, m = 0.3, k = 2 }
network = "network"
training = "training"

[[method]]
id = "kept"
label = "Kept images"
method = { name = "margin-softmax" }
head = { name = "arcface", s = 16.0, m = 0.3 }
network = "network"
training = "training"
keep = { by = "all", degrees = 75.0 }

[protocol.ten-fold]
kind = { name = "verification", folds = 10 }

[profile.demo]
train-data = "synth-noisy-train-8x50-v1"
seeds = [1]
entries = ["all", "kept"]
evaluate = [{ data = "synth-lfw-20-v1", protocol = "ten-fold" }]

[profile.demo.network.network]
@network

[profile.demo.training.training]
steps = 400
batch = 32
lr = 0.1
decay = { kind = "polynomial", power = 2.0 }
@sgd
"#;

/// Whether each image of the set shows somebody else than its label says.
fn wrong() -> Vec<bool> {
    let size = [("identities", PEOPLE), ("images", IMAGES)];
    let size = size.map(|(name, n)| (name.to_string(), n as u64));
    let twin = twin(&SynthSpec {
        world: "v1".into(),
        twin: "noisy-train".into(),
        size: BTreeMap::from(size),
    })
    .unwrap();
    let person = |i: u64| twin.identity(i) % (1 << 40);
    (0..twin.len())
        .map(|i| person(i) != twin.label(i))
        .collect()
}

fn frbench(dir: &Path, threads: &str) -> String {
    runs::told(runs::command(dir, "keep.toml").args(["--jobs", threads]))
}

/// Folder and specification of the job with this label.
fn job(runs: &Path, label: &str) -> (PathBuf, Value) {
    let folder = runs::job(runs, label).unwrap_or_else(|| panic!("no job `{label}`"));
    let spec = runs::spec(&folder);
    (folder, spec)
}

fn angle(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        let products = a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b));
        products.sum()
    };
    let cos = dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
    cos.clamp(-1.0, 1.0).acos().to_degrees()
}

/// The paper's rule, written out: the angle of each image to the centre that most images of
/// its class are nearest to.
fn angles(embeddings: &Embeddings, weights: &[f32], labels: &[u32]) -> Vec<f64> {
    let dim = embeddings.dim();
    let centre = |class: usize, k: usize| {
        let row = class * CENTRES + k;
        &weights[row * dim..(row + 1) * dim]
    };
    let to =
        |image: usize, k: usize| angle(embeddings.row(image), centre(labels[image] as usize, k));
    let nearest = |image: usize| {
        let all = 0..CENTRES;
        all.min_by(|a, b| to(image, *a).total_cmp(&to(image, *b)))
            .unwrap()
    };
    let mut votes = [[0; CENTRES]; PEOPLE];
    for (image, class) in labels.iter().enumerate() {
        votes[*class as usize][nearest(image)] += 1;
    }
    let dominant = |class: u32| {
        let votes = votes[class as usize];
        (0..CENTRES).rev().max_by_key(|k| votes[*k]).unwrap()
    };
    let images = 0..labels.len();
    images.map(|i| to(i, dominant(labels[i]))).collect()
}

#[test]
fn a_network_is_trained_on_what_another_keeps() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let labels: Vec<u32> = (0..PEOPLE * IMAGES).map(|i| (i / IMAGES) as u32).collect();
    let is_wrong = wrong();
    let planted = is_wrong.iter().filter(|w| **w).count();
    fs::write(dir.join("keep.toml"), runs::suite(SUITE)).unwrap();
    frbench(dir, "1");

    let runs = dir.join("runs");
    let (embedded, _) = job(&runs, "embed all seed 1 synth-noisy-train-8x50-v1 images");
    let embeddings = Embeddings::open(embedded.join("embeddings.f32")).unwrap();
    let (all, _) = job(&runs, "train all seed 1");
    let checkpoint = Checkpoint::load(&all.join("checkpoint.safetensors")).unwrap();
    let weights = &checkpoint.tensor("head.weight").unwrap().1;
    let angles = angles(&embeddings, weights, &labels);
    let (derived, spec) = job(&runs, "derive kept-images by all seed 1");
    let bytes = fs::read(derived.join("artefact.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let kept = tensors.tensor("artefact").unwrap();
    let kept: Vec<u32> = kept
        .data()
        .chunks_exact(4)
        .map(|b| u32::from_le_bytes(b.try_into().unwrap()))
        .collect();
    let want = (0..labels.len()).filter(|&i| angles[i] <= DEGREES);
    assert_eq!(kept, want.map(|i| i as u32).collect::<Vec<u32>>());
    let count = result(&derived)["counts"].clone();
    assert_eq!(count["images"], PEOPLE * IMAGES);
    assert_eq!(count["rows"], kept.len());

    // A wrong label is dropped more often than a right one.
    let dropped: Vec<usize> = (0..labels.len())
        .filter(|i| !kept.contains(&(*i as u32)))
        .collect();
    let wrong = dropped.iter().filter(|i| is_wrong[**i]).count();
    let right = dropped.len() - wrong;
    let told = format!("{wrong} of {planted} wrong labels and {right} others dropped");
    println!("{told}");
    assert!(wrong * (labels.len() - planted) > right * planted, "{told}");

    // The training builds on the list, and the report tells of it.
    let (trained, training) = job(&runs, "train kept seed 1");
    assert_eq!(training["spec"]["derived"]["kept-images"], spec["key"]);
    let note = format!(
        "trained on {} of {} images; {} were further than 75 degrees from the centre of their \
         class (train all seed 1), among them {wrong} of the {planted} with a wrong label",
        kept.len(),
        labels.len(),
        dropped.len()
    );
    assert_eq!(result(&trained)["notes"][0], *note);
    let report = fs::read_to_string(dir.join("reports/keep-demo/report.md")).unwrap();
    assert!(report.contains(&note), "{report}");

    let told = frbench(dir, "1");
    assert!(told.contains("nothing was run"), "{told}");

    // What is lost is made again, to the bit, on another number of threads.
    let sha = |folder: &Path| result(folder)["checkpoint_sha256"].clone();
    let (list, network) = (&result(&derived)["files"], sha(&trained));
    fs::remove_dir_all(&derived).unwrap();
    fs::remove_dir_all(&trained).unwrap();
    frbench(dir, "2");
    assert_eq!(&result(&derived)["files"], list);
    assert_eq!(sha(&trained), network);
}
