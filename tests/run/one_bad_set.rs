//! What fails stops what builds on it and nothing else, and a report says so; two suites of one
//! name never share a report.

use crate::common::runs;
use frbench::data::bin::{BinWriter, Protocol};
use frbench::job::SynthSpec;
use frbench::synth::twin;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// One network, on the columns that a test names.
pub fn suite(title: &str, columns: &[(&str, &str)]) -> String {
    let evaluate: Vec<String> = columns
        .iter()
        .map(|(data, protocol)| format!("{{ data = \"{data}\", protocol = \"{protocol}\" }}"))
        .collect();
    format!(
        r#"
schema = 1
name = "packs"
title = "{title}"
analysis = "Nothing follows from it."

[[baseline]]
id = "a"
label = "A"
method = {{ name = "margin-softmax" }}
head = {{ name = "arcface", s = 32.0, m = 0.3 }}
network = "small"
training = "short"

[protocol.ten-fold]
kind = {{ name = "verification", folds = 10, fars = [1e-1] }}

[protocol.five-fold]
kind = {{ name = "verification", folds = 5, fars = [1e-1] }}

[profile.demo]
train-data = "synth-train-12x4-v1"
seeds = [1]
entries = ["a"]
evaluate = [{}]

[profile.demo.network.small]
backbone = {{ name = "mobilefacenet", width = 0.25 }}
embedding = 16
input = {{ size = 32, color = "rgb", mean = 0.5, std = 0.5 }}

[profile.demo.training.short]
steps = 2
batch = 12
lr = 0.05
decay = {{ kind = "polynomial", power = 2.0 }}
momentum = 0.9
weight-decay = 5e-4
flip = true
"#,
        evaluate.join(", ")
    )
}

/// A pack of 20 pairs of this kind each, declared as the data set `name`.
fn pack(dir: &Path, name: &str, same: impl Fn(usize) -> bool) {
    let size = BTreeMap::from([("identities".into(), 5), ("images".into(), 4)]);
    let people = twin(&SynthSpec {
        world: "v1".into(),
        twin: "train".into(),
        size,
    });
    let people = people.unwrap();
    let images: Vec<Vec<u8>> = (0..20).map(|i| people.render_jpeg(i).unwrap()).collect();
    let folder = dir.join("data").join(name);
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join("pairs.bin");
    let mut writer = BinWriter::create(&file, Protocol::Python3).unwrap();
    for i in 0..20 {
        writer
            .push(&images[i], &images[(i + 4) % 20], same(i))
            .unwrap();
    }
    writer.finish().unwrap();
    let sets = dir.join("suites/datasets");
    fs::create_dir_all(&sets).unwrap();
    let declared = format!(
        "name = \"{name}\"\ntitle = \"{name}\"\nformat = \"pairs\"\nfiles = [\"pairs.bin\"]\n\
         optional = []\nobtain = \"made here\"\nlicence = \"none\"\ncitation = \"none\"\n"
    );
    fs::write(sets.join(format!("{name}.toml")), declared).unwrap();
}

/// Exit code and what was said.
pub fn run(dir: &Path, file: &str) -> (Option<i32>, String) {
    let out = runs::command(dir, file).output().unwrap();
    let said = [&out.stdout[..], &out.stderr[..]].map(|t| String::from_utf8_lossy(t).into_owned());
    (out.status.code(), said.concat())
}

