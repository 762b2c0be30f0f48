//! Wrong labels and outliers, planted in a training set: what the list says is what is trained
//! on, and what becomes of it is counted rightly.

use crate::common::runs::{self, result};
use frbench::data::manifest::hash_pixels;
use frbench::data::set::{self, TrainSet};
use frbench::data::watch::UNWATCHED;
use frbench::job::{DataSpec, JobSpec};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

const CLASSES: usize = 10;
const IMAGES: usize = 16;
const DISTRACTORS: usize = 60;

const SUITE: &str = r#"
schema = 1
name = "noise"
title = "Noise"
analysis = "Nothing follows from it."

[[condition]]
id = "clean"
label = "clean"

[[condition]]
id = "mixed"
label = "mixed"
noise = { closed = 0.3, open = 0.2, seed = 5 }

[[baseline]]
id = "arcface"
label = "ArcFace"
method = { name = "margin-softmax" }
head = { name = "arcface", s = 16.0, m = 0.3 }
network = "network"
training = "training"

[[method]]
id = "boundary"
label = "BoundaryF1"
method = { name = "margin-softmax" }
head = { name = "boundary-f1", s = 16.0, m = 0.3, epoch_start = 4 }
network = "network"
training = "training"

[protocol.ten-fold]
kind = { name = "verification", folds = 10 }

[profile.demo]
train-data = "synth-train-10x16-v1"
outliers = "synth-megaface-6x4+60-v1"
seeds = [1]
conditions = ["clean", "mixed"]
entries = ["arcface", "boundary"]
evaluate = [{ data = "synth-lfw-20-v1", protocol = "ten-fold" }]

[profile.demo.network.network]
@network

[profile.demo.training.training]
epochs = 12
batch = 32
lr = 0.1
decay = { kind = "constant" }
@sgd
"#;

fn frbench(dir: &Path, suite: &str) -> Command {
    fs::write(dir.join("noise.toml"), runs::suite(suite)).unwrap();
    runs::command(dir, "noise.toml")
}

fn run(dir: &Path, suite: &str) -> String {
    runs::told(&mut frbench(dir, suite))
}

/// The data job of the noisy set: what was asked for, and what was found.
fn noisy(runs_dir: &Path) -> (DataSpec, Value) {
    let all = runs::jobs(runs_dir);
    let found = all
        .iter()
        .find(|(l, _)| l.starts_with("data") && l.contains("+c"));
    let (_, folder) = found.expect("no noisy set");
    let spec = runs::spec(folder)["spec"].clone();
    match serde_json::from_value(spec).unwrap() {
        JobSpec::Data(spec) => (spec, result(folder)),
        other => panic!("{other:?}"),
    }
}

fn open(spec: &DataSpec, root: &Path) -> TrainSet {
    let set = set::open(spec, root).unwrap();
    set.train().expect("a training set")
}

/// Lines of a list of numbers below its heading; an empty field is none.
fn lines(path: &Path) -> Vec<Vec<Option<u32>>> {
    let text = fs::read_to_string(path).unwrap();
    let numbers = |l: &str| l.split(',').map(|n| n.parse().ok()).collect();
    text.lines().skip(1).map(numbers).collect()
}

