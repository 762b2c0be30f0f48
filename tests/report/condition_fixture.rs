//! A report's input with two conditions, wrong labels under one of them, attention and pictures.

use crate::fixture;
use frbench::data::decode::encode_jpeg;
use frbench::data::image::Image;
use frbench::job::result::*;
use frbench::key::sha256_hex;
use frbench::report::model::*;
use std::path::Path;

/// Label, note, and what it costs.
const CONDITIONS: [(&str, &str, f64); 2] = [
    ("C0", "The training set as it is.", 0.0),
    (
        "C30",
        "30 % of all images under the name of another person.",
        0.06,
    ),
];

pub fn input() -> ReportInput {
    let mut input = fixture::input();
    input.suite.name = "noise".into();
    input.suite.title = "Heads that correct wrong labels".into();
    let base = std::mem::take(&mut input.rows);
    input.rows.push(teacher(&base[0]));
    for (condition, note, cost) in CONDITIONS {
        input.conditions.insert(condition.into(), note.into());
        for row in &base[1..] {
            input.rows.extend(under(row, condition, cost));
        }
    }
    input.claims = claims();
    input.data[0].result.name = "synth-train-300x20-v1+c30-seed1".into();
    input.data[0].result.counts =
        [("wrong_labels".to_string(), 1800), ("genuine".into(), 0)].into();
    input.data[0].result.notes = vec![
        "labels of another class: 1800 of 6000, 30.00 % (requested 30 %); images replaced by outliers: 300 of 6000, 5.00 % (requested 5 %)".into(),
    ];
    input
}

/// Writes the files of the pictures below `runs`, but for those of BoundaryFace.
pub fn put_pictures(input: &ReportInput, runs: &Path) {
    for row in &input.rows {
        for run in row.runs.iter().filter(|_| row.label != "BoundaryFace") {
            for picture in &run.pictures {
                let folder = runs.join(&run.train_key);
                std::fs::create_dir_all(&folder).unwrap();
                let bytes = jpeg(&row.id, picture.size);
                std::fs::write(folder.join(&picture.file.path), bytes).unwrap();
            }
        }
    }
}

fn teacher(row: &Row) -> Row {
    let mut row = row.clone();
    row.info.label = "Teacher".into();
    for run in &mut row.runs {
        run.train_key = format!("{:064x}", 7);
        run.attention = attention(1.4);
        run.pictures = vec![picture(&row.info.id, PictureKind::Attention)];
    }
    row
}

fn under(row: &Row, condition: &str, cost: f64) -> Option<Row> {
    let noisy = condition == "C30";
    let (label, gain, corrects) = match row.id.as_str() {
        "student" => ("ArcFace", 0.0, false),
        "fcd" => ("MV-Arc", 0.002, false),
        "coupleface" => ("BoundaryF1", 0.03, true),
        "coupleface+" => ("BoundaryFace", 0.025, true),
        // Ablations are of one condition.
        _ if !noisy => return None,
        _ => (row.label.as_str(), 0.01, true),
    };
    let mut out = row.clone();
    out.info.id = format!("{}@{}", row.id, condition.to_lowercase());
    out.info.label = label.into();
    out.info.condition = condition.into();
    if row.role == Role::Ablation {
        out.info.of = Some("coupleface@c30".into());
        out.info.group = String::new();
    }
    if label == "BoundaryFace" {
        out.backbone = "MobileNetV2 1.0x".into();
    }
    for run in &mut out.runs {
        run.train_key = sha256_hex(format!("{} {}", out.info.id, run.seed).as_bytes());
        for metric in run.metrics.values_mut() {
            metric.value -= cost - if noisy { gain } else { 0.0 };
            // So that pairs have a spread.
            if row.id == "fcd" {
                metric.value += 0.0002 * (run.seed as f64 - 2.0);
            }
        }
        if run.status != RunStatus::Done {
            continue;
        }
        run.attention = attention(1.1 + gain * 8.0 + run.seed as f64 * 0.01);
        run.pictures = vec![picture(&out.info.id, PictureKind::Attention)];
        if noisy || corrects {
            run.labels = (1..=8)
                .map(|e| epoch(e, run.seed, noisy, corrects))
                .collect();
        }
        if noisy && corrects {
            run.pictures
                .push(picture(&out.info.id, PictureKind::Corrections));
        }
    }
    Some(out)
}