pub fn report(dir: &Path) -> Value {
    let text = fs::read(dir.join("reports/packs-demo/results.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn trainings(dir: &Path) -> usize {
    let jobs = runs::jobs(&dir.join("runs"));
    jobs.iter().filter(|(l, _)| l.starts_with("train")).count()
}

#[test]
fn a_set_that_cannot_be_scored_stops_its_own_column() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pack(dir, "ordered", |i| i < 10);
    pack(dir, "genuine", |_| true);
    pack(dir, "fine", |i| i % 2 == 0);
    let columns = |names: &[&'static str]| -> Vec<(&str, &str)> {
        names.iter().map(|n| (*n, "ten-fold")).collect()
    };
    // Where nothing could be scored, nothing is trained.
    fs::write(dir.join("a.toml"), suite("A", &columns(&["genuine"]))).unwrap();
    let (code, said) = run(dir, "a.toml");
    assert_eq!(code, Some(5), "{said}");
    let why =
        "genuine/ten-fold cannot be scored: fold 0 of 10 holds 2 genuine and 0 impostor pairs";
    assert_eq!(said.matches(why).count(), 1, "{said}");
    assert!(
        said.contains("the whole set holds pairs of one kind"),
        "{said}"
    );
    assert_eq!(trainings(dir), 0);

    fs::write(
        dir.join("a.toml"),
        suite("A", &columns(&["ordered", "genuine", "fine"])),
    )
    .unwrap();
    let (code, said) = run(dir, "a.toml");
    assert_eq!(code, Some(5), "{said}");
    assert_eq!(
        said.matches("ordered/ten-fold cannot be scored").count(),
        1,
        "{said}"
    );
    assert!(said.contains("the list is ordered by class"), "{said}");
    let before = said.find("cannot be scored").unwrap() < said.find("train a seed 1 done").unwrap();
    assert!(before, "{said}");
    assert!(said.contains("error: 2 failures"), "{said}");
    assert!(said.contains("report: reports/packs-demo"), "{said}");
    let found = report(dir);
    let cells = found["derived"]["rows"][0]["cells"].as_array().unwrap();
    let states: Vec<&str> = cells.iter().map(|c| c["state"].as_str().unwrap()).collect();
    assert_eq!(states[..3], ["failed", "failed", "complete"], "{said}");
    let notes = found["input"]["notes"].to_string();
    assert!(
        notes.contains("Failed: ordered/ten-fold: fold 0 of 10"),
        "{notes}"
    );
    let csv = fs::read_to_string(dir.join("reports/packs-demo/results.csv")).unwrap();
    assert!(csv.contains("failed,\"fold 0 of 10"), "{csv}");

    // Nothing that is done is done again, and a set that is mended is scored.
    pack(dir, "mended", |i| i % 2 == 0);
    fs::write(
        dir.join("a.toml"),
        suite("A", &columns(&["mended", "fine"])),
    )
    .unwrap();
    let (code, said) = run(dir, "a.toml");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(trainings(dir), 1);
}

#[test]
fn a_set_that_cannot_be_read_stops_its_own_column() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pack(dir, "torn", |i| i % 2 == 0);
    pack(dir, "fine", |i| i % 2 == 0);
    let file = dir.join("data/torn/pairs.bin");
    let whole = fs::read(&file).unwrap();
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    let columns = [("torn", "ten-fold"), ("fine", "ten-fold")];
    fs::write(dir.join("a.toml"), suite("A", &columns)).unwrap();
    let (code, said) = run(dir, "a.toml");
    assert_eq!(code, Some(5), "{said}");
    assert_eq!(said.matches("data torn failed").count(), 1, "{said}");
    let found = report(dir);
    let cells = found["derived"]["rows"][0]["cells"].as_array().unwrap();
    assert_eq!(cells[0]["state"], "failed", "{said}");
    let reason = cells[0]["reasons"][0].as_str().unwrap();
    assert_eq!(reason, "seed 1: not run, because `data torn` failed");
    assert_eq!(cells[1]["state"], "complete", "{said}");
    // It is tried again.
    fs::write(&file, &whole).unwrap();
    assert_eq!(run(dir, "a.toml").0, Some(0));
}

