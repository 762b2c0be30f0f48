//! Embedding files: what is written is read, a stopped writer is continued, damage is seen.

use frbench::Error;
use frbench::key::Key;
use frbench::protocol::embeddings::{CHUNK_ROWS, Resumed};
use frbench::protocol::{EmbeddingWriter, Embeddings};
use std::path::Path;

/// Row i, column k: i + k / 8.
fn rows(range: std::ops::Range<usize>, dim: usize) -> Vec<f32> {
    range
        .flat_map(|i| (0..dim).map(move |k| i as f32 + k as f32 / 8.0))
        .collect()
}

fn written(path: &Path, count: usize, dim: usize) {
    let mut writer = EmbeddingWriter::create(path, dim).unwrap();
    // In portions that do not divide a chunk.
    for first in (0..count).step_by(300) {
        let last = count.min(first + 300);
        writer.append(&rows(first..last, dim)).unwrap();
    }
    writer.finish().unwrap();
}

#[test]
fn round_trip() {
    let folder = tempfile::tempdir().unwrap();
    for (count, dim) in [(0, 4), (1, 1), (CHUNK_ROWS, 3), (2 * CHUNK_ROWS + 5, 7)] {
        let path = folder.path().join(format!("{count}x{dim}"));
        written(&path, count, dim);
        let read = Embeddings::open(&path).unwrap();
        assert_eq!((read.rows(), read.dim()), (count, dim));
        for i in (0..count).step_by(97) {
            assert_eq!(read.row(i), rows(i..i + 1, dim));
            assert_eq!(read.id(i), i as u64);
        }
        let all: Vec<f32> = read.chunks().flat_map(|c| c.data.to_vec()).collect();
        assert_eq!(all, rows(0..count, dim));
        let firsts: Vec<usize> = read.chunks().map(|c| c.first).collect();
        assert!(firsts.iter().enumerate().all(|(i, f)| *f == i * CHUNK_ROWS));
    }
}

#[test]
fn ids_travel_with_rows() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e");
    let mut writer = EmbeddingWriter::create(&path, 2).unwrap();
    writer
        .append_with_ids(&[90, 7], &[1.0, 2.0, 3.0, 4.0])
        .unwrap();
    writer.finish().unwrap();
    let read = Embeddings::open(&path).unwrap();
    assert_eq!((read.id(0), read.id(1)), (90, 7));
    assert_eq!(read.row(1), [3.0, 4.0]);
}

fn key(name: &str) -> Key {
    Key(name.repeat(64))
}

/// What is continued of the file of job `a`, and the rows that were dropped.
fn resumed(path: &Path, dim: usize) -> (EmbeddingWriter, usize) {
    match EmbeddingWriter::resume(path, dim, &key("a"), "plain").unwrap() {
        Resumed::Writer { writer, dropped } => (writer, dropped),
        Resumed::Refused(why) => panic!("{why}"),
    }
}

#[test]
fn a_stopped_writer_is_continued_to_the_same_bytes() {
    let (folder, dim, count) = (tempfile::tempdir().unwrap(), 5, 3 * CHUNK_ROWS + 11);
    let straight = folder.path().join("straight");
    let (mut writer, _) = resumed(&straight, dim);
    writer.append(&rows(0..count, dim)).unwrap();
    writer.finish().unwrap();
    let path = folder.path().join("resumed");
    let (mut writer, _) = resumed(&path, dim);
    writer.append(&rows(0..2 * CHUNK_ROWS + 40, dim)).unwrap();
    drop(writer);
    assert!(
        !path.exists(),
        "an unfinished file is not at its final name"
    );

    // A kill may also leave half a chunk, or one with a hole.
    let part = EmbeddingWriter::part(&path);
    let mut bytes = std::fs::read(&part).unwrap();
    bytes.extend([0; 1000]);
    std::fs::write(&part, &bytes).unwrap();
    let (mut writer, dropped) = resumed(&path, dim);
    assert_eq!((writer.rows(), dropped), (2 * CHUNK_ROWS, 0));
    writer.append(&rows(writer.rows()..count, dim)).unwrap();
    writer.finish().unwrap();
    assert_eq!(
        std::fs::read(&path).unwrap(),
        std::fs::read(&straight).unwrap()
    );

    let chunk = 16 + CHUNK_ROWS * (8 + 4 * dim);
    let mut damaged = bytes.clone();
    damaged[64 + chunk + 100] ^= 1;
    std::fs::write(&part, &damaged).unwrap();
    let (writer, dropped) = resumed(&path, dim);
    assert_eq!((writer.rows(), dropped), (CHUNK_ROWS, CHUNK_ROWS));
    let nothing = folder.path().join("nothing");
    assert_eq!(resumed(&nothing, dim).0.rows(), 0);

    // What is not a file of this job on its way is left to the caller.
    let other = EmbeddingWriter::resume(&path, dim, &key("b"), "plain").unwrap();
    assert!(matches!(other, Resumed::Refused(why) if why.contains("another job")));
    let other = EmbeddingWriter::resume(&path, dim + 1, &key("a"), "plain").unwrap();
    assert!(matches!(other, Resumed::Refused(why) if why.contains("6 columns")));
    let other = EmbeddingWriter::resume(&nothing, dim, &key("a"), "avx2").unwrap();
    assert!(matches!(other, Resumed::Refused(why) if why.contains("other kernels")));
    bytes[12] ^= 1;
    for bytes in [&bytes[..], &bytes[..40], b""] {
        std::fs::write(&part, bytes).unwrap();
        let refused = EmbeddingWriter::resume(&path, dim, &key("a"), "plain").unwrap();
        assert!(matches!(refused, Resumed::Refused(_)), "{refused:?}");
    }
}

#[test]
fn every_flipped_byte_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e");
    written(&path, 9, 3);
    let good = std::fs::read(&path).unwrap();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).unwrap();
        match Embeddings::open(&path) {
            Err(Error::Data(message)) => assert!(message.contains("e: "), "{message}"),
            other => panic!("byte {at}: {other:?}"),
        }
    }
    for length in (0..good.len()).chain([good.len() + 1]) {
        let mut bad = good.clone();
        bad.resize(length, 0);
        std::fs::write(&path, &bad).unwrap();
        assert!(
            matches!(Embeddings::open(&path), Err(Error::Data(_))),
            "{length} bytes"
        );
    }
}

#[test]
fn misuse_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("e");
    assert!(matches!(
        EmbeddingWriter::create(&path, 0),
        Err(Error::Usage(_))
    ));
    let mut writer = EmbeddingWriter::create(&path, 2).unwrap();
    assert!(matches!(writer.append(&[1.0]), Err(Error::Compute(_))));
    let nan = writer.append(&[1.0, 2.0, 3.0, f32::NAN]).unwrap_err();
    assert!(nan.to_string().contains("embedding 1"), "{nan}");
    assert!(matches!(Embeddings::open(&path), Err(Error::Io { .. })));
}
