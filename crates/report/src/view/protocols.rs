//! One column in detail.

use super::super::derive::{Derived, Gap};
use super::super::format::Unit;
use super::super::model::*;
use super::super::{plots, words};
use super::cells::{self, CellView, Two};
use super::{Block, ColumnView, NONE, anchor};
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ProtocolView {
    /// For addresses within the page.
    pub anchor: String,
    pub column: ColumnView,
    pub protocol: String,
    pub facts: String,
    pub plot: String,
    /// With the distance of teacher and student, where there are conditions.
    pub blocks: Vec<Block<DetailView>>,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct DetailView {
    pub label: String,
    /// With its condition, where there are several.
    pub name: String,
    pub role: &'static str,
    pub cell: CellView,
    pub interval: String,
    pub over_student: Two,
    pub gap: Two,
    /// Its network is not that of the student it is held against.
    pub foreign: bool,
}

pub(super) fn view(
    input: &ReportInput,
    derived: &Derived,
    view: &ColumnView,
    c: usize,
) -> ProtocolView {
    let column = &input.columns[c];
    let conditions = !input.conditions().is_empty();
    let gap = |condition: &str| derived.yardstick(condition).map(|y| &y.gaps[c]);
    let blocks = input.blocks(|r| r.role != Role::Ablation);
    let blocks = blocks.into_iter().map(|(condition, rows)| Block {
        condition: condition.to_string(),
        note: match gap(condition) {
            Some(gap) if conditions => distance(column, gap),
            _ => String::new(),
        },
        rows: rows
            .into_iter()
            .map(|i| detail(input, derived, i, c))
            .collect(),
    });
    let mut facts = Vec::new();
    if let Some(chance) = column.chance {
        let unit = Unit::of(&column.unit);
        facts.push(format!("A blind guess scores {}.", unit.with_name(chance)));
    }
    if !conditions {
        facts.extend(gap("").map(|gap| distance(column, gap)));
    }
    if !column.context.checkpoint.is_empty() {
        facts.push(format!("Checkpoint scored: {}.", column.context.checkpoint));
    }
    facts.retain(|fact| !fact.is_empty());
    ProtocolView {
        anchor: anchor(c),
        column: view.clone(),
        protocol: column.protocol.clone(),
        facts: facts.join(" "),
        plot: plots::dot_plot(input, derived, c),
        blocks: blocks.collect(),
    }
}

fn detail(input: &ReportInput, derived: &Derived, i: usize, c: usize) -> DetailView {
    let (row, column) = (&input.rows[i], &input.columns[c]);
    let unit = Unit::of(&column.unit);
    let values = &derived.rows[i].cells[c];
    DetailView {
        label: row.label.clone(),
        name: input.name(row),
        role: row.role.name(),
        cell: cells::view((column, values)),
        interval: values.interval.map_or(NONE.into(), |(low, high)| {
            format!("{} to {}", unit.value(low), unit.value(high))
        }),
        over_student: cells::advantage(&unit, values.over_student),
        gap: cells::share(values.gap_closed),
        foreign: values.over_student.is_some() && student_elsewhere(input, derived, row).is_some(),
    }
}

/// How far the teacher is above the student alone.
fn distance(column: &Column, gap: &Gap) -> String {
    let Some(d) = gap.difference else {
        return String::new();
    };
    let unit = Unit::of(&column.unit);
    let range = d
        .interval
        .map_or(String::new(), |i| format!(" [{}]", unit.range(i)));
    let rest = match (gap.clear, d.interval) {
        (true, _) => "",
        (false, Some(_)) => ", which may be chance, so no share of it is stated",
        (false, None) => ", with too few seeds for an interval, so no share of it is stated",
    };
    let size = unit.signed(d.mean);
    format!(
        "Teacher over student: {size} {}{range}{rest}.",
        unit.difference
    )
}

/// The student that a row is held against, if it has another network.
fn student_elsewhere<'a>(input: &'a ReportInput, derived: &Derived, row: &Row) -> Option<&'a Row> {
    let id = derived.yardstick(&row.condition)?.student.as_ref()?;
    let student = input.rows.iter().find(|r| r.id == *id)?;
    let known = !row.backbone.is_empty() && !student.backbone.is_empty();
    (known && row.backbone != student.backbone).then_some(student)
}

/// Which rows have another network than their student, in a sentence.
pub(super) fn foreign(input: &ReportInput, derived: &Derived) -> String {
    let mut networks: Vec<String> = Vec::new();
    for row in &input.rows {
        if matches!(row.role, Role::Baseline | Role::Method)
            && let Some(student) = student_elsewhere(input, derived, row)
        {
            let said = format!("{} against {}", row.backbone, student.backbone);
            if !networks.contains(&said) {
                networks.push(said);
            }
        }
    }
    if networks.is_empty() {
        return String::new();
    }
    format!(
        "† Another network than the student's ({}): the difference is not one of methods alone.",
        words::list(&networks)
    )
}
