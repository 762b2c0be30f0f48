//! The nine data sets of the field, each in its own layout: scored from files to a number, with a
//! damaged picture, and with optional files that come, change and go after a finished run.

use crate::common::miniatures::*;
use crate::place::{Place, Ran, declare, only_data, put, suite_of_sets};
use frbench::data::decode::encode_png;
use frbench::data::image::Image;
use frbench::data::set;
use frbench::job::result::{DataResult, JobResult};
use frbench::job::{DataFormat, JobSpec, Views};
use frbench::protocol::EmbeddingWriter;
use frbench::run::context::Context;
use frbench::run::{self};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;

const PROTOCOLS: &str = r#"
[protocol.pairs]
kind = { name = "verification", folds = 4 }
[protocol.search]
kind = { name = "identification", ranks = [1] }
[protocol.gallery]
kind = { name = "gallery-identification", ranks = [1] }
[protocol.templates]
kind = { name = "template-verification", norm = "unit", detector_score = false, far_selection = "nearest", fars = [5e-2] }
"#;

/// One set, and what is known of it without the code that is tested.
struct Row {
    set: Miniature,
    protocol: &'static str,
    metric: &'static str,
    value: f64,
    /// A picture of the set, below its folder.
    picture: String,
    /// The value without that picture.
    without: f64,
    optional: Vec<Optional>,
}

/// An optional file: what it says at first and then, the kinds of jobs of its set that are done
/// again for each, and the value with it.
struct Optional {
    file: &'static str,
    versions: [(String, &'static [&'static str], f64); 2],
}

const NOTHING: &[&str] = &[];
const SCORE: &[&str] = &["score"];
const ALL: &[&str] = &["embed", "score"];

/// A set of pairs with the folder of its images, the picture that will be damaged in it, and
/// whether its list says who is who.
fn of_pairs(set: Miniature, images: &str, picture: String, says_who: bool) -> Row {
    let there = tempfile::tempdir().unwrap();
    let listed = (set.write)(there.path());
    let lines = |line: &dyn Fn(&(String, usize)) -> String| listed.iter().map(line).collect();
    let people: String = lines(&|(_, person)| format!("{person}\n"));
    // Nobody says that people 0 and 1 are two.
    let fewer: String = lines(&|(_, person)| format!("{}\n", person.max(&1)));
    let marks: String = lines(&|(path, _)| format!("{path}\t{TEMPLATE}\n"));
    let other = marks.replace("38.2946 51.6963", "30.0 50.0");
    let value = accuracy();
    Row {
        protocol: "pairs",
        metric: "accuracy",
        value,
        picture: format!("{images}/{picture}"),
        // A genuine pair without one of its pictures is lost, an impostor pair is not.
        without: value - genuine_with([2, 1]) as f64 / 40.0,
        optional: vec![
            Optional {
                file: "identities.txt",
                versions: [
                    (people, if says_who { NOTHING } else { SCORE }, value),
                    (fewer, SCORE, value),
                ],
            },
            Optional {
                file: "landmarks.txt",
                versions: [(marks, NOTHING, value), (other, ALL, value)],
            },
        ],
        set,
    }
}

/// A file that sets of other layouts have: it is said that it is not used, and nothing changes.
fn unused(value: f64) -> Optional {
    Optional {
        file: "landmarks.txt",
        versions: ["a", "b"].map(|text| (text.to_string(), NOTHING, value)),
    }
}

/// A set of probes, a gallery or templates; `values` are those with and without the picture.
fn other(
    set: Miniature,
    (protocol, metric): (&'static str, &'static str),
    [value, without]: [f64; 2],
    picture: &str,
    mut optional: Vec<Optional>,
) -> Row {
    optional.push(unused(value));
    Row {
        set,
        protocol,
        metric,
        value,
        picture: picture.into(),
        without,
        optional,
    }
}

