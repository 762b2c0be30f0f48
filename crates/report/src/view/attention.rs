//! Where networks look: the attention on the landmarks of faces, and pictures of it.

use super::super::format::fixed;
use super::super::model::*;
use super::super::pictures::{self, Figure, Pictures};
use super::cells::{Measured, measured};
use super::{Block, blocks};
use frbench_job::result::{PictureKind, StageAttention};
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct AttentionView {
    /// One per stage: a number for people, and the name of the tap where all rows have the same.
    pub stages: Vec<(String, String)>,
    pub blocks: Vec<Block<LookRow>>,
    pub gallery: Vec<Block<Figure>>,
    /// What is to be seen on all pictures; empty where each says something else.
    pub caption: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct LookRow {
    pub label: String,
    /// With its condition, where there are several.
    pub name: String,
    pub role: &'static str,
    /// One per stage.
    pub cells: Vec<LookView>,
}

/// The attention of one stage, mean over seeds.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct LookView {
    /// Share of it on the landmarks, in per cent; empty where there is none.
    pub on: Measured,
    /// Share of the area that the landmarks take.
    pub area: String,
    /// Of the two.
    pub ratio: String,
}

pub(super) fn view(input: &ReportInput, pictures: &Pictures) -> Option<AttentionView> {
    let looks = |r: &Row| r.runs.iter().any(|run| !run.attention.is_empty());
    let pictured = |r: &Row| pictures::any(r, PictureKind::Attention);
    if !input.rows.iter().any(|r| looks(r) || pictured(r)) {
        return None;
    }
    let stages = stages(input);
    let rows = blocks(input, looks, |i| {
        let row = &input.rows[i];
        LookRow {
            label: row.label.clone(),
            name: input.name(row),
            role: row.role.name(),
            cells: (0..stages.len()).map(|k| cell(row, k)).collect(),
        }
    });
    let figures = |i: usize| pictures.of(&input.rows[i], PictureKind::Attention);
    let gallery = blocks(input, pictured, figures);
    let mut gallery = side_by_side(gallery.into_iter().map(Block::flatten).collect());
    let caption = shared(&gallery);
    for figure in gallery.iter_mut().flat_map(|b| &mut b.rows) {
        figure.explained &= caption.is_empty();
    }
    Some(AttentionView {
        stages,
        blocks: rows,
        gallery,
        caption,
    })
}

/// What belongs to no condition, the teacher's pictures, stands first in each.
fn side_by_side(mut gallery: Vec<Block<Figure>>) -> Vec<Block<Figure>> {
    if gallery.len() > 1 && gallery[0].condition.is_empty() {
        let shared = gallery.remove(0).rows;
        for block in &mut gallery {
            block.rows.splice(0..0, shared.iter().cloned());
        }
    }
    gallery
}

/// Stages by their place in the network, as many as any row has.
fn stages(input: &ReportInput) -> Vec<(String, String)> {
    let runs = || input.rows.iter().flat_map(|r| &r.runs);
    let most = runs().map(|r| r.attention.len()).max().unwrap_or(0);
    (0..most)
        .map(|k| {
            let mut taps = runs().filter_map(|r| Some(&r.attention.get(k)?.tap));
            let first = taps.next().cloned().unwrap_or_default();
            let same = taps.all(|tap| *tap == first);
            (
                format!("Stage {}", k + 1),
                if same { first } else { String::new() },
            )
        })
        .collect()
}

fn cell(row: &Row, k: usize) -> LookView {
    let found: Vec<&StageAttention> = row
        .runs
        .iter()
        .filter_map(|run| run.attention.get(k))
        .collect();
    if found.is_empty() {
        return LookView::default();
    }
    let on: Vec<f64> = found.iter().map(|s| s.on_landmarks).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let area = mean(&found.iter().map(|s| s.area).collect::<Vec<_>>());
    LookView {
        on: measured(&on, 100.0, 1, "%"),
        area: format!("{} %", fixed(area * 100.0, 1)),
        ratio: if area > 0.0 {
            format!("{} ×", fixed(mean(&on) / area, 2))
        } else {
            String::new()
        },
    }
}

/// The caption that all pictures share, if they do.
fn shared(gallery: &[Block<Figure>]) -> String {
    let mut captions = gallery.iter().flat_map(|b| &b.rows).map(|f| &f.caption);
    let first = captions.next().cloned().unwrap_or_default();
    if captions.all(|caption| *caption == first) {
        first
    } else {
        String::new()
    }
}
