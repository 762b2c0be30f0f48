//! The order of layers in ARCHITECTURE.md, held against the imports of every source file.
//!
//! A file belongs to the layer whose path is the longest beginning of its own. It may name what
//! lies in its own layer or below; since the layers are one list, nothing else can close a circle
//! between them. Unit tests count like any other code, and there are no exceptions.
#![allow(clippy::unwrap_used, reason = "tests fail where they panic")]

mod entries;
mod imports;

use imports::{hidden, imports};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder of the workspace.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The paths of the layers, from the bottom to the top: the lines of the block that follows the
/// heading `Layers` in ARCHITECTURE.md, up to their first blank.
fn layers(text: &str) -> Vec<String> {
    let section = text.split("## Layers").nth(1).expect("a heading `Layers`");
    let block = section.split("```").nth(1).expect("a block under it");
    let lines = block.lines().skip(1).filter(|l| !l.trim().is_empty());
    let path = |l: &str| l.split_whitespace().next().expect("not blank").to_string();
    let mut layers: Vec<String> = lines.map(path).collect();
    // Written as one reads: from the top down.
    layers.reverse();
    layers
}

/// The number of the layer that `path` (relative to the workspace) lies in.
fn layer_of(layers: &[String], path: &str) -> Option<usize> {
    let within = |layer: &&String| {
        let rest = path.strip_prefix(layer.as_str());
        rest.is_some_and(|r| r.is_empty() || r.starts_with(['/', '.']))
    };
    if let Some(best) = layers.iter().filter(within).max_by_key(|l| l.len()) {
        return layers.iter().position(|l| l == best);
    }
    // The root of a crate of several layers may show what is in any of them.
    let root = format!("{}/", path.trim_end_matches('/'));
    layers.iter().rposition(|l| l.starts_with(&root))
}

/// Every Rust source of program and crates, relative to the workspace.
fn sources() -> Vec<PathBuf> {
    let mut folders = vec![root().join("src")];
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        folders.push(entry.unwrap().path().join("src"));
    }
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                files.push(path.strip_prefix(root()).unwrap().to_path_buf());
            }
        }
    }
    files.sort();
    files
}

/// The imports of `file` that go up, a line each.
fn upward(layers: &[String], file: &str, text: &str) -> Vec<String> {
    let Some(own) = layer_of(layers, file) else {
        return Vec::new();
    };
    let named: BTreeSet<String> = imports(file, text).into_iter().collect();
    let goes_up = |path: &String| layer_of(layers, path).is_some_and(|other| other > own);
    let say = |path: String| format!("{file} ({}) names {path}", layers[own]);
    named.into_iter().filter(goes_up).map(say).collect()
}

