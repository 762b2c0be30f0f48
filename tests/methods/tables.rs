//! What follows from the tables of losses and backbones: each is proven, documented and used.

use frbench::backbone::BACKBONES;
use frbench::distill::DISTILL;
use frbench::embedded;
use frbench::job::{BackboneSpec, MethodSpec};
use frbench::registry::Info;
use frbench::suite::source::Source;
use frbench::suite::{parse, resolve};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Losses that no published numbers are at hand for, with the test that computes them a second
/// time.
const LOSS_TESTS: &[(&str, &str)] = &[
    ("at-gradient", "input_gradients_by_hand"),
    ("crd", "crd_follows_its_definition_over_steps"),
    ("ekd", "ekd_follows_its_definition_over_steps"),
    ("f-kd", "vectors_computed_by_hand"),
    ("shrinkteanet", "vectors_computed_by_hand"),
];

/// Architectures by file, each with a depth that is proven: by a parity case, or by the test of
/// that name in `src/backbone/mod.rs`. Depths differ in their numbers of blocks only.
const ARCHITECTURES: &[(&str, &str, Option<&str>)] = &[
    ("cbam_iresnet", "cbam-iresnet50", None),
    ("iresnet", "iresnet18", None),
    (
        "mobilefacenet",
        "mobilefacenet",
        Some("parameter_counts_are_the_published_ones"),
    ),
    ("mobilefacenet_mbf", "mobilefacenet-mbf", None),
    (
        "mobilenetv2",
        "mobilenetv2",
        Some("parameter_counts_are_the_published_ones"),
    ),
];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// The operations that there are parity cases of, by the names of this build's tables.
fn cases() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity");
    let op = |path: &Path| {
        let bytes = fs::read(path).unwrap();
        let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
        header.metadata().clone().unwrap()["op"].clone()
    };
    let files = fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
    let ops = files.filter(|p| p.extension().is_some_and(|e| e == "safetensors"));
    ops.map(|p| match op(&p).as_str() {
        // The case's name for arcface_torch's `mbf`.
        "backbone/mobilefacenet" => "backbone/mobilefacenet-mbf".to_owned(),
        other => other.to_owned(),
    })
    .collect()
}

/// Methods and backbones of every row of every profile of every suite of this build.
fn used() -> Vec<(MethodSpec, BackboneSpec)> {
    let known = embedded::catalogue(None).unwrap();
    let mut out = Vec::new();
    for (name, text) in embedded::SUITES {
        let suite = parse(Source::new(*name, *text)).unwrap();
        for profile in &suite.profiles {
            let rows = resolve(&suite, &profile.id, &known).unwrap().rows;
            out.extend(rows.into_iter().map(|r| (r.method, r.backbone)));
        }
    }
    out
}

fn documented(file: &str, info: &Info) {
    let text = read(file);
    assert!(text.starts_with("//! "), "{file} says what it is");
    assert!(info.source.len() > 20, "`{}` names its source", info.name);
    assert!(!info.summary.is_empty(), "`{}`", info.name);
    let undocumented = info.params.iter().find(|p| p.doc.is_empty());
    assert!(undocumented.is_none(), "`{}`: {undocumented:?}", info.name);
}

#[test]
fn every_loss_is_proven_documented_and_in_a_suite() {
    let cases = cases();
    let numeric = read("tests/distill_numeric.rs");
    let mut named = BTreeSet::new();
    for (method, _) in used() {
        match method.name.as_str() {
            "distill" => {
                for loss in method.params["losses"].as_array().unwrap() {
                    named.insert(loss["name"].as_str().unwrap().to_owned());
                }
            }
            "coupleface" => named.extend(["fcd".to_owned(), "rad".to_owned()]),
            _ => {}
        }
    }
    for entry in DISTILL {
        let name = entry.info.name;
        let file = format!("src/distill/{}.rs", name.replace('-', "_"));
        documented(&file, &entry.info);
        let test = LOSS_TESTS.iter().find(|(loss, _)| *loss == name);
        match test {
            Some((_, test)) => {
                let body = numeric.split(&format!("fn {test}()")).nth(1);
                let body = body.unwrap_or_else(|| panic!("no test `{test}`"));
                let body = body.split("#[test]").next().unwrap();
                let by_name = body.contains(&format!("\"{name}\""));
                assert!(
                    by_name || body.contains(&format!("{name}()")),
                    "`{test}`: {name}"
                );
            }
            None => assert!(
                cases.contains(&format!("distill/{name}")),
                "`{name}` has no parity case and no numeric test"
            ),
        }
        assert!(named.contains(name), "no suite runs `{name}`");
    }
}

#[test]
fn every_architecture_is_proven_documented_and_in_a_suite() {
    let cases = cases();
    let tests = read("src/backbone/mod.rs");
    let used: BTreeSet<String> = used().into_iter().map(|(_, b)| b.name).collect();
    let mut covered = 0;
    for (file, proven, test) in ARCHITECTURES {
        let stem = file.replace('_', "-");
        let is_depth = |name: &str| {
            let rest = name.strip_prefix(stem.as_str());
            rest.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit()))
        };
        let depths: Vec<&Info> = BACKBONES
            .iter()
            .map(|b| &b.info)
            .filter(|i| is_depth(i.name))
            .collect();
        covered += depths.len();
        for info in &depths {
            documented(&format!("src/backbone/{file}.rs"), info);
        }
        assert!(depths.iter().any(|i| i.name == *proven), "{proven}");
        match test {
            Some(test) => {
                let body = tests.split(&format!("fn {test}()")).nth(1).unwrap();
                assert!(body.contains(&format!("\"{proven}\"")), "{proven}");
            }
            None => assert!(cases.contains(&format!("backbone/{proven}")), "{proven}"),
        }
        assert!(
            depths.iter().any(|i| used.contains(i.name)),
            "no suite uses {stem}"
        );
    }
    assert_eq!(
        covered,
        BACKBONES.len(),
        "an architecture is not listed here"
    );
}
