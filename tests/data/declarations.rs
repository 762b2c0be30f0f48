//! The declarations of public data sets.

use frbench::data::declarations::describe_missing;
use frbench::embedded::{DATASETS, declarations};
use frbench::job::result::DataResult;
use std::collections::BTreeMap;
use std::path::Path;

#[test]
fn every_embedded_declaration_is_valid() {
    let registry = declarations(None).unwrap();
    assert_eq!(registry.iter().count(), DATASETS.len() - 1);
    for set in registry.iter() {
        assert!(!set.obtain.is_empty() && !set.licence.is_empty() && !set.citation.is_empty());
    }
    assert_eq!(registry.get("lfw").unwrap().counts["pairs"], 6000);
}

#[test]
fn a_missing_set_is_explained() {
    let set = declarations(None).unwrap().get("megaface").unwrap().clone();
    let text = describe_missing(Some(&set), &set.spec(), Path::new("/d"), &set.files);
    for want in [
        "/d/megaface/facescrub_features_list.json",
        "get it:",
        "facescrub_noises.txt",
        "--data DIR",
        "FRBENCH_DATA",
    ] {
        assert!(text.contains(want), "{want} not in\n{text}");
    }
}

#[test]
fn a_folder_overrides_and_errors_have_a_place() {
    let dir = tempfile::tempdir().unwrap();
    let own = DATASETS.iter().find(|e| e.0 == "lfw").unwrap().1;
    let path = dir.path().join("lfw.toml");
    std::fs::write(&path, own.replace("\"lfw.bin\"", "\"my.bin\"")).unwrap();
    let registry = declarations(Some(dir.path())).unwrap();
    assert_eq!(registry.get("lfw").unwrap().files, ["my.bin"]);
    std::fs::write(&path, format!("{own}\n[more]\nx = 1\n")).unwrap();
    let message = declarations(Some(dir.path())).unwrap_err().to_string();
    assert!(
        message.contains("lfw.toml:") && message.contains("more"),
        "{message}"
    );
}

#[test]
fn other_versions_of_a_set_are_told_apart() {
    let registry = declarations(None).unwrap();
    let found = DataResult {
        name: "lfw".into(),
        files: vec![],
        pixels_sha256: String::new(),
        facts_sha256: None,
        decoder: String::new(),
        images: 12000,
        identities: 0,
        counts: BTreeMap::from([("pairs".into(), 5999)]),
        damaged: BTreeMap::new(),
        notes: vec![],
    };
    let differences = registry.get("lfw").unwrap().differences(&found);
    assert_eq!(differences, ["pairs: 5999, published 6000"]);
}

#[test]
fn misses_are_of_sets_that_are_scored() {
    let dir = tempfile::tempdir().unwrap();
    for (format, known) in [
        ("train", false),
        ("pairs", true),
        ("identification", true),
        ("gallery", true),
        ("templates", true),
    ] {
        let text = format!(
            "name = \"x\"\ntitle = \"\"\nformat = \"{format}\"\nfiles = [\"a/\"]\nobtain = \"\"\n\
             licence = \"\"\ncitation = \"\"\ndamaged = \"skip\"\nmissing = \"miss\"\n"
        );
        std::fs::write(dir.path().join("x.toml"), text).unwrap();
        match declarations(Some(dir.path())) {
            Ok(_) => assert!(known, "{format}"),
            Err(error) => {
                assert!(!known && error.exit_code() == 2, "{error}");
                assert!(
                    error.to_string().contains("x.toml:1:1: `missing"),
                    "{error}"
                );
            }
        }
    }
}
