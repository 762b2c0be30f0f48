//! Data sets made, looked at, written in other layouts and compared, by commands.

use super::place::suite_of_sets;
use crate::common::runs::outcome;
use frbench::data::align::template;
use frbench::data::bin::BinReader;
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

/// Aligns a list of pictures into a pack of pairs.
const ALIGN_PAIRS: [&str; 6] = [
    "align",
    "loose/list.txt",
    "-o",
    "p.bin",
    "--pairs",
    "pairs.csv",
];

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
    let table = "first,second,same\n0.img.png,1.img.png,1\n2.img.png,3.img.png,0\n\
                 0.img.png,2.img.png,1\n1.img.png,3.img.png,0\n";
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

    // A report on the two says so. Nothing is scored on pictures of another size.
    let (_, _, told) = outcome(dir, &["data", "overlap", "train", "eval"]);
    assert!(
        told.contains("not kept for reports") && told.contains("2.img.png"),
        "{told}"
    );
    let stored = encode_jpeg(&picture(14), 60).unwrap();
    fs::write(dir.join("eval/faces/2.img.png"), stored).unwrap();
    done(dir, &["data", "overlap", "train", "eval"]);
    done(dir, &["data", "add", "train"]);
    done(dir, &["data", "add", "eval"]);
    let protocol = "\n[protocol.pairs]\nkind = { name = \"verification\", folds = 2 }\n";
    let suite = suite_of_sets(protocol, &[("eval", "pairs")]);
    let suite = suite.replace("\"tr\"", "\"train\"");
    fs::write(dir.join("sets.toml"), suite).unwrap();
    let context = |out: &str| {
        let results: Value = serde_json::from_str(out).unwrap();
        let overlaps = &results["input"]["columns"][0]["context"]["overlaps"];
        assert_eq!(overlaps[0]["train"], "train");
        overlaps[0]["found"].clone()
    };
    let run = ["run", "sets.toml", "--json"];
    let found = context(&done(dir, &run));
    assert_eq!(
        (&found["any"], &found["eval"]["images"]),
        (&3.into(), &4.into())
    );
    let page = fs::read_to_string(dir.join("reports/sets-demo/report.md")).unwrap();
    let said = "3 of its 4 images are in train: 1 by same bytes and 2 by same picture";
    assert!(page.contains(said), "{page}");
    fs::remove_dir_all(dir.join("data/.overlap")).unwrap();
    assert_eq!(context(&done(dir, &run)), Value::Null);
    let page = fs::read_to_string(dir.join("reports/sets-demo/report.md")).unwrap();
    assert!(
        page.contains("is not known; frbench data overlap train eval looks"),
        "{page}"
    );
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
    done(dir, &ALIGN_PAIRS);
    // In the list's own folder, whose name the list's path does not have.
    done(&dir.join("loose"), &["align", "list.txt", "-o", "../again"]);
    let out = done(dir, &["data", "inspect", "p.bin", "--json"]);
    assert!(out.contains("\"pairs\": 2"), "{out}");
    let (code, _, told) = outcome(dir, &["align", "loose/list.txt", "-o", "p.bin"]);
    assert_eq!(code, 2, "{told}");
}

/// Two loose pictures with their landmarks, in `DIR/loose`.
fn loose(dir: &Path, names: [&str; 2]) {
    let points = template(112.into());
    let numbers: Vec<String> = points.iter().flatten().map(f64::to_string).collect();
    let mut list = String::new();
    for (k, name) in names.iter().enumerate() {
        let path = dir.join("loose").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, encode_jpeg(&picture(k), 90).unwrap()).unwrap();
        list += &format!("{name} {}\n", numbers.join(" "));
    }
    fs::write(dir.join("loose/list.txt"), list).unwrap();
}

