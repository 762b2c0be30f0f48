//! A few steps of a training with each entry of the tables, held against the bits they gave.
//!
//! Keys say which sources compute a job. Numbers may change without any of them: by a compiler, a
//! library, a flag. Here that is seen. `canary.json` holds, for each entry, a small training and
//! the hash of what three steps of it leave, for each set of kernels. A change is written by
//! `FRBENCH_CANARY="why" cargo test --test methods canary`, and the reason stays in the table.

use crate::common::noise::Noise;
use crate::common::training::{constant, input, training};
use frbench::backbone::{self, BACKBONES};
use frbench::distill::DISTILL;
use frbench::embedded;
use frbench::engine::Network;
use frbench::engine::ops::simd::{self, Level};
use frbench::head::{self, HEADS};
use frbench::job::artefact::{Artefact, Matrix};
use frbench::job::{BackboneSpec, HeadSpec, MethodSpec, TrainSpec};
use frbench::key::sha256_hex;
use frbench::method::{self, METHODS};
use frbench::rng::Stream;
use frbench::suite::resolve::Row;
use frbench::suite::{parse, resolve};
use frbench::train::{FrozenClassifier, FrozenNetwork, Teacher, TeacherRows, Trainer};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex};

const SIDE: usize = 32;
const CLASSES: usize = 5;
const DIM: usize = 8;
const IMAGES: usize = 20;
const STEPS: u64 = 3;
/// Says why numbers changed, and has them written.
const REASON: &str = "FRBENCH_CANARY";

/// A network with its head.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Net {
    backbone: BackboneSpec,
    head: Option<HeadSpec>,
}

/// A line of the table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    /// `head/cosface`.
    entry: String,
    method: MethodSpec,
    student: Net,
    teacher: Option<Net>,
    /// By set of kernels, and the best set of the machine: candle's products take that.
    sha256: BTreeMap<String, String>,
    /// Why they are these.
    reason: String,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/methods/canary.json")
}

fn table() -> Vec<Line> {
    std::fs::read(path()).map_or_else(|_| Vec::new(), |t| serde_json::from_slice(&t).unwrap())
}

/// Every entry that must have a line.
fn entries() -> Vec<String> {
    let backbones = BACKBONES
        .iter()
        .map(|e| format!("backbone/{}", e.info.name));
    let heads = HEADS.iter().map(|e| format!("head/{}", e.info.name));
    let losses = DISTILL.iter().map(|e| format!("distill/{}", e.info.name));
    let methods = METHODS.iter().map(|e| format!("method/{}", e.info.name));
    backbones
        .chain(heads)
        .chain(losses)
        .chain(methods)
        .collect()
}

/// A new line: the first training of the suites that uses the entry, made small.
fn small(entry: &str) -> Line {
    let known = embedded::catalogue(None).unwrap();
    let (kind, name) = entry.split_once('/').unwrap();
    for (suite, text) in embedded::SUITES {
        let suite = parse(embedded::source(*suite, *text)).unwrap();
        for profile in &suite.profiles {
            let rows = resolve(&suite, &profile.id, &known).unwrap().rows;
            // Some rows only declare what they would need.
            let runs = |row: &Row| BACKBONES.iter().any(|e| e.info.name == row.backbone.name);
            let mut runnable = rows
                .iter()
                .filter(|row| runs(row) && row.teacher.is_none_or(|t| runs(&rows[t])));
            let found = runnable.find(|row| match kind {
                "backbone" => row.backbone.name == name,
                "head" => row
                    .trained()
                    .unwrap()
                    .head
                    .as_ref()
                    .is_some_and(|h| h.name == name),
                "method" => row.trained().unwrap().method.name == name,
                _ => {
                    losses(&row.trained().unwrap().method).any(|l| l == name)
                        || is_built_on(&row.trained().unwrap().method, name)
                }
            });
            let Some(row) = found else { continue };
            let net = |row: &Row| Net {
                backbone: narrow(&row.backbone),
                head: row.trained().unwrap().head.clone(),
            };
            return Line {
                entry: entry.into(),
                method: tame(&row.trained().unwrap().method),
                student: net(row),
                teacher: row.teacher.map(|t| net(&rows[t])),
                sha256: BTreeMap::new(),
                reason: String::new(),
            };
        }
    }
    assert_eq!(kind, "backbone", "no suite trains `{entry}`");
    // A depth that no suite uses, alone.
    Line {
        entry: entry.into(),
        method: MethodSpec {
            name: "margin-softmax".into(),
            params: BTreeMap::new(),
        },
        student: Net {
            backbone: narrow(&BackboneSpec {
                name: name.into(),
                embedding: DIM,
                params: BTreeMap::new(),
                conv: Default::default(),
            }),
            head: Some(HeadSpec {
                name: "cosface".into(),
                params: serde_json::from_value(json!({"s": 16, "m": 0.2})).unwrap(),
            }),
        },
        teacher: None,
        sha256: BTreeMap::new(),
        reason: String::new(),
    }
}

