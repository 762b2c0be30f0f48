//! `frbench references`

use super::exit::ExitStatus;
use super::output::{bold, print, print_json};
use super::{context, text};
use clap::Args;
use frbench::embedded;
use frbench::report::model::{PublishedRow, Status};
use frbench::{Error, Result};
use serde_json::json;
use std::path::Path;

#[derive(Args, Debug)]
pub struct ReferencesArgs {
    /// Only what this suite shows
    #[arg(long, value_name = "SUITE")]
    pub suite: Option<String>,
    /// As JSON
    #[arg(long)]
    pub json: bool,
}

pub fn references(args: ReferencesArgs) -> Result<ExitStatus> {
    let names: Vec<String> = match &args.suite {
        Some(suite) => context::load(suite)?.0.published,
        None => embedded::PUBLISHED
            .iter()
            .map(|(name, _)| name.to_string())
            .collect(),
    };
    if names.is_empty() {
        return Err(Error::NothingSelected(
            "this suite names no published results (`published = [...]`)".into(),
        ));
    }
    let folder = Path::new(context::PUBLISHED);
    let mut tables = Vec::new();
    for name in &names {
        tables.push((name, embedded::published(name, Some(folder))?));
    }
    if args.json {
        let tables = tables
            .iter()
            .map(|(name, rows)| json!({ "name": name, "rows": rows }));
        print_json(&tables.collect::<Vec<_>>())?;
        return Ok(ExitStatus::Success);
    }
    let mut out = String::new();
    for (name, rows) in &tables {
        out += &table(name, rows);
    }
    let (total, empty) = tables.iter().fold((0, 0), |(total, empty), (_, rows)| {
        let none = rows.iter().filter(|r| r.value.is_none()).count();
        (total + rows.len(), empty + none)
    });
    out += &format!("{total} published numbers, {empty} of them declared and empty\n");
    print(&out)?;
    Ok(ExitStatus::Success)
}

fn table(name: &str, rows: &[PublishedRow]) -> String {
    let head = ["method", "data", "metric", "value", "trained on", "status"];
    let mut cells = vec![head.map(String::from).to_vec()];
    let (mut out, mut of) = (format!("{}\n", bold(name)), None);
    let flush = |cells: &mut Vec<Vec<String>>| {
        let body = std::mem::replace(cells, vec![head.map(String::from).to_vec()]);
        match body.len() {
            1 => String::new(),
            _ => text::table(&body) + "\n",
        }
    };
    for row in rows {
        let place = (&row.paper, &row.table, &row.source);
        if of != Some(place) {
            out += &flush(&mut cells);
            out += &format!("{}, {}: {}\n", row.paper, row.table, row.source);
            of = Some(place);
        }
        let value = row
            .value
            .map_or("-".into(), |v| format!("{v} {}", row.unit));
        cells.push(vec![
            row.method.clone(),
            row.dataset.clone(),
            row.metric.clone(),
            value.trim_end().to_string(),
            row.training_data.clone(),
            status(row.status).to_string(),
        ]);
    }
    out += &flush(&mut cells);
    out
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Verified => "read at the source",
        Status::Secondary => "second hand",
        Status::Unavailable => "not available",
    }
}
