//! Published numbers: those beside a measured one, and per source those that are context only.

use super::super::Report;
use super::super::block::{Address, Block, Cell, Head, Part, Row, Table, Text, Voice};
use super::super::format::{Unit, fixed};
use super::super::held::{Allowed, Comparison};
use super::super::model::PublishedRow;
use super::super::words;

/// Rows of one table of one paper, each with the reason why it is not compared.
type Source<'a> = Vec<(&'a PublishedRow, &'a str)>;

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let mut compared = Vec::new();
    let mut sources: Vec<Source> = Vec::new();
    for (row, result) in r.input.published.iter().zip(&r.derived.published) {
        let Some(reason) = &result.reason else {
            compared.push(comparison(r, row, result));
            continue;
        };
        let place = |row: &PublishedRow| {
            let PublishedRow {
                paper,
                table,
                source,
                ..
            } = row;
            (paper.clone(), table.clone(), source.clone())
        };
        match sources.iter_mut().find(|s| place(s[0].0) == place(row)) {
            Some(known) => known.push((row, reason)),
            None => sources.push(vec![(row, reason)]),
        }
    }
    let mut blocks = Vec::new();
    if !compared.is_empty() {
        let mut head = vec![Head::left("Method"), Head::left("On")];
        head.extend(["Published", "Here", "Difference", "Allowed"].map(Head::right));
        head.push(Head::words("Source"));
        let label = "Compared with published numbers";
        blocks.push(Block::Table(Table::new(label, head, compared)));
    }
    blocks.extend(sources.iter().map(source));
    blocks
}

/// A published number beside the measured one.
fn comparison(r: &Report, row: &PublishedRow, result: &Comparison) -> Row {
    let column = result.column.map(|c| &r.input.columns[c]);
    let unit = Unit::of(column.map_or("%", |c| &c.unit));
    let source = Text::new()
        .link(&row.paper, Address::web(&row.source))
        .plain(format!(" {}", row.table));
    Row::new(
        "",
        vec![
            Cell::name(&row.method),
            Cell::of(column.map_or("", |c| &c.label)),
            Cell::of(printed(row)).below(&row.runs),
            Cell::of(result.measured.map_or(String::new(), |v| unit.value(v))),
            Cell::of(result.difference.map_or(String::new(), |v| unit.signed(v))),
            allowed(result.allowed.as_ref(), unit),
            Cell::of(source),
        ],
    )
}

/// How far the difference may go, whether it does, and why.
fn allowed(allowed: Option<&Allowed>, unit: Unit) -> Cell {
    let Some(a) = allowed else {
        return Cell::of("not stated");
    };
    let verdict = if a.holds { "agrees" } else { "differs" };
    Cell::of(format!("±{}: {verdict}", unit.value(a.difference))).below(&a.rule)
}

/// One table of one paper: methods by data sets and metrics.
fn source(rows: &Source) -> Block {
    let first = rows[0].0;
    let title = Text::new().link(&first.paper, Address::web(&first.source));
    let mut reasons: Vec<&str> = Vec::new();
    for (_, reason) in rows {
        if !reasons.contains(reason) {
            reasons.push(reason);
        }
    }
    let reason = format!("Not compared: {}.", reasons.join("; "));
    Block::Part(Part {
        place: None,
        quiet: true,
        blocks: vec![
            Block::heading(3, title, first.table.as_str()),
            Block::voiced(Voice::Reason, reason),
            Block::Table(table(rows)),
            Block::fine(format!("{}.", context(rows))),
        ],
    })
}

fn table(rows: &Source) -> Table {
    let first = rows[0].0;
    let mut columns: Vec<(&str, String)> = Vec::new();
    let mut methods: Vec<&str> = Vec::new();
    for (row, _) in rows {
        let head = (row.dataset.as_str(), metric(row));
        if !columns.contains(&head) {
            columns.push(head);
        }
        if !methods.contains(&row.method.as_str()) {
            methods.push(&row.method);
        }
    }
    let value = |method: &str, (dataset, metric): &(&str, String)| {
        let mut rows = rows.iter().map(|(row, _)| row);
        let row = rows
            .find(|r| r.method == method && r.dataset == *dataset && self::metric(r) == *metric);
        Cell::of(row.map_or(String::new(), |r| printed(r)))
    };
    let lines = methods.into_iter().map(|method| {
        let values = columns.iter().map(|column| value(method, column));
        let name = Cell::name(method);
        Row::new("", std::iter::once(name).chain(values).collect())
    });
    let lines = lines.collect();
    let heads = columns
        .iter()
        .map(|(dataset, metric)| Head::right(*dataset).note(metric.as_str()));
    let head = std::iter::once(Head::left("Method")).chain(heads).collect();
    Table::new(format!("{} {}", first.paper, first.table), head, lines)
}

/// `Training data MS1MV2; backbone MobileFaceNet; ...`.
fn context(rows: &Source) -> String {
    let first = rows[0].0;
    let distinct = |field: fn(&PublishedRow) -> &String| {
        let mut values: Vec<String> = Vec::new();
        for value in rows.iter().map(|(row, _)| field(row)) {
            if !value.is_empty() && !values.contains(value) {
                values.push(value.clone());
            }
        }
        values
    };
    let facts = [
        ("training data", distinct(|r| &r.training_data)),
        ("backbone", distinct(|r| &r.backbone)),
        ("checkpoint", distinct(|r| &r.checkpoint)),
        ("runs", distinct(|r| &r.runs)),
    ];
    let mut parts = Vec::new();
    if Address::web(&first.source).is_none() && !first.source.is_empty() {
        parts.push(format!("read in: {}", first.source));
    }
    parts.extend(facts.iter().map(|(what, values)| match values.is_empty() {
        true => format!("{what} not stated"),
        false => format!("{what} {}", words::list(values)),
    }));
    let text = parts.join("; ");
    let (head, rest) = text.split_at(1);
    head.to_uppercase() + rest
}

/// `accuracy, %`.
fn metric(row: &PublishedRow) -> String {
    match row.unit.as_str() {
        "" => row.metric.clone(),
        unit => format!("{}, {unit}", row.metric),
    }
}

fn printed(row: &PublishedRow) -> String {
    match (row.value, row.unit.as_str()) {
        (None, _) => "not available".into(),
        (Some(v), "%") => fixed(v, 2),
        (Some(v), _) => fixed(v, 4),
    }
}
