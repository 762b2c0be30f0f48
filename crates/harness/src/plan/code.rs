//! The code and environment that a job's cache key contains.

use super::sources::{self, Entries};
use frbench_engine::Device;
use frbench_job::JobSpec;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// A kind of job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Data,
    Train,
    Import,
    Derive,
    Embed,
    Score,
}

impl Kind {
    pub fn of(spec: &JobSpec) -> Self {
        match spec {
            JobSpec::Data(_) => Kind::Data,
            JobSpec::Train(_) => Kind::Train,
            JobSpec::Import(_) => Kind::Import,
            JobSpec::Derive(_) => Kind::Derive,
            JobSpec::Embed(_) => Kind::Embed,
            JobSpec::Score(_) => Kind::Score,
        }
    }
}

/// What computes the numbers.
#[derive(Clone, Debug, PartialEq)]
pub struct Code {
    /// The hash of what each source says, by path: `methods/head/cosface.rs`.
    pub sources: BTreeMap<String, String>,
    /// Versions of every crate, by name.
    pub crates: BTreeMap<String, String>,
    /// `f32`.
    pub dtype: &'static str,
    pub device: DeviceKind,
}

/// What computes networks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    #[default]
    Cpu,
    Cuda,
}

impl DeviceKind {
    pub fn of(device: &Device) -> Self {
        match device.is_gpu() {
            true => DeviceKind::Cuda,
            false => DeviceKind::Cpu,
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            DeviceKind::Cpu => DeviceKind::Cuda,
            DeviceKind::Cuda => DeviceKind::Cpu,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            DeviceKind::Cpu => "cpu",
            DeviceKind::Cuda => "cuda",
        }
    }
}

/// The crates whose version can change the numbers of a kind of job.
fn numeric(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Data => &["image", "libm", "rand_chacha", "zune-jpeg"],
        Kind::Import => &["half", "prost", "safetensors"],
        Kind::Train | Kind::Derive | Kind::Embed => &[
            "candle-core",
            "gemm",
            "gemm-common",
            "gemm-f32",
            "gemm-f64",
            "image",
            "libm",
            "pulp",
            "rand_chacha",
            "rayon",
            "zune-jpeg",
        ],
        Kind::Score => &["libm", "rand_chacha"],
    }
}

impl Code {
    /// The code of this build; `lock` is the text of its `Cargo.lock`.
    pub fn of_build(lock: &str, device: DeviceKind) -> Self {
        Code {
            sources: sources::all(),
            crates: versions(lock),
            dtype: "f32",
            device,
        }
    }
}

/// The code of jobs. What was found for one job is kept for those that name the same entries.
pub struct Codes<'a> {
    pub code: &'a Code,
    entries: Entries,
    known: RefCell<BTreeMap<(Kind, BTreeSet<String>), Value>>,
}

impl<'a> Codes<'a> {
    pub fn new(code: &'a Code) -> Self {
        Codes {
            code,
            entries: Entries::default(),
            known: RefCell::default(),
        }
    }

    /// What computes a job: `sources`, each with the hash of what it says, and `crates`, each with
    /// its version.
    pub fn of(&self, spec: &JobSpec) -> Value {
        let (kind, named) = (Kind::of(spec), self.entries.named(spec));
        let mut known = self.known.borrow_mut();
        let found = known
            .entry((kind, named))
            .or_insert_with_key(|(kind, named)| {
                let gpu = self.code.device == DeviceKind::Cuda;
                let counts = |path: &str| sources::counts(path, *kind, gpu, &self.entries, named);
                let sources = self.code.sources.iter().filter(|(path, _)| counts(path));
                let version = |name: &&str| Some((name.to_string(), self.code.crates.get(*name)?));
                json!({
                    "sources": sources.collect::<BTreeMap<_, _>>(),
                    "crates": numeric(*kind).iter().filter_map(version).collect::<BTreeMap<_, _>>(),
                })
            });
        found.clone()
    }
}

/// Versions by name, of a lock file; of a crate that is there twice, both.
fn versions(lock: &str) -> BTreeMap<String, String> {
    let value = |line: &str| line.split('"').nth(1).unwrap_or("").to_string();
    let mut out: BTreeMap<String, String> = BTreeMap::new();
    let mut name = String::new();
    for line in lock.lines() {
        if line.starts_with("name = ") {
            name = value(line);
        } else if line.starts_with("version = ") && !name.is_empty() {
            let versions = out.entry(std::mem::take(&mut name)).or_default();
            if !versions.is_empty() {
                versions.push_str(", ");
            }
            versions.push_str(&value(line));
        }
    }
    out
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