#[test]
#[cfg(unix)]
fn crops_are_never_written_over_pictures() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    // Crops would have these very names.
    loose(dir, ["a/0.png", "1.png"]);
    let originals =
        || ["a/0.png", "1.png"].map(|name| fs::read(dir.join("loose").join(name)).unwrap());
    let before = originals();
    let refused = |args: &[&str], says: &str| {
        let (code, _, told) = outcome(dir, &[&["align", "loose/list.txt"], args].concat());
        assert_eq!(code, 2, "{args:?}: {told}");
        assert!(told.contains(says), "{args:?}: {told}");
        assert!(originals() == before, "{args:?}");
    };
    std::os::unix::fs::symlink(dir.join("loose"), dir.join("link")).unwrap();
    std::os::unix::fs::symlink(dir.join("loose/a"), dir.join("inner")).unwrap();
    let same = "is the folder that the pictures are read from";
    refused(&["-o", "loose"], same);
    refused(&["-o", "link"], same);
    refused(&["-o", "inner/.."], same);
    refused(&["-o", "loose", "--root", "link"], same);
    // Through a link inside of another folder.
    fs::create_dir(dir.join("crops")).unwrap();
    std::os::unix::fs::symlink(dir.join("loose/a"), dir.join("crops/a")).unwrap();
    refused(&["-o", "crops"], "crops/a/0.png is a picture of the list");
    fs::remove_file(dir.join("crops/a")).unwrap();
    // What is there and is no crop stays; a crop that is there is no hindrance.
    fs::write(dir.join("crops/1.png"), b"mine").unwrap();
    refused(&["-o", "crops"], "crops/1.png is there already");
    assert_eq!(fs::read(dir.join("crops/1.png")).unwrap(), b"mine");
    fs::remove_file(dir.join("crops/1.png")).unwrap();
    done(dir, &["align", "loose/list.txt", "-o", "crops"]);
    done(dir, &["align", "loose/list.txt", "-o", "crops"]);
    assert!(originals() == before);

    fs::write(
        dir.join("pairs.csv"),
        "first,second,same\na/0.png,1.png,1\n",
    )
    .unwrap();
    fs::write(dir.join("there.bin"), b"mine").unwrap();
    refused(
        &["-o", "there.bin", "--pairs", "pairs.csv"],
        "is not replaced",
    );
    assert_eq!(fs::read(dir.join("there.bin")).unwrap(), b"mine");
}

#[test]
fn what_cannot_be_aligned_is_refused_before_pictures_are_read() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    loose(dir, ["0.jpg", "1.jpg"]);
    // No picture at all, and landmarks in one point.
    fs::write(dir.join("loose/0.jpg"), b"damaged").unwrap();
    let one = ["4"; 10].join(" ");
    let list = format!("0.jpg 1 2 3 4 5 6 7 8 9 10\n1.jpg {one}\n");
    fs::write(dir.join("loose/list.txt"), list).unwrap();
    let (code, _, told) = outcome(dir, &["align", "loose/list.txt", "-o", "crops"]);
    assert_eq!(code, 5, "{told}");
    assert!(
        told.contains("list.txt: the landmarks of 1 of 2 pictures lie in one point")
            && told.contains("1.jpg"),
        "{told}"
    );
    assert!(!dir.join("crops").exists());
}

#[test]
fn a_pack_of_crops_has_the_folds_of_its_list() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    let points = template(112.into());
    let numbers: Vec<String> = points.iter().flatten().map(f64::to_string).collect();
    fs::create_dir(dir.join("loose")).unwrap();
    let mut list = String::new();
    for k in 0..42 {
        let mut image = Image::black(112, 112);
        image.pixels[..300].fill(5 * k);
        fs::write(
            dir.join(format!("loose/{k}.png")),
            encode_png(&image).unwrap(),
        )
        .unwrap();
        list += &format!("{k}.png {}\n", numbers.join(" "));
    }
    fs::write(dir.join("loose/list.txt"), list).unwrap();
    // Pair k is in fold k % 10 + 1; two pictures are in none.
    let mut pairs = String::from("first,second,same,fold,remark\n");
    for k in 0..20 {
        pairs += &format!(
            "{}.png,{}.png,{},{},x\n",
            2 * k,
            2 * k + 1,
            u8::from(k < 10),
            k % 10 + 1
        );
    }
    fs::write(dir.join("pairs.csv"), pairs).unwrap();
    let (code, _, told) = outcome(dir, &ALIGN_PAIRS);
    assert_eq!(code, 0, "{told}");
    for said in [
        "2 of 42 pictures are in no pair",
        "in the order of their folds",
        "not read are the columns remark",
    ] {
        assert!(told.contains(said), "{said}: {told}");
    }
    let pack = BinReader::open(dir.join("p.bin")).unwrap();
    let same: Vec<bool> = (0..20).map(|k| k % 2 == 0).collect();
    assert_eq!(pack.same(), same);
    // Pairs 0 and 10 are fold 1.
    let level = |i: usize| decode(pack.encoded(i).unwrap()).unwrap().pixels[0];
    assert_eq!([0, 1, 2, 3].map(level), [0, 5, 100, 105]);
    // A list that is ordered by class is taken in turns.
    let mut pairs = String::from("first,second,same\n");
    for k in 0..20 {
        pairs += &format!("{}.png,{}.png,{}\n", 2 * k, 2 * k + 1, u8::from(k < 10));
    }
    fs::write(dir.join("pairs.csv"), pairs).unwrap();
    let args = [
        "align",
        "loose/list.txt",
        "-o",
        "q.bin",
        "--pairs",
        "pairs.csv",
    ];
    done(dir, &args);
    assert_eq!(BinReader::open(dir.join("q.bin")).unwrap().same(), same);
}

