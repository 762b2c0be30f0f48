//! Names of data sets: `synth-<twin>[-<size>]-v1` for the face world, anything else from
//! the registry of public sets.

use frbench_job::{DataFormat, DataSource, DataSpec, SynthSpec};
use std::collections::BTreeMap;

/// A data set of the face world, its full size, and the form its size takes in a name.
struct Twin {
    name: &'static str,
    format: DataFormat,
    form: Form,
}

#[derive(Clone, Copy)]
enum Form {
    /// `1000x20`: identities x images of each. There is no full size.
    Train,
    /// `1200`: pairs. The arguments are the full size and what sizes are multiples of.
    Pairs(u64, u64),
    /// `3000`: images. The argument is the full size.
    Images(u64),
    /// `40x5+2000`: probe identities x images of each + others, which are distractors or strangers.
    Search(u64, u64, Others),
    /// `100x12`: people x images of each. The arguments are the full size.
    Templates(u64, u64),
}

const TWINS: &[Twin] = &[
    Twin::new("train", DataFormat::Train, Form::Train),
    Twin::new("noisy-train", DataFormat::Train, Form::Train),
    Twin::new("lfw", DataFormat::Pairs, Form::Pairs(6000, PAIR_STEP)),
    Twin::new("cfp-fp", DataFormat::Pairs, Form::Pairs(7000, PAIR_STEP)),
    Twin::new("agedb-30", DataFormat::Pairs, Form::Pairs(6000, PAIR_STEP)),
    Twin::new(
        "megaface",
        DataFormat::Identification,
        Form::Search(80, 44, ("distractors", 1_000_000)),
    ),
    Twin::new("outliers", DataFormat::Train, Form::Images(100_000)),
    // Half of each person's images are probes, the others (of an odd number one more) are in
    // the gallery.
    Twin::new(
        "tinyface",
        DataFormat::Gallery,
        Form::Search(2569, 3, ("distractors", 153_428)),
    ),
    // Four groups.
    Twin::new("rfw", DataFormat::Pairs, Form::Pairs(24_000, 4 * PAIR_STEP)),
    // Halves as in `tinyface`; strangers have one image each, a probe.
    Twin::new(
        "watchlist",
        DataFormat::Gallery,
        Form::Search(1000, 4, ("strangers", 4000)),
    ),
    // A quarter of each person's images is in a gallery.
    Twin::new("ijb", DataFormat::Templates, Form::Templates(1000, 24)),
];

/// What the others of a search are called, and their full number.
type Others = (&'static str, u64);

/// Ten folds, half of each genuine.
const PAIR_STEP: u64 = 20;

impl Twin {
    const fn new(name: &'static str, format: DataFormat, form: Form) -> Self {
        Twin { name, format, form }
    }
}

/// The versions of the generator that this build can render.
const WORLDS: &[&str] = &["v1"];

/// Names of the data sets that the face world can render.
pub fn twins() -> impl Iterator<Item = &'static str> + Clone {
    TWINS.iter().map(|t| t.name)
}

/// Reads a name that starts with `synth-`. The error says what would be right.
pub fn synth(name: &str) -> Result<DataSpec, String> {
    let forms = "the form is `synth-<twin>-<size>-v1`, such as `synth-train-1000x20-v1`, \
                 `synth-lfw-1200-v1`, `synth-megaface-40x5+2000-v1`";
    let (rest, world) = name
        .strip_prefix("synth-")
        .and_then(|r| r.rsplit_once('-'))
        .filter(|(_, w)| WORLDS.contains(w))
        .ok_or_else(|| format!("`{name}` does not end in a version of the face world; {forms}"))?;
    let twin = TWINS
        .iter()
        .find(|t| {
            rest.strip_prefix(t.name)
                .is_some_and(|r| r.is_empty() || r.starts_with('-'))
        })
        .ok_or_else(|| {
            let typed = rest.rsplit_once('-').map_or(rest, |(t, _)| t);
            format!(
                "the face world has no `{typed}`; {}",
                super::check::suggest(typed, twins())
            )
        })?;
    let size = rest[twin.name.len()..].strip_prefix('-');
    let size = twin.form.size(size).ok_or_else(|| {
        let multiple = match twin.form {
            Form::Pairs(_, of) => format!(" (pairs come in multiples of {of})"),
            Form::Templates(..) => " (images come in multiples of 4)".into(),
            _ => String::new(),
        };
        format!("`{name}` states no size that fits{multiple}; {forms}")
    })?;
    Ok(DataSpec {
        name: name.to_string(),
        format: twin.format,
        source: DataSource::Synth(SynthSpec {
            world: world.to_string(),
            twin: twin.name.to_string(),
            size,
        }),
        identity: None,
    })
}

