//! The code and environment that a job's cache key contains.

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

macro_rules! kind_code {
    ($kind:literal) => {
        KindCode {
            sources: env!(concat!("FRBENCH_CODE_", $kind)).to_string(),
            crates: env!(concat!("FRBENCH_CRATES_", $kind)).to_string(),
        }
    };
}

impl Code {
    /// The code of this build, on the CPU.
    pub fn current() -> Self {
        Code {
            kinds: BTreeMap::from([
                (Kind::Data, kind_code!("DATA")),
                (Kind::Train, kind_code!("TRAIN")),
                (Kind::Derive, kind_code!("DERIVE")),
                (Kind::Embed, kind_code!("EMBED")),
                (Kind::Score, kind_code!("SCORE")),
            ]),
            dtype: "f32",
            device: "cpu",
        }
    }
}

/// What the binary was built from, for `env.json` and `frbench --version`.
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

pub const BUILD: Build = Build {
    version: env!("CARGO_PKG_VERSION"),
    revision: env!("FRBENCH_GIT"),
    tree: env!("FRBENCH_DIRTY"),
    target: env!("FRBENCH_TARGET"),
    profile: env!("FRBENCH_PROFILE"),
    lock: env!("FRBENCH_LOCK"),
};
