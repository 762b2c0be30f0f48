//! The code and environment that a job's cache key contains.

use frbench_base::key::sha256_hex;
use serde::Serialize;
use std::collections::BTreeMap;

/// A kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Data,
    Train,
    Derive,
    Embed,
    Score,
}

/// What computes the numbers of one kind of job.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KindCode {
    /// sha256 over the sources that matter to this kind.
    pub sources: String,
    /// `name=version;...` of the crates that matter to this kind.
    pub crates: String,
}

/// What computes the numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    pub kinds: BTreeMap<Kind, KindCode>,
    /// `f32`.
    pub dtype: &'static str,
    /// `cpu` or `cuda`.
    pub device: &'static str,
}

/// The crates whose version can change the numbers of each kind of job.
const CRATES: [(Kind, &[&str]); 5] = [
    (Kind::Data, &["image", "libm", "rand_chacha", "zune-jpeg"]),
    (Kind::Train, NUMERIC),
    (Kind::Derive, NUMERIC),
    (Kind::Embed, NUMERIC),
    (Kind::Score, &["libm", "rand_chacha", "statrs"]),
];
const NUMERIC: &[&str] = &[
    "candle-core",
    "gemm",
    "image",
    "libm",
    "rand_chacha",
    "rayon",
    "zune-jpeg",
];

/// The hashes of the sources that can change the numbers of each kind of job, as the crates
/// state them of themselves.
fn sources(kind: Kind) -> Vec<&'static str> {
    use super::sources::{DERIVE, EMBED, SCORE, TRAIN};
    let data = frbench_data::SOURCES;
    let engine = frbench_engine::SOURCES;
    let rng = frbench_base::RNG_SOURCES;
    let artefact = frbench_job::ARTEFACT_SOURCES;
    let train = [rng, data, engine, artefact, frbench_methods::SOURCES, TRAIN];
    match kind {
        Kind::Data => vec![rng, data, frbench_synth::SOURCES],
        Kind::Train => train.to_vec(),
        Kind::Derive => [&train[..], &[DERIVE]].concat(),
        Kind::Embed => vec![data, engine, frbench_methods::BACKBONE_SOURCES, EMBED],
        Kind::Score => vec![frbench_eval::SOURCES, frbench_engine::SEARCH_SOURCES, SCORE],
    }
}

impl Code {
    /// The code of this build, on the CPU; `lock` is the text of its `Cargo.lock`.
    pub fn of_build(lock: &str) -> Self {
        let code = |(kind, crates): (Kind, &[&str])| {
            let code = KindCode {
                sources: sha256_hex(sources(kind).join("\n").as_bytes()),
                crates: versions(lock, crates),
            };
            (kind, code)
        };
        Code {
            kinds: CRATES.into_iter().map(code).collect(),
            dtype: "f32",
            device: "cpu",
        }
    }
}

/// `candle-core=0.11.1;gemm=0.19.0`: every version of each name in the lock file.
fn versions(lock: &str, names: &[&str]) -> String {
    let value = |line: &str| line.split('"').nth(1).unwrap_or("").to_string();
    let mut out = Vec::new();
    let mut name = String::new();
    for line in lock.lines() {
        if line.starts_with("name = ") {
            name = value(line);
        } else if line.starts_with("version = ") && names.contains(&name.as_str()) {
            out.push(format!("{name}={}", value(line)));
        }
    }
    out.sort();
    out.join(";")
}

/// What the program was built from, for `env.json` and `frbench --version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Build {
    pub version: &'static str,
    /// Git revision, or `unknown`.
    pub revision: &'static str,
    /// `clean`, `dirty` or `unknown`.
    pub tree: &'static str,
    pub target: &'static str,
    pub profile: &'static str,
    /// sha256 of `Cargo.lock`.
    pub lock: &'static str,
}
