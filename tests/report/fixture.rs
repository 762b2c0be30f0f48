//! A report's input as a finished demo run would give it, with one failed and one missing run.

use frbench::embedded;
use frbench::job::result::{CurvePoint, DataResult, FileHash, Metric};
use frbench::plan::recipe::Recipe;
use frbench::report::model::*;
use std::collections::BTreeMap;

const SEEDS: [u64; 3] = [1, 2, 3];

fn column(dataset: &str, protocol: &str, metric: &str, label: &str, chance: f64) -> Column {
    Column {
        generated: true,
        id: format!("{dataset}/{metric}"),
        dataset: dataset.into(),
        protocol: protocol.into(),
        metric: metric.into(),
        label: label.into(),
        headline: true,
        primary: false,
        trials: None,
        unit: "%".into(),
        higher_is_better: true,
        chance: Some(chance),
        context: Context {
            protocol: protocol.into(),
            checkpoint: "last".into(),
            synthetic: true,
            overlaps: Vec::new(),
        },
    }
}

fn columns() -> Vec<Column> {
    let v = "verification/insightface";
    vec![
        column("synth-lfw-1200", v, "accuracy", "synth-lfw", 0.5),
        column("synth-cfp-fp-1400", v, "accuracy", "synth-cfp-fp", 0.5),
        column("synth-agedb-30-1200", v, "accuracy", "synth-agedb-30", 0.5),
        column(
            "synth-megaface-10k",
            "identification/megaface",
            "rank-1",
            "synth-megaface rank-1",
            1e-4,
        ),
    ]
}

/// Numbers of scores in bins of 0.25, and the right edge of the last.
fn bins(counts: [f64; 4]) -> Vec<(f64, f64)> {
    let edges = (-2..).map(|k| 0.25 * f64::from(k));
    edges.zip(counts.into_iter().chain([0.0])).collect()
}

/// Means per column; each seed is a little off, by the same amounts everywhere.
fn run(seed: u64, base: [f64; 4], speed: f64) -> SeedRun {
    let off = [0.0, 0.0021, -0.0008, -0.0017][seed as usize];
    let metrics = columns().into_iter().zip(base).map(|(c, value)| {
        let value = value + off * if c.metric == "rank-1" { 3.0 } else { 1.0 };
        let metric = Metric {
            id: c.metric,
            value,
            higher_is_better: true,
            chance: c.chance,
            interval: Some((value - 0.011, value + 0.01)),
            folds: vec![],
        };
        (c.id, metric)
    });
    let curve = (0..40u32)
        .map(|i| CurvePoint {
            step: u64::from(i) * 50,
            epoch: f64::from(i) * 0.25,
            lr: 0.1,
            loss: 14.0 * (-f64::from(i) / 12.0).exp() + 0.9 + off * f64::from(i * 7 % 5) * 40.0,
            parts: BTreeMap::new(),
        })
        .collect();
    let roc = (0..=40)
        .map(|i| {
            let far = 10f64.powf(-4.0 + f64::from(i) / 10.0);
            (far, far.powf((1.0 - base[0]) * 0.9))
        })
        .collect();
    SeedRun {
        failed: BTreeMap::new(),
        seed,
        status: RunStatus::Done,
        metrics: metrics.collect(),
        curve,
        adds: BTreeMap::new(),
        roc: BTreeMap::from([(columns()[0].id.clone(), roc)]),
        cmc: BTreeMap::new(),
        dir: BTreeMap::new(),
        genuine: BTreeMap::from([(columns()[0].id.clone(), bins([1.0, 2.0, 5.0, 2.0]))]),
        impostor: BTreeMap::from([(columns()[0].id.clone(), bins([6.0, 3.0, 1.0, 0.0]))]),
        train_seconds: Some(64_000.0 / speed),
        images_per_second: Some(speed),
        embedded_per_second: None,
        train_key: format!("{seed}a5fc0").repeat(11)[..64].into(),
        checkpoint_sha256: format!("{seed}9d07e").repeat(11)[..64].into(),
        model_sha256: String::new(),
        labels: Vec::new(),
        attention: Vec::new(),
        pictures: Vec::new(),
    }
}

fn row(id: &str, label: &str, role: Role, base: [f64; 4]) -> Row {
    let teacher = role == Role::Teacher;
    let seeds = if teacher { &SEEDS[..1] } else { &SEEDS[..] };
    Row {
        info: RowInfo {
            id: id.into(),
            label: label.into(),
            role,
            group: String::new(),
            of: None,
            note: String::new(),
            condition: String::new(),
            published: vec![label.into()],
        },
        origin: Some(Origin::Trained("synth-train-1000".into())),
        backbone: if teacher {
            "iResNet-18"
        } else {
            "MobileNetV2 0.5x"
        }
        .into(),
        parameters: if teacher { 11_200_000 } else { 690_000 },
        macs: if teacher { 740_000_000 } else { 62_300_000 },
        recipe: Recipe {
            loss: format!("{id}; arcface m=0.3 s=32"),
            training: if teacher {
                "5 epochs of 64, rate 0.05, kept".into()
            } else {
                "2 epochs of 64, rate 0.05, kept".into()
            },
        },
        runs: seeds
            .iter()
            .map(|s| run(*s, base, if teacher { 190.0 } else { 410.0 }))
            .collect(),
    }
}