fn rows() -> Vec<Row> {
    let (by_name, flat) = (lfw_path([2, 1]), flat([2, 1]));
    let noise = |file, versions: [(&str, f64); 2]| Optional {
        file,
        versions: versions.map(|(text, value)| (text.to_string(), SCORE, value)),
    };
    let table = |first: u32| {
        let lines = (0..24).map(|t| format!("{t},{}\n", if t < 2 { first } else { t / 2 }));
        format!("TEMPLATE_ID,SUBJECT_ID\n{}", lines.collect::<String>())
    };
    vec![
        of_pairs(LFW, "images", by_name.clone(), true),
        of_pairs(RFW, "images", by_name, true),
        of_pairs(CFP, "Data", "Images/003/frontal/01.jpg".into(), true),
        of_pairs(AGEDB, "im", flat.clone(), false),
        of_pairs(CALFW, "im", flat.clone(), false),
        of_pairs(CPLFW, "im", flat, false),
        other(
            TINYFACE,
            ("gallery", "rank-1"),
            // The others of the gallery are found as before.
            [TINY_RANK_1; 2],
            "Gallery_Distractor/3.png",
            Vec::new(),
        ),
        other(
            IJBC,
            ("templates", "tar@far=5e-2"),
            // The template has another picture.
            [TAR; 2],
            "loose_crop/7.jpg",
            vec![Optional {
                file: "meta/ijbc_1N_gallery_S1.csv",
                versions: [(table(0), SCORE, TAR), (table(70), SCORE, TAR)],
            }],
        ),
        other(
            MEGAFACE,
            ("search", "rank-1"),
            // Of the 72 ordered pairs 6 have the picture.
            [RANK_1, RANK_1 - 6.0 / 72.0],
            "facescrub_images/A 2/A 2_1.png",
            vec![
                // Without the wrong probe nothing is lost; without another there are 6 pairs less.
                noise(
                    "facescrub_noises.txt",
                    [("A_1_3.png\n", 1.0), ("A_0_0.png\n", 1.0 - 6.0 / 66.0)],
                ),
                noise(
                    "megaface_noises.txt",
                    [("1/2/0.png\n", RANK_1), ("1/3/0.png\n", RANK_1)],
                ),
            ],
        ),
    ]
}

/// All sets on disk, declared, and a training set whose network is never computed.
fn place(rows: &[Row]) -> Place {
    let columns: Vec<(&str, &str)> = rows.iter().map(|r| (r.set.name, r.protocol)).collect();
    let place = Place::new(suite_of_sets(PROTOCOLS, &columns), perfect);
    let (data, declared) = (place.data(), place.declared());
    for k in 0..4usize {
        let image = Image::new(112, 112, vec![k as u8; 3 * 112 * 112]).unwrap();
        let path = format!("tr/images/p{}/{k}.png", k / 2);
        put(data.join(path), encode_png(&image).unwrap());
    }
    declare(&declared, "tr", DataFormat::Train, &["images/"], "");
    for row in rows {
        (row.set.write)(&data.join(row.set.name));
        declare(&declared, row.set.name, row.set.format, row.set.files, "");
    }
    place
}

/// Data are read, embeddings are what a perfect network makes of them, scores are computed.
fn perfect(spec: &JobSpec, cx: &mut Context) -> frbench::Result<JobResult> {
    let spec = match spec {
        JobSpec::Score(spec) => return run::score::run(spec, cx).map(JobResult::Score),
        JobSpec::Embed(spec) => spec,
        other => return only_data(other, cx),
    };
    let data = cx.jobs.data(&spec.data)?;
    let Some(Ok(JobResult::Data(found))) = cx.store.result(&spec.data) else {
        panic!("{} is not finished", data.name);
    };
    let root = cx.store.data_root();
    let set = set::open(data, root)?.without(&found.damaged, root)?;
    let source = set.part(&spec.part)?;
    let both = spec.views == Views::Both;
    let dim = if both { 2 * DIM } else { DIM };
    let path = cx.lock.folder().file(run::embed::EMBEDDINGS);
    let mut writer = EmbeddingWriter::create(&path, dim)?;
    for i in 0..source.len() {
        let row = embedding(&source.image(i)?);
        writer.append(&row.repeat(dim / DIM))?;
    }
    writer.finish()?;
    let result = json!({
        "job": "embed", "seconds": 0.0, "rows": source.len(), "dim": dim,
        "images_per_second": 1.0,
    });
    Ok(serde_json::from_value(result).unwrap())
}

/// Holds the number of a column against what it should be.
#[track_caller]
fn check(ran: &Ran, row: &Row, want: f64, when: &str) {
    let (set, protocol) = (row.set.name, row.protocol);
    let label = format!("score a seed 1 {set}/{protocol}");
    let results = ran.results();
    let Some(JobResult::Score(scored)) = results.get(label.as_str()) else {
        panic!("{set}, {when}: {label} is not among {:?}", results.keys());
    };
    let found = scored.metrics.iter().find(|m| m.id == row.metric);
    let ids: Vec<&str> = scored.metrics.iter().map(|m| m.id.as_str()).collect();
    let found = found.unwrap_or_else(|| panic!("{set}: {} is not in {ids:?}", row.metric));
    let off = (found.value - want).abs();
    assert!(off < 1e-12, "{set}, {when}: {}, want {want}", found.value);
}

fn described<'a>(ran: &'a Ran, set: &str) -> &'a DataResult {
    match ran.results().get(format!("data {set}").as_str()) {
        Some(JobResult::Data(found)) => found,
        _ => panic!("{set} is not described"),
    }
}

/// The jobs of these kinds that `set` has.
fn of_kinds(all: &BTreeSet<String>, set: &str, kinds: &[&str]) -> BTreeSet<String> {
    let marks = [format!(" {set} "), format!(" {set}/")];
    let of = |label: &&String| {
        let kind = kinds.iter().any(|k| label.starts_with(k));
        kind && marks.iter().any(|m| label.contains(m))
    };
    all.iter().filter(of).cloned().collect()
}

