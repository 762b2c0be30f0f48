//! Damaged and odd data: refused with their place, or counted and said.

use crate::folder::{declared, put};
use frbench::data::decode::{decode, encode_jpeg, encode_png};
use frbench::data::image::Image;
use frbench::data::manifest::describe;
use frbench::data::record::{RecWriter, RecordLayout};
use frbench::job::result::DataResult;
use frbench::job::{Damaged, DataFormat, DataSpec, Rules};
use std::path::Path;

fn picture(k: usize, width: usize, height: usize) -> Image {
    let pixels = (0..3 * width * height).map(|i| ((i * 31 + k * 97 + i / 7) % 251) as u8);
    Image::new(width, height, pixels.collect()).unwrap()
}

fn jpeg(k: usize) -> Vec<u8> {
    encode_jpeg(&picture(k, 112, 112), 90).unwrap()
}

fn spec(format: DataFormat, files: &[&str], rules: Rules) -> DataSpec {
    declared("set", format, files, rules)
}

fn refused(root: &Path, spec: &DataSpec, words: &[&str]) {
    let error = describe(spec, root).expect_err("an error");
    assert_eq!(error.exit_code(), 5, "{error}");
    for word in words {
        assert!(error.to_string().contains(word), "`{word}`: {error}");
    }
}

fn noted(found: &DataResult, words: &str) {
    let notes = &found.notes;
    assert!(
        notes.iter().any(|n| n.contains(words)),
        "`{words}`: {notes:?}"
    );
}

const SKIP: Rules = Rules {
    damaged: Damaged::Skip,
    missing: frbench::job::Missing::Refuse,
    strict: false,
    aligned: false,
};

const STRICT: Rules = Rules {
    damaged: Damaged::Refuse,
    missing: frbench::job::Missing::Refuse,
    strict: true,
    aligned: false,
};

/// Three classes of three pictures.
fn folder(root: &Path) {
    for k in 0..9 {
        put(
            root.join(format!("set/images/p{}/{}.jpg", k / 3, k % 3)),
            jpeg(k),
        );
    }
}

#[test]
fn half_a_picture_is_refused_or_left_out() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path());
    let train = |rules| spec(DataFormat::Train, &["images/"], rules);
    let whole = describe(&train(SKIP), root.path()).unwrap();
    assert_eq!(whole.damaged.len(), 0);
    let png = encode_png(&picture(7, 112, 112)).unwrap();
    for (name, bytes) in [("cut.jpg", jpeg(20)), ("cut.png", png)] {
        let path = root.path().join("set/images/p1").join(name);
        put(&path, &bytes[..bytes.len() * 6 / 10]);
        refused(root.path(), &train(Rules::default()), &["images/p1", name]);
        let found = describe(&train(SKIP), root.path()).unwrap();
        assert_eq!(found.images, 9);
        // Without the damaged one the set is what it was.
        assert_eq!(found.pixels_sha256, whole.pixels_sha256);
        assert_eq!(found.damaged["images"], [6]);
        noted(&found, "1 pictures are damaged and left out");
        std::fs::remove_file(&path).unwrap();
    }
    for name in ["0.jpg", "1.jpg", "2.jpg"] {
        put(root.path().join("set/images/p1").join(name), b"");
    }
    refused(
        root.path(),
        &train(SKIP),
        &["all images of class 1 are damaged"],
    );
}

