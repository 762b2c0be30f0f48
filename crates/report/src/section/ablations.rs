//! Rows with one thing changed, beside the row they vary.

use super::super::Report;
use super::super::block::{Block, Cell, Head, Part, Row, Table};
use super::super::derive::reference;
use super::super::model::Role;
use super::super::{cells, measures};

/// Rows of one name and condition that are held against the same row, by number.
struct Variants<'a> {
    name: &'a str,
    condition: &'a str,
    of: Option<usize>,
    rows: Vec<usize>,
}

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let mut all: Vec<Variants> = Vec::new();
    for (i, row) in r.input.rows.iter().enumerate() {
        if row.role != Role::Ablation {
            continue;
        }
        let new = Variants {
            name: &row.group,
            condition: &row.condition,
            of: reference(&r.input, row),
            rows: vec![i],
        };
        let key = |v: &Variants| (v.name.to_string(), v.condition.to_string(), v.of);
        match all.iter_mut().find(|v| key(v) == key(&new)) {
            Some(known) => known.rows.push(i),
            None => all.push(new),
        }
    }
    all.iter().map(|variants| part(r, variants)).collect()
}

fn part(r: &Report, variants: &Variants) -> Block {
    let columns = &r.input.columns;
    let reference = variants.of.map(|i| r.input.rows[i].label.as_str());
    let title = match (variants.name, reference) {
        ("", None) => "One thing changed".to_string(),
        ("", Some(of)) => format!("{of} with one thing changed"),
        (name, _) => name.to_string(),
    };
    let under = match variants.condition {
        "" => String::new(),
        condition => format!(" under {condition}"),
    };
    let title = title + &under;
    let mut blocks = vec![
        Block::heading(3, title.as_str(), ""),
        Block::Table(table(r, variants, &title, &measures::main(columns))),
    ];
    blocks.extend(reference.map(|of| {
        Block::fine(format!(
            "Under each mean: improvement on {of}, paired by seed, with its 95 % interval over seeds and test people, not corrected."
        ))
    }));
    blocks.extend(measures::folded(columns, |c| table(r, variants, &title, c)));
    Block::Part(Part {
        place: None,
        quiet: false,
        blocks,
    })
}

fn table(r: &Report, variants: &Variants, title: &str, columns: &[usize]) -> Table {
    let mut head = vec![Head::left("Row")];
    head.extend(columns.iter().map(|&c| measures::head(&r.input.columns, c)));
    let reference = variants.of.map(|i| line(r, i, columns, true));
    let rows = variants.rows.iter().map(|&i| line(r, i, columns, false));
    let rows = reference.into_iter().chain(rows).collect();
    Table::new(format!("Ablations: {title}"), head, rows)
}

fn line(r: &Report, i: usize, columns: &[usize], reference: bool) -> Row {
    let row = &r.input.rows[i];
    let note = if reference { "reference" } else { &row.note };
    let mut line = vec![Cell::name(&row.label).below(note)];
    for &c in columns {
        let (column, cell) = (&r.input.columns[c], &r.derived.rows[i].cells[c]);
        let over = cell.over_reference.filter(|_| !reference);
        let (value, interval) = cells::advantage(column, over);
        let over = format!("{value} {interval}").trim_end().to_string();
        line.push(cells::mean(column, cell).below(over));
    }
    Row::new(if reference { "method" } else { "" }, line)
}
