//! Networks that were trained elsewhere: as entries of suites, and by `eval`, `embed` and `match`.

use crate::common::miniatures::face;
use crate::common::runs::{self, outcome};
use frbench::backbone;
use frbench::data::bin::BinReader;
use frbench::data::decode::decode;
use frbench::engine::checkpoint::Checkpoint;
use frbench::engine::{Network, Value as Tensor};
use frbench::job::BackboneSpec;
use frbench::key::sha256_hex;
use frbench::run::given::Matrix;
use frbench::weights::npy::Npy;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const SIDE: usize = 32;

fn network(seed: u64) -> Network {
    let spec = BackboneSpec {
        name: "mobilefacenet".into(),
        embedding: 32,
        params: serde_json::from_value(json!({ "width": 0.25 })).unwrap(),
        conv: Default::default(),
    };
    let mut network = Network::new(backbone::build(&spec, SIDE).unwrap());
    network.init(seed);
    network
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|v| f64::from(*v)).collect()
}

/// Writes it as a file of weights.
fn put(network: &Network, path: &Path) {
    let mut file = Checkpoint::default();
    file.insert_all("", network.state_dict());
    fs::write(path, file.to_bytes()).unwrap();
}

const SUITE: &str = r#"
schema = 1
name = "foreign"
title = "Foreign"
analysis = "Nothing follows from it."

[model.big]
file = "files/big.safetensors"
preset = "insightface"

[teacher]
id = "big"
label = "Big"
model = "big"

[student]
id = "alone"
label = "Alone"
method = { name = "margin-softmax" }
head = { name = "arcface", s = 16.0, m = 0.3 }
network = "network"
training = "training"

[[method]]
id = "fcd"
label = "FCD"
teacher = "big"
method = { name = "fcd", normalize = true }
network = "network"
training = "training"

[protocol.ten-fold]
kind = { name = "verification", folds = 10 }

[profile.demo]
train-data = "synth-train-16x4-v1"
seeds = [1]
entries = ["big", "alone", "fcd"]
evaluate = [{ data = "synth-lfw-20-v1", protocol = "ten-fold", entries = ["big", "alone"] }]

[profile.demo.network.network]
@network

[profile.demo.training.training]
steps = 2
batch = 16
lr = 0.05
decay = { kind = "constant" }
@sgd
"#;

fn place() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("files")).unwrap();
    put(&network(1), &dir.path().join("files/big.safetensors"));
    fs::write(dir.path().join("foreign.toml"), runs::suite(SUITE)).unwrap();
    dir
}

fn results(dir: &Path) -> Value {
    let (code, out, told) = outcome(dir, &["run", "foreign.toml", "--json"]);
    assert_eq!(code, 0, "{told}");
    serde_json::from_str(&out).unwrap()
}

fn run_of<'a>(results: &'a Value, row: &str) -> &'a Value {
    let rows = results["input"]["rows"].as_array().unwrap();
    &rows.iter().find(|r| r["id"] == row).unwrap()["runs"][0]
}

#[test]
fn a_network_from_a_file_is_scored_and_teaches() {
    let dir = place();
    let dir = dir.path();
    let before = results(dir);
    let file = sha256_hex(&fs::read(dir.join("files/big.safetensors")).unwrap());
    let big = run_of(&before, "big");
    assert_eq!(big["checkpoint_sha256"], json!(file));
    assert!(big["metrics"]["synth-lfw-20-v1/ten-fold/accuracy"]["value"].is_number());
    let (_, _, told) = outcome(dir, &["run", "foreign.toml"]);
    assert!(told.contains("nothing was run"), "{told}");

    put(&network(2), &dir.join("files/big.safetensors"));
    let after = results(dir);
    let key = |results: &Value, row: &str| run_of(results, row)["train_key"].clone();
    assert_ne!(key(&after, "big"), key(&before, "big"));
    assert_ne!(key(&after, "fcd"), key(&before, "fcd"));
    assert_eq!(key(&after, "alone"), key(&before, "alone"));
}

