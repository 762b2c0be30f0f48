//! Every layout of every format, from files on disk to the numbers of its protocol.

use crate::common::miniatures::{self, *};
use crate::common::scoring::{metric, npy_u32};
use crate::folder::{declared, put, score};
use frbench::data::bin::{BinWriter, Protocol};
use frbench::data::decode::decode;
use frbench::data::manifest::describe;
use frbench::data::record::{RecWriter, RecordLayout};
use frbench::data::set;
use frbench::job::{DataFormat, DataSpec, Missing, Rules};
use serde_json::json;
use std::path::Path;

fn spec(format: DataFormat, files: &[&str], rules: Rules) -> DataSpec {
    declared("set", format, files, rules)
}

/// Writes one of the nine into the folder of the set.
fn miniature(root: &Path, of: &Miniature) -> DataSpec {
    (of.write)(&root.join("set"));
    spec(of.format, of.files, Rules::default())
}

fn accuracy_of(root: &Path, spec: &DataSpec, rule: &str) -> f64 {
    let params = [("folds", json!(FOLDS)), ("rule", json!(rule))];
    metric(&score(root, spec, "verification", &params), "accuracy")
}

fn check_pairs(root: &Path, spec: &DataSpec) {
    for rule in ["insightface", "face-pytorch", "facex-zoo", "face-evolve"] {
        let found = accuracy_of(root, spec, rule);
        assert!((found - accuracy()).abs() < 1e-12, "{rule}: {found}");
    }
}