impl Form {
    fn size(self, text: Option<&str>) -> Option<BTreeMap<String, u64>> {
        let keys = |items: &[(&str, u64)]| {
            items
                .iter()
                .all(|(_, n)| *n > 0)
                .then(|| items.iter().map(|(k, n)| (k.to_string(), *n)).collect())
        };
        match (self, text) {
            (Form::Train, Some(t)) => {
                let (identities, images) = t.split_once('x')?;
                keys(&[
                    ("identities", count(identities)?),
                    ("images", count(images)?),
                ])
            }
            (Form::Train, None) => None,
            (Form::Pairs(full, of), text) => keys(&[(
                "pairs",
                text.map_or(Some(full), count)
                    .filter(|n| n.is_multiple_of(of))?,
            )]),
            (Form::Images(full), text) => keys(&[("images", text.map_or(Some(full), count)?)]),
            (Form::Search(probes, images, others), None) => {
                keys(&[("probes", probes), ("images", images), others])
            }
            (Form::Search(.., (name, _)), Some(t)) => {
                let (probes, others) = t.split_once('+')?;
                let (probes, images) = probes.split_once('x')?;
                keys(&[
                    ("probes", count(probes)?),
                    ("images", count(images)?),
                    (name, count(others)?),
                ])
            }
            (Form::Templates(people, images), None) => {
                keys(&[("people", people), ("images", images)])
            }
            (Form::Templates(..), Some(t)) => {
                let (people, images) = t.split_once('x')?;
                let images = count(images).filter(|n| n.is_multiple_of(4))?;
                keys(&[("people", count(people)?), ("images", images)])
            }
        }
    }
}

/// Digits without sign or leading zero, so that a size has one spelling.
fn count(text: &str) -> Option<u64> {
    let plain = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|n| plain && *n <= 1 << 40)
}

/// The name without size and version: `synth-cfp-fp` for `synth-cfp-fp-1000-v1`. Names of
/// public sets stay as they are.
pub fn family(spec: &DataSpec) -> String {
    match &spec.source {
        DataSource::Synth(s) => format!("synth-{}", s.twin),
        DataSource::Files { .. } => spec.name.clone(),
        DataSource::Noisy(noisy) => family(&noisy.base),
    }
}

/// Images in the set, as far as its name tells.
pub fn images(spec: &DataSpec) -> Option<u64> {
    let synth = match &spec.source {
        DataSource::Synth(synth) => synth,
        DataSource::Files { .. } => return None,
        DataSource::Noisy(noisy) => return images(&noisy.base),
    };
    let of = |key: &str| synth.size.get(key).copied().unwrap_or(0);
    Some(match spec.format {
        DataFormat::Train | DataFormat::Templates => synth.size.values().product(),
        DataFormat::Pairs => 2 * of("pairs"),
        _ => of("probes") * of("images") + of("distractors") + of("strangers"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(name: &str) -> Vec<(String, u64)> {
        match synth(name).unwrap().source {
            DataSource::Synth(s) => s.size.into_iter().collect(),
            _ => unreachable!(),
        }
    }

    #[test]
    fn sizes_are_read_from_names() {
        let pair = |k: &str, n| (k.to_string(), n);
        assert_eq!(
            size("synth-train-1000x20-v1"),
            [pair("identities", 1000), pair("images", 20)]
        );
        assert_eq!(size("synth-agedb-30-v1"), [pair("pairs", 6000)]);
        assert_eq!(size("synth-agedb-30-600-v1"), [pair("pairs", 600)]);
        assert_eq!(
            size("synth-megaface-40x5+2000-v1"),
            [
                pair("distractors", 2000),
                pair("images", 5),
                pair("probes", 40)
            ]
        );
    }

    #[test]
    fn malformed_names_are_explained() {
        for name in [
            "synth-train-v1",
            "synth-train-0x20-v1",
            "synth-train-10x020-v1",
            "synth-train-1000x20",
            "synth-lfw-12oo-v1",
            "synth-lfw-1210-v1",
            "synth-rfw-1220-v1",
            "synth-ijb-100x10-v1",
            "synth-watchlist-100x8-v1",
            "synth-lfw-1200-v9",
            "synth-outliers-0-v1",
            "synth-outliers-30x2-v1",
            "synth-tinyface-100x8-v1",
            "synth-",
        ] {
            assert!(synth(name).is_err(), "{name}");
        }
        assert!(
            synth("synth-cfp-fpp-1200-v1")
                .unwrap_err()
                .contains("`cfp-fp`")
        );
    }

    #[test]
    fn names_cover_what_the_world_renders() {
        let rendered: Vec<&str> = frbench_synth::TWINS.iter().map(|t| t.name).collect();
        assert_eq!(twins().collect::<Vec<_>>(), rendered);
        for twin in frbench_synth::TWINS {
            let name = match twin.name {
                train @ ("train" | "noisy-train") => format!("synth-{train}-10000x50-v1"),
                other => format!("synth-{other}-v1"),
            };
            let mut full: Vec<(String, u64)> = Vec::new();
            full.extend(twin.sizes.iter().map(|(k, n)| (k.to_string(), *n)));
            full.sort();
            assert_eq!(size(&name), full, "{name}");
        }
    }

    #[test]
    fn images_and_families_follow_from_the_name() {
        let counted = |name: &str| images(&synth(name).unwrap());
        assert_eq!(counted("synth-megaface-40x5+2000-v1"), Some(2200));
        assert_eq!(counted("synth-tinyface-100x8+2000-v1"), Some(2800));
        assert_eq!(counted("synth-watchlist-100x8+300-v1"), Some(1100));
        assert_eq!(counted("synth-ijb-100x12-v1"), Some(1200));
        assert_eq!(counted("synth-train-40x6-v1"), Some(240));
        assert_eq!(counted("synth-outliers-3000-v1"), Some(3000));
        assert_eq!(
            family(&synth("synth-cfp-fp-1000-v1").unwrap()),
            "synth-cfp-fp"
        );
    }
}