/// What is wrong with the suite after an edit.
fn refused(from: &str, to: &str) -> String {
    let dir = place();
    let text = runs::suite(SUITE);
    assert!(text.contains(from), "{from}");
    let path = dir.path().join("foreign.toml");
    fs::write(path, text.replacen(from, to, 1)).unwrap();
    let (code, _, told) = outcome(dir.path(), &["check", "foreign.toml"]);
    assert_eq!(code, 2, "{told}");
    told
}

#[test]
fn what_a_file_cannot_say_has_to_be_stated_and_the_rest_has_no_meaning() {
    let told = refused("preset = \"insightface\"\n", "");
    assert!(told.contains("foreign.toml:7"), "{told}");
    assert!(
        told.contains("adaface") && told.contains("neither"),
        "{told}"
    );
    let told = refused("model = \"big\"", "model = \"bg\"");
    assert!(told.contains("`bg`") && told.contains("`big`"), "{told}");
    let told = refused("model = \"big\"", "model = \"big\"\nseeds = [1]");
    assert!(told.contains("`seeds` has no meaning"), "{told}");
    let told = refused("files/big", "files/bigger");
    assert!(told.contains("bigger.safetensors"), "{told}");
    let told = refused(
        "teacher = \"big\"\nmethod = { name = \"fcd\", normalize = true }",
        "teacher = \"big\"\nhead = { name = \"arcface\", s = 16.0, m = 0.3 }\nmethod = { name = \"distill\", losses = [{ name = \"logit-kd\", weight = 1.0 }] }",
    );
    assert!(
        told.contains("cannot teach") || told.contains("logit"),
        "{told}"
    );
}

#[test]
fn embeddings_are_those_of_the_network() {
    let dir = place();
    let dir = dir.path();
    let (code, _, told) = outcome(dir, &["data", "synth", "synth-lfw-20-v1"]);
    assert_eq!(code, 0, "{told}");
    let pack = fs::read_dir(dir.join("data/synth-lfw-20-v1")).unwrap();
    let pack = pack
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "bin"))
        .unwrap();
    let pictures = pack.to_str().unwrap();
    let model = "files/big.safetensors@bgr,0.25,0.5";
    let args = ["embed", model, pictures, "-o", "out.npy", "--views", "both"];
    let (code, _, told) = outcome(dir, &args);
    assert_eq!(code, 0, "{told}");

    let reader = BinReader::open(&pack).unwrap();
    let out = Npy::open(dir.join("out.npy")).unwrap();
    assert_eq!(out.shape(), [reader.len(), 2, 32]);
    let names = fs::read_to_string(dir.join("out.txt")).unwrap();
    assert_eq!(names.lines().count(), reader.len());
    let network = network(1);
    let cache = frbench::data::cache::PixelCache::build(&reader, SIDE.into()).unwrap();
    for i in [0, reader.len() - 1] {
        assert!(decode(reader.encoded(i).unwrap()).is_ok());
        for mirrored in [false, true] {
            let pixels = cache.image(i);
            let input = (0..SIDE * SIDE * 3).map(|k| {
                let (y, x, c) = (k / 3 / SIDE, k / 3 % SIDE, k % 3);
                let x = if mirrored { SIDE - 1 - x } else { x };
                let level = f64::from(pixels[(y * SIDE + x) * 3 + 2 - c]);
                ((level / 255.0 - 0.25) / 0.5) as f32
            });
            let input = Tensor::new([1, SIDE, SIDE, 3], input.collect()).unwrap();
            let wanted = network.infer(&input).unwrap().embedding.to_vec();
            let row = out.row(i).unwrap();
            let found = &row[32 * usize::from(mirrored)..][..32];
            let error = frbench::compare::relative_error(&wide(found), &wide(&wanted));
            assert!(error < 1e-6, "{i} {mirrored}: {error}");
        }
    }
}

