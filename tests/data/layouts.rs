//! Every layout of every format, from files on disk to the numbers of its protocol. Pictures are
//! of one colour, which says who is on them; a few of them show another person than their name
//! says, so that each rate is known without any of the code that computes it.

use crate::common::scoring::{metric, run, write};
use crate::folder::{declared, put};
use frbench::data::bin::{BinWriter, Protocol};
use frbench::data::decode::encode_png;
use frbench::data::image::Image;
use frbench::data::manifest::describe;
use frbench::data::record::{RecWriter, RecordLayout};
use frbench::data::set::{self, DataSet};
use frbench::job::{DataFormat, DataSpec, Missing, Rules, Views};
use frbench::protocol::Scored;
use frbench::registry::Params;
use serde_json::json;
use std::path::Path;

const DIM: usize = 64;

/// A picture of `person`, the `variant`-th of it.
fn face(person: usize, variant: usize) -> Vec<u8> {
    let colour = [person as u8, variant as u8, 7];
    let pixels = colour.repeat(112 * 112);
    encode_png(&Image::new(112, 112, pixels).unwrap()).unwrap()
}

/// What a perfect network would make of it: people are at right angles, pictures of one almost
/// the same.
fn embedding(image: &Image) -> Vec<f32> {
    let (person, variant) = (image.pixels[0], image.pixels[1]);
    let mut row = vec![0.0; DIM];
    row[usize::from(person) % DIM] = 1.0;
    row[(usize::from(person) + 1) % DIM] = 0.01 * f32::from(variant);
    // Strangers are the more alike the higher their numbers.
    row[DIM - 1] = 1e-5 * (1.0 + f32::from(variant));
    row
}

fn spec(format: DataFormat, files: &[&str], rules: Rules) -> DataSpec {
    declared("set", format, files, rules)
}

/// Opens the set, embeds each of its pictures and scores it.
fn score(
    root: &Path,
    spec: &DataSpec,
    protocol: &str,
    params: &[(&str, serde_json::Value)],
) -> Scored {
    describe(spec, root).unwrap();
    let set: DataSet = set::open(spec, root).unwrap();
    let parts: Vec<_> = set
        .parts
        .iter()
        .map(|(name, source)| {
            let rows: Vec<f32> = (0..source.len())
                .flat_map(|i| embedding(&source.image(i).unwrap()))
                .collect();
            (*name, write(root, &format!("{name}.f32"), DIM, &rows))
        })
        .collect();
    let parts: Vec<_> = parts
        .iter()
        .map(|(name, matrix)| (*name, matrix, Views::Original))
        .collect();
    let params: Params = params
        .iter()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect();
    run(protocol, params, &parts, &set.description)
}

/// 40 pairs in 4 folds of 5 genuine and 5 impostor pairs, as people `(a, b)` with picture numbers.
/// Genuine pair 3 of the list shows two people.
fn pairs() -> Vec<([usize; 2], [usize; 2], bool)> {
    (0..40)
        .map(|k| {
            let same = k % 2 == 0;
            let a = k % 10;
            let b = if same { a } else { (a + 3) % 10 };
            // Pictures are used in more than one pair.
            ([a, 1 + k / 10 % 3], [b, 4 + k / 20], same)
        })
        .collect()
}

/// Accuracy of [`pairs`]: picture 4 of person 0 shows person 5, and it is in these pairs.
fn accuracy() -> f64 {
    let wrong = pairs()
        .iter()
        .filter(|(_, b, same)| *same && *b == WRONG)
        .count();
    assert!(wrong > 0);
    1.0 - wrong as f64 / 40.0
}

const WRONG: [usize; 2] = [0, 4];

fn shown([person, number]: [usize; 2]) -> Vec<u8> {
    match [person, number] == WRONG {
        true => face(5, number),
        false => face(person, number),
    }
}

const FOLDS: (&str, i32) = ("folds", 4);

fn accuracy_of(root: &Path, spec: &DataSpec, rule: &str) -> f64 {
    let params = [(FOLDS.0, json!(FOLDS.1)), ("rule", json!(rule))];
    metric(&score(root, spec, "verification", &params), "accuracy")
}

fn check_pairs(root: &Path, spec: &DataSpec) {
    for rule in ["insightface", "face-pytorch"] {
        let found = accuracy_of(root, spec, rule);
        assert!((found - accuracy()).abs() < 1e-12, "{rule}: {found}");
    }
}

/// LFW's and RFW's names: `Na me/Na me_0004.jpg`; PNG bytes under them, as they circulate.
fn lfw_name(person: usize) -> String {
    format!("Na me{person}")
}