#[test]
fn empty_records_and_incomplete_indices_are_refused() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("set");
    for layout in [RecordLayout::Insightface, RecordLayout::Plain] {
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let mut writer = RecWriter::create(dir.join("train.rec"), layout).unwrap();
        for k in 0..6 {
            writer.push(k as u32 / 2, &jpeg(k)).unwrap();
        }
        writer.finish(112).unwrap();
        let spec = spec(DataFormat::Train, &["train.rec"], Rules::default());
        assert_eq!(describe(&spec, root.path()).unwrap().images, 6);
        let idx = std::fs::read_to_string(dir.join("train.idx")).unwrap();
        let lines: Vec<&str> = idx.lines().collect();

        let some: String = lines[..4].iter().map(|l| format!("{l}\n")).collect();
        put(dir.join("train.idx"), some);
        refused(
            root.path(),
            &spec,
            &["train.idx", "names 4 records; the", "move it away"],
        );
        let gap: String = lines
            .iter()
            .enumerate()
            .filter(|(k, _)| *k != 3)
            .map(|(_, l)| format!("{l}\n"))
            .collect();
        put(dir.join("train.idx"), gap);
        refused(
            root.path(),
            &spec,
            &["train.idx", "1 records of", "have no key"],
        );
        let offset = lines[2].split('\t').nth(1).unwrap();
        let twice: String = lines
            .iter()
            .enumerate()
            .map(|(k, l)| match k {
                3 => format!("{}\t{offset}\n", l.split('\t').next().unwrap()),
                _ => format!("{l}\n"),
            })
            .collect();
        put(dir.join("train.idx"), twice);
        refused(root.path(), &spec, &["train.idx", "both point at offset"]);
        std::fs::remove_file(dir.join("train.idx")).unwrap();
        assert_eq!(describe(&spec, root.path()).unwrap().images, 6);

        // The header of one record is all that is left of it.
        let offset = |k: usize| -> usize {
            let field = lines[k].split('\t').nth(1);
            field.unwrap().parse().unwrap()
        };
        let rec = std::fs::read(dir.join("train.rec")).unwrap();
        let (start, end) = (offset(3), offset(4));
        let header = &rec[start + 8..start + 32];
        let magic = &rec[start..start + 4];
        let emptied = [
            &rec[..start],
            magic,
            &24u32.to_le_bytes(),
            header,
            &rec[end..],
        ]
        .concat();
        put(dir.join("train.rec"), emptied);
        refused(root.path(), &spec, &["train.rec: record", "is empty"]);
    }
}

fn lfw(root: &Path, list: &str) {
    for person in ["A", "B", "C"] {
        for number in 1..4 {
            let k = person.as_bytes()[0] as usize * 5 + number;
            put(
                root.join(format!("set/images/{person}/{person}_{number:04}.jpg")),
                jpeg(k),
            );
        }
    }
    put(root.join("set/pairs.txt"), list);
}

#[test]
fn odd_pairs_are_counted_and_scored_unless_the_set_is_strict() {
    let root = tempfile::tempdir().unwrap();
    let pairs = |rules| spec(DataFormat::Pairs, &["pairs.txt", "images/"], rules);
    for (list, words) in [
        (
            "A\t1\t1\nA\t1\tB\t1\n",
            "1 pairs are of a picture with itself (line 1)",
        ),
        (
            "A\t1\t2\nA\t1\tB\t1\nA\t2\t1\n",
            "1 pairs are listed before already (line 3)",
        ),
        (
            "A\t1\t2\nA\t1\tA\t3\n",
            "1 pairs say another thing than the names on them",
        ),
        (
            "1\t2\nA\t1\t2\nA\t1\tB\t1\n",
            "announces 4 pairs, and 2 are listed",
        ),
    ] {
        lfw(root.path(), list);
        noted(
            &describe(&pairs(Rules::default()), root.path()).unwrap(),
            words,
        );
        refused(root.path(), &pairs(STRICT), &[words, "strict = true"]);
    }
    lfw(root.path(), "A\t1\t2\nA\t1\tB\t1\n");
    assert_eq!(
        describe(&pairs(STRICT), root.path()).unwrap().notes,
        Vec::<String>::new()
    );
}

#[test]
fn pictures_of_another_size_need_landmarks_or_a_word() {
    let root = tempfile::tempdir().unwrap();
    let pairs = |rules| spec(DataFormat::Pairs, &["pairs.txt", "images/"], rules);
    lfw(root.path(), "A\t1\t2\nA\t1\tB\t1\n");
    let loose = encode_jpeg(&picture(3, 250, 200), 90).unwrap();
    put(root.path().join("set/images/A/A_0002.jpg"), loose);
    refused(
        root.path(),
        &pairs(Rules::default()),
        &[
            "1 of 3 pictures are not of 112 x 112",
            "A_0002.jpg",
            "landmarks.txt",
            "aligned = true",
        ],
    );
    let aligned = Rules {
        aligned: true,
        ..Rules::default()
    };
    let found = describe(&pairs(aligned), root.path()).unwrap();
    noted(
        &found,
        "1 pictures are not square; of them the middle is used, in the proportions of a network's input",
    );
    let points = "38.2946 51.6963 73.5318 51.5014 56.0252 71.7366 41.5493 92.3655 70.7299 92.2041";
    let all = ["A/A_0001.jpg", "A/A_0002.jpg", "B/B_0001.jpg"];
    let marks: String = all.iter().map(|n| format!("{n} {points}\n")).collect();
    put(root.path().join("set/landmarks.txt"), &marks);
    let found = describe(&pairs(Rules::default()), root.path()).unwrap();
    assert_eq!(found.notes, Vec::<String>::new());
    put(
        root.path().join("set/landmarks.txt"),
        &marks[..marks.len() / 3 + 3],
    );
    refused(root.path(), &pairs(Rules::default()), &["landmarks.txt"]);
}

