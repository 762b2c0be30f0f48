//! Data that change after they were recorded: what is noticed, and what is done again.

use crate::place::{Place, Ran, declare, only_data, put, suite_of_sets};
use frbench::data::decode::encode_jpeg;
use frbench::data::image::Image;
use frbench::data::record::{RecWriter, RecordLayout};
use frbench::job::DataFormat;
use frbench::run::{ReadAgain, Stop};
use serde_json::json;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

const PROTOCOLS: &str = r#"
[protocol.pairs]
kind = { name = "verification", folds = 2 }
[protocol.search]
kind = { name = "identification", ranks = [1] }
[protocol.gallery]
kind = { name = "gallery-identification", ranks = [1] }
[protocol.templates]
kind = { name = "template-verification", norm = "keep", detector_score = true, far_selection = "nearest", fars = [1e-1] }
"#;

fn jpeg(k: usize) -> Vec<u8> {
    let pixels = (0..3 * 112 * 112)
        .map(|i| (i / 300 * (k + 3)) as u8)
        .collect();
    encode_jpeg(&Image::new(112, 112, pixels).unwrap(), 90).unwrap()
}

/// Records without their index and `property`, which are returned, both.
fn records(path: &Path, labels: &[u32], layout: RecordLayout) -> (String, String) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = RecWriter::create(path, layout).unwrap();
    for (k, label) in labels.iter().enumerate() {
        writer.push(*label, &jpeg(k)).unwrap();
    }
    writer.finish(112).unwrap();
    let take = |path: &Path| {
        let text = fs::read_to_string(path).unwrap_or_default();
        let _ = fs::remove_file(path);
        text
    };
    let property = path.with_file_name("property");
    (take(&path.with_extension("idx")), take(&property))
}

/// A change of an optional file, and the jobs that it concerns beside its set's.
struct Optional {
    set: &'static str,
    file: &'static str,
    /// What is added first, and what it is changed to.
    texts: [String; 2],
    /// The same for what depends on each.
    concerns: [&'static [&'static str]; 2],
}

const NONE: &[&str] = &[];
/// Whatever there is of a training and its network, but no data.
const TRAINING: &[&str] = &["train", "embed", "score"];

