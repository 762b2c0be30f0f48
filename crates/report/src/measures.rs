//! Which columns stand in the main tables, and which are folded away.

use super::block::{Block, Head, Place, Table, Text};
use super::model::Column;

/// The columns, by number, that are folded away, in groups of one data set under one protocol. No group
/// is empty; they are in the order of their first column.
pub(super) fn secondary(columns: &[Column]) -> Vec<Vec<usize>> {
    let place = |c: &usize| {
        let column = &columns[*c];
        let id = column.id.strip_suffix(column.metric.as_str());
        id.unwrap_or(&column.id)
    };
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for c in 0..columns.len() {
        match groups.iter_mut().find(|g| place(&g[0]) == place(&c)) {
            Some(group) => group.push(c),
            None => groups.push(vec![c]),
        }
    }
    let main = main(columns);
    for group in &mut groups {
        group.retain(|c| !main.contains(c));
    }
    groups.retain(|group| !group.is_empty());
    groups
}

/// The columns of the main tables: those of primary claims, or where there is none what speaks for
/// each protocol, or all.
pub(super) fn main(columns: &[Column]) -> Vec<usize> {
    let of = |chosen: fn(&Column) -> bool| -> Vec<usize> {
        (0..columns.len())
            .filter(|&c| chosen(&columns[c]))
            .collect()
    };
    [of(|c| c.primary), of(|c| c.headline), of(|_| true)]
        .into_iter()
        .find(|chosen| !chosen.is_empty())
        .unwrap_or_default()
}

/// All other columns, folded: one table for each group.
pub(super) fn folded(columns: &[Column], table: impl Fn(&[usize]) -> Table) -> Option<Block> {
    let mut metrics: Vec<&str> = Vec::new();
    let mut blocks = Vec::new();
    for group in secondary(columns) {
        for &c in &group {
            if !metrics.contains(&columns[c].metric.as_str()) {
                metrics.push(&columns[c].metric);
            }
        }
        let Column {
            dataset, protocol, ..
        } = &columns[group[0]];
        blocks.push(Block::heading(4, dataset.as_str(), protocol.as_str()));
        blocks.push(Block::Table(table(&group)));
    }
    let summary =
        Text::from("Secondary metrics").soft(format!(" {}, not corrected", metrics.join(", ")));
    (!blocks.is_empty()).then(|| Block::details(summary, blocks))
}

/// The heading of a column, which leads to its part of the report.
pub(super) fn head(columns: &[Column], c: usize) -> Head {
    let column = &columns[c];
    let text = Text::new().here(&column.label, Place::of_column(c));
    let arrow = if column.higher_is_better {
        "↑"
    } else {
        "↓"
    };
    Head::right(text)
        .note(format!("{} {arrow}", column.unit).trim_start())
        .title(format!("{}: {}", column.label, direction(column)))
}

pub(super) fn direction(column: &Column) -> &'static str {
    if column.higher_is_better {
        "higher is better"
    } else {
        "lower is better"
    }
}
