//! Data sets of every format, opened, hashed and verified from small folders.

use crate::folder::{declared, put};
use frbench::data::bin::{BinWriter, Protocol};
use frbench::data::cache::PixelCache;
use frbench::data::declarations::describe_missing;
use frbench::data::decode::{encode_jpeg, encode_png};
use frbench::data::hashes::compare;
use frbench::data::image::Image;
use frbench::data::manifest::describe;
use frbench::data::record::{RecWriter, RecordLayout};
use frbench::data::set::open;
use frbench::data::stamps::Stamps;
use frbench::data::watch::UNWATCHED;
use frbench::job::result::DataResult;
use frbench::job::{DataFormat, DataSource, DataSpec, Description, Rules, SynthSpec};
use std::path::Path;

fn picture(k: usize) -> Image {
    let pixels = (0..3 * 112 * 112)
        .map(|i| ((i / 3 % 112) * (k + 1) + i / 300) as u8)
        .collect();
    Image::new(112, 112, pixels).unwrap()
}

fn jpeg(k: usize) -> Vec<u8> {
    encode_jpeg(&picture(k), 90).unwrap()
}

fn files(name: &str, format: DataFormat, files: &[&str]) -> DataSpec {
    declared(name, format, files, Rules::default())
}

fn train_rec(dir: &Path, labels: &[u32]) {
    std::fs::create_dir_all(dir).unwrap();
    let mut writer = RecWriter::create(dir.join("train.rec"), RecordLayout::Insightface).unwrap();
    for (k, label) in labels.iter().enumerate() {
        writer.push(*label, &jpeg(k)).unwrap();
    }
    writer.finish(112).unwrap();
}

/// Optional files that differ from what was recorded, all files read.
fn verify(spec: &DataSpec, root: &Path, recorded: &DataResult) -> frbench::Result<Vec<String>> {
    let none = (&Stamps::default(), false);
    compare(spec, root, recorded, none, UNWATCHED).map(|found| found.changed)
}

fn message<T>(result: frbench::Result<T>) -> String {
    let error = result.err().expect("an error");
    assert_eq!(error.exit_code(), 5, "{error}");
    error.to_string()
}

#[test]
fn a_training_set_is_one_set_in_all_three_forms() {
    let root = tempfile::tempdir().unwrap();
    let labels = [0, 0, 1, 1, 1, 2];
    train_rec(&root.path().join("rec"), &labels);
    let mut list = String::new();
    for (k, label) in labels.iter().enumerate() {
        put(
            root.path().join(format!("folder/images/p{label}/{k}.jpg")),
            jpeg(k),
        );
        put(root.path().join(format!("list/all/{k}.jpg")), jpeg(k));
        list += &format!("all/{k}.jpg  {label}\n");
    }
    put(root.path().join("list/train.list"), list);
    let hashes: Vec<String> = [
        files(
            "rec",
            DataFormat::Train,
            &["train.rec", "train.idx", "property"],
        ),
        files("folder", DataFormat::Train, &["images/"]),
        files("list", DataFormat::Train, &["train.list", "all/"]),
    ]
    .iter()
    .map(|spec| {
        let set = open(spec, root.path()).unwrap().train().unwrap();
        assert_eq!((set.data.classes, &set.data.labels[..]), (3, &labels[..]));
        let result = describe(spec, root.path()).unwrap();
        assert_eq!((result.images, result.identities), (6, 3));
        result.pixels_sha256
    })
    .collect();
    assert!(hashes.iter().all(|h| *h == hashes[0]), "{hashes:?}");
}

#[test]
fn hashes_are_stable_and_do_not_depend_on_threads() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("t");
    std::fs::create_dir_all(&dir).unwrap();
    let mut writer = RecWriter::create(dir.join("train.rec"), RecordLayout::Insightface).unwrap();
    for (k, label) in [0, 1, 1].into_iter().enumerate() {
        writer
            .push(label, &encode_png(&picture(k)).unwrap())
            .unwrap();
    }
    writer.finish(112).unwrap();
    let spec = files("t", DataFormat::Train, &["train.rec", "train.idx"]);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| describe(&spec, root.path()).unwrap())
    };
    let result = on(1);
    assert_eq!(result, on(3));
    let names: Vec<&str> = result.files.iter().map(|f| f.path.as_str()).collect();
    assert_eq!(names, ["train.rec", "train.idx", "property"]);
    assert_eq!(result.pixels_sha256, BY_HASHLIB);
}

