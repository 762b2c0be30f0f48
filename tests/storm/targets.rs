//! Every reader of files, with a small file that it reads: formats of data, what a user writes,
//! and what the program leaves itself.

use frbench::data::bin::{BinReader, BinWriter, Protocol};
use frbench::data::declarations::Declarations;
use frbench::data::decode::{decode, encode_jpeg, encode_png, orientation};
use frbench::data::image::Image;
use frbench::data::list;
use frbench::data::noise;
use frbench::data::record::{RecReader, RecWriter, RecordLayout, parse_index};
use frbench::data::stamps::{Hashed, Stamps};
use frbench::data::watch::UNWATCHED;
use frbench::engine::checkpoint::Checkpoint;
use frbench::key::Key;
use frbench::parity::{self, Case};
use frbench::protocol::embeddings::{EmbeddingWriter, Embeddings};
use frbench::report::published;
use frbench::run::seal;
use frbench::suite::source::Source;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

pub struct Target {
    pub name: &'static str,
    /// A whole file.
    pub seed: Vec<u8>,
    pub read: fn(&[u8]),
}

fn picture(side: usize) -> Image {
    let pixels = (0..3 * side * side).map(|i| (i * 37 % 251) as u8);
    Image::new(side, side, pixels.collect()).unwrap()
}

/// What messages call the file.
fn place() -> &'static Path {
    Path::new("storm")
}

/// A file with these bytes, for readers that open one.
fn file(bytes: &[u8]) -> PathBuf {
    let path = std::env::temp_dir().join(format!("frbench-storm-{}", std::process::id()));
    std::fs::write(&path, bytes).unwrap();
    path
}

pub fn targets() -> Vec<Target> {
    let dir = tempfile::tempdir().unwrap();
    let mut all = images_and_packs(dir.path());
    all.extend(lists());
    all.extend(written_by_users());
    all.extend(left_by_runs(dir.path()));
    all
}

fn images_and_packs(dir: &Path) -> Vec<Target> {
    let jpeg = encode_jpeg(&picture(40), 85).unwrap();
    let png = encode_png(&picture(24)).unwrap();
    // An orientation, behind the start of the file.
    let exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let turned = [&jpeg[..2], &[0xff, 0xe1], &length, exif, &jpeg[2..]].concat();
    let records = |layout, name: &str| {
        let path = dir.join(name);
        let mut writer = RecWriter::create(&path, layout).unwrap();
        for k in 0..4u32 {
            writer.push(k / 2, &jpeg).unwrap();
        }
        writer.finish(112).unwrap();
        std::fs::read(&path).unwrap()
    };
    let pack = |protocol, name: &str| {
        let path = dir.join(name);
        let mut writer = BinWriter::create(&path, protocol).unwrap();
        writer.push(&jpeg, &png, true).unwrap();
        writer.push(&png, &jpeg, false).unwrap();
        writer.finish().unwrap();
        std::fs::read(path).unwrap()
    };
    let target = |name, seed, read| Target { name, seed, read };
    let of_insightface = records(RecordLayout::Insightface, "a.rec");
    let index = std::fs::read(dir.join("a.idx")).unwrap();
    vec![
        target("jpeg", jpeg.clone(), read_image),
        target("jpeg with exif", turned, read_image),
        target("png", png.clone(), read_image),
        target("rec", of_insightface, read_records),
        target(
            "plain rec",
            records(RecordLayout::Plain, "b.rec"),
            read_records,
        ),
        target("idx", index, |b| drop(parse_index(b, place()))),
        target("pack", pack(Protocol::Python2, "a.bin"), read_pack),
        target("pack 3", pack(Protocol::Python3, "b.bin"), read_pack),
    ]
}

fn read_image(bytes: &[u8]) {
    drop((decode(bytes), orientation(bytes)));
}

fn read_records(bytes: &[u8]) {
    if let Ok(reader) = RecReader::from_bytes(bytes.to_vec(), place()) {
        drop(reader.classes());
        (0..reader.len()).for_each(|i| drop(reader.record(i)));
    }
}

fn read_pack(bytes: &[u8]) {
    if let Ok(reader) = BinReader::from_bytes(bytes.to_vec(), place()) {
        (0..reader.len()).for_each(|i| assert!(reader.encoded(i).is_some()));
    }
}

fn text(name: &'static str, text: &str, read: fn(&[u8])) -> Target {
    Target {
        name,
        seed: text.as_bytes().to_vec(),
        read,
    }
}