#[test]
fn what_is_planted_is_listed_counted_and_trained_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    run(dir, SUITE);
    let (runs_dir, data) = (dir.join("runs"), dir.join("data"));
    let (spec, found) = noisy(&runs_dir);

    // Requested rates, class by class, counted in the list.
    let list = lines(&data.join(&spec.name).join("noise.csv"));
    let mut counts = BTreeMap::<usize, [usize; 2]>::new();
    for line in &list {
        let &[Some(image), Some(class), Some(label), outlier] = &line[..] else {
            panic!("{line:?}");
        };
        assert_eq!(image as usize / IMAGES, class as usize);
        assert!(outlier.is_some() || label != class);
        counts.entry(class as usize).or_default()[usize::from(outlier.is_some())] += 1;
    }
    let (flipped, replaced) = ((16.0f64 * 0.3) as usize, (16.0f64 * 0.2) as usize);
    assert_eq!(counts.len(), CLASSES);
    assert!(
        counts.values().all(|c| *c == [flipped, replaced]),
        "{counts:?}"
    );
    let note = format!(
        "labels of another class: {} of 160, 25.00 % (requested 30 %); images replaced by \
         outliers: {} of 160, 18.75 % (requested 20 %)",
        CLASSES * flipped,
        CLASSES * replaced
    );
    assert_eq!(found["notes"][0], *note);

    // The list alone makes the set again, in another place, to the bit.
    let elsewhere = tempfile::tempdir().unwrap();
    let root = elsewhere.path();
    for name in [
        "synth-train-10x16-v1",
        "synth-megaface-6x4+60-v1",
        &spec.name,
    ] {
        fs::create_dir(root.join(name)).unwrap();
        for entry in fs::read_dir(data.join(name)).unwrap().flatten() {
            fs::copy(entry.path(), root.join(name).join(entry.file_name())).unwrap();
        }
    }
    let hash = hash_pixels(&set::open(&spec, root).unwrap(), UNWATCHED).unwrap();
    assert_eq!(found["pixels_sha256"], *hash);
    // And it is the base set with these labels and these outliers.
    let frbench::job::DataSource::Noisy(of) = &spec.source else {
        panic!("{spec:?}");
    };
    let (set, base) = (open(&spec, root), open(&of.base, root));
    let outliers = set::open(of.outliers.as_ref().unwrap(), root).unwrap();
    let distractors = outliers.part("distractors").unwrap();
    assert_eq!(distractors.len(), DISTRACTORS);
    let changed: BTreeMap<u32, &Vec<Option<u32>>> =
        list.iter().map(|l| (l[0].unwrap(), l)).collect();
    for i in 0..CLASSES * IMAGES {
        let (label, outlier) = match changed.get(&(i as u32)) {
            Some(line) => (line[2].unwrap(), line[3]),
            None => ((i / IMAGES) as u32, None),
        };
        assert_eq!(set.data.labels[i], label);
        assert_eq!(set.source.label(i), Some(label));
        let want = match outlier {
            Some(o) => distractors.image(o as usize).unwrap(),
            None => base.source.image(i).unwrap(),
        };
        assert!(set.source.image(i).unwrap() == want, "image {i}");
    }
    let truth = set.data.truth().unwrap();
    for (i, truth) in truth.iter().enumerate() {
        let outlier = changed.get(&(i as u32)).is_some_and(|l| l[3].is_some());
        assert_eq!(*truth, (!outlier).then_some((i / IMAGES) as u32));
    }

    // What a training saw of it.
    let trained = |label: &str| runs::job(&runs_dir, label).unwrap();
    let epochs = |label: &str| result(&trained(label))["labels"].as_array().cloned();
    assert_eq!(
        epochs("train arcface@clean seed 1"),
        None,
        "nothing is wrong there"
    );
    let clean = epochs("train boundary@clean seed 1").unwrap();
    assert_eq!(clean[11]["clean"]["images"], 160);
    assert_eq!(clean[11]["corrections"]["flipped"], 0);
    let plain = epochs("train arcface@mixed seed 1").unwrap();
    let boundary = epochs("train boundary@mixed seed 1").unwrap();
    let count = |v: &Value| v.as_u64().unwrap() as usize;
    for (n, epoch) in plain.iter().chain(&boundary).enumerate() {
        assert_eq!(count(&epoch["epoch"]), n % 12 + 1);
        // Five batches of 32 are all 160 images.
        let images = |kind: &str| count(&epoch[kind]["images"]);
        assert_eq!(images("clean"), 160 - CLASSES * (flipped + replaced));
        assert_eq!(images("flipped"), CLASSES * flipped);
        assert_eq!(images("outliers"), CLASSES * replaced);
        assert_eq!(count(&epoch["outliers"]["to_truth"]), 0);
    }
    assert_eq!(boundary.len(), 12);
    assert!(plain.iter().all(|e| e["corrections"].is_null()));
    let corrects = |e: &Value| !e["corrections"].is_null();
    assert!(!boundary[..4].iter().any(corrects) && boundary[4..].iter().all(corrects));

    // The last epoch's corrections, counted in their own list.
    let folder = trained("train boundary@mixed seed 1");
    let corrections = lines(&folder.join("corrections.csv"));
    let mut recount = BTreeMap::from(["clean", "flipped", "outliers", "to_truth"].map(|k| (k, 0)));
    for line in &corrections {
        let &[Some(image), Some(label), Some(corrected), person] = &line[..] else {
            panic!("{line:?}");
        };
        assert_eq!(set.data.labels[image as usize], label);
        assert_eq!(truth[image as usize], person);
        assert_ne!(label, corrected);
        let kind = match person {
            Some(person) if person == label => "clean",
            Some(_) => "flipped",
            None => "outliers",
        };
        *recount.get_mut(kind).unwrap() += 1;
        *recount.get_mut("to_truth").unwrap() += usize::from(person == Some(corrected));
    }
    let last = &boundary[11]["corrections"];
    let last: BTreeMap<&str, usize> = recount.keys().map(|k| (*k, count(&last[*k]))).collect();
    assert_eq!(last, recount);
    assert!(
        !corrections.is_empty(),
        "nothing was corrected: {boundary:?}"
    );
    let picture = &result(&folder)["pictures"][0];
    assert_eq!(picture["kind"], "corrections");
    assert!(
        folder
            .join(picture["file"]["path"].as_str().unwrap())
            .exists()
    );

    // Nothing to do; other noise is another set, and leaves the clean rows alone.
    let told = run(dir, SUITE);
    assert!(told.contains("nothing was run"), "{told}");
    let before = runs::jobs(&runs_dir).len();
    run(dir, &SUITE.replace("seed = 5", "seed = 6"));
    let new = runs::jobs(&runs_dir).len() - before;
    // A data set, and two rows with a training, embeddings and a score each.
    assert_eq!(new, 1 + 2 * 3);

    // Generated sets may be deleted: nothing is made for nothing, and what is needed again is
    // made as it was.
    let path = data.join(&spec.name).join("noise.csv");
    let (list, checkpoints) = (fs::read(&path).unwrap(), runs::checkpoints(&runs_dir));
    fs::remove_dir_all(&data).unwrap();
    let told = run(dir, SUITE);
    assert!(told.contains("nothing was run") && !data.exists(), "{told}");
    fs::remove_dir_all(&folder).unwrap();
    let told = run(dir, SUITE);
    assert!(told.contains("train boundary@mixed seed 1"), "{told}");
    assert_eq!(fs::read(&path).unwrap(), list);
    assert_eq!(runs::checkpoints(&runs_dir), checkpoints);

    // A list that was changed is noticed.
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("0,", "1,", 1)).unwrap();
    let out = frbench(dir, SUITE).output().unwrap();
    let text = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(5), "{text}");
    assert!(text.contains("noise.csv"), "{text}");
}
