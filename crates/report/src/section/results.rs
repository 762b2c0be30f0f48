//! All rows on the columns of primary claims; other columns are folded.

use super::super::Report;
use super::super::block::{Block, Cell, Head, Row, Table};
use super::super::format::{count, fixed};
use super::super::model::Role;
use super::super::{cells, measures, model};

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let columns = &r.input.columns;
    let of = match r.input.conditions().is_empty() {
        true => "",
        false => "of one condition ",
    };
    let rule = format!(
        "Mean over training seeds; ± is the sample standard deviation over seeds, shown from three seeds on. The best mean of each column is marked, among rows {of}with all their seeds and teacher aside. Parameters are those of the backbone that can be trained; MACs are for one image.{}",
        match r
            .input
            .rows
            .iter()
            .any(|row| row.runs.iter().any(|run| run.embedded_per_second.is_some()))
        {
            true =>
                " Images/s are of networks from files, embedding on the machine of the run, with decoding and mirrors.",
            false => "",
        }
    );
    let mut blocks = vec![
        Block::Table(table(r, &measures::main(columns), true)),
        Block::fine(rule),
    ];
    blocks.extend(measures::folded(columns, |c| table(r, c, false)));
    blocks
}

fn table(r: &Report, columns: &[usize], networks: bool) -> Table {
    let mut head = vec![Head::left("Row")];
    head.extend(columns.iter().map(|&c| measures::head(&r.input.columns, c)));
    if networks {
        head.push(Head::left("Network"));
    }
    let groups = r.groups(
        |row| row.role != Role::Ablation,
        |i| {
            let row = &r.input.rows[i];
            let mut line = vec![named(row)];
            line.extend(columns.iter().map(|&c| {
                let column = &r.input.columns[c];
                cells::mean(column, &r.derived.rows[i].cells[c])
            }));
            line.extend(networks.then(|| network(row)));
            Row::new(row.role.name(), line)
        },
    );
    Table {
        label: "Results of all rows on all protocols".into(),
        head,
        groups,
        ..Table::default()
    }
}

fn named(row: &model::Row) -> Cell {
    let role = row.role.name();
    Cell::name(&row.label).below(match row.note.as_str() {
        "" => role.to_string(),
        note => format!("{role} · {note}"),
    })
}

fn network(row: &model::Row) -> Cell {
    let size = (row.parameters > 0 || row.macs > 0).then(|| {
        let (parameters, macs) = (count(row.parameters), count(row.macs));
        format!("{parameters} parameters, {macs} MACs")
    });
    let speed = row.runs.iter().find_map(|run| run.embedded_per_second);
    let speed = speed.map(|rate| format!("{} images/s here", fixed(rate, 0)));
    let below: Vec<String> = size.into_iter().chain(speed).collect();
    Cell::of(row.backbone.as_str()).below(below.join(", "))
}