/// Computed from the formula of `picture` with Python's hashlib.
const BY_HASHLIB: &str = "bda6d863eb3e9a9103c49d1d1d41bfb17641b785b65d83287f0a83020e1df89b";

#[test]
fn one_flipped_byte_is_found_with_both_hashes() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("t");
    train_rec(&dir, &[0, 1, 1]);
    let spec = files("t", DataFormat::Train, &["train.rec", "train.idx"]);
    let result = describe(&spec, root.path()).unwrap();
    assert!(verify(&spec, root.path(), &result).unwrap().is_empty());
    let mut rec = std::fs::read(dir.join("train.rec")).unwrap();
    let middle = rec.len() / 2;
    rec[middle] ^= 0x10;
    put(dir.join("train.rec"), &rec);
    let text = message(verify(&spec, root.path(), &result));
    assert!(
        text.contains("train.rec") && text.contains(&result.files[0].sha256),
        "{text}"
    );
    assert!(text.contains(&frbench::key::sha256_hex(&rec)), "{text}");
    std::fs::remove_file(dir.join("train.idx")).unwrap();
    let text = message(verify(&spec, root.path(), &result));
    assert!(
        text.contains("train.rec") && text.contains("train.idx: missing"),
        "{text}"
    );
}

#[test]
fn classes_must_be_dense_and_agree_with_property() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("t");
    train_rec(&dir, &[0, 1]);
    put(dir.join("property"), "3,112,112\n");
    let spec = files("t", DataFormat::Train, &["train.rec"]);
    assert!(message(open(&spec, root.path())).contains("2 classes"));
    put(
        root.path().join("l/a.list"),
        "i/x.jpg 0\n./i/y.jpg 2\nz.jpg 2\n",
    );
    for name in ["i/x.jpg", "i/y.jpg", "z.jpg"] {
        put(root.path().join("l").join(name), jpeg(0));
    }
    // Of images that lie elsewhere, no change would be noticed.
    let spec = files("l", DataFormat::Train, &["a.list", "i/"]);
    assert!(message(open(&spec, root.path())).contains("`z.jpg` lies in no folder"));
    let spec = files("l", DataFormat::Train, &["a.list", "i/", "z.jpg"]);
    assert!(message(open(&spec, root.path())).contains("class 1 has no image"));
}

