//! Every training with its raw values, and what made the report.

use super::super::Report;
use super::super::block::{Address, Block, Cell, Head, Row, Table, Text, Tone};
use super::super::format::{Unit, duration, fixed};
use super::super::model::{Column, RunStatus, SeedRun};
use super::super::{measures, words};

pub(super) fn blocks(r: &Report) -> Vec<Block> {
    let columns = &r.input.columns;
    let main = measures::main(columns);
    let mut blocks = vec![Block::Table(table(r, &main, true))];
    blocks.extend(measures::folded(columns, |c| table(r, c, false)));
    blocks.push(Block::Facts(facts(r)));
    let file = |name: &str| Some(Address::beside(name));
    let files = Text::from("Raw values per seed: ")
        .link("results.csv", file("results.csv"))
        .plain("; claims: ")
        .link("claims.csv", file("claims.csv"))
        .plain("; everything, in full precision: ")
        .link("results.json", file("results.json"))
        .plain("; as text: ")
        .link("report.md", file("report.md"))
        .plain(".");
    blocks.push(Block::fine(files));
    blocks
}

fn table(r: &Report, columns: &[usize], whole: bool) -> Table {
    let mut head = vec![Head::left("Row"), Head::right("Seed")];
    head.extend(whole.then(|| Head::words("Status")));
    head.extend(columns.iter().map(|&c| {
        let column = &r.input.columns[c];
        let head = Head::right(column.label.as_str()).note(column.unit.as_str());
        head.title(column.label.as_str())
    }));
    if whole {
        head.extend(["Training", "Images/s"].map(Head::right));
        head.extend(["Key", "Checkpoint"].map(Head::left));
    }
    let mut rows = Vec::new();
    for row in &r.input.rows {
        for run in &row.runs {
            let mut line = vec![
                Cell::name(&r.input.name(row)),
                Cell::of(run.seed.to_string()),
            ];
            line.extend(whole.then(|| status(run)));
            let values = columns.iter().map(|&c| value(run, &r.input.columns[c]));
            line.extend(values);
            if whole {
                line.extend(made(run));
            }
            rows.push(Row::new("", line));
        }
    }
    Table::new("Every training run", head, rows).small()
}

fn status(run: &SeedRun) -> Cell {
    match &run.status {
        RunStatus::Done => Cell::of("done"),
        RunStatus::Failed(reason) => Cell::of("failed").below(reason).tone(Tone::Failed),
        RunStatus::Missing => Cell::of("missing").tone(Tone::Missing),
    }
}

fn value(run: &SeedRun, column: &Column) -> Cell {
    match run.metrics.get(&column.id) {
        Some(m) if m.value.is_finite() => Cell::of(Unit::of(&column.unit).value(m.value)),
        Some(_) => Cell::of("not a number"),
        None => Cell::default(),
    }
}

fn made(run: &SeedRun) -> [Cell; 4] {
    let short = |hash: &str| Cell::code(hash.chars().take(12).collect::<String>());
    [
        Cell::of(run.train_seconds.map_or(String::new(), duration)),
        Cell::of(run.images_per_second.map_or(String::new(), |s| fixed(s, 0))),
        short(&run.train_key),
        short(&run.checkpoint_sha256),
    ]
}

fn facts(r: &Report) -> Vec<(Text, Text)> {
    let input = &r.input;
    let seeds: Vec<String> = input.seeds.iter().map(u64::to_string).collect();
    let mut facts: Vec<(Text, Text)> = vec![
        ("Command".into(), Text::new().code(&input.command)),
        ("Seeds".into(), words::list(&seeds).into()),
        ("Started".into(), input.started.as_str().into()),
        ("Finished".into(), input.finished.as_str().into()),
    ];
    let environment = input.environment.iter();
    facts.extend(environment.map(|(name, value)| (name.as_str().into(), value.as_str().into())));
    facts
}