fn lfw(root: &Path, header: &str) -> DataSpec {
    let mut list = header.to_string();
    for (a, b, same) in pairs() {
        for image in [a, b] {
            let name = lfw_name(image[0]);
            put(
                root.join(format!("set/images/{name}/{name}_{:04}.jpg", image[1])),
                shown(image),
            );
        }
        let (na, nb) = (lfw_name(a[0]), lfw_name(b[0]));
        list += &match same {
            true => format!("{na}\t{}\t{}\n", a[1], b[1]),
            false => format!("{na}\t{}\t{nb}\t{}\n", a[1], b[1]),
        };
    }
    put(root.join("set/pairs.txt"), list);
    spec(
        DataFormat::Pairs,
        &["pairs.txt", "images/"],
        Rules::default(),
    )
}

/// Pictures in one folder by a flat name, and the pairs as names.
fn flat(root: &Path) -> Vec<(String, String, bool)> {
    let name = |image: [usize; 2]| format!("p{}_{}.png", image[0], image[1]);
    pairs()
        .into_iter()
        .map(|(a, b, same)| {
            for image in [a, b] {
                put(root.join("set/im").join(name(image)), shown(image));
            }
            (name(a), name(b), same)
        })
        .collect()
}

#[test]
fn lfw_and_rfw() {
    for header in ["4\t5\n", ""] {
        let root = tempfile::tempdir().unwrap();
        let spec = lfw(root.path(), header);
        check_pairs(root.path(), &spec);
        let found = describe(&spec, root.path()).unwrap();
        assert_eq!((found.counts["pairs"], found.counts["genuine"]), (40, 20));
        // The names say who is who, so that there are intervals over people.
        assert_eq!(found.identities, 10);
        assert_eq!(found.notes, Vec::<String>::new());
    }
}

#[test]
fn calfw_and_cplfw() {
    let root = tempfile::tempdir().unwrap();
    let mut list = String::new();
    let listed = flat(root.path());
    for class in [true, false] {
        for (k, (a, b, _)) in listed.iter().filter(|p| p.2 == class).enumerate() {
            let label = if class { 1 + k / 5 } else { 0 };
            list += &format!("{a} {label}\n{b} {label}\n");
        }
    }
    put(root.path().join("set/pairs_CALFW.txt"), list);
    let spec = spec(
        DataFormat::Pairs,
        &["pairs_CALFW.txt", "im/"],
        Rules::default(),
    );
    check_pairs(root.path(), &spec);
    let notes = describe(&spec, root.path()).unwrap().notes;
    assert!(notes[0].contains("ordered by class"), "{notes:?}");
}

#[test]
fn agedb_as_text_and_tables() {
    let root = tempfile::tempdir().unwrap();
    let listed = flat(root.path());
    let text: String = listed
        .iter()
        .map(|(a, b, same)| format!("{a} {b} {}\n", if *same { 1 } else { -1 }))
        .collect();
    put(root.path().join("set/agedb_30.txt"), text);
    check_pairs(
        root.path(),
        &spec(
            DataFormat::Pairs,
            &["agedb_30.txt", "im/"],
            Rules::default(),
        ),
    );

    // By class, with the fold of each pair.
    let mut table = "first,second,same,fold\n".to_string();
    for class in [true, false] {
        for (k, (a, b, _)) in listed.iter().filter(|p| p.2 == class).enumerate() {
            table += &format!("{a},{b},{},{}\n", u8::from(class), 1 + k / 5);
        }
    }
    put(root.path().join("set/pairs.csv"), table);
    check_pairs(
        root.path(),
        &spec(DataFormat::Pairs, &["pairs.csv", "im/"], Rules::default()),
    );
}

#[test]
fn packs() {
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(root.path().join("set")).unwrap();
    let mut writer = BinWriter::create(root.path().join("set/x.bin"), Protocol::Python2).unwrap();
    for (a, b, same) in pairs() {
        writer.push(&shown(a), &shown(b), same).unwrap();
    }
    writer.finish().unwrap();
    check_pairs(
        root.path(),
        &spec(DataFormat::Pairs, &["x.bin"], Rules::default()),
    );
}