fn pack(path: &Path, same: &[bool]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = BinWriter::create(path, Protocol::Python2).unwrap();
    for (i, same) in same.iter().enumerate() {
        writer.push(&jpeg(2 * i), &jpeg(2 * i + 1), *same).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn pairs_come_from_packs_and_from_lists() {
    let root = tempfile::tempdir().unwrap();
    pack(&root.path().join("p/lfw.bin"), &[true, false]);
    put(root.path().join("p/identities.txt"), "4\n4\n5\n9\n");
    let spec = DataSpec {
        source: DataSource::Synth(SynthSpec {
            world: "v1".into(),
            twin: "lfw".into(),
            size: Default::default(),
        }),
        ..files("p", DataFormat::Pairs, &[])
    };
    let opened = open(&spec, root.path()).unwrap();
    let Description::Pairs(set) = &opened.description else {
        panic!();
    };
    assert_eq!(set.pairs, [Some((0, 1)), Some((2, 3))]);
    assert_eq!(set.same, [true, false]);
    assert_eq!(set.identities, Some(vec![(0, 0), (1, 2)]));
    let result = describe(&spec, root.path()).unwrap();
    assert_eq!((result.identities, result.counts["genuine"]), (3, 1));

    put(root.path().join("p/identities.txt"), "4\n4\n5\n5\n");
    assert!(message(open(&spec, root.path())).contains("pair 1"));
    put(root.path().join("p/identities.txt"), "4\n4\n5\n");
    assert!(message(open(&spec, root.path())).contains("3 lines for 4 images"));

    for (file, k) in [
        ("A/A_0001.jpg", 0),
        ("A/A_0002.jpg", 1),
        ("B/B_0001.jpg", 2),
    ] {
        put(root.path().join("l/images").join(file), jpeg(k));
    }
    put(
        root.path().join("l/pairs.txt"),
        "1\t1\nA\t1\t2\nA\t1\tB\t1\n",
    );
    let spec = files("l", DataFormat::Pairs, &["pairs.txt", "images/"]);
    let opened = open(&spec, root.path()).unwrap();
    let Description::Pairs(set) = &opened.description else {
        panic!();
    };
    assert_eq!(set.pairs, [Some((0, 1)), Some((0, 2))]);
    assert_eq!((opened.part("images").unwrap().len(), set.images), (3, 3));
}

#[test]
fn identification_sets_come_as_records_and_as_lists() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("r");
    std::fs::create_dir_all(&dir).unwrap();
    for (name, labels) in [
        ("probes.rec", &[0, 0, 1, 1][..]),
        ("distractors.rec", &[0, 0, 0]),
    ] {
        let mut writer = RecWriter::create(dir.join(name), RecordLayout::Plain).unwrap();
        for (k, label) in labels.iter().enumerate() {
            writer.push(*label, &jpeg(k)).unwrap();
        }
        writer.finish(112).unwrap();
    }
    let spec = files("r", DataFormat::Identification, &[]);
    let opened = open(&spec, root.path()).unwrap();
    let Description::Identification(set) = &opened.description else {
        panic!();
    };
    assert_eq!(set.probe_ids, [0, 0, 1, 1]);
    assert_eq!(opened.part("distractors").unwrap().len(), 3);
    assert!(opened.part("images").is_err());
    // Records have no names that a list of noise could hit.
    assert_eq!(describe(&spec, root.path()).unwrap().notes, [""; 0]);
    put(dir.join("facescrub_noises.txt"), "A_B_2\n");
    let notes = describe(&spec, root.path()).unwrap().notes;
    assert!(
        notes[0].contains("facescrub_noises.txt is not used"),
        "{notes:?}"
    );

    let dir = root.path().join("megaface");
    put(
        dir.join("facescrub_features_list.json"),
        r#"{"path": ["A_B/A_B_1.png", "A_B/A_B_2.png", "C/C_1.png"], "id": ["A_B", "A_B", "C"]}"#,
    );
    put(
        dir.join("megaface_features_list.json_1000000_1"),
        r#"{"path": ["1/2/0.jpg", "1/3/0.jpg"]}"#,
    );
    put(dir.join("facescrub_noises.txt"), "# noise\nA_B_2\n");
    put(dir.join("megaface_noises.txt"), "1/3/0.jpg\n");
    // Other extensions than the list's, as they circulate.
    for (k, file) in ["A_B/A_B_1.png", "A_B/A_B_2.jpg", "C/C_1.jpg"]
        .iter()
        .enumerate()
    {
        let bytes = if file.ends_with("png") {
            encode_png(&picture(k)).unwrap()
        } else {
            jpeg(k)
        };
        put(dir.join("facescrub_images").join(file), bytes);
    }
    for (k, file) in ["1/2/0.jpg", "1/3/0.jpg"].iter().enumerate() {
        put(dir.join("megaface_images").join(file), jpeg(k));
    }
    let spec = frbench::embedded::declarations(None)
        .unwrap()
        .get("megaface")
        .unwrap()
        .spec();
    let result = describe(&spec, root.path()).unwrap();
    assert_eq!((result.images, result.identities), (5, 2));
    assert_eq!(
        (
            result.counts["noisy_probes"],
            result.counts["noisy_distractors"]
        ),
        (1, 1)
    );
    let opened = open(&spec, root.path()).unwrap();
    let Description::Identification(set) = &opened.description else {
        panic!();
    };
    assert_eq!(
        (&set.noisy_probes[..], &set.noisy_distractors[..]),
        (&[1][..], &[1][..])
    );
    // A folder is one entry, and a change in it is a change of the set.
    assert_eq!(
        result
            .files
            .iter()
            .filter(|f| f.path.ends_with('/'))
            .count(),
        2
    );
    put(dir.join("megaface_images/1/2/0.jpg"), jpeg(7));
    assert!(message(verify(&spec, root.path(), &result)).contains("megaface_images/"));
    std::fs::remove_dir_all(dir.join("megaface_images")).unwrap();
    assert!(message(verify(&spec, root.path(), &result)).contains("missing"));
}

#[test]
fn templates_are_aligned_by_their_points() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("ijb-b");
    put(
        dir.join("meta/ijbb_face_tid_mid.txt"),
        "1.jpg 10 1\n2.jpg 10 2\n3.jpg 11 3\n",
    );
    put(dir.join("meta/ijbb_template_pair_label.txt"), "10 11 1\n");
    let points = "38.2946 51.6963 73.5318 51.5014 56.0252 71.7366 41.5493 92.3655 70.7299 92.2041";
    let detections: String = (1..4)
        .map(|i| format!("{i}.jpg {points} 0.{i}\n"))
        .collect();
    put(dir.join("meta/ijbb_name_5pts_score.txt"), &detections);
    put(
        dir.join("meta/ijbb_1N_gallery_S1.csv"),
        "TEMPLATE_ID,SUBJECT_ID\n10,5\n11,5\n",
    );
    for k in 1..4 {
        put(
            dir.join(format!("loose_crop/{k}.jpg")),
            encode_png(&picture(k)).unwrap(),
        );
    }
    let spec = frbench::embedded::declarations(None)
        .unwrap()
        .get("ijb-b")
        .unwrap()
        .spec();
    let opened = open(&spec, root.path()).unwrap();
    let Description::Templates(set) = &opened.description else {
        panic!();
    };
    assert_eq!(set.template, [10, 10, 11]);
    assert_eq!(set.media, [1, 2, 3]);
    assert_eq!(
        (
            &set.pair_a[..],
            &set.pair_b[..],
            &set.same[..],
            set.detector.as_deref()
        ),
        (
            &[10][..],
            &[11][..],
            &[true][..],
            Some(&[0.1, 0.2, 0.3][..])
        )
    );
    assert_eq!(set.subjects.as_ref().unwrap()[&11], 5);
    // The points are the template's own, so alignment changes nothing.
    assert!(opened.part("images").unwrap().image(1).unwrap() == picture(2));
    assert_eq!(describe(&spec, root.path()).unwrap().counts["templates"], 2);

    put(
        dir.join("meta/ijbb_name_5pts_score.txt"),
        detections.replace("2.jpg", "9.jpg"),
    );
    assert!(message(open(&spec, root.path())).contains("same order"));
    put(dir.join("meta/ijbb_name_5pts_score.txt"), &detections);
    put(dir.join("meta/ijbb_template_pair_label.txt"), "10 12 0\n");
    assert!(message(open(&spec, root.path())).contains("template 12"));
}

