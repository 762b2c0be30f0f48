//! Trains a small network on people of the face world: `cargo run --release --example train`.
//! With a path behind `--`, the network is written there.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use frbench::engine::checkpoint::Checkpoint;
use frbench::job::{DataSource, TrainSpec};
use frbench::key::Key;
use frbench::run::images::ImageCache;
use frbench::run::rendering::render;
use frbench::suite::dataset;
use frbench::train::{Teacher, Trainer};
use frbench::{Error, Result};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;

fn main() -> Result<()> {
    // 20 people with 10 images each, rendered into a folder that goes with the program.
    let name = "synth-train-20x10-v1";
    let spec = dataset::synth(name).map_err(Error::Usage)?;
    let root = tempfile::tempdir().map_err(|e| Error::io("a temporary folder", e))?;
    let DataSource::Synth(synth) = &spec.source else {
        return Err(Error::Bug("a set of the face world is rendered".into()));
    };
    render(synth, name, root.path(), &Key::of(synth), &mut |_| Ok(()))?;
    let set = frbench::data::set::open(&spec, root.path())?;
    let set = set.train();
    let set = set.ok_or_else(|| Error::Bug("a training set".into()))?;

    // What a suite would say: a margin head on a small network, 30 steps of SGD.
    let training: TrainSpec = serde_json::from_value(json!({
        "method": {"name": "margin-softmax"},
        "backbone": {"name": "mobilefacenet", "embedding": 64, "params": {"width": 0.25}},
        "input": {"size": 32, "color": "rgb", "mean": 0.5, "std": 0.5},
        "head": {"name": "arcface", "params": {"s": 16, "m": 0.1}},
        "data": "example",
        "seed": 1,
        "schedule": {"length": {"steps": 30}, "lr": 0.05, "decay": {"kind": "cosine"}},
        "optimizer": {"momentum": 0.9, "nesterov": false, "weight_decay": 5e-4},
        "batch": 20,
        "bn_group": 20,
        "flip": true
    }))
    .map_err(|e| Error::Usage(e.to_string()))?;
    let images =
        ImageCache::default().view(&Key("example".into()), "images", &set.source, 32.into())?;
    let derived = BTreeMap::new();
    let teacher = Teacher::default();
    let classes = set.data.classes as usize;
    let mut trainer = Trainer::new(
        &training,
        images,
        &set.data.labels,
        classes,
        teacher,
        &derived,
    )?;
    while trainer.step_count() < trainer.total_steps() {
        let report = trainer.step()?;
        if trainer.step_count() % 10 == 0 {
            println!("step {}: loss {:.3}", trainer.step_count(), report.loss);
        }
    }
    let path = std::env::args_os().nth(1).map(PathBuf::from);
    let path = path.unwrap_or_else(|| root.path().join("model.safetensors"));
    let mut model = Checkpoint::default();
    model.insert_all("", trainer.network().state_dict());
    model.save(&path)?;
    println!(
        "a network of {} parameters",
        trainer.network().parameter_count()
    );
    Ok(())
}