/// Writes a set of every format under `root`, all without optional files; returns those, and
/// declares the sets in `declared`.
fn sets(root: &Path, declared: &Path) -> Vec<Optional> {
    let mut all = Vec::new();
    let mut optional = |set, file, texts: [&str; 2], concerns| {
        all.push(Optional {
            set,
            file,
            texts: texts.map(String::from),
            concerns,
        });
    };
    // An index gives records their order: here those of line `at` and the next change places.
    let swapped = |index: &str, at: usize| -> String {
        let mut lines: Vec<(&str, &str)> =
            index.lines().map(|l| l.split_once('\t').unwrap()).collect();
        (lines[at].1, lines[at + 1].1) = (lines[at + 1].1, lines[at].1);
        let lines = lines
            .iter()
            .map(|(key, offset)| format!("{key}\t{offset}\n"));
        lines.collect()
    };

    let rec = root.join("tr/train.rec");
    let (index, property) = records(&rec, &[0, 0, 1, 1], RecordLayout::Insightface);
    // Record 0 is no image.
    optional(
        "tr",
        "train.idx",
        [&index, &swapped(&index, 1)],
        [NONE, TRAINING],
    );
    optional("tr", "property", [&property, "2,1,1\n"], [NONE, NONE]);
    let people = ["0\n0\n1\n1\n", "0\n0\n1\n7\n"];
    optional("tr", "identities.txt", people, [TRAINING, TRAINING]);

    let images = ["A/A_0001", "A/A_0002", "B/B_0001", "B/B_0002", "C/C_0001"];
    for (k, name) in images.iter().enumerate() {
        put(root.join(format!("pr/images/{name}.jpg")), jpeg(k));
    }
    let pairs = "1\t2\nA\t1\t2\nB\t1\t2\nA\t1\tB\t1\nA\t2\tC\t1\n";
    put(root.join("pr/pairs.txt"), pairs);
    let score: &[&str] = &["score a seed 1 pr/pairs"];
    let people = ["1\n1\n2\n2\n3\n", "1\n1\n2\n2\n2\n"];
    // The names in the list say what the first says.
    optional("pr", "identities.txt", people, [NONE, score]);
    let points = |first: &str| -> String {
        let rest = "73.5318 51.5014 56.0252 71.7366 41.5493 92.3655 70.7299 92.2041";
        let lines = images.map(|name| format!("{name}.jpg {first} {rest}\n"));
        lines.concat()
    };
    // The template's own, which change nothing; and others.
    let texts = [points("38.2946 51.6963"), points("30.0 50.0")];
    let texts = [texts[0].as_str(), texts[1].as_str()];
    let other: &[&str] = &["embed a seed 1 pr images", "score a seed 1 pr/pairs"];
    optional("pr", "landmarks.txt", texts, [NONE, other]);

    let names = ["A/A_1", "A/A_2", "C/C_1", "C/C_2"].map(|n| format!("{n}.jpg"));
    for (k, name) in names.iter().enumerate() {
        put(root.join("mf/facescrub_images").join(name), jpeg(k));
        put(
            root.join(format!("mf/megaface_images/1/{k}.jpg")),
            jpeg(k + 4),
        );
    }
    let list = json!({ "path": names, "id": ["A", "A", "C", "C"] });
    put(
        root.join("mf/facescrub_features_list.json"),
        list.to_string(),
    );
    let list = json!({ "path": ["1/0.jpg", "1/1.jpg", "1/2.jpg", "1/3.jpg"] });
    put(
        root.join("mf/megaface_features_list.json"),
        list.to_string(),
    );
    let score: &[&str] = &["score a seed 1 mf/search"];
    optional(
        "mf",
        "facescrub_noises.txt",
        ["A_2\n", "C_1\n"],
        [score, score],
    );
    optional(
        "mf",
        "megaface_noises.txt",
        ["1/3.jpg\n", "1/2.jpg\n"],
        [score, score],
    );

    let plain = |set: &str, part: &str, labels: &[u32]| {
        let path = root.join(set).join(part).with_extension("rec");
        records(&path, labels, RecordLayout::Plain).0
    };
    let index = plain("mr", "probes", &[0, 0, 1, 1, 1]);
    let other: &[&str] = &[
        "embed a seed 1 mr probes",
        "embed a seed 1 mr distractors",
        "score a seed 1 mr/search",
    ];
    optional(
        "mr",
        "probes.idx",
        [&index, &swapped(&index, 0)],
        [NONE, other],
    );
    let index = plain("mr", "distractors", &[0, 1, 2]);
    optional(
        "mr",
        "distractors.idx",
        [&index, &swapped(&index, 0)],
        [NONE, other],
    );

    let other: &[&str] = &[
        "embed a seed 1 ga probes",
        "embed a seed 1 ga gallery",
        "embed a seed 1 ga distractors",
        "score a seed 1 ga/gallery",
    ];
    for (part, labels) in [
        ("probes", [0, 0, 1, 1]),
        ("gallery", [0, 0, 1, 1]),
        ("distractors", [0, 1, 2, 3]),
    ] {
        let index = plain("ga", part, &labels);
        let file = match part {
            "probes" => "probes.idx",
            "gallery" => "gallery.idx",
            _ => "distractors.idx",
        };
        optional("ga", file, [&index, &swapped(&index, 0)], [NONE, other]);
    }

    let points = "38.2946 51.6963 73.5318 51.5014 56.0252 71.7366 41.5493 92.3655 70.7299 92.2041";
    let (mut members, mut detections) = (String::new(), String::new());
    for k in 1..5 {
        members += &format!("{k}.jpg {k} {k}\n");
        detections += &format!("{k}.jpg {points} 0.{k}\n");
        put(root.join(format!("ij/loose_crop/{k}.jpg")), jpeg(k));
    }
    put(root.join("ij/meta/x_face_tid_mid.txt"), members);
    put(root.join("ij/meta/x_name_5pts_score.txt"), detections);
    put(
        root.join("ij/meta/x_template_pair_label.txt"),
        "1 2 1\n3 4 1\n1 3 0\n2 4 0\n",
    );
    let score: &[&str] = &["score a seed 1 ij/templates"];
    let table = |people: [u32; 4]| {
        let lines = (1..5).zip(people).map(|(t, s)| format!("{t},{s}\n"));
        format!("TEMPLATE_ID,SUBJECT_ID\n{}", lines.collect::<String>())
    };
    let tables = [table([5, 5, 6, 6]), table([7, 7, 6, 6])];
    let tables = [tables[0].as_str(), tables[1].as_str()];
    optional("ij", "meta/x_1N_gallery_S1.csv", tables, [score, score]);

    for (name, format, files) in [
        ("tr", DataFormat::Train, &["train.rec"][..]),
        ("pr", DataFormat::Pairs, &["pairs.txt", "images/"]),
        (
            "mf",
            DataFormat::Identification,
            &[
                "facescrub_features_list.json",
                "megaface_features_list.json",
                "facescrub_images/",
                "megaface_images/",
            ],
        ),
        (
            "mr",
            DataFormat::Identification,
            &["probes.rec", "distractors.rec"],
        ),
        (
            "ga",
            DataFormat::Gallery,
            &["probes.rec", "gallery.rec", "distractors.rec"],
        ),
        (
            "ij",
            DataFormat::Templates,
            &[
                "meta/x_face_tid_mid.txt",
                "meta/x_template_pair_label.txt",
                "meta/x_name_5pts_score.txt",
                "loose_crop/",
            ],
        ),
    ] {
        declare(declared, name, format, files, "");
    }
    all
}