#[test]
fn each_is_scored_and_what_depends_on_an_optional_file_is_done_again() {
    let rows = rows();
    let place = place(&rows);
    let first = place.run().unwrap();
    let all = &first.begun;
    assert!(first.decoded > 9 * 20, "{}", first.decoded);
    assert_eq!(all.iter().filter(|l| l.starts_with("score")).count(), 9);
    for row in &rows {
        check(&first, row, row.value, "at first");
    }
    assert!(place.run().unwrap().begun.is_empty());
    for row in &rows {
        let name = row.set.name;
        for Optional { file, versions } in &row.optional {
            let path = place.data().join(name).join(file);
            for (text, kinds, value) in versions {
                put(&path, text);
                let ran = place.run().unwrap();
                let mut expected = of_kinds(all, name, kinds);
                assert_eq!(expected.is_empty(), kinds.is_empty(), "{name}/{file}");
                expected.insert(format!("data {name}"));
                assert_eq!(ran.begun, expected, "{name}/{file} is {text}");
                assert!(
                    ran.notes.iter().any(|n| n.contains(file)),
                    "{:?}",
                    ran.notes
                );
                check(&ran, row, *value, file);
                // Where only scores are done again, no picture is looked at again.
                let others = *file == "landmarks.txt" && row.set.format == DataFormat::Pairs;
                assert_eq!(ran.decoded > 0, others, "{name}/{file}: {}", ran.decoded);
                let said = |n: &String| n.contains(file) && n.contains("is not used");
                let notes = &described(&ran, name).notes;
                let pairs = row.set.format == DataFormat::Pairs;
                let unused = *file == "landmarks.txt" && !pairs;
                assert_eq!(notes.iter().any(said), unused, "{name}/{file}: {notes:?}");
                let again = place.run().unwrap();
                assert!(again.begun.is_empty(), "{name}/{file}: {:?}", again.begun);
            }
            fs::remove_file(&path).unwrap();
            let ran = place.run().unwrap();
            let only = BTreeSet::from([format!("data {name}")]);
            assert_eq!(ran.begun, only, "{name}/{file} is gone");
            check(&ran, row, row.value, "without what was added");
        }
        // What a set must have is as it was, or nothing is built on it.
        let path = place.data().join(name).join(&row.picture);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() / 2]).unwrap();
        let ran = place.run().unwrap();
        let reason = ran.refused(name);
        assert!(reason.contains(&row.picture), "{reason}");
        assert!(ran.begun.is_empty(), "{:?}", ran.begun);
        fs::write(&path, &whole).unwrap();
        assert!(place.run().unwrap().begun.is_empty(), "{name}");
    }
}

#[test]
fn a_damaged_picture_is_named_or_left_out_and_counted() {
    let rows = rows();
    let place = place(&rows);
    let whole = place.run().unwrap();
    // In another runs folder, all of them are met damaged.
    let harm = |row: &Row| {
        let path = place.data().join(row.set.name).join(&row.picture);
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    };
    rows.iter().for_each(harm);
    fs::remove_dir_all(place.runs()).unwrap();
    let ran = place.run().unwrap();
    assert_eq!(ran.outcome.failed.list.len(), 9);
    for row in &rows {
        let what = format!("data {}", row.set.name);
        let failed = ran.outcome.failed.list.iter().find(|f| f.what == what);
        let failed = failed.unwrap_or_else(|| panic!("{what} did not fail"));
        assert_eq!(failed.exit_code, 5);
        let place = format!("{}/{}", row.set.name, row.picture);
        assert!(failed.reason.contains(&place), "{}", failed.reason);
    }
    assert!(
        !ran.begun.iter().any(|l| l.starts_with("score")),
        "{:?}",
        ran.begun
    );

    let skip = |row: &Row| {
        let (set, declared) = (&row.set, place.declared());
        declare(
            &declared,
            set.name,
            set.format,
            set.files,
            "damaged = \"skip\"",
        );
    };
    rows.iter().for_each(skip);
    let ran = place.run().unwrap();
    for row in &rows {
        let (name, value) = (row.set.name, row.without);
        check(&ran, row, value, "without a picture");
        let found = described(&ran, name);
        let before = described(&whole, name);
        let damaged: Vec<usize> = found.damaged.values().map(Vec::len).collect();
        assert_eq!(damaged, [1], "{name}");
        assert_eq!(found.images + 1, before.images, "{name}");
        assert_ne!(found.pixels_sha256, before.pixels_sha256, "{name}");
        let said = |n: &String| n.contains("1 pictures are damaged") && n.contains(&row.picture);
        assert!(found.notes.iter().any(said), "{:?}", found.notes);
    }
    assert!(place.run().unwrap().begun.is_empty());
}
