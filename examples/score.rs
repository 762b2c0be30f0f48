//! Scores embeddings under the ten-fold protocol of LFW: `cargo run --release --example score`.
#![allow(clippy::print_stdout, reason = "an example shows what it does")]

use frbench::engine::Device;
use frbench::job::Description;
use frbench::job::description::PairData;
use frbench::job::{ProtocolSpec, Views};
use frbench::protocol::{self, EmbeddingWriter, Embeddings, Part, ScoreInput};
use frbench::rng::Stream;
use frbench::{Error, Result};
use serde_json::json;
use std::collections::BTreeMap;

const PAIRS: usize = 600;
const DIM: usize = 32;

fn main() -> Result<()> {
    // Pair i is rows 2 i and 2 i + 1. Every second pair shows one person: a centre and noise.
    let same: Vec<bool> = (0..PAIRS).map(|i| i % 2 == 0).collect();
    let mut stream = Stream::derive(1, "embeddings", &[]);
    let mut rows = Vec::new();
    for &same in &same {
        let mut draw = || {
            (0..DIM)
                .map(|_| stream.normal() as f32)
                .collect::<Vec<f32>>()
        };
        let first = draw();
        let second = if same { first.clone() } else { draw() };
        for centre in [first, second] {
            rows.extend(centre.iter().zip(draw()).map(|(c, n)| c + 1.5 * n));
        }
    }
    let folder = tempfile::tempdir().map_err(|e| Error::io("a temporary folder", e))?;
    let path = folder.path().join("embeddings.bin");
    let mut writer = EmbeddingWriter::create(&path, DIM)?;
    writer.append(&rows)?;
    writer.finish()?;

    let params = json!({"rule": "insightface", "folds": 10, "fars": [0.01]});
    let spec = ProtocolSpec {
        name: "verification".into(),
        params: serde_json::from_value(params).map_err(|e| Error::Usage(e.to_string()))?,
    };
    let matrix = Embeddings::open(&path)?;
    let pairs = PairData::packed(same);
    let part = Part {
        matrix: &matrix,
        views: Views::Original,
    };
    let scored = protocol::score(
        &spec,
        &ScoreInput {
            parts: BTreeMap::from([("images", part)]),
            data: &Description::Pairs(pairs),
            device: Device::default(),
        },
    )?;
    println!("{}", scored.result.protocol);
    for metric in &scored.result.metrics {
        println!("{:>16}: {:.4}", metric.id, metric.value);
    }
    Ok(())
}