#[test]
fn cfp_against_profile_and_frontal() {
    let root = tempfile::tempdir().unwrap();
    let set = root.path().join("set");
    let (mut frontal, mut profile) = (String::new(), String::new());
    for person in 0..10 {
        for number in 1..6 {
            let n = person * 5 + number;
            for (list, kind) in [(&mut frontal, "frontal"), (&mut profile, "profile")] {
                let path = format!("Images/{:03}/{kind}/{number:02}.jpg", person + 1);
                *list += &format!("{n} ../Data/{path}\n");
                put(set.join("Data").join(path), shown([person, number]));
            }
        }
    }
    put(set.join("Protocol/Pair_list_F.txt"), frontal);
    put(set.join("Protocol/Pair_list_P.txt"), profile);
    for split in ["FP", "FF"] {
        let mut lists = vec![[String::new(), String::new()]; 4];
        for (k, (a, b, same)) in pairs().into_iter().enumerate() {
            let number = |[person, number]: [usize; 2]| person * 5 + number;
            lists[k / 10][usize::from(same)] += &format!("{},{}\n", number(a), number(b));
        }
        for (fold, [diff, same]) in lists.iter().enumerate() {
            let dir = set.join(format!("Protocol/Split/{split}/{:02}", fold + 1));
            put(dir.join("diff.txt"), diff);
            put(dir.join("same.txt"), same);
        }
        let folder = format!("Protocol/Split/{split}/");
        let files = [
            "Protocol/Pair_list_F.txt",
            "Protocol/Pair_list_P.txt",
            &folder,
            "Data/",
        ];
        check_pairs(
            root.path(),
            &spec(DataFormat::Pairs, &files, Rules::default()),
        );
    }
}

/// A pair with a missing picture is a non-match: a genuine one is lost, an impostor one is not.
#[test]
fn missing_pictures_are_refused_or_missed() {
    let root = tempfile::tempdir().unwrap();
    let refuse = lfw(root.path(), "");
    let name = lfw_name(2);
    let gone = format!("set/images/{name}/{name}_0001.jpg");
    std::fs::remove_file(root.path().join(&gone)).unwrap();
    let error = set::open(&refuse, root.path()).err().unwrap().to_string();
    assert!(
        error.contains("1 of the") && error.contains(&gone),
        "{error}"
    );
    let miss = Rules {
        missing: Missing::Miss,
        ..Rules::default()
    };
    let spec = spec(DataFormat::Pairs, &["pairs.txt", "images/"], miss);
    let lost = |same: bool| {
        let with = pairs().into_iter().filter(|p| p.0 == [2, 1] && p.2 == same);
        with.count()
    };
    assert!(lost(true) > 0);
    for rule in ["insightface", "face-pytorch"] {
        let want = accuracy() - lost(true) as f64 / 40.0;
        let found = accuracy_of(root.path(), &spec, rule);
        assert!((found - want).abs() < 1e-12, "{rule}: {found}, want {want}");
    }
    let notes = describe(&spec, root.path()).unwrap().notes;
    assert!(
        notes[0].starts_with("1 images that the list names are missing"),
        "{notes:?}"
    );
    let scored = score(
        root.path(),
        &spec,
        "verification",
        &[(FOLDS.0, json!(FOLDS.1))],
    );
    let note = format!(
        "failure to acquire: {} genuine and {} impostor pairs",
        lost(true),
        lost(false)
    );
    assert!(
        scored.result.notes.iter().any(|n| n.starts_with(&note)),
        "{:?}",
        scored.result.notes
    );
}

/// 6 people with 4 probes each; probe 3 of person 1 shows a distractor.
fn probe([person, number]: [usize; 2]) -> Vec<u8> {
    match [person, number] {
        [1, 3] => face(20, number),
        _ => face(person, number),
    }
}

/// Of the ordered pairs of probes of a person, those with the wrong picture on either side are
/// lost: 6 of 6 * 12.
const RANK_1: f64 = 1.0 - 6.0 / 72.0;

fn records(path: &Path, images: &[(u32, Vec<u8>)]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = RecWriter::create(path, RecordLayout::Plain).unwrap();
    for (label, image) in images {
        writer.push(*label, image).unwrap();
    }
    writer.finish(112).unwrap();
}

fn distractors() -> Vec<(u32, Vec<u8>)> {
    (20..30).map(|p| (0, face(p, 5))).collect()
}

fn probes() -> Vec<(u32, Vec<u8>)> {
    let all = (0..6).flat_map(|p| (0..4).map(move |n| [p, n]));
    all.map(|image| (image[0] as u32, probe(image))).collect()
}

