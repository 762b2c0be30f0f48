//! Embeddings of whole sets, which are decoded and sent to a GPU while it computes those before:
//! the bits that the network makes of each chunk by itself.

use crate::common::gpu::gpu;
use crate::common::runs;
use frbench::backbone;
use frbench::data::set;
use frbench::engine::Network;
use frbench::engine::checkpoint::Checkpoint;
use frbench::job::{JobSpec, TrainSpec, Views};
use frbench::key::Key;
use frbench::protocol::Embeddings;
use frbench::run::images::ImageCache;
use frbench::train::InputPipeline;
use std::fs;
use std::path::{Path, PathBuf};

/// A training set of several chunks, with a last one that is smaller.
fn suite() -> String {
    let all = include_str!("../suites/tiny.toml");
    let large = all.replace("synth-train-40x6-v1", "synth-train-40x14-v1");
    let short = large
        .replace("epochs = 2", "epochs = 0.3")
        .replace("warmup = 0.5", "warmup = 0.1")
        .replace("steps = 20", "steps = 10")
        .replace("[10, 15]", "[6, 8]");
    assert!(large != *all && short.contains("epochs = 0.3"));
    short
}

const ROWS: usize = 512;

fn job_spec(folder: &Path) -> JobSpec {
    serde_json::from_value(runs::spec(folder)["spec"].clone()).unwrap()
}

/// The job with this key.
fn keyed(runs: &Path, key: &Key) -> (PathBuf, JobSpec) {
    let mut all = runs::jobs(runs).into_iter().map(|(_, folder)| folder);
    let folder = all.find(|f| runs::spec(f)["key"] == *key.0).unwrap();
    let spec = job_spec(&folder);
    (folder, spec)
}

/// A trained network on the GPU.
fn network(runs: &Path, key: &Key) -> Option<(Network, TrainSpec)> {
    let (folder, JobSpec::Train(spec)) = keyed(runs, key) else {
        return None;
    };
    let graph = backbone::build(&spec.backbone, spec.input.size).unwrap();
    let mut network = Network::new(graph);
    let model = Checkpoint::load(&folder.join("model.safetensors")).unwrap();
    network.load_state_dict(&model.tensors).unwrap();
    network.move_to(&gpu()?, spec.precision).unwrap();
    Some((network, spec))
}

#[test]
fn a_matrix_is_what_the_network_makes_of_each_chunk() {
    if gpu().is_none() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(dir.join("tiny.toml"), suite()).unwrap();
    let mut command = runs::command(dir, "tiny.toml");
    command
        .args(["--runs", "runs", "--device", "cuda:0", "--seeds", "1"])
        .args(["--only", "teacher,coupleface"]);
    runs::told(&mut command);
    let all = dir.join("runs");
    let (mut chunks, mut matrices) = (0, 0);
    for (label, folder) in runs::jobs(&all) {
        let (model, data, part, views, rows_per_image) = match job_spec(&folder) {
            JobSpec::Embed(spec) => (spec.model, spec.data, spec.part, spec.views, 1),
            JobSpec::Derive(spec) if spec.derivation == "embeddings" => (
                spec.model.unwrap(),
                spec.data,
                "images".into(),
                Views::Both,
                2,
            ),
            _ => continue,
        };
        let (network, model) = network(&all, &model).unwrap();
        let JobSpec::Data(set) = keyed(&all, &data).1 else {
            panic!("{label}: no data");
        };
        let set = set::open(&set, &dir.join("data")).unwrap();
        let source = set.part(&part).unwrap();
        let cache = ImageCache::default();
        let images = cache.view(&data, &part, source, model.input.size).unwrap();
        let view = InputPipeline::on_host(images.clone(), &model.input);
        let got = Embeddings::open(folder.join("embeddings.f32")).unwrap();
        assert_eq!(got.rows(), images.len() * rows_per_image);
        let d = model.backbone.embedding;
        let all: Vec<u32> = (0..images.len() as u32).collect();
        for some in all.chunks(ROWS / rows_per_image) {
            let embed = |flip: bool| {
                let made = view.make(some, &[&vec![flip; some.len()]]).unwrap();
                let output = network.infer(&made.value(0).unwrap()).unwrap();
                output.embedding.to_vec()
            };
            let (original, mirrored) = (embed(false), embed(true));
            let pairs = original.chunks_exact(d).zip(mirrored.chunks_exact(d));
            for ((original, mirrored), &i) in pairs.zip(some) {
                let rows = (0..rows_per_image).map(|k| rows_per_image * i as usize + k);
                let got: Vec<f32> = rows.flat_map(|r| got.row(r)).copied().collect();
                let sum = original.iter().zip(mirrored).map(|(a, b)| a + b);
                let want = match views {
                    Views::Original => original.to_vec(),
                    Views::Sum => sum.collect(),
                    Views::Both => [original, mirrored].concat(),
                };
                assert!(got == want, "{label}: image {i}");
            }
            chunks += 1;
        }
        matrices += 1;
    }
    assert!(chunks > matrices && matrices > 1, "{chunks} of {matrices}");
}