/// An APP1 segment with the orientation 6, behind the start of a JPEG file.
#[test]
fn an_orientation_is_counted() {
    let root = tempfile::tempdir().unwrap();
    folder(root.path());
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let jpeg = jpeg(0);
    let turned = [&jpeg[..2], &[0xff, 0xe1], &length, exif, &jpeg[2..]].concat();
    put(root.path().join("set/images/p0/0.jpg"), turned);
    let spec = spec(DataFormat::Train, &["images/"], Rules::default());
    noted(
        &describe(&spec, root.path()).unwrap(),
        "1 pictures carry an EXIF orientation, which is not applied",
    );
}

fn fixture(name: &str) -> Vec<u8> {
    let files = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/files");
    std::fs::read(files.join(name)).unwrap()
}

/// Where the data of the last scan begin: behind its header.
fn last_scan(jpeg: &[u8]) -> usize {
    let starts = jpeg.windows(2).rposition(|w| w == [0xff, 0xda]);
    let at = starts.unwrap() + 2;
    at + usize::from(u16::from_be_bytes([jpeg[at], jpeg[at + 1]]))
}

/// Cut anywhere, with the end marker behind: the decoder would fill the rest with one colour.
#[test]
fn a_cut_is_seen_behind_an_end_marker_that_was_put_back() {
    let ours = encode_jpeg(&picture(5, 112, 112), 90).unwrap();
    let cut = |jpeg: &[u8], at: usize| decode(&[&jpeg[..at], &[0xff, 0xd9]].concat());
    for jpeg in [ours, fixture("restart.jpg"), fixture("image0.jpg")] {
        let whole = decode(&jpeg).unwrap();
        for at in last_scan(&jpeg)..jpeg.len() - 2 {
            match cut(&jpeg, at) {
                Err(e) => assert!(e.to_string().contains("JPEG: damaged or cut off"), "{e}"),
                // The last bits may be no more than what fills up the last byte.
                Ok(image) => assert!(at + 4 > jpeg.len() || image == whole, "{at}"),
            }
        }
        let error = cut(&jpeg, last_scan(&jpeg) + 40).unwrap_err().to_string();
        assert!(
            error.ends_with("its data end before the picture does"),
            "{error}"
        );
        // What lies behind the end of the picture, as in files of some phones, harms nothing.
        let more = [&jpeg[..], &jpeg[..jpeg.len() / 2]].concat();
        assert_eq!(decode(&more).unwrap(), whole);
    }
    for name in ["progressive.jpg", "progressive_restart.jpg"] {
        let jpeg = fixture(name);
        decode(&jpeg).unwrap();
        // The loss of the last scans as a whole leaves a coarser picture.
        let seen = (jpeg.len() / 2..jpeg.len() - 8).filter(|at| cut(&jpeg, *at).is_err());
        let share = seen.count() as f64 / (jpeg.len() / 2 - 8) as f64;
        assert!(share > 0.7, "{name}: {share}");
    }
    // One of three components has no data.
    let jpeg = fixture("restart.jpg");
    let frame = jpeg.windows(2).position(|w| w == [0xff, 0xc0]).unwrap();
    let other = [&jpeg[..frame + 16], &[9], &jpeg[frame + 17..]].concat();
    let error = decode(&other).unwrap_err().to_string();
    assert!(
        error.contains("no data of 1 of its 3 components"),
        "{error}"
    );
}
