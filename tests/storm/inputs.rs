//! Mutated files for every reader: an error or a value, never a panic, and soon.

use crate::{draws, setting};
use frbench::data::bin::{BinReader, BinWriter, Protocol};
use frbench::data::decode::{decode, encode_jpeg, encode_png, orientation};
use frbench::data::image::Image;
use frbench::data::list;
use frbench::data::record::{RecReader, RecWriter, RecordLayout, parse_index};
use frbench::rng::Stream;
use frbench::suite::source::Source;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// The longest that a reader may take for one of these small files.
const LIMIT: Duration = Duration::from_secs(20);

struct Target {
    name: &'static str,
    seed: Vec<u8>,
    read: fn(&[u8]),
}

fn picture(side: usize) -> Image {
    let pixels = (0..3 * side * side).map(|i| (i * 37 % 251) as u8);
    Image::new(side, side, pixels.collect()).unwrap()
}

fn targets() -> Vec<Target> {
    let p = Path::new("storm");
    let jpeg = encode_jpeg(&picture(40), 85).unwrap();
    let png = encode_png(&picture(24)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let rec = dir.path().join("train.rec");
    let mut writer = RecWriter::create(&rec, RecordLayout::Insightface).unwrap();
    for k in 0..4u32 {
        writer.push(k / 2, &jpeg).unwrap();
    }
    writer.finish(112).unwrap();
    let pack = |protocol, name: &str| {
        let path = dir.path().join(name);
        let mut writer = BinWriter::create(&path, protocol).unwrap();
        writer.push(&jpeg, &png, true).unwrap();
        writer.push(&png, &jpeg, false).unwrap();
        writer.finish().unwrap();
        std::fs::read(path).unwrap()
    };
    let text = |name, text: &str, read| Target {
        name,
        seed: text.as_bytes().to_vec(),
        read,
    };
    let _ = p;
    vec![
        Target {
            name: "jpeg",
            seed: jpeg.clone(),
            read: |b| {
                let _ = (decode(b), orientation(b));
            },
        },
        Target {
            name: "png",
            seed: png.clone(),
            read: |b| {
                let _ = decode(b);
            },
        },
        Target {
            name: "rec",
            seed: std::fs::read(&rec).unwrap(),
            read: |b| {
                if let Ok(reader) = RecReader::from_bytes(b.to_vec(), "storm.rec") {
                    let _ = reader.classes();
                    (0..reader.len()).for_each(|i| {
                        let _ = reader.record(i);
                    });
                }
            },
        },
        Target {
            name: "idx",
            seed: std::fs::read(dir.path().join("train.idx")).unwrap(),
            read: |b| {
                let _ = parse_index(b, Path::new("storm.idx"));
            },
        },
        Target {
            name: "pack",
            seed: pack(Protocol::Python2, "a.bin"),
            read: read_pack,
        },
        Target {
            name: "pack 3",
            seed: pack(Protocol::Python3, "b.bin"),
            read: read_pack,
        },
        text("pairs", "2\t2\nA B\t1\t2\nA B\t1\tC\t3\n", |b| {
            let _ = list::parse_pair_list(b, Path::new("s"));
        }),
        text("two lines", "a.jpg 1\nb.jpg 1\nc.jpg 0\nd.jpg 0\n", |b| {
            let _ = list::parse_pair_list(b, Path::new("s"));
        }),
        text("table", "first,second,same,fold\na.jpg,b.jpg,1,2\n", |b| {
            let _ = list::parse_pair_table(b, Path::new("s"));
        }),
        text("labels", "0\t1.000000\ta/b.jpg\n1\t0\tc.jpg\n", |b| {
            let _ = list::parse_labels(b, Path::new("s"));
        }),
        text("landmarks", "a.jpg 1 2 3 4 5 6 7 8 9 10\n", |b| {
            let _ = list::parse_landmarks(b, Path::new("s"));
        }),
        text("members", "1.jpg 7 3\n2.jpg 8 4\n", |b| {
            let _ = list::parse_members(b, Path::new("s"));
            let _ = list::parse_pairs(b, Path::new("s"));
            let _ = list::parse_detections(b, Path::new("s"));
            let _ = list::parse_subjects(b, Path::new("s"), &mut BTreeMap::new());
        }),
        text(
            "names",
            r#"{"path": ["a/1.png", "b/2.png"], "id": ["a", "b"]}"#,
            |b| {
                let _ = list::parse_names(b, Path::new("s"));
                let _ = list::Noise::parse(b, Path::new("s"));
            },
        ),
        text("suite", TINY, |b| {
            if let Ok(text) = std::str::from_utf8(b) {
                read_suite(Source::new("storm.toml", text));
            }
        }),
        text("recipes", include_str!("../../suites/recipes.toml"), |b| {
            if let Ok(text) = std::str::from_utf8(b) {
                let base = "[profile.demo]\nbase = \"smoke\"\n";
                let suite = TINY.replacen("[profile.demo]\n", base, 1);
                let recipes = Source::new("recipes.toml", text);
                read_suite(Source::new("storm.toml", suite).with_recipes(vec![recipes]));
            }
        }),
    ]
}

const TINY: &str = include_str!("../suites/tiny.toml");

fn read_suite(source: Source) {
    if let Ok(suite) = frbench::suite::parse(source) {
        let known = frbench::embedded::catalogue(None).unwrap();
        let _ = frbench::suite::validate(&suite, &known);
    }
}

fn read_pack(bytes: &[u8]) {
    if let Ok(reader) = BinReader::from_bytes(bytes.to_vec(), "storm.bin") {
        (0..reader.len()).for_each(|i| {
            let _ = reader.encoded(i);
        });
    }
}

/// A few of: a byte changed, a run of them cut, doubled, moved or filled, a number made huge.
fn mutate(seed: &[u8], stream: &mut Stream) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..1 + stream.below(4) {
        let len = bytes.len() as u64;
        if len == 0 {
            break;
        }
        let at = stream.below(len) as usize;
        let run = (1 + stream.below(16)) as usize;
        let end = (at + run).min(bytes.len());
        match stream.below(7) {
            0 => bytes[at] ^= 1 << stream.below(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let copy = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, copy));
            }
            4 => bytes[at..end].fill(0xff),
            5 => bytes[at..end].fill(0),
            _ => drop(bytes.splice(at..end, *b"99999999999999999999")),
        }
    }
    bytes
}

#[test]
fn mutated_files_are_read_or_refused() {
    let targets = targets();
    for round in 0..setting("FRBENCH_STORM_INPUTS", 500) {
        let target = &targets[(round as usize) % targets.len()];
        let bytes = mutate(&target.seed, &mut draws("input", round));
        let started = Instant::now();
        let read = std::panic::catch_unwind(|| (target.read)(&bytes));
        assert!(read.is_ok(), "{} panics on input {round}", target.name);
        let took = started.elapsed();
        assert!(
            took < LIMIT,
            "{} takes {took:?} for input {round}",
            target.name
        );
    }
}
