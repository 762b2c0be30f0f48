//! Verification packs as Python writes them, and images as other libraries decode them. The
//! fixtures were made with CPython 3, NumPy and Pillow.

use frbench::data::bin::{BinReader, BinWriter, Protocol};
use frbench::data::decode::decode;
use frbench::key::sha256_hex;
use proptest::prelude::*;
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/files")
        .join(name)
}

fn images() -> Vec<Vec<u8>> {
    ["image0.jpg", "image1.jpg", "image2.png", "image3.jpg"]
        .iter()
        .map(|n| std::fs::read(fixture(n)).unwrap())
        .collect()
}

fn check(pack: &BinReader) {
    let images = images();
    assert_eq!(pack.len(), 4);
    assert_eq!(pack.same(), [true, false]);
    for (i, image) in images.iter().enumerate() {
        assert_eq!(pack.encoded(i).unwrap(), image, "image {i}");
    }
    assert!(pack.encoded(4).is_none());
}

#[test]
fn every_form_of_pack_is_read() {
    for name in [
        "python2_text.bin",
        "python2_str.bin",
        "bytes_2.bin",
        "bytes_3.bin",
        "bytes_4.bin",
        "numpy_2.bin",
        "numpy_3.bin",
        "numpy_4.bin",
        "numpy_5.bin",
    ] {
        check(&BinReader::open(fixture(name)).unwrap_or_else(|e| panic!("{name}: {e}")));
    }
}

#[test]
fn packs_that_run_code_or_do_not_add_up_are_refused() {
    let message = |name| BinReader::open(fixture(name)).err().unwrap().to_string();
    let evil = message("evil.bin");
    assert!(
        evil.contains("posix.system") && evil.contains("byte "),
        "{evil}"
    );
    assert!(message("uneven.bin").contains("4 images and 1 pair labels"));
    assert!(message("image0.jpg").contains("byte 0"));
    assert!(message("absent.bin").contains("missing"));
}

#[test]
fn what_is_written_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let images = images();
    for protocol in [Protocol::Python2, Protocol::Python3, Protocol::Python34] {
        let path = dir.path().join("pack.bin");
        let mut writer = BinWriter::create(&path, protocol).unwrap();
        writer.push(&images[0], &images[1], true).unwrap();
        writer.push(&images[2], &images[3], false).unwrap();
        writer.finish().unwrap();
        check(&BinReader::open(&path).unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}

#[test]
fn a_small_pack_has_the_bytes_of_pickle() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pack.bin");
    let mut writer = BinWriter::create(&path, Protocol::Python3).unwrap();
    writer.push(b"ab", &[7; 256], true).unwrap();
    writer.finish().unwrap();
    let long = [b"B\0\x01\0\0".as_slice(), &[7; 256]].concat();
    let want = [b"\x80\x03](C\x02ab", &long[..], b"e](\x88e\x86."].concat();
    assert_eq!(std::fs::read(&path).unwrap(), want);
}

#[test]
fn pixels_are_close_to_libjpeg_and_the_same_everywhere() {
    for (n, pinned) in [(0, PIXELS[0]), (1, PIXELS[1]), (3, PIXELS[2])] {
        let image = decode(&std::fs::read(fixture(&format!("image{n}.jpg"))).unwrap()).unwrap();
        assert_eq!((image.width, image.height), (24, 20));
        let other = std::fs::read(fixture(&format!("image{n}.rgb"))).unwrap();
        let worst = image
            .pixels
            .iter()
            .zip(&other)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(worst.unwrap() <= 4, "image {n}: {worst:?}");
        assert_eq!(sha256_hex(&image.pixels), pinned, "image {n}");
    }
}

/// From a build of zune-jpeg without vector code.
const PIXELS: [&str; 3] = [
    "881458854459bab1730f9f8a7612fc1506a6cb7e86fd6d5879ee41727ae54d5b",
    "dcd4f737dd0ddcf7537ffaf4a7fe1ce12dc1776c693dcffab9c0529f74376b51",
    "b2772ca72177d4eef97c9b27f50861829e8f1fda77b78472145e59e4427e6a75",
];

#[test]
fn the_decoder_id_names_the_locked_versions() {
    let lock = include_str!("../../Cargo.lock");
    for part in frbench::data::decode::DECODER.split(", ") {
        let (name, version) = part.split_once(' ').unwrap();
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"");
        assert!(lock.contains(&entry), "{part} is not what Cargo.lock has");
    }
}

#[test]
fn a_png_has_the_pixels_that_went_in() {
    let image = decode(&images()[2]).unwrap();
    for (x, y) in [(0, 0), (23, 19), (5, 11)] {
        let want = [x * 9 + 26, y * 11 + 58, (x + y) * 5 + 14].map(|v| v as u8);
        assert_eq!(image.pixel(x, y), want);
    }
}

fn open_bytes(bytes: &[u8]) -> frbench::Result<BinReader> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("p.bin");
    std::fs::write(&path, bytes).unwrap();
    BinReader::open(&path)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn damaged_packs_fail_without_panic(
        which in 0usize..5,
        cut in 0usize..4000,
        at in 0usize..4000,
        bytes in proptest::collection::vec(any::<u8>(), 1..6),
    ) {
        let name = ["python2_text.bin", "python2_str.bin", "numpy_2.bin", "numpy_4.bin", "numpy_5.bin"][which];
        let whole = std::fs::read(fixture(name)).unwrap();
        if cut < whole.len() {
            prop_assert!(open_bytes(&whole[..cut]).is_err());
        }
        let mut changed = whole;
        for (i, b) in bytes.iter().enumerate() {
            let n = changed.len();
            changed[(at + 7 * i) % n] = *b;
        }
        if let Ok(pack) = open_bytes(&changed) {
            (0..pack.len()).for_each(|i| { let _ = decode(pack.encoded(i).unwrap()); });
        }
    }

    #[test]
    fn damaged_images_fail_without_panic(
        which in 0usize..4,
        cut in 0usize..800,
        changes in proptest::collection::vec((0usize..800, any::<u8>()), 1..8),
    ) {
        let mut image = images().swap_remove(which);
        for (at, b) in changes {
            let n = image.len();
            image[at % n] = b;
        }
        let _ = decode(&image);
        let _ = decode(&image[..cut.min(image.len())]);
    }

    #[test]
    fn any_bytes_are_no_pack_and_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = open_bytes(&bytes);
        let _ = decode(&bytes);
    }
}
