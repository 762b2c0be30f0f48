//! RecordIO: layouts, round trips, damage.

use frbench::data::record::{RecReader, RecWriter, RecordLayout};
use proptest::prelude::*;
use std::path::Path;

const MAGIC: [u8; 4] = 0xced7_230au32.to_le_bytes();

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

fn f32_at(bytes: &[u8], at: usize) -> f32 {
    f32::from_bits(u32_at(bytes, at))
}

fn write(dir: &Path, layout: RecordLayout, images: &[(u32, Vec<u8>)]) -> std::path::PathBuf {
    let path = dir.join("train.rec");
    let mut writer = RecWriter::create(&path, layout).unwrap();
    for (label, image) in images {
        writer.push(*label, image).unwrap();
    }
    writer.finish(112).unwrap();
    path
}

fn three() -> Vec<(u32, Vec<u8>)> {
    vec![
        (0, b"one".to_vec()),
        (0, b"second".to_vec()),
        (1, b"third image".to_vec()),
    ]
}

#[test]
fn the_insightface_layout_is_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), RecordLayout::Insightface, &three());
    let rec = std::fs::read(&path).unwrap();
    // Record 0: flag 2, labels [first identity key, end), no image.
    assert_eq!(rec[..4], MAGIC);
    assert_eq!(u32_at(&rec, 4), 32);
    assert_eq!(u32_at(&rec, 8), 2);
    assert_eq!((f32_at(&rec, 32), f32_at(&rec, 36)), (4.0, 6.0));
    let idx = std::fs::read_to_string(path.with_extension("idx")).unwrap();
    // 8 + 24 + image, padded: 36, 40, 44.
    assert_eq!(idx, "0\t0\n1\t40\n2\t76\n3\t116\n4\t160\n5\t200\n");
    // Image 1: flag 0, the label, id = key.
    assert_eq!(
        (
            u32_at(&rec, 40 + 8),
            f32_at(&rec, 40 + 12),
            u32_at(&rec, 40 + 16)
        ),
        (0, 0.0, 1)
    );
    // Identity 1 holds images [3, 4).
    assert_eq!((f32_at(&rec, 200 + 32), f32_at(&rec, 200 + 36)), (3.0, 4.0));
    let property = std::fs::read_to_string(dir.path().join("property")).unwrap();
    assert_eq!(property, "2,112,112\n");
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["property", "train.idx", "train.rec"]);
}

#[test]
fn both_layouts_read_back_with_and_without_an_index() {
    for layout in [RecordLayout::Insightface, RecordLayout::Plain] {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), layout, &three());
        for _ in 0..2 {
            let reader = RecReader::open(&path).unwrap();
            assert_eq!(reader.classes().unwrap(), [0, 0, 1]);
            let first_key = u64::from(layout == RecordLayout::Insightface);
            for (i, (label, bytes)) in three().into_iter().enumerate() {
                let record = reader.record(i).unwrap();
                assert_eq!(
                    (record.labels, &*record.bytes),
                    (vec![label as f32], &bytes[..])
                );
                assert_eq!(reader.position(i).unwrap().0, i as u64 + first_key);
            }
            let _ = std::fs::remove_file(path.with_extension("idx"));
        }
    }
}

#[test]
fn several_labels_are_kept_and_the_first_is_the_class() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.rec");
    let mut writer = RecWriter::create(&path, RecordLayout::Plain).unwrap();
    writer.push_labels(&[3.0, 0.5, -1.0], b"image").unwrap();
    writer.finish(112).unwrap();
    let reader = RecReader::open(&path).unwrap();
    assert_eq!(reader.record(0).unwrap().labels, [3.0, 0.5, -1.0]);
    assert_eq!(reader.classes().unwrap(), [3]);
}

