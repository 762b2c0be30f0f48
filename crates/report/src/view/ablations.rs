//! Rows with one thing changed, beside the row they vary.

use super::super::derive::{Derived, reference};
use super::super::format::Unit;
use super::super::model::*;
use super::cells::{self, CellView, Two};
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct AblationView {
    pub title: String,
    /// What the differences are to; empty where there is nothing to compare with.
    pub reference: String,
    pub rows: Vec<AblationRow>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct AblationRow {
    pub label: String,
    pub note: String,
    pub reference: bool,
    pub cells: Vec<(CellView, Two)>,
}

pub(super) fn view(input: &ReportInput, derived: &Derived) -> Vec<AblationView> {
    /// Rows of one group and condition that are held against the same row.
    struct Group<'a> {
        name: &'a str,
        condition: &'a str,
        of: Option<usize>,
        rows: Vec<usize>,
    }
    let mut groups: Vec<Group> = Vec::new();
    for (i, row) in input.rows.iter().enumerate() {
        if row.role != Role::Ablation {
            continue;
        }
        let new = Group {
            name: &row.group,
            condition: &row.condition,
            of: reference(input, row),
            rows: vec![i],
        };
        let same =
            |g: &&mut Group| (g.name, g.condition, g.of) == (new.name, new.condition, new.of);
        match groups.iter_mut().find(same) {
            Some(group) => group.rows.push(i),
            None => groups.push(new),
        }
    }
    groups
        .into_iter()
        .map(|group| {
            let reference = group
                .of
                .map_or(String::new(), |i| input.rows[i].label.clone());
            let title = match (group.name, reference.as_str()) {
                ("", "") => "One thing changed".to_string(),
                ("", of) => format!("{of} with one thing changed"),
                (name, _) => name.to_string(),
            };
            let under = match group.condition {
                "" => String::new(),
                condition => format!(" under {condition}"),
            };
            AblationView {
                title: title + &under,
                reference,
                rows: group
                    .of
                    .map(|i| line(input, derived, i, true))
                    .into_iter()
                    .chain(group.rows.iter().map(|&i| line(input, derived, i, false)))
                    .collect(),
            }
        })
        .collect()
}

fn line(input: &ReportInput, derived: &Derived, i: usize, reference: bool) -> AblationRow {
    let row = &input.rows[i];
    let cells = input.columns.iter().zip(&derived.rows[i].cells);
    AblationRow {
        label: row.label.clone(),
        note: row.note.clone(),
        reference,
        cells: cells
            .map(|(c, values)| {
                let over = values.over_reference.filter(|_| !reference);
                let over = cells::advantage(&Unit::of(&c.unit), over);
                (cells::view((c, values)), over)
            })
            .collect(),
    }
}