#[test]
fn megaface_and_records_of_it() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    records(&dir.join("probes.rec"), &probes());
    records(&dir.join("distractors.rec"), &distractors());
    let of_records = spec(
        DataFormat::Identification,
        &["probes.rec", "distractors.rec"],
        Rules::default(),
    );
    let rank = |spec: &DataSpec| {
        let scored = score(root.path(), spec, "identification", &[]);
        metric(&scored, "rank-1")
    };
    assert!((rank(&of_records) - RANK_1).abs() < 1e-12);

    let (mut paths, mut ids) = (Vec::new(), Vec::new());
    for person in 0..6 {
        for number in 0..4 {
            let path = format!("A {person}/A {person}_{number}.png");
            put(
                dir.join("facescrub_images").join(&path),
                probe([person, number]),
            );
            paths.push(path);
            ids.push(format!("A {person}"));
        }
    }
    let listed = json!({ "path": paths, "id": ids }).to_string();
    put(dir.join("facescrub_features_list.json"), listed);
    let mut paths = Vec::new();
    for (k, (_, image)) in distractors().into_iter().enumerate() {
        let path = format!("1/{k}/0.png");
        put(dir.join("megaface_images").join(&path), image);
        paths.push(path);
    }
    let listed = json!({ "path": paths }).to_string();
    put(dir.join("megaface_features_list.json_1000000_1"), listed);
    let of_lists = spec(
        DataFormat::Identification,
        &[
            "facescrub_features_list.json",
            "megaface_features_list.json_1000000_1",
            "facescrub_images/",
            "megaface_images/",
        ],
        Rules::default(),
    );
    assert!((rank(&of_lists) - RANK_1).abs() < 1e-12);
    // Without the wrong probe nothing is lost.
    put(dir.join("facescrub_noises.txt"), "A_1_3.jpg\n");
    assert_eq!(rank(&of_lists), 1.0);
}

#[test]
fn tinyface_with_and_without_distractors() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    for person in 0..6 {
        for number in 0..4 {
            let name = format!("{person}_{number}.png");
            put(dir.join("Probe").join(&name), probe([person, number]));
            put(dir.join("Gallery_Match").join(&name), face(person, 9));
        }
    }
    for (k, (_, image)) in distractors().into_iter().enumerate() {
        put(dir.join(format!("Gallery_Distractor/{k}.png")), image);
    }
    let open = &["Probe/", "Gallery_Match/", "Gallery_Distractor/"][..];
    for files in [open, &open[..2]] {
        let spec = spec(DataFormat::Gallery, files, Rules::default());
        let scored = score(root.path(), &spec, "gallery-identification", &[]);
        assert!((metric(&scored, "rank-1") - 23.0 / 24.0).abs() < 1e-12);
        let closed = scored.result.notes.iter().any(|n| n.contains("closed set"));
        assert_eq!(closed, files.len() == 2);
    }
    let rec = |name: &str| dir.join(name);
    records(&rec("probes.rec"), &probes());
    let gallery: Vec<_> = (0..6).map(|p| (p as u32, face(p, 9))).collect();
    records(&rec("gallery.rec"), &gallery);
    records(&rec("distractors.rec"), &distractors());
    let all = ["probes.rec", "gallery.rec", "distractors.rec"];
    for files in [&all[..], &all[..2]] {
        let spec = spec(DataFormat::Gallery, files, Rules::default());
        let scored = score(root.path(), &spec, "gallery-identification", &[]);
        assert!((metric(&scored, "rank-1") - 23.0 / 24.0).abs() < 1e-12);
    }
}

/// 24 templates of two pictures; template 5 shows another person than it should.
#[test]
fn ijb() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    let points = "38.2946 51.6963 73.5318 51.5014 56.0252 71.7366 41.5493 92.3655 70.7299 92.2041";
    let (mut members, mut detections, mut listed) = Default::default();
    let mut image = 0;
    for template in 0..24usize {
        for number in 0..2 {
            image += 1;
            members = format!("{members}{image}.jpg {template} {image}\n");
            detections = format!("{detections}{image}.jpg {points} 0.9\n");
            let person = if template == 5 { 50 } else { template / 2 };
            put(
                dir.join(format!("loose_crop/{image}.jpg")),
                face(person, number),
            );
        }
    }
    // 12 genuine pairs, of which the one with template 5 is lost, and 40 impostor pairs.
    for k in 0..12 {
        listed = format!("{listed}{} {} 1\n", 2 * k, 2 * k + 1);
    }
    for k in 0..40 {
        listed = format!("{listed}{} {} 0\n", k % 12, 12 + k % 11);
    }
    let (members, detections, listed): (String, String, String) = (members, detections, listed);
    put(dir.join("meta/ijbc_face_tid_mid.txt"), members);
    put(dir.join("meta/ijbc_name_5pts_score.txt"), detections);
    put(dir.join("meta/ijbc_template_pair_label.txt"), listed);
    let files = [
        "meta/ijbc_face_tid_mid.txt",
        "meta/ijbc_template_pair_label.txt",
        "meta/ijbc_name_5pts_score.txt",
        "loose_crop/",
    ];
    let spec = spec(DataFormat::Templates, &files, Rules::default());
    let scored = score(
        root.path(),
        &spec,
        "template-verification",
        &[
            ("fars", json!([0.05])),
            ("norm", json!("unit")),
            ("detector_score", json!(false)),
        ],
    );
    let tar = scored.result.metrics[0].value;
    assert!((tar - 11.0 / 12.0).abs() < 1e-12, "{tar}");
}