#[test]
fn no_import_goes_up() {
    let layers = layers(&fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    let mut wrong = Vec::new();
    let mut counted = 0;
    for path in sources() {
        let file = path.to_string_lossy().replace('\\', "/");
        let text = fs::read_to_string(root().join(&path)).unwrap();
        wrong.extend(hidden(&text).iter().map(|what| format!("{file}: {what}")));
        // The root of a crate that holds several layers only declares them; that of the program
        // gathers all.
        if layer_of(&layers, &file).is_none() {
            assert!(file.ends_with("src/lib.rs"), "{file} is in no layer");
            let shows = text.contains("pub use") && file != "src/lib.rs";
            assert!(!shows, "{file} shows what is in its layers");
            continue;
        }
        counted += imports(&file, &text).len();
        wrong.extend(upward(&layers, &file, &text));
    }
    assert!(counted > 1000, "only {counted} imports were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The crates that `manifest` depends on, for its tests, too.
fn dependencies(manifest: &str) -> Vec<String> {
    let lines = manifest.lines().filter(|l| l.starts_with("frbench-"));
    let name = |l: &str| {
        l["frbench-".len()..]
            .split(['.', ' ', '='])
            .next()
            .map(String::from)
    };
    lines.filter_map(name).collect()
}

#[test]
fn no_crate_depends_on_one_above() {
    let layers = layers(&fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    let of = |name: &str| -> Vec<usize> {
        let path = format!("crates/{name}");
        let within = |l: &String| *l == path || l.starts_with(&format!("{path}/"));
        (0..layers.len()).filter(|&i| within(&layers[i])).collect()
    };
    let mut counted = 0;
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        let lowest = *of(&name)
            .first()
            .unwrap_or_else(|| panic!("{name} has no layer"));
        for other in dependencies(&fs::read_to_string(folder.join("Cargo.toml")).unwrap()) {
            let highest = *of(&other).last().unwrap();
            assert!(
                highest < lowest,
                "{name} depends on {other}, which is above"
            );
            counted += 1;
        }
    }
    assert!(counted > 30, "only {counted} dependencies were found");
}

#[test]
fn a_planted_import_is_found() {
    let layers = layers(&fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    let found = |file: &str, text: &str| upward(&layers, file, text).len();
    for (file, text, want) in [
        ("crates/engine/src/sgd.rs", "use frbench_job::TrainSpec;", 1),
        (
            "crates/methods/src/head/arcface.rs",
            "use crate::distill::Bank;",
            1,
        ),
        (
            "crates/methods/src/head/arcface.rs",
            "use super::super::distill::Bank;",
            1,
        ),
        (
            "crates/methods/src/head/arcface.rs",
            "use crate::{backbone::build, distill::{self, Bank}};",
            1,
        ),
        (
            "crates/methods/src/head/arcface.rs",
            "fn f() -> crate::method::Step { todo!() }",
            1,
        ),
        (
            "crates/harness/src/suite/read.rs",
            "use crate::plan::{Code, Kind};",
            1,
        ),
        (
            "crates/harness/src/suite/read.rs",
            "#[cfg(test)] mod tests { use crate::plan; }",
            1,
        ),
        (
            "crates/harness/src/plan/keys.rs",
            "use crate::suite::Resolved;",
            0,
        ),
        (
            "crates/methods/src/distill/fcd.rs",
            "use crate::head::cosine; use super::Distill;",
            0,
        ),
        ("src/bench/case.rs", "use frbench::report::ReportInput;", 0),
        (
            "crates/report/src/html.rs",
            "// use frbench::bench;\nconst A: &str = \"see frbench::bench\";",
            0,
        ),
        ("crates/report/src/html.rs", "use frbench::bench::Case;", 1),
        ("crates/methods/src/head/arcface.rs", "use crate as all;", 1),
        (
            "crates/methods/src/head/arcface.rs",
            "use crate::{self as all};",
            1,
        ),
        (
            "crates/methods/src/head/arcface.rs",
            "use super::super as up;",
            1,
        ),
        ("crates/methods/src/head/arcface.rs", "use crate::*;", 1),
        ("crates/methods/src/head/arcface.rs", "use crate::Bank;", 1),
        (
            "crates/methods/src/head/arcface.rs",
            "use crate::r#distill::Bank;",
            1,
        ),
        (
            "crates/methods/src/head/mod.rs",
            "mod tests { use super::*; }",
            0,
        ),
        (
            "crates/methods/src/head/mod.rs",
            "mod tests { use super::super::distill; }",
            1,
        ),
        (
            "crates/data/src/decode.rs",
            "use ::frbench_eval::stats::mean;",
            1,
        ),
        ("crates/data/src/decode.rs", "use frbench_eval as e;", 1),
        ("crates/data/src/decode.rs", "use frbench_eval::SOURCES;", 1),
        (
            "crates/harness/src/suite/read.rs",
            "#[serde(default = \"crate::plan::f\")] x: u8",
            1,
        ),
        (
            "crates/methods/src/head/arcface.rs",
            "use frbench_engine as engine;",
            0,
        ),
    ] {
        assert_eq!(found(file, text), want, "{file}: {text}");
    }
    assert_eq!(hidden("extern crate frbench_eval as e;").len(), 1);
    assert_eq!(
        hidden("#[path = \"../distill/bank.rs\"] mod bank;").len(),
        1
    );
    assert_eq!(hidden("#[path = \"cuda_absent.rs\"] mod cuda;").len(), 0);
}
