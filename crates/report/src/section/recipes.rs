//! How rows are trained: those alike under all conditions once.

use super::super::Report;
use super::super::block::{Block, Cell, Head, Row, Table};

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let mut rows: Vec<Row> = Vec::new();
    for row in r.input.rows.iter().filter(|r| !r.recipe.loss.is_empty()) {
        let mut namesakes = r.input.rows.iter().filter(|r| r.label == row.label);
        let alike = namesakes.all(|r| r.recipe == row.recipe);
        let name = if alike {
            row.label.clone()
        } else {
            r.input.name(row)
        };
        let words = [&row.recipe.loss, &row.recipe.training];
        let words = words.into_iter().map(|w| Cell::of(w.as_str()));
        let line = Row::new(
            "",
            std::iter::once(Cell::name(&name)).chain(words).collect(),
        );
        if !rows.contains(&line) {
            rows.push(line);
        }
    }
    if rows.is_empty() {
        return Vec::new();
    }
    let head = vec![
        Head::left("Row"),
        Head::words("Method and head"),
        Head::words("Training"),
    ];
    vec![Block::Table(
        Table::new("How each row is trained", head, rows).small(),
    )]
}