#[test]
fn eval_writes_a_suite_and_a_report_of_several_models() {
    let dir = place();
    let dir = dir.path();
    put(&network(3), &dir.join("files/other.pth"));
    let eval = |more: &[&str]| {
        let mut args = vec![
            "eval",
            "A=files/big.safetensors@insightface",
            "files/other.pth",
        ];
        args.extend(["--on", "synth-lfw-20-v1,synth-lfw-60-v1", "--json"]);
        args.extend(more);
        outcome(dir, &args)
    };
    let (code, _, told) = eval(&[]);
    assert_eq!(code, 2, "{told}");
    assert!(
        told.contains("--input") && told.contains("facex-zoo"),
        "{told}"
    );
    let (code, out, told) = eval(&["--input", "magface", "--name", "two"]);
    assert_eq!(code, 0, "{told}");
    let results: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(results["input"]["rows"].as_array().unwrap().len(), 2);
    for row in ["a", "other"] {
        let metrics = run_of(&results, row)["metrics"].as_object().unwrap();
        for set in ["synth-lfw-20-v1", "synth-lfw-60-v1"] {
            let accuracy = &metrics[&format!("{set}/ten-fold/accuracy")]["value"];
            assert!(accuracy.as_f64().unwrap() > 0.3, "{accuracy}");
        }
    }
    // A network from a file has an interval over people, and no seeds.
    for row in results["derived"]["rows"].as_array().unwrap() {
        let cell = &row["cells"][0];
        let (low, high) = (&cell["interval"][0], &cell["interval"][1]);
        let (low, high) = (low.as_f64().unwrap(), high.as_f64().unwrap());
        let mean = cell["mean"].as_f64().unwrap();
        assert!(low <= mean && mean <= high, "{cell}");
    }
    let page = fs::read_to_string(dir.join("reports/two-eval/report.md")).unwrap();
    assert!(
        page.contains("Every row is one network from a file"),
        "{page}"
    );
    assert!(
        !page.contains("1 seed") && !page.contains("may be luck"),
        "{page}"
    );
    assert!(dir.join("reports/two-eval/index.html").is_file());
    for name in ["../two", ""] {
        let (code, _, told) = eval(&["--input", "magface", "--name", name]);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains("becomes part of the name"), "{told}");
    }
    assert!(!dir.join("two.toml").exists() && !dir.join("reports/.toml").exists());
    let (code, _, told) = outcome(dir, &["run", "reports/two.toml", "--profile", "eval"]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("nothing was run"), "{told}");
}

#[test]
fn two_pictures_are_compared() {
    let dir = place();
    let dir = dir.path();
    let mut picture = frbench::data::image::Image::black(112, 112);
    picture.pixels[..3000].fill(200);
    let png = frbench::data::decode::encode_png(&picture).unwrap();
    fs::write(dir.join("a.png"), &png).unwrap();
    fs::write(dir.join("b.png"), &png).unwrap();
    let args = [
        "match",
        "a.png",
        "b.png",
        "--model",
        "files/big.safetensors",
    ];
    let (code, out, told) = outcome(
        dir,
        &[&args[..], &["--input", "adaface", "--json"]].concat(),
    );
    assert_eq!(code, 0, "{told}");
    let cosine: Value = serde_json::from_str(&out).unwrap();
    assert!(
        (cosine["cosine"].as_f64().unwrap() - 1.0).abs() < 1e-6,
        "{cosine}"
    );
}