/// Whether the method builds the loss by itself.
fn is_built_on(method: &MethodSpec, loss: &str) -> bool {
    let mut lines = METHODS.iter().zip(method::ORIGINS);
    let line = lines.find(|(entry, _)| entry.info.name == method.name);
    line.is_some_and(|(_, origin)| {
        origin
            .built_on
            .contains(&format!("distill/{loss}").as_str())
    })
}

fn losses(method: &MethodSpec) -> impl Iterator<Item = &str> {
    let lists = method.params.values().filter_map(|v| v.as_array());
    lists.flatten().filter_map(|l| l.get("name")?.as_str())
}

/// The same architecture with few channels.
fn narrow(spec: &BackboneSpec) -> BackboneSpec {
    let mut spec = spec.clone();
    let entry = BACKBONES.iter().find(|e| e.info.name == spec.name).unwrap();
    if entry.info.params.iter().any(|p| p.name == "width") {
        spec.params.insert("width".into(), json!(0.125));
    }
    spec.embedding = DIM;
    spec
}

/// The same method for few classes and images.
fn tame(method: &MethodSpec) -> MethodSpec {
    let mut method = method.clone();
    let few = |params: &mut dyn Iterator<Item = (&String, &mut serde_json::Value)>| {
        for (name, value) in params {
            if ["k", "negatives", "dim"].contains(&name.as_str()) {
                *value = json!(3);
            }
        }
    };
    few(&mut method.params.iter_mut());
    for value in method.params.values_mut() {
        for loss in value.as_array_mut().into_iter().flatten() {
            if let Some(map) = loss.as_object_mut() {
                few(&mut map.iter_mut());
            }
        }
    }
    method
}

/// Embeddings of the training set, original and mirrored.
struct Rows(Matrix<f32>);

impl TeacherRows for Rows {
    fn dim(&self) -> usize {
        self.0.cols
    }

    fn row(&self, index: u32, flipped: bool) -> &[f32] {
        self.0.row(2 * index as usize + usize::from(flipped))
    }
}

fn noise(purpose: &str, rows: usize, cols: usize) -> Matrix<f32> {
    let mut stream = Stream::derive(5, purpose, &[]);
    let data = (0..rows * cols).map(|_| stream.normal() as f32).collect();
    Matrix { rows, cols, data }
}

/// The hash of all that is saved of the training after its steps.
fn hash(line: &Line) -> String {
    let spec = TrainSpec {
        method: line.method.clone(),
        head: line.student.head.clone(),
        input: input(SIDE),
        schedule: constant(STEPS),
        ..training(
            line.student.backbone.clone(),
            HeadSpec {
                name: String::new(),
                params: BTreeMap::new(),
            },
        )
    };
    let labels: Vec<u32> = (0..IMAGES as u32).map(|i| i % CLASSES as u32).collect();
    let needs = method::find(&spec.method.name).unwrap().needs;
    let needs = needs(&spec.method, spec.head.as_ref()).unwrap();
    let rows = Rows(noise("teacher", 2 * IMAGES, DIM));
    let mut derived: BTreeMap<String, Artefact> = BTreeMap::new();
    for need in &needs.derive {
        let artefact = match need.derivation {
            "embeddings" => Artefact::F32(rows.0.clone()),
            other => {
                let from = need.from.iter();
                let from = from.map(|n| (n.to_string(), derived[*n].clone())).collect();
                method::derive::run(other, &need.params, &from, &labels, CLASSES).unwrap()
            }
        };
        derived.insert(need.name.to_owned(), artefact);
    }
    let images = Arc::new(Noise::of(IMAGES));
    let frozen = line.teacher.as_ref().map(|teacher| {
        let graph = backbone::build(&teacher.backbone, SIDE).unwrap();
        let mut network = Network::new(graph);
        network.init(9);
        network
    });
    let seen = input(SIDE);
    let mut teacher = Teacher::default();
    if let (Some(network), Some(its)) = (&frozen, &line.teacher) {
        if needs.teacher_network() {
            teacher.network = Some(FrozenNetwork {
                network,
                input: &seen,
                images: images.clone(),
            });
        } else {
            teacher.rows = Some(&rows);
        }
        if let Some(spec) = its.head.as_ref().filter(|_| needs.teacher_classifier()) {
            let weights = CLASSES * head::build(spec).unwrap().rows_per_class();
            let weights = noise("classes", weights, DIM);
            let shape = [weights.rows, DIM];
            let classifier = FrozenClassifier::new(spec, shape, weights.data, BTreeMap::new());
            teacher.classifier = Some(classifier.unwrap());
        }
    }
    let mut trainer = Trainer::new(&spec, images, &labels, CLASSES, teacher, &derived).unwrap();
    (0..STEPS).for_each(|_| drop(trainer.step().unwrap()));
    sha256_hex(&trainer.save().unwrap().to_bytes())
}

