//! Where networks look: the attention on the landmarks of faces, and pictures of it.

use super::super::Report;
use super::super::block::{Block, Cell, Gallery, Head, Picture, Row, Table};
use super::super::cells::measured;
use super::super::format::fixed;
use super::super::model;
use super::super::pictures;
use frbench_job::result::{PictureKind, StageAttention};

const RULE: &str = "Share of the spatial attention that lies on eyes, nose and corners of the mouth, mean over images and seeds. Below: how many times the share of the area that these take, which is what an attention that prefers nothing has.";

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let mut blocks = Vec::new();
    let stages = stages(r);
    if !stages.is_empty() {
        blocks.push(Block::Table(table(r, stages)));
        blocks.push(Block::fine(RULE));
    }
    let mut galleries = galleries(r);
    let caption = shared(&galleries);
    for (condition, pictures) in &mut galleries {
        if !condition.is_empty() {
            blocks.push(Block::heading(3, condition.as_str(), r.note(condition)));
        }
        for picture in pictures.iter_mut() {
            picture.explained &= caption.is_empty();
        }
        blocks.push(Block::Gallery(Gallery {
            wide: false,
            pictures: std::mem::take(pictures),
        }));
    }
    if !caption.is_empty() {
        blocks.push(Block::fine(format!("{caption} First seed of each row.")));
    }
    blocks
}

/// Stages by their place in the network, as many as any row has; with the name of the tap where
/// all rows have the same.
fn stages(r: &Report) -> Vec<Head> {
    let runs = || r.input.rows.iter().flat_map(|row| &row.runs);
    let most = runs().map(|run| run.attention.len()).max().unwrap_or(0);
    let stage = |k: usize| {
        let mut taps = runs().filter_map(|run| Some(&run.attention.get(k)?.tap));
        let first = taps.next().cloned().unwrap_or_default();
        let same = taps.all(|tap| *tap == first);
        let head = Head::right(format!("Stage {}", k + 1));
        head.note(if same { first } else { String::new() })
    };
    (0..most).map(stage).collect()
}

fn table(r: &Report, stages: Vec<Head>) -> Table {
    let looks = |row: &model::Row| row.runs.iter().any(|run| !run.attention.is_empty());
    let groups = r.groups(looks, |i| {
        let row = &r.input.rows[i];
        let cells = (0..stages.len()).map(|k| cell(row, k));
        let name = Cell::name(&row.label);
        Row::new(
            row.role.name(),
            std::iter::once(name).chain(cells).collect(),
        )
    });
    let head = std::iter::once(Head::left("Row")).chain(stages);
    Table {
        label: "Attention on landmarks".into(),
        head: head.collect(),
        groups,
        ..Table::default()
    }
}

/// The attention of one stage, mean over seeds.
fn cell(row: &model::Row, k: usize) -> Cell {
    let stages = row.runs.iter().filter_map(|run| run.attention.get(k));
    let found: Vec<&StageAttention> = stages.collect();
    if found.is_empty() {
        return Cell::default();
    }
    let on: Vec<f64> = found.iter().map(|s| s.on_landmarks).collect();
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let area = mean(&found.iter().map(|s| s.area).collect::<Vec<_>>());
    let below = (area > 0.0).then(|| {
        let (ratio, area) = (fixed(mean(&on) / area, 2), fixed(area * 100.0, 1));
        format!("{ratio} × the area ({area} %)")
    });
    measured(&on, 100.0, 1, "%").below(below.unwrap_or_default())
}

/// The pictures of each condition. What belongs to none, the teacher's, stands first in each.
fn galleries(r: &Report) -> Vec<(String, Vec<Picture>)> {
    let kind = PictureKind::Attention;
    let groups = r.input.groups(|row| pictures::any(row, kind));
    let of = |i: usize| r.pictures.of(&r.input.rows[i], kind);
    let pictures = |rows: Vec<usize>| rows.into_iter().flat_map(of).collect();
    let mut galleries: Vec<(String, Vec<Picture>)> = groups
        .into_iter()
        .map(|(condition, rows)| (condition.to_string(), pictures(rows)))
        .collect();
    if galleries.len() > 1 && galleries[0].0.is_empty() {
        let (_, shared) = galleries.remove(0);
        for (_, pictures) in &mut galleries {
            pictures.splice(0..0, shared.iter().cloned());
        }
    }
    galleries
}

/// What is to be seen on all pictures; empty where each says something else.
fn shared(galleries: &[(String, Vec<Picture>)]) -> String {
    let mut said = galleries.iter().flat_map(|(_, p)| p).map(|p| &p.alt);
    let first = said.next().cloned().unwrap_or_default();
    match said.all(|alt| *alt == first) {
        true => first,
        false => String::new(),
    }
}