#[test]
fn a_folder_of_pictures_is_added_and_scored() {
    let dir = place();
    let dir = dir.path();
    let elsewhere = dir.join("elsewhere/mine");
    fs::create_dir_all(elsewhere.join("faces")).unwrap();
    let mut table = String::from("a,b,same,remark\n");
    for i in 0..40usize {
        let mut picture = frbench::data::image::Image::black(112, 112);
        let shade = |k: usize| (k * (i / 2 + 3) / 7) as u8;
        picture
            .pixels
            .iter_mut()
            .enumerate()
            .for_each(|(k, p)| *p = shade(k));
        let png = frbench::data::decode::encode_png(&picture).unwrap();
        fs::write(elsewhere.join(format!("faces/{i}.png")), png).unwrap();
        if i % 2 == 1 {
            // The pictures of a genuine pair are alike.
            table += &format!("faces/{}.png,faces/{i}.png,1,alike\n", i - 1);
            table += &format!("faces/{i}.png,faces/{}.png,0,\n", (i + 1) % 40);
        }
    }
    fs::write(elsewhere.join("pairs.csv"), table).unwrap();
    let (code, out, told) = outcome(dir, &["data", "add", "elsewhere/mine"]);
    assert_eq!(code, 0, "{told}");
    assert!(out.contains("a table of pairs"), "{out}");
    assert!(out.contains("not read are the columns remark"), "{out}");
    let declared = fs::read_to_string(dir.join("suites/datasets/mine.toml")).unwrap();
    assert!(declared.contains("identity = \""), "{declared}");
    let args = [
        "eval",
        "files/big.safetensors@insightface",
        "--on",
        "mine",
        "--json",
    ];
    let (code, out, told) = outcome(dir, &args);
    assert_eq!(code, 0, "{told}");
    let results: Value = serde_json::from_str(&out).unwrap();
    let metrics = &run_of(&results, "big")["metrics"];
    assert_eq!(metrics["mine/ten-fold/accuracy"]["value"], json!(1.0));
    against_published_numbers(dir, &results);
    let (code, _, told) = outcome(dir, &["data", "add", "elsewhere/mine"]);
    assert_eq!(code, 2, "{told}");
    // A list that cannot be read does not make them pictures of one person.
    for list in ["a,b,same\n", "", "faces/0.png;faces/1.png;1\n"] {
        fs::write(elsewhere.join("pairs.csv"), list).unwrap();
        let again = ["data", "add", "elsewhere/mine", "--name", "broken"];
        let (code, _, told) = outcome(dir, &again);
        assert_eq!(code, 5, "{list}: {told}");
        assert!(
            told.contains("`pairs.csv` in it is a list of pairs"),
            "{told}"
        );
        assert!(!dir.join("data/broken").exists());
    }
}

/// The network, by the name that a table of published numbers gives it.
fn against_published_numbers(dir: &Path, results: &Value) {
    let backbone = results["input"]["rows"][0]["backbone"].as_str().unwrap();
    let backbone = backbone.split(" @").next().unwrap();
    let folder = dir.join("reference_results/published");
    fs::create_dir_all(&folder).unwrap();
    let head = "paper,table,method,dataset,protocol,metric,value,unit,training_data,backbone,\
                checkpoint,runs,source,status";
    let row = |method: &str, rule: &str, value: f64| {
        format!(
            "P,T,{method},mine,verification/{rule},accuracy,{value},%,,{backbone},shipped,,\
             https://example.org,verified"
        )
    };
    let rows = [
        row("Net", "insightface", 100.0),
        row("Net", "facex-zoo", 99.0),
        row("Other", "insightface", 98.0),
    ];
    let table = format!("{head}\n{}\n", rows.join("\n"));
    fs::write(folder.join("mine.csv"), table).unwrap();
    let eval = |model: &str| {
        let more = ["--published", "mine", "--json", "--name", "held"];
        let args = [&["eval", model, "--on", "mine"][..], &more].concat();
        outcome(dir, &args)
    };
    let (code, _, told) = eval("files/big.safetensors@insightface");
    assert_eq!(code, 2, "{told}");
    assert!(
        told.contains("`big`") && told.contains("Net, Other"),
        "{told}"
    );
    let (code, out, told) = eval("Net=files/big.safetensors@insightface");
    assert_eq!(code, 0, "{told}");
    let results: Value = serde_json::from_str(&out).unwrap();
    let found = results["derived"]["published"].as_array().unwrap();
    assert_eq!(found[0]["difference"], json!(0.0));
    assert_eq!(found[0]["allowed"]["holds"], json!(true));
    let reason = found[1]["reason"].as_str().unwrap();
    assert!(
        reason.contains("published verification/facex-zoo"),
        "{reason}"
    );
    let reason = found[2]["reason"].as_str().unwrap();
    assert!(reason.contains("nothing in this suite"), "{reason}");
    let page = fs::read_to_string(dir.join("reports/held-eval/report.md")).unwrap();
    assert!(page.contains("agrees"), "{page}");
}