/// A head that corrects stays off the wrong labels from the third epoch on.
fn epoch(epoch: u64, seed: u64, noisy: bool, corrects: bool) -> LabelEpoch {
    let (wrong, outliers) = if noisy { (1800, 300) } else { (0, 0) };
    let clean = 6000 - wrong - outliers;
    let of = |images: u64, per_mille: u64| images * per_mille.min(1000) / 1000;
    let robust = corrects && epoch > 2;
    let learned = if robust { 40 } else { 70 * epoch };
    let found = if robust { 90 * epoch + 5 * seed } else { 0 };
    LabelEpoch {
        epoch,
        clean: Fitted {
            images: clean,
            to_label: of(clean, 500 + 55 * epoch),
            to_truth: of(clean, 500 + 55 * epoch),
        },
        flipped: Fitted {
            images: wrong,
            to_label: of(wrong, learned),
            to_truth: of(wrong, 400 + if corrects { 55 * epoch } else { 10 * epoch }),
        },
        outliers: Fitted {
            images: outliers,
            to_label: of(outliers, 60 * epoch),
            to_truth: 0,
        },
        corrections: corrects.then(|| Corrections {
            clean: if robust { 3 * seed } else { 0 },
            flipped: of(wrong, found),
            outliers: of(outliers, found / 2),
            to_truth: of(of(wrong, found), 930),
        }),
    }
}

fn attention(times: f64) -> Vec<StageAttention> {
    let areas = [0.113, 0.113, 0.125, 0.161];
    (1..5)
        .zip(areas)
        .map(|(stage, area)| StageAttention {
            tap: format!("layer{stage}.1.spatial"),
            on_landmarks: area * times * (0.9 + 0.05 * f64::from(stage)),
            area,
        })
        .collect()
}

fn picture(id: &str, kind: PictureKind) -> Picture {
    let (path, size) = match kind {
        PictureKind::Attention => ("attention.jpg", (384, 460)),
        PictureKind::Corrections => ("corrections.jpg", (724, 412)),
    };
    let bytes = jpeg(id, size);
    Picture {
        kind,
        caption: match kind {
            PictureKind::Attention => "6 faces as this network sees them, and the spatial attention of the last block of each stage.".into(),
            PictureKind::Corrections => format!("24 of 1203 images whose labels were corrected by `{id}`, in threes."),
        },
        file: FileHash {
            path: path.into(),
            bytes: bytes.len() as u64,
            sha256: sha256_hex(&bytes),
        },
        size,
    }
}

/// Tiles in colours that follow from the row.
fn jpeg(id: &str, (width, height): (u32, u32)) -> Vec<u8> {
    let hash = sha256_hex(id.as_bytes());
    let tint = |i: usize| u8::from_str_radix(&hash[2 * i..2 * i + 2], 16).unwrap();
    let mut pixels = Vec::new();
    for y in 0..height {
        for x in 0..width {
            let tile = ((x / 76 + y / 76) % 8) as usize;
            pixels.extend([tint(tile), tint(tile + 1), (x * 255 / width) as u8]);
        }
    }
    let image = Image::new(width as usize, height as usize, pixels).unwrap();
    encode_jpeg(&image, 80).unwrap()
}

fn claims() -> Vec<Claim> {
    let claim = |id: &str, question, better: &str, than: &str, text: &str| Claim {
        id: id.into(),
        text: text.into(),
        better: better.into(),
        than: than.into(),
        on: fixture::input().columns[0].id.clone(),
        margin: 0.0,
        margin_source: String::new(),
        why: String::new(),
        question,
        primary: question,
        reconstructed: String::new(),
        source: "BoundaryFace, README".into(),
    };
    let helps = "Correcting labels beats ArcFace.";
    vec![
        claim("helps", true, "coupleface@c0", "student@c0", helps),
        claim("helps", true, "coupleface@c30", "student@c30", helps),
        claim(
            "mining",
            true,
            "student@c30",
            "fcd@c30",
            "ArcFace beats mining.",
        ),
        claim(
            "own",
            false,
            "coupleface@c30",
            "own@c30",
            "The rule matters.",
        ),
    ]
}