/// Where all of it lies.
fn place() -> Place {
    let columns = [
        ("pr", "pairs"),
        ("mf", "search"),
        ("mr", "search"),
        ("ga", "gallery"),
        ("ij", "templates"),
    ];
    Place::new(suite_of_sets(PROTOCOLS, &columns), only_data)
}

#[test]
fn optional_files_are_noticed_and_only_what_depends_on_them_is_done_again() {
    let place = place();
    let optional = sets(&place.data(), &place.declared());
    let Ran {
        begun: all, notes, ..
    } = place.run().unwrap();
    assert_eq!(all.iter().filter(|l| l.starts_with("data")).count(), 6);
    assert_eq!(all.iter().filter(|l| l.starts_with("score")).count(), 5);
    assert!(notes.is_empty(), "{notes:?}");
    assert!(place.run().unwrap().begun.is_empty());
    for Optional {
        set,
        file,
        texts,
        concerns,
    } in optional
    {
        let path = place.data().join(set).join(file);
        let expected = |concerned: &[&str]| -> BTreeSet<String> {
            let concerned = |label: &&String| concerned.iter().any(|c| label.starts_with(c));
            let mut labels: BTreeSet<String> = all.iter().filter(concerned).cloned().collect();
            labels.insert(format!("data {set}"));
            labels
        };
        for (text, concerned) in texts.iter().zip(concerns) {
            put(&path, text);
            let Ran {
                begun: jobs, notes, ..
            } = place.run().unwrap();
            assert_eq!(jobs, expected(concerned), "{set}/{file} is {text}");
            assert!(notes[0].contains(file), "{notes:?}");
            assert!(place.run().unwrap().begun.is_empty(), "{set}/{file}");
        }
        // What was scored without it is there.
        fs::remove_file(&path).unwrap();
        let Ran {
            begun: jobs, notes, ..
        } = place.run().unwrap();
        assert_eq!(jobs, expected(NONE), "{set}/{file} is gone");
        assert!(notes[0].contains("missing"), "{notes:?}");
        assert!(place.run().unwrap().begun.is_empty(), "{set}/{file}");
    }
    // What must be there must be as it was.
    let list = place.data().join("mf/megaface_features_list.json");
    let text = fs::read_to_string(&list).unwrap();
    put(&list, text.replace("1/3.jpg", "1/2.jpg"));
    let ran = place.run().unwrap();
    let reason = ran.refused("mf");
    assert!(reason.contains("bring back"), "{reason}");
}