pub fn input() -> ReportInput {
    let mut student = row(
        "student",
        "Student alone",
        Role::Student,
        [0.8912, 0.8204, 0.7933, 0.4410],
    );
    student.info.note = "ArcFace".into();
    let mut teacher = row(
        "teacher",
        "Teacher",
        Role::Teacher,
        [0.9391, 0.8877, 0.8462, 0.6125],
    );
    teacher.info.note = "ArcFace".into();
    let fcd = row(
        "fcd",
        "FCD",
        Role::Baseline,
        [0.9102, 0.8391, 0.8120, 0.5014],
    );
    // Off by the seed's own amount from FCD, so that pairs have a spread.
    let mut coupleface = row(
        "coupleface",
        "CoupleFace",
        Role::Method,
        [0.9171, 0.8402, 0.8188, 0.5302],
    );
    for (run, off) in coupleface.runs.iter_mut().zip([0.0004, -0.0006, 0.0002]) {
        for metric in run.metrics.values_mut() {
            metric.value += off;
        }
    }
    let mut plus = row(
        "coupleface+",
        "CoupleFace+",
        Role::Method,
        [0.9186, 0.8455, 0.8201, 0.5280],
    );
    plus.runs[1] = SeedRun {
        status: RunStatus::Failed("loss is NaN at step 310".into()),
        metrics: BTreeMap::new(),
        curve: vec![],
        roc: BTreeMap::new(),
        cmc: BTreeMap::new(),
        dir: BTreeMap::new(),
        genuine: BTreeMap::new(),
        impostor: BTreeMap::new(),
        train_seconds: None,
        images_per_second: None,
        embedded_per_second: None,
        checkpoint_sha256: String::new(),
        model_sha256: String::new(),
        ..plus.runs[1].clone()
    };
    let mut random = row(
        "random",
        "Random identities",
        Role::Ablation,
        [0.9120, 0.8399, 0.8150, 0.5111],
    );
    random.info.group = "Mining".into();
    random.info.note = "no informative mutual relations".into();
    let mut own = row(
        "own",
        "R(s, s) instead of R(s, t)",
        Role::Ablation,
        [0.9107, 0.8380, 0.8129, 0.5033],
    );
    own.info.group = "Relation".into();
    for run in &mut own.runs {
        *run = SeedRun {
            status: RunStatus::Missing,
            metrics: BTreeMap::new(),
            curve: vec![],
            roc: BTreeMap::new(),
            cmc: BTreeMap::new(),
            dir: BTreeMap::new(),
            genuine: BTreeMap::new(),
            impostor: BTreeMap::new(),
            train_seconds: None,
            images_per_second: None,
            embedded_per_second: None,
            checkpoint_sha256: String::new(),
            model_sha256: String::new(),
            ..run.clone()
        };
    }
    let claim = |id: &str, better: &str, than: &str, column: usize, text: &str| Claim {
        id: id.into(),
        text: text.into(),
        better: better.into(),
        than: than.into(),
        on: columns()[column].id.clone(),
        margin: 0.001,
        margin_source: "half of the 0.2 points of Table 2".into(),
        why: "The paper's protocol is closest to it.".into(),
        question: false,
        primary: true,
        reconstructed: String::new(),
        source: if column == 0 {
            "CoupleFace, abstract".into()
        } else {
            String::new()
        },
    };
    let mut references = embedded::published("coupleface", None).unwrap();
    references.extend(
        embedded::published("ekd", None)
            .unwrap()
            .into_iter()
            .take(26),
    );
    ReportInput {
        suite: SuiteInfo {
            name: "coupleface".into(),
            title: "CoupleFace: do mutual relations help to distil a face recogniser?".into(),
            profile: "demo".into(),
            paper: Paper {
                title: "CoupleFace: Relation Matters for Face Recognition Distillation".into(),
                authors: ["Liu", "Qin", "Wu", "Liang", "Ren", "Xu"].map(String::from).to_vec(),
                venue: Some("ECCV".into()),
                year: Some(2022),
                arxiv: Some("2204.05502".into()),
                doi: Some("10.1007/978-3-031-19775-8_40".into()),
                ..Paper::default()
            },
            analysis: "The paper adds *mutual relation distillation* to feature consistency.\n\nVerified in the abstract: `FCD` and `MRD`. Reconstructed:\n- the hinge with `+ q`\n- the update of the feature bank".into(),
        },
        rows: vec![teacher, student, fcd, coupleface, plus, random, own],
        columns: columns(),
        conditions: BTreeMap::new(),
        claims: vec![
            claim("lfw", "coupleface", "fcd", 0, "CoupleFace beats FCD on synth-lfw."),
            claim("cfp", "coupleface", "fcd", 1, "CoupleFace beats FCD on synth-cfp-fp."),
            claim("contra", "student", "fcd", 3, "The student alone beats FCD on synth-megaface."),
            claim("plus", "coupleface+", "coupleface", 0, "CoupleFace+ beats CoupleFace on synth-lfw."),
            claim("own", "coupleface", "own", 0, "Relations to the teacher beat relations among the student's own."),
        ],
        published: references,
        data: vec![DataSet {
            result: DataResult {
                name: "synth-lfw-1200-v1".into(),
                files: vec![FileHash {
                    path: "lfw.bin".into(),
                    bytes: 5_120_334,
                    sha256: "0c".repeat(32),
                }],
                pixels_sha256: "7e".repeat(32),
                facts_sha256: None,
                decoder: "zune-jpeg 0.5.15".into(),
                images: 2400,
                identities: 600,
                counts: BTreeMap::from([("pairs".into(), 1200)]),
                damaged: BTreeMap::new(),
                notes: Vec::new(),
            },
            pinned: true,
        }],
        seeds: SEEDS.to_vec(),
        environment: BTreeMap::from([
            ("cpu".into(), "2 cores, AVX-512".into()),
            ("frbench".into(), "0.1.0".into()),
        ]),
        command: "frbench run coupleface --profile demo".into(),
        started: "2026-11-23 20:14:07 UTC".into(),
        finished: "2026-11-23 20:41:55 UTC".into(),
        notes: vec!["synth-megaface: 3 ties at the threshold, counted against the model.".into()],
    }
}
