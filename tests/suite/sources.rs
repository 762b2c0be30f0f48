//! Which jobs a change of the sources has done again. Changes are made to copies of crates, which
//! are read as their build scripts read them.

use crate::tiny::*;
use frbench::plan::{Code, DeviceKind, Round, plan};
use frbench_fingerprint::of_crate;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const CRATES: [&str; 11] = [
    "base", "data", "engine", "eval", "harness", "job", "kernels", "methods", "pickle", "synth",
    "weights",
];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("crates")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// The code after `edit` has changed a copy of the sources of a crate.
fn after(code: &Code, name: &str, edit: impl Fn(&Path)) -> Code {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join(name);
    copy(&crates().join(name).join("src"), &root.join("src"));
    edit(&root.join("src"));
    let mut code = code.clone();
    code.sources
        .retain(|path, _| !path.starts_with(&format!("{name}/")));
    code.sources.extend(of_crate(&root, name).unwrap());
    code
}

/// An edit that replaces a text.
fn replaces<'a>(file: &'a str, from: &'a str, to: &'a str) -> impl Fn(&Path) + 'a {
    move |src| {
        let path = src.join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no `{from}`");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    }
}

/// The small suite whose student has the margin of CosFace, and the code that plans it.
fn planned(code: &Code) -> Round {
    let text = TINY.replacen(
        "label = \"Student\"\nmethod = { name = \"margin-softmax\" }\nhead = { name = \"arcface\", s = 64.0, m = 0.5 }",
        "label = \"Student\"\nmethod = { name = \"margin-softmax\" }\nhead = { name = \"cosface\", s = 64.0, m = 0.4 }",
        1,
    );
    assert_ne!(text, TINY);
    let suite = resolved(&text, "demo");
    // Data are known by what they are, whatever made them.
    plan(&suite, &data_known(&suite, code), code)
}

/// The labels of jobs that are new with `code`.
fn redone(before: &Code, code: &Code) -> BTreeSet<String> {
    new_jobs(&planned(before), &planned(code))
}

#[test]
fn a_build_holds_what_its_sources_say() {
    let code = cpu();
    let read = |name: &&str| of_crate(&crates().join(name), name).unwrap();
    let now: Vec<(String, String)> = CRATES.iter().flat_map(read).collect();
    assert_eq!(code.sources, now.into_iter().collect());
    assert!(code.sources.len() > 200);
}

#[test]
fn words_change_no_key_on_any_device() {
    let code = cpu();
    for name in CRATES {
        let edited = after(&code, name, |src| {
            let mut edited = 0;
            for (path, _) in of_crate(src.parent().unwrap(), name).unwrap() {
                let file = src.join(path.split_once('/').unwrap().1);
                let text = fs::read_to_string(&file).unwrap();
                let more = match path.ends_with(".rs") {
                    // Behind what the file says of itself.
                    true => {
                        "\n// A remark.\n#[cfg(test)]\nmod more_tests {\n    /// Nothing.\n    fn f() {}\n}\n"
                    }
                    false => "\n// A remark.\n/* And\n another. */\n",
                };
                fs::write(file, format!("// First.\n{text}{more}")).unwrap();
                edited += 1;
            }
            assert!(edited > 3);
        });
        assert_eq!(edited, code, "{name}");
    }
}

#[test]
fn a_head_redoes_its_own_trainings_and_what_follows_from_them() {
    let code = cpu();
    let edit = replaces("head/cosface.rs", "slope: 1.0", "slope: 1.5");
    let new = redone(&code, &after(&code, "methods", edit));
    assert!(!new.is_empty());
    for label in &new {
        assert!(label.contains("student"), "{label}");
    }
    for what in ["train", "embed", "score"] {
        let jobs = new.iter().filter(|l| l.starts_with(what)).count();
        assert_eq!(jobs, 2, "{what}: {new:?}");
    }
    // What it says of itself is for its reader.
    let edit = replaces("head/cosface.rs", "additive cosine margin", "a margin");
    assert_eq!(after(&code, "methods", edit), code);
}

#[test]
fn what_heads_share_redoes_all_trainings() {
    let code = cpu();
    let edit = replaces("head/margin.rs", "fn ", "#[inline(never)] fn ");
    let new = redone(&code, &after(&code, "methods", edit));
    let all = planned(&code);
    assert_eq!(new.len(), all.jobs.len() - 3);
    assert!(new.iter().all(|l| !l.starts_with("data ")));
}

#[test]
fn a_loss_redoes_the_methods_that_are_built_on_it() {
    let code = cpu();
    let edit = replaces("distill/rad.rs", "fn ", "#[inline(never)] fn ");
    let new = redone(&code, &after(&code, "methods", edit));
    let trained: BTreeSet<&str> = new
        .iter()
        .filter(|l| l.starts_with("train "))
        .map(|l| l.split([' ', '[']).nth(1).unwrap())
        .collect();
    assert!(trained.contains("coupleface"), "{trained:?}");
    for other in ["teacher", "student", "fcd"] {
        assert!(!trained.contains(other), "{trained:?}");
    }
    let edit = replaces("distill/fcd.rs", "fn ", "#[inline(never)] fn ");
    let new = redone(&code, &after(&code, "methods", edit));
    for label in ["train fcd seed 1", "train coupleface seed 1"] {
        assert!(new.contains(label), "{new:?}");
    }
    assert!(!new.contains("train student seed 1"), "{new:?}");
}

#[test]
fn a_kernel_of_a_gpu_redoes_no_job_of_the_cpu() {
    let code = cpu();
    let gpu = Code {
        device: DeviceKind::Cuda,
        ..code.clone()
    };
    let kernels: Vec<&String> = code.sources.keys().filter(|p| p.ends_with(".cu")).collect();
    assert!(!kernels.is_empty());
    let kernel = kernels[0].strip_prefix("engine/").unwrap();
    for file in [kernel, "cuda/gemm.rs"] {
        let edited = |code: &Code| {
            after(code, "engine", |src| {
                let path = src.join(file);
                let text = fs::read_to_string(&path).unwrap();
                let more = match file.ends_with(".rs") {
                    true => "fn more() {}\n",
                    false => "__device__ int more;\n",
                };
                fs::write(path, text + more).unwrap();
            })
        };
        assert_ne!(edited(&code), code);
        assert!(redone(&code, &edited(&code)).is_empty(), "{file}");
        let jobs = planned(&gpu).jobs.len();
        assert_eq!(redone(&gpu, &edited(&gpu)).len(), jobs - 3, "{file}");
    }
}

#[test]
fn a_new_head_changes_no_key() {
    let code = cpu();
    let edited = after(&code, "methods", |src| {
        let text = fs::read_to_string(src.join("head/cosface.rs")).unwrap();
        fs::write(src.join("head/newface.rs"), text).unwrap();
        replaces(
            "head/mod.rs",
            "mod normface;",
            "mod newface;\nmod normface;",
        )(src);
        replaces(
            "head/mod.rs",
            "normface::ENTRY,",
            "newface::ENTRY,\n        normface::ENTRY,",
        )(src);
    });
    // The build would know it as an entry, which this one cannot.
    let mut known = edited.clone();
    assert!(known.sources.remove("methods/head/newface.rs").is_some());
    assert_eq!(known, code);
}