/// A network of images that are not square, by all rules, from its file and from its embeddings.
#[test]
fn narrow_images_and_every_rule_with_a_network_and_without() {
    let dir = place();
    let dir = dir.path();
    let spec = BackboneSpec {
        name: "mobilefacenet".into(),
        embedding: 16,
        params: serde_json::from_value(json!({ "width": 0.25 })).unwrap(),
        conv: Default::default(),
    };
    let mut narrow = Network::new(backbone::build(&spec, [64, 48]).unwrap());
    narrow.init(5);
    put(&narrow, &dir.join("narrow.safetensors"));
    let model = "narrow.safetensors@insightface";
    let rules = ["insightface", "face-pytorch", "facex-zoo", "face-evolve"];
    let all = rules.join(",");
    let sets = "synth-lfw-60-v1,synth-lfw-20-v1";
    let transfer = ["--threshold-from", "synth-lfw-60-v1", "--fmr", "0.1"];
    let mut args = vec![
        "eval", model, "--on", sets, "--rule", &all, "--json", "--name", "narrow",
    ];
    args.extend(transfer);
    let (code, out, told) = outcome(dir, &args);
    assert_eq!(code, 0, "{told}");
    let results: Value = serde_json::from_str(&out).unwrap();
    let metrics = run_of(&results, "narrow")["metrics"].clone();
    let of = |rule: &str, metric: &str| {
        let protocol = match rule {
            "insightface" => "ten-fold".to_string(),
            rule => format!("ten-fold-{rule}"),
        };
        let id = format!("synth-lfw-60-v1/{protocol}/{metric}");
        metrics[&id]["value"].as_f64().unwrap()
    };
    let page = fs::read_to_string(dir.join("reports/narrow-eval/wrong-pairs.html")).unwrap();
    assert!(page.contains("Of 60 pairs, narrow gets"), "{page}");
    let first = page
        .split("src=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap();
    let picture = fs::read(dir.join("reports/narrow-eval").join(first)).unwrap();
    assert_eq!(decode(&picture).unwrap().width, 112);
    let probe = fs::read_to_string(dir.join("reports/narrow-eval/input-probe.json")).unwrap();
    let probe: Value = serde_json::from_str(&probe).unwrap();
    assert_eq!(probe["narrow"]["others"].as_array().unwrap().len(), 5);
    assert!(told.contains("--no-probe"), "{told}");
    let table = fs::read_to_string(dir.join("reports/narrow-eval/transfer.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(rows.len(), 3, "{table}");
    // Three of the thirty impostor pairs may match.
    assert_eq!(
        rows[1][5..9],
        ["synth-lfw-60-v1", "0.1", "3", "30"],
        "{table}"
    );
    assert_eq!((rows[2][5], rows[2][8]), ("synth-lfw-20-v1", "10"));
    assert_eq!(rows[1][4], rows[2][4]);

    let pack = fs::read_dir(dir.join("data/synth-lfw-60-v1")).unwrap();
    let pack = pack
        .map(|e| e.unwrap().path())
        .find(|p| p.extension().is_some_and(|e| e == "bin"))
        .unwrap();
    let args = [
        "embed",
        model,
        pack.to_str().unwrap(),
        "-o",
        "a.npy",
        "--views",
        "both",
    ];
    let (code, _, told) = outcome(dir, &args);
    assert_eq!(code, 0, "{told}");
    let mut pairs = String::from("first,second,same\n");
    for (i, same) in BinReader::open(&pack).unwrap().same().iter().enumerate() {
        pairs += &format!("{},{},{}\n", 2 * i, 2 * i + 1, u8::from(*same));
    }
    fs::write(dir.join("pairs.csv"), pairs).unwrap();
    let args = [
        "eval",
        "--embeddings",
        "a.npy",
        "--pairs",
        "pairs.csv",
        "--views",
        "both",
        "--rule",
        &all,
        "--json",
    ];
    let (code, out, told) = outcome(dir, &args);
    assert_eq!(code, 0, "{told}");
    let given: Value = serde_json::from_str(&out).unwrap();
    for (rule, found) in rules.iter().zip(given.as_array().unwrap()) {
        assert_eq!(found["result"]["protocol"], format!("verification/{rule}"));
        let accuracy = &found["result"]["metrics"][0];
        assert_eq!(accuracy["id"], "accuracy");
        // On embeddings, face.evoLVe's rule is insightface's; on pictures it enlarges them.
        if *rule == "face-evolve" {
            assert_eq!(accuracy, &given[0]["result"]["metrics"][0]);
            let tar = "tar@far=1e-1";
            let differs = of(rule, "accuracy") != of("insightface", "accuracy")
                || of(rule, tar) != of("insightface", tar);
            assert!(differs, "{metrics}");
        } else {
            assert_eq!(
                accuracy["value"].as_f64(),
                Some(of(rule, "accuracy")),
                "{rule}"
            );
        }
    }
    // Sums cannot be taken apart.
    let mut zoo = args;
    (zoo[2], zoo[6], zoo[8]) = ("s.npy", "sum", "facex-zoo");
    let pack = pack.to_str().unwrap();
    let (code, _, told) = outcome(dir, &["embed", model, pack, "-o", "s.npy"]);
    assert_eq!(code, 0, "{told}");
    let (code, _, told) = outcome(dir, &zoo);
    assert_eq!(code, 5, "{told}");
    assert!(
        told.contains("s.npy: the rule facex-zoo scores pictures"),
        "{told}"
    );
    let (code, _, told) = outcome(dir, &["eval", "--embeddings", "a.npy"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("--pairs FILE"), "{told}");
}

#[test]
fn features_are_written_as_the_development_kit_reads_them() {
    let dir = place();
    let dir = dir.path();
    for (name, person) in [("a/one.png", 3), ("a/two.png", 90), ("b c/one.png", 200)] {
        let path = dir.join("faces").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, face(person, 1)).unwrap();
    }
    let model = "files/big.safetensors@bgr,0.25,0.5";
    let embed = |more: &[&str]| outcome(dir, &[&["embed", model, "faces"][..], more].concat());
    let (code, out, told) = embed(&["-o", "features", "--devkit", "net"]);
    assert_eq!(code, 0, "{told}");
    assert!(out.contains("a file of each picture"), "{out}");
    assert!(!dir.join("features.txt").exists());
    let (code, _, told) = embed(&["-o", "plain.npy"]);
    assert_eq!(code, 0, "{told}");

    let plain = Matrix::open(&dir.join("plain.npy"), None).unwrap();
    let features = Matrix::open(&dir.join("features"), None).unwrap();
    assert_eq!(features.names, plain.names);
    assert_eq!(
        features.names.unwrap(),
        ["a/one.png", "a/two.png", "b c/one.png"]
    );
    for i in 0..3 {
        let row = plain.rows.row(i);
        let norm: f64 = row.iter().map(|v| f64::from(*v).powi(2)).sum();
        for (unit, v) in features.rows.row(i).iter().zip(row) {
            assert!((f64::from(*unit) - f64::from(*v) / norm.sqrt()).abs() < 1e-6);
        }
    }
    let file = fs::read(dir.join("features/b c/one.png_net.bin")).unwrap();
    let header: Vec<u8> = [32, 1, 4, 5]
        .into_iter()
        .flat_map(i32::to_le_bytes)
        .collect();
    assert_eq!((&file[..16], file.len()), (&header[..], 16 + 4 * 32));

    for (more, says) in [
        (
            &["-o", "f", "--devkit", "a_b"][..],
            "no name of an algorithm",
        ),
        (
            &["-o", "f", "--devkit", "net", "--views", "both"][..],
            "want --views",
        ),
        (
            &["-o", "plain.npy", "--devkit", "net"][..],
            "plain.npy is a file",
        ),
        (&["-o", "features"][..], "into a folder with --devkit"),
    ] {
        let (code, _, told) = embed(more);
        assert_eq!(code, 2, "{told}");
        assert!(told.contains(says), "{told}");
    }
}

#[test]
fn a_training_starts_from_a_file() {
    let dir = place();
    let dir = dir.path();
    let suite = runs::suite(SUITE)
        .replace("id = \"alone\"", "id = \"alone\"\nstart = \"big\"")
        .replace(
            "entries = [\"big\", \"alone\", \"fcd\"]",
            "entries = [\"big\", \"alone\"]",
        );
    fs::write(dir.join("foreign.toml"), &suite).unwrap();
    let before = results(dir);
    let notes = before["input"]["notes"].to_string();
    let run = run_of(&before, "alone").to_string();
    let said = "started from the network of `import big`";
    assert!(notes.contains(said) || run.contains(said), "{notes} {run}");
    let key = |results: &Value| run_of(results, "alone")["train_key"].clone();
    put(&network(2), &dir.join("files/big.safetensors"));
    assert_ne!(key(&results(dir)), key(&before));
    let random = suite.replace("start = \"big\"\n", "");
    fs::write(dir.join("foreign.toml"), &random).unwrap();
    assert_ne!(key(&results(dir)), key(&before));

    let refused = |from: &str, to: &str| {
        assert!(suite.contains(from), "{from}");
        fs::write(dir.join("foreign.toml"), suite.replacen(from, to, 1)).unwrap();
        let (code, _, told) = outcome(dir, &["check", "foreign.toml"]);
        assert_eq!(code, 2, "{told}");
        told
    };
    let told = refused("preset = \"insightface\"", "preset = \"adaface\"");
    assert!(told.contains("cannot start from `big`: it sees"), "{told}");
    let told = refused("start = \"big\"", "start = \"alone\"");
    assert!(told.contains("which builds on it"), "{told}");
    let told = refused("start = \"big\"", "start = \"bigger\"");
    assert!(
        told.contains("unknown start `bigger`; known: big"),
        "{told}"
    );
}

#[test]
fn lists_of_data_sets_are_named() {
    let dir = place();
    let dir = dir.path();
    fs::create_dir_all(dir.join("suites/presets")).unwrap();
    let list = "summary = \"Mine\"\nsets = [\"synth-lfw-20-v1\"]\nrules = [\"facex-zoo\"]\n";
    fs::write(dir.join("suites/presets/mine.toml"), list).unwrap();
    let model = "files/big.safetensors@insightface";
    let args = ["eval", model, "--preset", "mine", "--json"];
    let (code, out, told) = outcome(dir, &args);
    assert_eq!(code, 0, "{told}");
    let results: Value = serde_json::from_str(&out).unwrap();
    let metrics = &run_of(&results, "big")["metrics"];
    let accuracy = &metrics["synth-lfw-20-v1/ten-fold-facex-zoo/accuracy"]["value"];
    assert!(accuracy.is_number(), "{metrics}");
    let (code, _, told) = outcome(dir, &["eval", model, "--preset", "min"]);
    assert_eq!(code, 2, "{told}");
    let (_, out, _) = outcome(dir, &["list", "presets"]);
    assert!(out.contains("synth-agedb-30-1200-v1"), "{out}");
    let (code, _, told) = outcome(dir, &["eval", model]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("--preset NAME"), "{told}");
}

/// Training, with a teacher that sees squares.
#[test]
fn narrow_images_are_trained_on() {
    let dir = place();
    let dir = dir.path();
    let suite = runs::suite(SUITE).replace("size = 32", "size = [48, 32]");
    fs::write(dir.join("foreign.toml"), &suite).unwrap();
    let results = results(dir);
    for row in ["alone", "big"] {
        let metrics = &run_of(&results, row)["metrics"];
        let accuracy = &metrics["synth-lfw-20-v1/ten-fold/accuracy"]["value"];
        assert!(accuracy.is_number(), "{metrics}");
    }
    let (code, out, _) = outcome(dir, &["show", "foreign.toml"]);
    assert_eq!(code, 0);
    assert!(out.contains("48x32 px"), "{out}");
    fs::write(
        dir.join("foreign.toml"),
        suite.replace("size = [48, 32]", "size = [48, 32, 3]"),
    )
    .unwrap();
    let (code, _, told) = outcome(dir, &["check", "foreign.toml"]);
    assert_eq!(code, 2, "{told}");
    assert!(told.contains("one side of a square"), "{told}");
}

#[test]
fn evaluations_of_other_inputs_lie_beside_each_other() {
    let dir = place();
    let dir = dir.path();
    let eval = |input: &str| {
        let model = "files/big.safetensors";
        let (code, _, told) = outcome(
            dir,
            &["eval", model, "--input", input, "--on", "synth-lfw-20-v1"],
        );
        assert_eq!(code, 0, "{told}");
        told
    };
    let told = eval("insightface");
    assert!(told.contains("--no-probe"), "{told}");
    eval("bgr,0,1");
    let folder = dir.join("reports/big-insightface-on-synth-lfw-20-v1-eval");
    assert!(
        dir.join("reports/big-bgr-0-1-on-synth-lfw-20-v1-eval")
            .is_dir()
    );
    let page = fs::read_to_string(folder.join("report.md")).unwrap();
    for said in ["parameters", "MACs", "images/s here"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    // What was looked at is not looked at again, unless the file is something else.
    assert!(!eval("insightface").contains("--no-probe"));
    fs::write(folder.join("input-probe.json"), "[1]").unwrap();
    let told = eval("insightface");
    assert!(told.contains("not what frbench wrote there"), "{told}");
    let probe = fs::read_to_string(folder.join("input-probe.json")).unwrap();
    let probe: Value = serde_json::from_str(&probe).unwrap();
    assert!(probe["big"]["d_prime"].is_number(), "{probe}");
}

#[test]
fn rules_are_of_pairs_and_embeddings_of_finite_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let people: String = (0..24).map(|i| format!("p{}\n", i / 2)).collect();
    fs::write(dir.join("people.txt"), people).unwrap();
    let mut numbers: Vec<f32> = (0..24 * 3)
        .map(|k| ((k * k + 7) % 23) as f32 - 9.5)
        .collect();
    frbench::weights::npy::write(dir.join("a.npy"), &[24, 3], &numbers).unwrap();
    let search = [
        "eval",
        "--embeddings",
        "a.npy",
        "--identities",
        "people.txt",
        "--distractors",
        "a.npy",
    ];
    let (code, _, told) = outcome(dir, &search);
    assert_eq!(code, 0, "{told}");
    let (code, _, told) = outcome(dir, &[&search[..], &["--rule", "facex-zoo"]].concat());
    assert_eq!(code, 2, "{told}");
    assert!(
        told.contains("--rule facex-zoo: rules are of pairs"),
        "{told}"
    );
    // A list of names that is of another file is not taken silently.
    fs::write(dir.join("a.txt"), "only\n").unwrap();
    let (_, _, told) = outcome(dir, &search);
    assert!(told.contains("a.txt: 1 lines for 24 rows"), "{told}");
    numbers[10] = f32::INFINITY;
    frbench::weights::npy::write(dir.join("a.npy"), &[24, 3], &numbers).unwrap();
    let (code, _, told) = outcome(dir, &search);
    assert_eq!(code, 5, "{told}");
    assert!(
        told.contains("a.npy: row 3 (from 0) holds NaN or infinity"),
        "{told}"
    );
    assert!(!told.contains("diverged"), "{told}");
}
