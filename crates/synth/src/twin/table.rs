//! The table of twins and their sizes.

use frbench_base::{Error, Result};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Train,
    NoisyTrain,
    Lfw,
    CfpFp,
    AgeDb,
    Megaface,
    Outliers,
    TinyFace,
    Rfw,
    Watchlist,
    Ijb,
}

/// A row of [`TWINS`].
#[derive(Clone, Copy, Debug)]
pub struct TwinInfo {
    /// The name in a `SynthSpec`; data sets are called `synth-<name>`.
    pub name: &'static str,
    pub summary: &'static str,
    /// Keys of the size with their full values; a key that is left out takes it.
    pub sizes: &'static [(&'static str, u64)],
    pub(super) purpose: Purpose,
}

/// All twins.
pub const TWINS: &[TwinInfo] = &[
    TwinInfo {
        name: "train",
        summary: "training set: people under every pose, age and light",
        sizes: &[("identities", 10_000), ("images", 50)],
        purpose: Purpose::Train,
    },
    TwinInfo {
        name: "noisy-train",
        summary: "training set in which a tenth of the images show somebody else",
        sizes: &[("identities", 10_000), ("images", 50)],
        purpose: Purpose::NoisyTrain,
    },
    TwinInfo {
        name: "lfw",
        summary: "pairs of nearly frontal photographs",
        sizes: &[("pairs", 6000)],
        purpose: Purpose::Lfw,
    },
    TwinInfo {
        name: "cfp-fp",
        summary: "pairs of a frontal picture and a profile",
        sizes: &[("pairs", 7000)],
        purpose: Purpose::CfpFp,
    },
    TwinInfo {
        name: "agedb-30",
        summary: "pairs of pictures thirty years apart",
        sizes: &[("pairs", 6000)],
        purpose: Purpose::AgeDb,
    },
    TwinInfo {
        name: "megaface",
        summary: "probes searched among distractors",
        sizes: &[("probes", 80), ("images", 44), ("distractors", 1_000_000)],
        purpose: Purpose::Megaface,
    },
    TwinInfo {
        name: "outliers",
        summary: "pictures for open-set noise: faces that nobody aligned, and no faces at all",
        sizes: &[("images", 100_000)],
        purpose: Purpose::Outliers,
    },
    TwinInfo {
        name: "tinyface",
        summary: "faces of few pixels, searched in a gallery with distractors",
        sizes: &[("probes", 2569), ("images", 3), ("distractors", 153_428)],
        purpose: Purpose::TinyFace,
    },
    TwinInfo {
        name: "rfw",
        summary: "pairs within each of four populations, which are parameters of the generator and no \
                  groups of people",
        sizes: &[("pairs", 24_000)],
        purpose: Purpose::Rfw,
    },
    TwinInfo {
        name: "watchlist",
        summary: "probes searched in a gallery, some of people who are not in it",
        sizes: &[("probes", 1000), ("images", 4), ("strangers", 4000)],
        purpose: Purpose::Watchlist,
    },
    TwinInfo {
        name: "ijb",
        summary: "templates of stills and of video frames, compared and searched in two galleries",
        sizes: &[("people", 1000), ("images", 24)],
        purpose: Purpose::Ijb,
    },
];

/// Largest value of any size.
pub(super) const MOST: u64 = 10_000_000;

impl Purpose {
    /// Identities are numbered `range << 40 | index`.
    pub(super) fn range(self) -> u64 {
        match self {
            Purpose::Train => 1,
            Purpose::Lfw => 2,
            Purpose::CfpFp => 3,
            Purpose::AgeDb => 4,
            Purpose::Megaface => 5,
            Purpose::NoisyTrain => 6,
            Purpose::Outliers => 7,
            Purpose::TinyFace => 8,
            Purpose::Rfw => 9,
            Purpose::Watchlist => 10,
            Purpose::Ijb => 11,
        }
    }

    /// The range of its distractors, or strangers.
    pub(super) fn distractors(self) -> u64 {
        match self {
            Purpose::TinyFace => 17,
            Purpose::Watchlist => 18,
            _ => 16,
        }
    }
}

/// The twin's row in [`TWINS`].
///
/// # Errors
/// [`Error::Usage`] if there is none; the message suggests the nearest name.
pub fn info(name: &str) -> Result<&'static TwinInfo> {
    TWINS.iter().find(|t| t.name == name).ok_or_else(|| {
        let near = TWINS
            .iter()
            .max_by(|a, b| {
                strsim::jaro_winkler(a.name, name).total_cmp(&strsim::jaro_winkler(b.name, name))
            })
            .map_or("", |t| t.name);
        Error::Usage(format!("unknown twin `{name}`; did you mean `{near}`?"))
    })
}

pub(super) fn sizes(
    info: &TwinInfo,
    given: &BTreeMap<String, u64>,
) -> Result<BTreeMap<&'static str, u64>> {
    let keys: Vec<&str> = info.sizes.iter().map(|s| s.0).collect();
    if let Some(bad) = given.keys().find(|k| !keys.contains(&k.as_str())) {
        return Err(Error::Usage(format!(
            "twin `{}` has no size `{bad}`; its sizes are {}",
            info.name,
            keys.join(", ")
        )));
    }
    let mut out = BTreeMap::new();
    for (key, full) in info.sizes {
        let value = given.get(*key).copied().unwrap_or(*full);
        if value > MOST {
            return Err(Error::Usage(format!(
                "twin `{}`: `{key}` is {value}, at most {MOST} can be rendered",
                info.name
            )));
        }
        out.insert(*key, value);
    }
    Ok(out)
}

pub(super) fn at_least(info: &TwinInfo, key: &str, value: u64, least: u64) -> Result<()> {
    if value >= least {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "twin `{}`: `{key}` is {value}, want at least {least}",
        info.name
    )))
}
