//! Writes embeddings, runs a protocol on them and reads what it leaves.

use frbench::engine::Device;
use frbench::job::Description;
use frbench::job::{ProtocolSpec, Views};
use frbench::protocol::{self, EmbeddingWriter, Embeddings, Part, ScoreInput, Scored};
use frbench::registry::Params;
use frbench::rng::Stream;
use std::path::Path;

/// `count` images, `per` of each person, of people no other `seed` has.
pub fn faces(count: usize, per: usize, dim: usize, noise: f64, seed: u64) -> Vec<f32> {
    (0..count)
        .flat_map(|i| {
            let mut centre = Stream::derive(seed, "person", &[(i / per) as u64]);
            let mut own = Stream::derive(seed, "image", &[i as u64]);
            (0..dim)
                .map(|_| (centre.normal() + noise * own.normal()) as f32)
                .collect::<Vec<f32>>()
        })
        .collect()
}

pub fn write(folder: &Path, name: &str, dim: usize, rows: &[f32]) -> Embeddings {
    let path = folder.join(name);
    let mut writer = EmbeddingWriter::create(&path, dim).unwrap();
    writer.append(rows).unwrap();
    writer.finish().unwrap();
    Embeddings::open(&path).unwrap()
}

pub fn try_run(
    name: &str,
    params: Params,
    parts: &[(&str, &Embeddings, Views)],
    data: &Description,
) -> frbench::Result<Scored> {
    try_run_on(Device::CPU, name, params, parts, data)
}

pub fn try_run_on(
    device: Device,
    name: &str,
    params: Params,
    parts: &[(&str, &Embeddings, Views)],
    data: &Description,
) -> frbench::Result<Scored> {
    let parts = parts
        .iter()
        .map(|&(name, matrix, views)| (name, Part { matrix, views }))
        .collect();
    let spec = ProtocolSpec {
        name: name.to_owned(),
        params,
    };
    let input = ScoreInput {
        parts,
        data,
        device,
    };
    protocol::score(&spec, &input)
}

pub fn run(
    name: &str,
    params: Params,
    parts: &[(&str, &Embeddings, Views)],
    data: &Description,
) -> Scored {
    try_run(name, params, parts, data).unwrap()
}

pub fn metric(scored: &Scored, id: &str) -> f64 {
    let found = scored.result.metrics.iter().find(|m| m.id == id);
    found.unwrap_or_else(|| panic!("no metric {id}")).value
}

/// An evidence file of f64 values.
pub fn npy_f64(scored: &Scored, name: &str) -> Vec<f64> {
    let values = npy(scored, name, "<f8").chunks_exact(8);
    values
        .map(|b| f64::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

/// An evidence file of u32 values.
pub fn npy_u32(scored: &Scored, name: &str) -> Vec<u32> {
    let values = npy(scored, name, "<u4").chunks_exact(4);
    values
        .map(|b| u32::from_le_bytes(b.try_into().unwrap()))
        .collect()
}

fn npy<'a>(scored: &'a Scored, name: &str, kind: &str) -> &'a [u8] {
    let (_, bytes) = scored.evidence.iter().find(|e| e.0 == name).expect(name);
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = std::str::from_utf8(&bytes[10..header]).unwrap();
    assert!(text.starts_with(&format!("{{'descr': '{kind}'")), "{text}");
    &bytes[header..]
}
