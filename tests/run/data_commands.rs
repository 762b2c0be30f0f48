//! Data sets made, looked at, written in other layouts and compared, by commands.

use crate::common::runs::outcome;
use frbench::data::align::template;
use frbench::data::decode::{decode, encode_jpeg, encode_png};
use frbench::data::image::Image;
use frbench::data::resize::resize;
use frbench::rng::Stream;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

fn done(dir: &Path, args: &[&str]) -> String {
    let (code, out, told) = outcome(dir, args);
    assert_eq!(code, 0, "{args:?}: {told}");
    out
}

fn pack_of(folder: PathBuf) -> String {
    let pack = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mut packs = pack.filter(|p| p.extension().is_some_and(|e| e == "bin"));
    packs.next().unwrap().to_str().unwrap().to_string()
}

#[test]
fn sets_keep_their_identity_in_every_layout() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    done(
        dir,
        &["data", "synth", "synth-lfw-20-v1", "synth-train-8x3-v1"],
    );
    done(dir, &["data", "synth", "synth-tinyface-4x4+6-v1"]);
    let export = |from: &str, form: &str, to: &str| {
        let out = done(dir, &["data", "export", from, "--as", form, "-o", to]);
        assert!(out.contains("the same pictures"), "{from} as {form}: {out}");
    };
    export("synth-lfw-20-v1", "folder", "pairs");
    export("pairs", "pack", "packed");
    export("packed", "folder", "again");
    export("synth-train-8x3-v1", "folder", "faces");
    export("faces", "records", "recorded");
    export("recorded", "folder", "faces-again");
    export("synth-tinyface-4x4+6-v1", "records", "tiny");
    // What was written can be added, and is what it was.
    let verified = done(dir, &["data", "verify", "synth-lfw-20-v1"]);
    let identity = |text: &str| {
        let line = text
            .lines()
            .find(|l| l.contains("pixels and labels"))
            .unwrap();
        line.split_whitespace().next().unwrap().to_string()
    };
    let added = done(dir, &["data", "add", "again"]);
    assert_eq!(identity(&added), identity(&verified));

    let (code, _, told) = outcome(
        dir,
        &["data", "export", "pairs", "--as", "records", "-o", "x"],
    );
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("a folder or a pack holds it"), "{told}");
    let (code, _, told) = outcome(
        dir,
        &["data", "export", "pairs", "--as", "pack", "-o", "faces"],
    );
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("not empty"), "{told}");

    let out = done(dir, &["data", "inspect", "faces"]);
    assert!(out.contains("24 pictures, 8 people or classes"), "{out}");
    assert!(
        out.contains("pictures of a class: 3 to 3, median 3"),
        "{out}"
    );
    let out = done(dir, &["data", "inspect", "packed/pairs.bin", "--json"]);
    let seen: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(seen["counts"]["pairs"], 20);
    assert_eq!(seen["parts"]["images"]["sizes"]["112"], 40);
}

/// A face-like picture: spots whose places follow from the number.
fn picture(k: usize) -> Image {
    let mut image = Image::black(112, 112);
    let mut stream = Stream::derive(1, "spots", &[k as u64]);
    for _ in 0..12 {
        let mut n = || (stream.uniform() * 1000.0) as usize;
        let (cx, cy, r, level) = (n() * 112 / 1000, n() * 112 / 1000, 5 + n() / 60, n() / 4);
        for y in cy.saturating_sub(r)..(cy + r).min(112) {
            for x in cx.saturating_sub(r)..(cx + r).min(112) {
                let at = 3 * (y * 112 + x);
                image.pixels[at..at + 3].fill(level as u8);
            }
        }
    }
    image
}

#[test]
fn planted_pictures_are_found_in_another_set() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    for class in 0..6 {
        fs::create_dir_all(dir.join(format!("train/faces/{class}"))).unwrap();
        for k in 0..4 {
            let png = encode_png(&picture(4 * class + k)).unwrap();
            fs::write(dir.join(format!("train/faces/{class}/{k}.png")), png).unwrap();
        }
    }
    fs::create_dir_all(dir.join("eval/faces")).unwrap();
    let stored = encode_jpeg(&picture(9), 60).unwrap();
    let small = resize(&picture(14), 80, 80);
    let pictures = [
        encode_png(&picture(5)).unwrap(),
        stored,
        encode_png(&small).unwrap(),
        encode_png(&picture(99)).unwrap(),
    ];
    for (i, bytes) in pictures.iter().enumerate() {
        fs::write(dir.join(format!("eval/faces/{i}.img.png")), bytes).unwrap();
    }
    let table = "first,second,same\n0.img.png,1.img.png,1\n2.img.png,3.img.png,0\n";
    fs::write(dir.join("eval/pairs.csv"), table).unwrap();
    let out = done(dir, &["data", "overlap", "train", "eval", "--json"]);
    let found: Value = serde_json::from_str(&out).unwrap();
    let mut names: Vec<(String, String)> = Vec::new();
    for line in found.as_array().unwrap() {
        let end = |key: &str| {
            line[key]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_string()
        };
        names.push((line["how"].as_str().unwrap().to_string(), end("eval")));
    }
    let want = [
        ("same bytes", "0.img.png"),
        ("same picture", "1.img.png"),
        ("same picture", "2.img.png"),
    ];
    assert_eq!(
        names,
        want.map(|(a, b)| (a.to_string(), b.to_string())),
        "{out}"
    );
    let out = done(dir, &["data", "overlap", "train", "eval"]);
    assert!(out.contains("same picture: 2"), "{out}");
}