fn lists() -> Vec<Target> {
    vec![
        text("pairs", "2\t2\nA B\t1\t2\nA B\t1\tC\t3\n", |b| {
            drop(list::parse_pair_list(b, place()));
        }),
        text("two lines", "a.jpg 1\nb.jpg 1\nc.jpg 0\nd.jpg 0\n", |b| {
            drop(list::parse_pair_list(b, place()));
        }),
        text("flat pairs", "a.jpg b.jpg 1 1\nc.jpg d.jpg -1 2\n", |b| {
            drop(list::parse_pair_list(b, place()));
        }),
        text("table", "first,second,same,fold\na.jpg,b.jpg,1,2\n", |b| {
            drop(list::parse_pair_table(b, place()));
        }),
        text("numbered", "1 ../Data/Images/001/frontal/01.jpg\n", |b| {
            drop(list::parse_numbered(b, place()));
        }),
        text("numbers", "1,2\n3,4\n", |b| {
            drop(list::parse_number_pairs(b, place()));
        }),
        text("labels", "0\t1.000000\ta/b.jpg\n1\t0\tc.jpg\n", |b| {
            drop(list::parse_labels(b, place()));
        }),
        text("landmarks", "a.jpg 1 2 3 4 5 6 7 8 9 10\n", |b| {
            drop(list::parse_landmarks(b, place()));
        }),
        text("identities", "1\n1\n2\n3\n", |b| {
            drop(list::parse_identities(&file(b), 4, UNWATCHED));
        }),
        text("members", "1.jpg 7 3\n2.jpg 8 4\n", |b| {
            drop(list::parse_members(b, place()));
        }),
        text("template pairs", "7 8 0\n7 7 1\n", |b| {
            drop(list::parse_pairs(b, place()));
        }),
        text("detections", "1.jpg 1 2 3 4 5 6 7 8 9 10 0.5\n", |b| {
            drop(list::parse_detections(b, place()));
        }),
        text("templates", "TEMPLATE_ID,SUBJECT_ID\n7,1\n8,2\n", |b| {
            drop(list::parse_templates(b, place()));
        }),
        text(
            "names",
            r#"{"path": ["a/1.png", "b/2.png"], "id": ["a", "b"]}"#,
            |b| drop(list::parse_names(b, place())),
        ),
        text("noise", "# noise\nA_B_2\n1/3/0.jpg\n", |b| {
            let paths = ["A B/A B_2.jpg".to_string(), "1/3/0.jpg".to_string()];
            if let Ok(noise) = list::Noise::parse(b, place()) {
                assert!(noise.hits(&paths, UNWATCHED).unwrap().paths.len() <= 2);
            }
        }),
        text("planted noise", PLANTED, |b| {
            drop(noise::from_csv(b, place()))
        }),
    ]
}

const PLANTED: &str = "image,class,label,outlier\n0,0,5,\n4,0,6,17\n";

fn written_by_users() -> Vec<Target> {
    const CASE: &[u8] = include_bytes!("../parity/a-arcface.safetensors");
    const PUBLISHED: &str = include_str!("../../reference_results/published/adaface.csv");
    const SET: &str = include_str!("../../suites/datasets/tinyface.toml");
    vec![
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
        text("declaration", SET, |b| {
            if let Ok(text) = std::str::from_utf8(b) {
                drop(Declarations::load(&[("tinyface", text)], None));
            }
        }),
        text("published", PUBLISHED, |b| {
            if let Ok(text) = std::str::from_utf8(b) {
                drop(published::parse("storm", text));
            }
        }),
        Target {
            name: "golden case",
            seed: CASE.to_vec(),
            read: |b| {
                if let Ok(case) = Case::parse(b, place()) {
                    drop(parity::run(&case));
                }
            },
        },
    ]
}

fn left_by_runs(dir: &Path) -> Vec<Target> {
    let mut checkpoint = Checkpoint::default();
    checkpoint
        .tensors
        .insert("a.weight".into(), (vec![2, 3], vec![0.5; 6]));
    let path = dir.join("embeddings.f32");
    let mut writer = EmbeddingWriter::create(&path, 4).unwrap();
    writer.append(&[0.25; 12]).unwrap();
    writer.finish().unwrap();
    let embeddings = std::fs::read(&path).unwrap();
    let result = dir.join("result.json");
    let value = BTreeMap::from([("accuracy", 0.5), ("loss", 1e300)]);
    let made = seal::Seal::new(&Key("k".into()), Vec::new(), BTreeMap::new());
    seal::write(&result, &value, made).unwrap();
    let stamps = dir.join("stamps");
    let known = Hashed {
        path: b"images/a.jpg".to_vec(),
        bytes: 3,
        sha256: [7; 32],
        stamp: None,
    };
    Stamps::new(vec![known]).write(&stamps).unwrap();
    let target = |name, seed, read| Target { name, seed, read };
    vec![
        target("checkpoint", checkpoint.to_bytes(), |b| {
            drop(Checkpoint::from_bytes(b));
        }),
        target("embeddings", embeddings, |b| {
            if let Ok(found) = Embeddings::open(file(b)) {
                (0..found.rows()).for_each(|i| assert_eq!(found.row(i).len(), found.dim()));
            }
        }),
        target(
            "embeddings on their way",
            std::fs::read(&path).unwrap(),
            |b| {
                let path = file(b);
                let part = EmbeddingWriter::part(&path);
                std::fs::rename(&path, &part).unwrap();
                drop(EmbeddingWriter::resume(&path, 4, &Key("k".into()), "plain"));
                let _ = std::fs::remove_file(part);
            },
        ),
        target("result", std::fs::read(&result).unwrap(), |b| {
            let whole = BTreeMap::from([("accuracy".to_string(), 0.5), ("loss".into(), 1e300)]);
            let found = seal::read::<BTreeMap<String, f64>>(&file(b), &Key("k".into()));
            // Whatever is read is what was written.
            assert!(found.is_err() || found.is_ok_and(|(value, _)| value == whole));
        }),
        target("stamps", std::fs::read(&stamps).unwrap(), |b| {
            drop(Stamps::read(&file(b)));
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