/// Lines of all entries. With a reason, those of entries that are gone are dropped, and those of
/// new ones are made.
fn lines(reason: Option<&str>) -> Vec<Line> {
    let mut lines = table();
    let given = |l: &Line| l.reason.trim().len() > 10;
    assert!(lines.iter().all(given), "a line without a reason");
    let known = entries();
    if reason.is_some() {
        lines.retain(|l| known.contains(&l.entry));
        for entry in &known {
            if lines.iter().all(|l| l.entry != *entry) {
                lines.push(small(entry));
            }
        }
    }
    for entry in &known {
        let stated = lines.iter().filter(|l| l.entry == *entry).count();
        assert_eq!(stated, 1, "lines of {entry}; {REASON} writes a missing one");
    }
    assert_eq!(lines.len(), known.len(), "lines of entries that are gone");
    lines
}

/// Held while the table is read and written: each test has another column of it.
static TABLE: Mutex<()> = Mutex::new(());

/// Elsewhere exponentials and logarithms come from other libraries.
const HERE: bool = cfg!(all(
    target_os = "linux",
    target_arch = "x86_64",
    target_env = "gnu"
));

#[test]
fn canary_every_entry_gives_the_bits_it_gave() {
    if !HERE {
        println!("skipped: the table is of x86_64 Linux");
        return;
    }
    let _held = TABLE.lock();
    let reason = std::env::var(REASON).ok();
    let reason = reason.as_deref();
    assert!(
        reason.is_none_or(|r| r.trim().len() > 10),
        "{REASON} says why"
    );
    let mut lines = lines(reason);
    let kernels = format!("{} of {}", simd::name(), simd::best().name());
    if reason.is_none() && lines.iter().all(|l| !l.sha256.contains_key(&kernels)) {
        println!("skipped: the table has no hashes for {kernels}");
        return;
    }
    let mut changed = Vec::new();
    for line in &mut lines {
        let hash = hash(line);
        let was = line.sha256.insert(kernels.clone(), hash.clone());
        if was.as_ref() != Some(&hash) {
            changed.push(line.entry.clone());
            line.reason = reason.unwrap_or_default().to_string();
        }
    }
    if reason.is_some() {
        let text = serde_json::to_string_pretty(&lines).unwrap();
        std::fs::write(path(), text + "\n").unwrap();
        println!("{kernels}: {} changed: {changed:#?}", changed.len());
        return;
    }
    assert!(
        changed.is_empty(),
        "other bits than in tests/methods/canary.json on {kernels}; if they are meant, \
         {REASON}=\"why\" writes them: {changed:#?}",
    );
}

/// The test above in a process of its own for each other set of kernels.
#[test]
fn canary_on_the_other_kernels_of_this_machine() {
    let _held = TABLE.lock();
    for level in [Level::Plain, Level::Avx2, Level::Avx512] {
        if level > simd::best() || level == simd::level() {
            continue;
        }
        let out = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "canary::canary_every_entry_gives_the_bits_it_gave",
            ])
            .arg("--nocapture")
            .env("FRBENCH_ISA", level.name())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&out.stdout) + String::from_utf8_lossy(&out.stderr);
        assert!(out.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
    }
}