#[test]
fn lfw_and_rfw() {
    for set in [LFW, RFW] {
        let root = tempfile::tempdir().unwrap();
        let spec = miniature(root.path(), &set);
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
    for set in [CALFW, CPLFW] {
        let root = tempfile::tempdir().unwrap();
        let spec = miniature(root.path(), &set);
        check_pairs(root.path(), &spec);
        let notes = describe(&spec, root.path()).unwrap().notes;
        assert!(notes[0].contains("ordered by class"), "{notes:?}");
    }
}

#[test]
fn agedb_as_text_and_tables() {
    let root = tempfile::tempdir().unwrap();
    check_pairs(root.path(), &miniature(root.path(), &AGEDB));
    // By class, with the fold of each pair.
    let mut table = "first,second,same,fold\n".to_string();
    for class in [true, false] {
        for (k, (a, b, _)) in pairs().into_iter().filter(|p| p.2 == class).enumerate() {
            let (a, b) = (flat(a), flat(b));
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
    check_pairs(root.path(), &miniature(root.path(), &CFP));
    let frontal: Vec<String> = CFP.files.iter().map(|f| f.replace("FP", "FF")).collect();
    let frontal: Vec<&str> = frontal.iter().map(String::as_str).collect();
    check_pairs(
        root.path(),
        &spec(DataFormat::Pairs, &frontal, Rules::default()),
    );
}

/// A pair with a missing picture is a non-match: a genuine one is lost, an impostor one is not.
#[test]
fn missing_pictures_are_refused_or_missed() {
    let root = tempfile::tempdir().unwrap();
    let refuse = miniature(root.path(), &LFW);
    let gone = format!("set/images/{}", lfw_path([2, 1]));
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
    let (genuine, impostor) = (genuine_with([2, 1]), impostors_with([2, 1]));
    assert!(genuine > 0);
    for rule in ["insightface", "face-pytorch"] {
        let want = accuracy() - genuine as f64 / 40.0;
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
        &[("folds", json!(FOLDS))],
    );
    let note = format!("failure to acquire: {genuine} genuine and {impostor} impostor pairs");
    assert!(
        scored.result.notes.iter().any(|n| n.starts_with(&note)),
        "{:?}",
        scored.result.notes
    );
}

fn records(path: &Path, images: &[(u32, Vec<u8>)]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = RecWriter::create(path, RecordLayout::Plain).unwrap();
    for (label, image) in images {
        writer.push(*label, image).unwrap();
    }
    writer.finish(112).unwrap();
}

/// The probes and the distractors of MegaFace as records hold them.
fn record_probes() -> Vec<(u32, Vec<u8>)> {
    miniatures::probes()
        .map(|p| (p[0] as u32, probe(p)))
        .collect()
}

fn record_distractors() -> Vec<(u32, Vec<u8>)> {
    miniatures::distractors()
        .into_iter()
        .map(|image| (0, image))
        .collect()
}

#[test]
fn megaface_and_records_of_it() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    records(&dir.join("probes.rec"), &record_probes());
    records(&dir.join("distractors.rec"), &record_distractors());
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
    let of_lists = miniature(root.path(), &MEGAFACE);
    assert!((rank(&of_lists) - RANK_1).abs() < 1e-12);
    // Without the wrong probe nothing is lost.
    put(dir.join("facescrub_noises.txt"), "A_1_3.jpg\n");
    assert_eq!(rank(&of_lists), 1.0);
}

/// The embedding of an encoded picture, of length 1.
fn unit(picture: &[u8]) -> Vec<f64> {
    let row = embedding(&decode(picture).unwrap());
    let norm: f64 = row.iter().map(|v| f64::from(*v).powi(2)).sum();
    row.iter().map(|v| f64::from(*v) / norm.sqrt()).collect()
}

fn cosine(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The development kit's rate at a false accept rate, from its definition: a point for each genuine
/// pair, since each is more than 1 % of them, and a line between points.
fn kit_rate(far: f64) -> f64 {
    let probes: Vec<([usize; 2], Vec<f64>)> =
        miniatures::probes().map(|p| (p, unit(&probe(p)))).collect();
    let mut genuine = Vec::new();
    for (i, (a, row)) in probes.iter().enumerate() {
        let others = probes[i + 1..].iter().filter(|(b, _)| b[0] == a[0]);
        genuine.extend(others.map(|(_, other)| cosine(row, other)));
    }
    genuine.sort_by(|a, b| b.total_cmp(a));
    let distractors: Vec<Vec<f64>> = miniatures::distractors().iter().map(|d| unit(d)).collect();
    let impostors: Vec<f64> = probes
        .iter()
        .flat_map(|(_, row)| distractors.iter().map(|d| cosine(row, d)))
        .collect();
    let mut last = (0.0, 0.0);
    for (k, score) in genuine.iter().enumerate() {
        let above = impostors.iter().filter(|s| *s > score).count();
        let x = above as f64 / impostors.len() as f64;
        let y = (k + 1) as f64 / genuine.len() as f64;
        if x > far {
            return last.1 + (far - last.0) / (x - last.0) * (y - last.1);
        }
        last = (x, y);
    }
    1.0
}

#[test]
fn megaface_as_it_is_published() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    let of_lists = miniature(root.path(), &MEGAFACE);
    let of = |noise: &str| {
        let params = [
            ("noise", json!(noise)),
            ("devkit", json!(true)),
            ("fars", json!([1e-3, 2e-2, 2e-1])),
        ];
        score(root.path(), &of_lists, "identification", &params)
    };
    // Without noise lists: the curve of the development kit.
    let found = of("drop");
    for (id, far) in [("1e-3", 1e-3), ("2e-2", 2e-2), ("2e-1", 2e-1)] {
        let found = metric(&found, &format!("devkit/tar@far={id}"));
        assert!((found - kit_rate(far)).abs() < 1e-9, "{id}: {found}");
    }
    // The wrong probe, and the distractor that it shows.
    put(dir.join("facescrub_noises.txt"), "A_1_3.jpg\nA_9_9.jpg\n");
    put(dir.join("megaface_noises.txt"), "7\t1/0/0.jpg\n");
    let notes = describe(&of_lists, root.path()).unwrap().notes.join("\n");
    for said in [
        "facescrub_noises.txt: of 2 names 1 are probes, 1 of 24",
        "megaface_noises.txt: of 1 names 1 are distractors, 1 of 10",
    ] {
        assert!(notes.contains(said), "{notes}");
    }
    // Dropped, the probe is in no pair. Replaced by its person's others it is in all of its six.
    for (noise, pairs) in [
        ("drop", 66),
        ("insightface", 72),
        ("cavaface", 72),
        ("facex-zoo", 72),
    ] {
        let found = of(noise);
        assert_eq!(metric(&found, "rank-1"), 1.0, "{noise}");
        assert_eq!(npy_u32(&found, "pair_rank.npy").len(), pairs, "{noise}");
    }
    put(dir.join("facescrub_noises.txt"), "B_1_3.jpg\n");
    let notes = describe(&of_lists, root.path()).unwrap().notes.join("\n");
    assert!(
        notes.contains("of 1 names 0 are probes, 0 of 24; it may be the list"),
        "{notes}"
    );
    let strict = Rules {
        strict: true,
        ..Rules::default()
    };
    let strict = spec(DataFormat::Identification, MEGAFACE.files, strict);
    let refused = set::open(&strict, root.path()).err().unwrap().to_string();
    assert!(refused.contains("facescrub_noises.txt"), "{refused}");
}

#[test]
fn tinyface_with_and_without_distractors() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    miniature(root.path(), &TINYFACE);
    for files in [TINYFACE.files, &TINYFACE.files[..2]] {
        let spec = spec(DataFormat::Gallery, files, Rules::default());
        let scored = score(root.path(), &spec, "gallery-identification", &[]);
        assert!((metric(&scored, "rank-1") - TINY_RANK_1).abs() < 1e-12);
        let closed = scored.result.notes.iter().any(|n| n.contains("closed set"));
        assert_eq!(closed, files.len() == 2);
    }
    let rec = |name: &str| dir.join(name);
    records(&rec("probes.rec"), &record_probes());
    let gallery: Vec<_> = (0..6).map(|p| (p as u32, face(p, 9))).collect();
    records(&rec("gallery.rec"), &gallery);
    records(&rec("distractors.rec"), &record_distractors());
    let all = ["probes.rec", "gallery.rec", "distractors.rec"];
    for files in [&all[..], &all[..2]] {
        let spec = spec(DataFormat::Gallery, files, Rules::default());
        let scored = score(root.path(), &spec, "gallery-identification", &[]);
        assert!((metric(&scored, "rank-1") - TINY_RANK_1).abs() < 1e-12);
    }
}

#[test]
fn ijb() {
    let root = tempfile::tempdir().unwrap();
    let spec = miniature(root.path(), &IJBC);
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
    assert!((tar - TAR).abs() < 1e-12, "{tar}");
}