/// What is done stays done, and is shown again once the files are back.
#[test]
fn a_set_whose_files_changed_or_went_stops_its_own_column() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pack(dir, "changed", |i| i % 2 == 0);
    pack(dir, "fine", |i| i % 2 == 0);
    let columns = [("changed", "ten-fold"), ("fine", "ten-fold")];
    fs::write(dir.join("a.toml"), suite("A", &columns)).unwrap();
    assert_eq!(run(dir, "a.toml").0, Some(0));
    // A further column is done at the same time.
    pack(dir, "new", |i| i % 2 == 1);
    let columns = [columns[0], columns[1], ("new", "ten-fold")];
    fs::write(dir.join("a.toml"), suite("A", &columns)).unwrap();
    let file = dir.join("data/changed/pairs.bin");
    let whole = fs::read(&file).unwrap();
    let check = |words: &[&str]| {
        let (code, said) = run(dir, "a.toml");
        assert_eq!(code, Some(5), "{said}");
        assert_eq!(said.matches("data changed failed").count(), 1, "{said}");
        assert!(said.contains("report: reports/packs-demo"), "{said}");
        assert!(said.contains("the first: `data changed`"), "{said}");
        let found = report(dir);
        let cells = found["derived"]["rows"][0]["cells"].as_array().unwrap();
        let states: Vec<&str> = cells.iter().map(|c| c["state"].as_str().unwrap()).collect();
        assert_eq!(states[..3], ["failed", "complete", "complete"], "{said}");
        let reason = cells[0]["reasons"][0].as_str().unwrap();
        assert_eq!(reason, "seed 1: not run, because `data changed` failed");
        let notes = found["input"]["notes"].to_string();
        for word in words {
            assert!(
                said.contains(word) && notes.contains(word),
                "{word}: {notes}"
            );
        }
    };
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    check(&["is not what was recorded", "pairs.bin: sha256 is"]);
    fs::remove_file(&file).unwrap();
    check(&["data set `changed`", "is missing", "data/changed/pairs.bin"]);
    fs::write(&file, &whole).unwrap();
    let (code, said) = run(dir, "a.toml");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("nothing was run"), "{said}");
    assert_eq!(trainings(dir), 1);
}

#[test]
fn shares_of_a_suite_on_data_of_ones_own_make_the_data_first() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    pack(dir, "fine", |i| i % 2 == 0);
    fs::write(dir.join("a.toml"), suite("A", &[("fine", "ten-fold")])).unwrap();
    let out = runs::command(dir, "a.toml")
        .args(["--shard", "1/2"])
        .output()
        .unwrap();
    assert_eq!(
        out.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&out.stderr)
    );
}

#[test]
fn two_suites_of_one_name_do_not_share_a_report() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let columns = [
        ("synth-lfw-20-v1", "ten-fold"),
        ("synth-lfw-20-v1", "five-fold"),
    ];
    let text = |title: &str| suite(title, &columns);
    fs::write(dir.join("one.toml"), text("One")).unwrap();
    fs::create_dir(dir.join("other")).unwrap();
    fs::write(dir.join("other/one.toml"), text("Two")).unwrap();
    let (code, said) = run(dir, "one.toml");
    assert_eq!(code, Some(0), "{said}");
    // Two protocols on one set have headings of their own.
    for heading in [
        "synth-lfw accuracy (ten-fold)",
        "synth-lfw accuracy (five-fold)",
    ] {
        assert!(said.contains(heading), "{said}");
    }

    let (code, said) = run(dir, "other/one.toml");
    assert_eq!(code, Some(0), "{said}");
    let note = "is the report of another suite of this name, `../one.toml`";
    assert!(said.contains(note), "{said}");
    let own = "report: reports/packs-demo-one/index.html";
    assert!(said.contains(own), "{said}");
    assert_eq!(report(dir)["input"]["suite"]["title"], "One");

    // A copy of it, and the file itself when it was edited, are the same suite.
    fs::write(dir.join("copy.toml"), text("One")).unwrap();
    assert_eq!(run(dir, "copy.toml").0, Some(0));
    fs::write(dir.join("copy.toml"), text("Three")).unwrap();
    assert_eq!(run(dir, "copy.toml").0, Some(0));
    assert_eq!(report(dir)["input"]["suite"]["title"], "Three");
}

#[test]
fn absurd_numbers_of_threads_are_replaced_and_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    fs::write(
        dir.join("a.toml"),
        suite("A", &[("synth-lfw-20-v1", "ten-fold")]),
    )
    .unwrap();
    let told = runs::told(runs::command(dir, "a.toml").args(["--jobs", "1000000000"]));
    let said = "1000000000 threads are asked for by the command line; there will be ";
    assert!(told.contains(said), "{told}");
    let out = runs::command(dir, "a.toml")
        .args(["--jobs", "0"])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    assert_eq!(out.status.code(), Some(2), "{said}");
    assert!(said.contains("want a whole number from 1"), "{said}");
}