#[test]
fn a_change_in_a_set_that_is_not_read_on_every_run_is_noticed() {
    let mut place = place();
    sets(&place.data(), &place.declared());
    place.options.read_again = ReadAgain {
        bytes: u64::MAX,
        files: 3,
    };
    place.run().unwrap();
    std::thread::sleep(Duration::from_millis(2100));
    // Once more: what was just written has to settle before its stamps are worth anything.
    assert!(place.run().unwrap().begun.is_empty());
    assert!(place.run().unwrap().begun.is_empty());
    let image = place.data().join("mf/megaface_images/1/2.jpg");
    let (bytes, time) = (
        fs::read(&image).unwrap(),
        fs::metadata(&image).unwrap().modified().unwrap(),
    );
    let mut other = bytes.clone();
    *other.last_mut().unwrap() ^= 1;
    fs::write(&image, &other).unwrap();
    let file = fs::File::options().write(true).open(&image).unwrap();
    file.set_modified(time).unwrap();
    let ran = place.run().unwrap();
    let reason = ran.refused("mf");
    assert!(
        reason.contains("megaface_images/1/2.jpg (changed)"),
        "{reason}"
    );
    fs::write(&image, &bytes).unwrap();
    assert!(place.run().unwrap().begun.is_empty());
    fs::remove_file(&image).unwrap();
    let ran = place.run().unwrap();
    let reason = ran.refused("mf");
    assert!(
        reason.contains("megaface_images/1/2.jpg (missing)"),
        "{reason}"
    );
    fs::write(&image, &bytes).unwrap();
    place.options.read_again = ReadAgain::EVERYTHING;
    assert!(place.run().unwrap().begun.is_empty());
}

/// Of the training set nothing is built on, so that there is nothing to show: the run ends.
#[test]
fn without_the_training_set_nothing_is_left() {
    let place = place();
    sets(&place.data(), &place.declared());
    place.run().unwrap();
    let rec = place.data().join("tr/train.rec");
    let whole = fs::read(&rec).unwrap();
    fs::remove_file(&rec).unwrap();
    fs::remove_dir_all(place.data().join("ij/loose_crop")).unwrap();
    let error = place.run().err().unwrap();
    assert_eq!(error.exit_code(), 5);
    for word in ["train.rec", "ij/loose_crop"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    fs::write(&rec, &whole[..whole.len() / 2]).unwrap();
    let error = place.run().err().unwrap();
    for word in ["train.rec: sha256", "ij/loose_crop"] {
        assert!(error.to_string().contains(word), "{error}");
    }
    fs::write(&rec, &whole).unwrap();
    assert!(place.run().unwrap().begun.is_empty());
}

#[test]
fn a_stop_signal_is_heeded_while_data_are_read() {
    let place = place();
    sets(&place.data(), &place.declared());
    // Much to hash, and nothing on the disk.
    let big = fs::File::create(place.data().join("mf/megaface_images/big")).unwrap();
    big.set_len(8 << 30).unwrap();
    let stop = Stop::default();
    let soon = stop.clone();
    let watcher = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(700));
        soon.interrupt();
        Instant::now()
    });
    let error = place.run_with(&stop).err().unwrap();
    let late = watcher.join().unwrap().elapsed();
    assert_eq!(error.exit_code(), 4, "{error}");
    assert!(late < Duration::from_secs(1), "{late:?}");
}

#[test]
fn a_stop_signal_is_heeded_while_lists_are_read() {
    let place = place();
    sets(&place.data(), &place.declared());
    let list = place.data().join("ij/meta/x_template_pair_label.txt");
    put(&list, "1 2 1\n3 4 1\n1 3 0\n2 4 0\n".repeat(1 << 20));
    let stop = Stop::default();
    let soon = stop.clone();
    let watcher = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        soon.interrupt();
        Instant::now()
    });
    let error = place.run_with(&stop).err().unwrap();
    let late = watcher.join().unwrap().elapsed();
    assert_eq!(error.exit_code(), 4, "{error}");
    assert!(late < Duration::from_secs(1), "{late:?}");
}
