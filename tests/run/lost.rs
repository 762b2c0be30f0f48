//! Images of a set of ones own that are missing or damaged: where they are counted.

use crate::one_bad_set::{report, run, suite};
use assert_cmd::cargo::cargo_bin;
use frbench::job::SynthSpec;
use frbench::synth::twin;
use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

/// TinyFace with a missing probe and a damaged image of the gallery: what is lost is said where the
/// set is verified and beside its cell.
#[test]
fn lost_images_are_counted_where_numbers_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let size = BTreeMap::from([("identities".into(), 4), ("images".into(), 5)]);
    let people = twin(&SynthSpec {
        world: "v1".into(),
        twin: "train".into(),
        size,
    });
    let people = people.unwrap();
    let set = dir.join("data/tiny");
    let mut names = String::new();
    for i in 0..20 {
        let (person, number) = (i / 5, i % 5);
        let folder = if number < 2 { "Gallery_Match" } else { "Probe" };
        let name = format!("{person}_{number}.jpg");
        fs::create_dir_all(set.join(folder)).unwrap();
        fs::write(set.join(folder).join(&name), people.render_jpeg(i).unwrap()).unwrap();
        if number >= 2 {
            names += &format!("{name}\n");
        }
    }
    fs::write(set.join("probes.txt"), names).unwrap();
    fs::remove_file(set.join("Probe/1_3.jpg")).unwrap();
    for name in ["2_0.jpg", "2_1.jpg"] {
        let file = set.join("Gallery_Match").join(name);
        let whole = fs::read(&file).unwrap();
        // As if it were whole.
        let cut = [&whole[..whole.len() / 2], &[0xff, 0xd9]].concat();
        fs::write(&file, cut).unwrap();
    }
    let sets = dir.join("suites/datasets");
    fs::create_dir_all(&sets).unwrap();
    let declare = |rules: &str| {
        let text = format!(
            "name = \"tiny\"\ntitle = \"Tiny\"\nformat = \"gallery\"\n\
             files = [\"Probe/\", \"Gallery_Match/\"]\n{rules}obtain = \"made here\"\n\
             licence = \"none\"\ncitation = \"none\"\n"
        );
        fs::write(sets.join("tiny.toml"), text).unwrap();
    };
    let verify = || {
        let mut command = Command::new(cargo_bin("frbench"));
        let command = command.current_dir(dir).args(["data", "verify", "tiny"]);
        let out = command.env_remove("FRBENCH_DATA").output().unwrap();
        let said = [&out.stdout[..], &out.stderr[..]].concat();
        (out.status.code(), String::from_utf8(said).unwrap())
    };
    declare("");
    let (code, said) = verify();
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("Probe/1_3.jpg"), "{said}");
    declare("missing = \"miss\"\ndamaged = \"skip\"\n");
    let (code, said) = verify();
    assert_eq!(code, Some(0), "{said}");
    for words in [
        "6 gallery",
        "2 lost gallery images",
        "1 lost probes",
        "1 probes that the list names are missing",
        "2 pictures are damaged and left out",
        "its data end before the picture does",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
    let text = suite("A", &[("tiny", "search")]);
    let protocol = "[protocol.search]\nkind = { name = \"gallery-identification\", ranks = [6] }\n";
    let text = text.replace("[profile.demo]\n", &format!("{protocol}\n[profile.demo]\n"));
    fs::write(dir.join("a.toml"), text).unwrap();
    let (code, said) = run(dir, "a.toml");
    assert_eq!(code, Some(0), "{said}");
    // Of 12 probes 8 can be found, and are among all 6 images.
    let found = report(dir);
    let metrics = &found["input"]["rows"][0]["runs"][0]["metrics"];
    let value = metrics.as_object().unwrap().values().next().unwrap();
    assert_eq!(value["value"].as_f64(), Some(8.0 / 12.0), "{metrics}");
    let notes = found["input"]["notes"].to_string();
    let markdown = fs::read_to_string(dir.join("reports/packs-demo/report.md")).unwrap();
    for words in [
        "failure to acquire: 1 of 12 probes are missing or damaged",
        "failure to enrol: 2 images of the gallery",
        "3 of 12 probes have no other image of their person",
    ] {
        assert!(notes.contains(words), "{words}: {notes}");
        assert!(markdown.contains(words), "{words}: {markdown}");
    }
    assert!(markdown.contains("2 lost gallery images"), "{markdown}");
}