#[test]
fn all_missing_files_are_listed() {
    let root = tempfile::tempdir().unwrap();
    let registry = frbench::embedded::declarations(None).unwrap();
    for set in registry.iter() {
        let text = message(open(&set.spec(), root.path()));
        let told = describe_missing(Some(set), &set.spec(), root.path(), &set.files);
        assert!(told.contains("get it"), "{told}");
        let files = set.files.iter().map(String::as_str);
        for want in files.chain(["--data", "FRBENCH_DATA"]) {
            assert!(text.contains(want), "{want} not in\n{text}");
            assert!(told.contains(want), "{want} not in\n{told}");
        }
    }
    let text = message(open(
        &files("mine", DataFormat::Train, &["train.rec", "x/"]),
        root.path(),
    ));
    assert!(
        text.contains("mine/train.rec") && text.contains("mine/x/"),
        "{text}"
    );
}

#[test]
fn an_undecodable_image_is_named_by_file_and_record() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("t");
    std::fs::create_dir_all(&dir).unwrap();
    let mut writer = RecWriter::create(dir.join("train.rec"), RecordLayout::Insightface).unwrap();
    writer.push(0, &jpeg(0)).unwrap();
    writer.push(1, b"this is no image").unwrap();
    writer.finish(112).unwrap();
    let spec = files("t", DataFormat::Train, &["train.rec"]);
    let set = open(&spec, root.path()).unwrap().train().unwrap();
    let text = message(PixelCache::build(set.source.as_ref(), 64.into()));
    assert!(
        text.contains("train.rec: image 1 (key 2, offset "),
        "{text}"
    );
    assert!(message(describe(&spec, root.path())).contains("image 1 (key 2"));
}
