//! What was used and what was run.

use super::super::format::{Unit, duration, fixed};
use super::super::model::*;
use super::NONE;
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct DataView {
    pub name: String,
    pub size: String,
    pub pinned: bool,
    pub pixels: String,
    pub decoder: String,
    pub files: Vec<(String, String, String)>,
    pub notes: Vec<String>,
}

/// One training run with its raw values.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RunView {
    /// Its row, with the condition where there are several.
    pub row: String,
    pub seed: u64,
    pub status: &'static str,
    pub reason: String,
    pub values: Vec<String>,
    pub time: String,
    pub speed: String,
    pub key: String,
    pub checkpoint: String,
}

/// How rows are trained: those alike under all conditions once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct RecipeView {
    pub row: String,
    pub loss: String,
    pub training: String,
}

pub(super) fn recipes(input: &ReportInput) -> Vec<RecipeView> {
    let mut out: Vec<RecipeView> = Vec::new();
    for row in input.rows.iter().filter(|r| !r.recipe.loss.is_empty()) {
        let namesakes = || input.rows.iter().filter(|r| r.label == row.label);
        let alike = namesakes().all(|r| r.recipe == row.recipe);
        let view = RecipeView {
            row: if alike {
                row.label.clone()
            } else {
                input.name(row)
            },
            loss: row.recipe.loss.clone(),
            training: row.recipe.training.clone(),
        };
        if !out.contains(&view) {
            out.push(view);
        }
    }
    out
}

/// A count and what it counts, in words: `600 genuine pairs`.
fn counted(name: &str, n: u64) -> String {
    match name {
        "genuine" => format!("{n} genuine pairs"),
        other => format!("{n} {}", other.replace('_', " ")),
    }
}

pub(super) fn data(set: &DataSet) -> DataView {
    let r = &set.result;
    let mut size = vec![format!("{} images", r.images)];
    if r.identities > 0 {
        size.push(format!("{} identities", r.identities));
    }
    let counts = r.counts.iter().filter(|(_, n)| **n > 0);
    size.extend(counts.map(|(name, n)| counted(name, *n)));
    DataView {
        name: r.name.clone(),
        size: size.join(", "),
        pinned: set.pinned,
        pixels: r.pixels_sha256.clone(),
        decoder: r.decoder.clone(),
        files: r
            .files
            .iter()
            .map(|f| (f.path.clone(), f.bytes.to_string(), f.sha256.clone()))
            .collect(),
        notes: r.notes.clone(),
    }
}

pub(super) fn runs(input: &ReportInput) -> Vec<RunView> {
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    let mut runs = Vec::new();
    for row in &input.rows {
        for run in &row.runs {
            let value = |c: &Column| match run.metrics.get(&c.id) {
                Some(m) if m.value.is_finite() => Unit::of(&c.unit).value(m.value),
                Some(_) => "not a number".into(),
                None => NONE.into(),
            };
            let (status, reason) = match &run.status {
                RunStatus::Done => ("done", String::new()),
                RunStatus::Failed(reason) => ("failed", reason.clone()),
                RunStatus::Missing => ("missing", String::new()),
            };
            runs.push(RunView {
                row: input.name(row),
                seed: run.seed,
                status,
                reason,
                values: input.columns.iter().map(value).collect(),
                time: run.train_seconds.map_or(NONE.into(), duration),
                speed: run.images_per_second.map_or(NONE.into(), |s| fixed(s, 0)),
                key: short(&run.train_key),
                checkpoint: short(&run.checkpoint_sha256),
            });
        }
    }
    runs
}