#[test]
fn pictures_are_aligned_into_a_folder_and_a_pack() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    fs::create_dir_all(dir.join("loose/a")).unwrap();
    let mut list = String::new();
    let mut entries = Vec::new();
    for k in 0..4 {
        // The picture moved: its landmarks are those of the template, moved.
        let mut large = Image::black(140, 130);
        let face = picture(k);
        for y in 0..112 {
            let to = 3 * ((y + 9) * 140 + 13);
            large.pixels[to..to + 336].copy_from_slice(&face.pixels[3 * 112 * y..][..336]);
        }
        fs::write(
            dir.join(format!("loose/a/{k}.png")),
            encode_png(&large).unwrap(),
        )
        .unwrap();
        let points = template(112.into()).map(|[x, y]| [x + 13.0, y + 9.0]);
        let numbers: Vec<String> = points.iter().flatten().map(f64::to_string).collect();
        list += &format!("a/{k}.png {} 0.99\n", numbers.join(" "));
        entries.push(serde_json::json!({ "file": format!("a/{k}.png"), "landmarks": points }));
    }
    fs::write(dir.join("loose/list.txt"), list).unwrap();
    let json = serde_json::to_string(&entries).unwrap();
    fs::write(dir.join("loose/list.json"), json).unwrap();
    done(dir, &["align", "loose/list.txt", "-o", "crops"]);
    for k in 0..4 {
        let crop = decode(&fs::read(dir.join(format!("crops/a/{k}.png"))).unwrap()).unwrap();
        assert_eq!(crop, picture(k), "{k}");
    }
    let args = [
        "align",
        "loose/list.json",
        "-o",
        "narrow",
        "--size",
        "112x96",
    ];
    done(dir, &args);
    let crop = decode(&fs::read(dir.join("narrow/a/2.png")).unwrap()).unwrap();
    assert_eq!((crop.width, crop.height), (96, 112));
    assert_eq!(crop.pixel(0, 50), picture(2).pixel(8, 50));
    let pairs = "first,second,same\na/0.png,a/1.png,1\na/2.png,a/3.png,0\n";
    fs::write(dir.join("pairs.csv"), pairs).unwrap();
    let args = [
        "align",
        "loose/list.txt",
        "-o",
        "p.bin",
        "--pairs",
        "pairs.csv",
    ];
    done(dir, &args);
    let out = done(dir, &["data", "inspect", "p.bin", "--json"]);
    assert!(out.contains("\"pairs\": 2"), "{out}");
    let (code, _, told) = outcome(dir, &["align", "loose/list.txt", "-o", "p.bin"]);
    assert_eq!(code, 2, "{told}");
}

/// A damaged picture ends the first run; what was embedded before it is not embedded again.
#[test]
fn embedding_goes_on_where_it_was_stopped() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    done(dir, &["data", "synth", "synth-lfw-20-v1"]);
    let pack = pack_of(dir.join("data/synth-lfw-20-v1"));
    let good = encode_png(&Image::black(32, 32)).unwrap();
    fs::write(dir.join("good.png"), &good).unwrap();
    fs::write(dir.join("bad.png"), &good[..good.len() / 2]).unwrap();
    let mut list = "good.png\n".repeat(1030);
    list += "bad.png\n";
    fs::write(dir.join("list.txt"), list).unwrap();
    let spec = frbench::job::BackboneSpec {
        name: "mobilefacenet".into(),
        embedding: 8,
        params: serde_json::from_value(serde_json::json!({ "width": 0.125 })).unwrap(),
        conv: Default::default(),
    };
    let graph = frbench::backbone::build(&spec, 32).unwrap();
    let mut network = frbench::engine::Network::new(graph);
    network.init(1);
    let mut file = frbench::engine::checkpoint::Checkpoint::default();
    file.insert_all("", network.state_dict());
    fs::write(dir.join("net.safetensors"), file.to_bytes()).unwrap();
    let model = "net.safetensors@insightface";
    let args = ["embed", model, "list.txt", "-o", "out.npy"];
    let (code, _, told) = outcome(dir, &args);
    assert_eq!(code, 5, "{told}");
    let (code, _, told) = outcome(dir, &args);
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("goes on at picture 1024 of 1031"), "{told}");
    // Other pictures are another matter.
    let args = ["embed", model, &pack, "-o", "out.npy", "--json"];
    let (code, out, told) = outcome(dir, &args);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("is begun again"), "{told}");
    let said: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["resumed_at"], 0);
    assert!(!dir.join("out.npy.rows").exists() && !dir.join("out.npy.rows.part").exists());
}