#[test]
fn the_order_of_keys_rules_not_that_of_lines() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), RecordLayout::Plain, &three());
    let idx = path.with_extension("idx");
    std::fs::write(&idx, "20\t0\n4\t36\n7\t76\n").unwrap();
    let reader = RecReader::open(&path).unwrap();
    assert_eq!(&*reader.record(0).unwrap().bytes, b"second");
    assert_eq!(&*reader.record(2).unwrap().bytes, b"one");
}

#[test]
fn errors_name_file_record_and_offset() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), RecordLayout::Insightface, &three());
    let mut rec = std::fs::read(&path).unwrap();
    rec[76] ^= 1;
    std::fs::write(&path, &rec).unwrap();
    let message = RecReader::open(&path).err().unwrap().to_string();
    assert!(
        message.contains("train.rec: record 2 (key 2, offset 76): magic"),
        "{message}"
    );
    std::fs::write(path.with_extension("idx"), "0\t0\n1\t99999999999999\n").unwrap();
    let message = RecReader::open(&path).err().unwrap().to_string();
    assert!(message.contains("offset 99999999999999"), "{message}");
}

#[test]
fn classes_out_of_order_and_inexact_labels_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer =
        RecWriter::create(dir.path().join("a.rec"), RecordLayout::Insightface).unwrap();
    assert!(writer.push(1, b"x").is_err());
    writer.push(0, b"x").unwrap();
    writer.push(1, b"x").unwrap();
    assert!(writer.push(0, b"x").is_err());
    assert!(writer.push(3, b"x").is_err());
    let path = dir.path().join("b.rec");
    let mut writer = RecWriter::create(&path, RecordLayout::Plain).unwrap();
    assert!(writer.push(1 << 24, b"x").is_err());
    writer.push_labels(&[1.5], b"x").unwrap();
    writer.finish(112).unwrap();
    let message = RecReader::open(&path)
        .unwrap()
        .classes()
        .unwrap_err()
        .to_string();
    assert!(message.contains("label 1.5"), "{message}");
}

/// Bytes in which the magic word is common, at aligned offsets and others.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(MAGIC.to_vec()),
        proptest::collection::vec(any::<u8>(), 1..6),
    ];
    proptest::collection::vec(piece, 1..12).prop_map(|p| p.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn records_round_trip(images in proptest::collection::vec((0u32..5, payload()), 1..8)) {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), RecordLayout::Plain, &images);
        for _ in 0..2 {
            let reader = RecReader::open(&path).unwrap();
            prop_assert_eq!(reader.len(), images.len());
            for (i, (label, bytes)) in images.iter().enumerate() {
                let record = reader.record(i).unwrap();
                prop_assert_eq!(&record.labels, &vec![*label as f32]);
                prop_assert_eq!(&record.bytes[..], &bytes[..]);
                prop_assert_eq!(record.id, i as u64);
            }
            let _ = std::fs::remove_file(path.with_extension("idx"));
        }
    }

    #[test]
    fn damaged_files_fail_without_panic(
        images in proptest::collection::vec((0u32..2, payload()), 1..4),
        cut in 0usize..300,
        changes in proptest::collection::vec((0usize..300, any::<u8>()), 1..6),
        index in proptest::option::of("[0-9]{0,3}[\t ]?[0-9]{0,20}\n?[0-9\t\n-]{0,10}"),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = write(dir.path(), RecordLayout::Plain, &images);
        let mut bytes = std::fs::read(&path).unwrap();
        for (at, b) in changes {
            let n = bytes.len();
            bytes[at % n] = b;
        }
        bytes.truncate(cut.max(1));
        std::fs::write(&path, &bytes).unwrap();
        match index {
            Some(text) => std::fs::write(path.with_extension("idx"), text).unwrap(),
            None => std::fs::remove_file(path.with_extension("idx")).unwrap(),
        }
        if let Ok(reader) = RecReader::open(&path) {
            let _ = reader.classes();
            (0..reader.len()).for_each(|i| { let _ = reader.record(i); });
        }
    }
}
