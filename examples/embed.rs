//! Embeds pictures of the face world with a network that knows nothing yet, and with the same one
//! after its weights went through a file: `cargo run --release --example embed`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use frbench::backbone;
use frbench::data::resize::resize;
use frbench::engine::checkpoint::Checkpoint;
use frbench::engine::{Network, Value};
use frbench::job::BackboneSpec;
use frbench::synth::{Age, Pose, Profile, SEED, VERSION, World};
use frbench::{Error, Result};
use std::collections::BTreeMap;

const SIDE: usize = 64;

fn main() -> Result<()> {
    // Two pictures of one person and one of another, 112 x 112, reduced to 64 x 64.
    let world = World::new(VERSION, SEED)?;
    let profile = Profile {
        pose: Pose::Wild,
        age: Age::Between(20.0, 60.0),
        nuisance: 0.5,
    };
    let mut pixels = Vec::new();
    for (person, image) in [(1, 0), (1, 1), (2, 0)] {
        let condition = world.condition(person, image, &profile);
        let picture = world.render(&world.identity(person), &condition);
        let small = resize(&picture.image, SIDE, SIDE);
        pixels.extend(small.pixels.iter().map(|&p| f32::from(p) / 127.5 - 1.0));
    }
    let images = Value::new([3, SIDE, SIDE, 3], pixels)?;

    let spec = BackboneSpec {
        name: "mobilefacenet".into(),
        embedding: 128,
        params: BTreeMap::new(),
        conv: Default::default(),
    };
    let mut network = Network::new(backbone::build(&spec, SIDE)?);
    network.init(1);
    let embeddings = network.infer(&images)?.embedding;
    println!("embeddings of shape {:?}", embeddings.shape());
    println!("one person:  cosine {:.3}", cosine(&embeddings, 0, 1));
    println!("two persons: cosine {:.3}", cosine(&embeddings, 0, 2));

    // Weights have PyTorch's names, in a safetensors file.
    let folder = tempfile::tempdir().map_err(|e| Error::io("a temporary folder", e))?;
    let path = folder.path().join("weights.safetensors");
    let mut file = Checkpoint::default();
    file.insert_all("", network.state_dict());
    file.save(&path)?;
    let mut other = Network::new(backbone::build(&spec, SIDE)?);
    other.load_state_dict(&Checkpoint::load(&path)?.subset(""))?;
    let again = other.infer(&images)?.embedding;
    assert_eq!(again.data(), embeddings.data(), "the same bits");
    println!("the same from {} tensors of a file", file.tensors.len());
    Ok(())
}

/// Of rows `a` and `b`.
fn cosine(embeddings: &Value, a: usize, b: usize) -> f32 {
    let row = |i: usize| {
        embeddings
            .data()
            .chunks(embeddings.channels())
            .nth(i)
            .unwrap_or(&[])
    };
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
    let (a, b) = (row(a), row(b));
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}
