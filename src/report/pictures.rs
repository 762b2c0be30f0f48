//! Pictures that trainings left behind, and where networks look.

use super::format::fixed;
use super::model::{ReportInput, Row};
use crate::result::{Picture, PictureKind};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Files of pictures by their sha256, wherever they are now.
pub type PictureFiles = BTreeMap<String, PathBuf>;

/// A picture as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Shown {
    pub row: String,
    pub seed: u64,
    /// Relative to the page.
    pub path: String,
    pub caption: String,
    pub width: u32,
    pub height: u32,
}

/// How much of a row's attention lies on the landmarks, stage by stage.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Looks {
    pub row: String,
    /// `1.34`: times the share that an even attention would have there.
    pub stages: Vec<String>,
}

/// The place of a picture within the folder of a report.
pub(super) fn place(picture: &Picture) -> String {
    let sha: String = picture.file.sha256.chars().take(16).collect();
    format!("pictures/{sha}.jpg")
}

/// The pictures of one kind: of each row the first seed that has one.
pub(super) fn of_kind(input: &ReportInput, kind: PictureKind) -> Vec<Shown> {
    let of = |row: &Row| {
        let runs = row.runs.iter();
        let mut found = runs.flat_map(|r| r.pictures.iter().map(move |p| (r.seed, p)));
        let (seed, picture) = found.find(|(_, p)| p.kind == kind)?;
        Some(Shown {
            row: row.label.clone(),
            seed,
            path: place(picture),
            caption: picture.caption.clone(),
            width: picture.size.0,
            height: picture.size.1,
        })
    };
    input.rows.iter().filter_map(of).collect()
}

/// Means over seeds.
pub(super) fn looks(input: &ReportInput) -> Vec<Looks> {
    let of = |row: &Row| {
        let runs: Vec<_> = row
            .runs
            .iter()
            .filter(|r| !r.attention.is_empty())
            .collect();
        let stages = runs.first()?.attention.len();
        let ratio = |k: usize| {
            let of_run = runs.iter().filter_map(|r| r.attention.get(k));
            let ratios: Vec<f64> = of_run.map(|a| a.on_landmarks / a.area).collect();
            fixed(crate::stats::mean(&ratios), 2)
        };
        Some(Looks {
            row: row.label.clone(),
            stages: (0..stages).map(ratio).collect(),
        })
    };
    input.rows.iter().filter_map(of).collect()
}