#[test]
fn a_set_is_exported_beside_itself_under_any_name() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    done(dir, &["data", "synth", "synth-lfw-20-v1"]);
    // The name of another set, and of one that is declared.
    for name in ["synth-lfw-40-v1", "lfw"] {
        let out = done(
            dir,
            &[
                "data",
                "export",
                "synth-lfw-20-v1",
                "--as",
                "folder",
                "-o",
                name,
            ],
        );
        assert!(out.contains("the same pictures"), "{out}");
    }
    let inside = "synth-lfw-40-v1/images/more";
    let args = [
        "data",
        "export",
        "./synth-lfw-40-v1",
        "--as",
        "pack",
        "-o",
        inside,
    ];
    let (code, _, told) = outcome(dir, &args);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("in the folder of the set itself"), "{told}");
    assert!(!dir.join(inside).exists());
}

#[test]
fn a_set_that_cannot_be_added_leaves_no_link() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    fs::create_dir_all(dir.join("mine/faces/a")).unwrap();
    fs::write(dir.join("mine/faces/a/0.png"), b"no picture").unwrap();
    let (code, _, told) = outcome(dir, &["data", "add", "mine"]);
    assert_eq!(code, 5, "{told}");
    assert!(fs::symlink_metadata(dir.join("data/mine")).is_err());
    assert!(!dir.join("suites/datasets/mine.toml").exists());
    let png = encode_png(&picture(0)).unwrap();
    fs::write(dir.join("mine/faces/a/0.png"), png).unwrap();
    done(dir, &["data", "add", "mine"]);
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
    put_network(dir);
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

/// A small network, `net.safetensors`.
fn put_network(dir: &Path) {
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
}

#[test]
fn embeddings_are_written_as_asked_and_over_nothing() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path();
    put_network(dir);
    fs::create_dir(dir.join("faces")).unwrap();
    for k in 0..3 {
        let png = encode_png(&picture(k)).unwrap();
        fs::write(dir.join(format!("faces/{k}.png")), png).unwrap();
    }
    fs::write(dir.join("list.txt"), "faces/1.png\n").unwrap();
    let embed = |images: &str, out: &str| {
        let model = "net.safetensors@insightface";
        outcome(dir, &["embed", model, images, "-o", out])
    };
    let done = |images: &str, out: &str| {
        let (code, _, told) = embed(images, out);
        assert_eq!(code, 0, "{images} {out}: {told}");
        frbench::run::given::Matrix::open(&dir.join(out), None).unwrap()
    };
    let all = done("faces", "all.npy");
    let table = done("faces", "all.csv");
    assert_eq!(table.names, all.names);
    assert_eq!(all.names.as_deref().unwrap()[2], "2.png");
    let one = done("faces/1.png", "one.csv");
    assert_eq!(one.names.as_deref(), Some(&["1.png".to_string()][..]));
    for k in 0..3 {
        assert_eq!(table.rows.row(k), all.rows.row(k));
    }
    assert_eq!(one.rows.row(0), all.rows.row(1));
    let refused = |images: &str, out: &str, says: &str| {
        let (code, _, told) = embed(images, out);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains(says), "{told}");
    };
    refused("faces", "all.txt", "as .npy or .csv");
    refused("list.txt", "list.npy", "would be written over the pictures");
    assert_eq!(fs::read(dir.join("list.txt")).unwrap(), b"faces/1.png\n");
    refused("faces", "list.npy", "list.txt is there already");
    fs::rename(dir.join("faces/0.png"), dir.join("faces/a,b.png")).unwrap();
    refused(
        "faces",
        "comma.csv",
        "`a,b.png` cannot stand before numbers",
    );
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::OsStr::from_bytes(b"\xff.png");
        fs::rename(dir.join("faces/1.png"), dir.join("faces").join(name)).unwrap();
        let (code, _, told) = embed("faces", "other.npy");
        assert_eq!(code, 5, "{told}");
        assert!(told.contains("the name is not UTF-8"), "{told}");
    }
}
