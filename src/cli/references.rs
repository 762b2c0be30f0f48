//! `frbench references`

use super::eval::rules;
use super::exit::ExitStatus;
use super::output::{bold, print, print_json};
use super::{context, text};
use crate::report::comparable::{Against, Known, comparable};
use crate::report::model::{PublishedRow, Status};
use crate::{Error, Result, embedded, protocol};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
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
    out += &standing(tables.iter().flat_map(|(_, rows)| rows))?;
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

/// How many can be held against what is measured here, and of the others why not.
fn standing<'a>(rows: impl Iterator<Item = &'a PublishedRow>) -> Result<String> {
    let known = context::catalogue()?;
    let known = Known {
        set: &|name| known.lookup(&name.to_ascii_lowercase()).is_ok(),
        protocol: &|name| {
            let (kind, rule) = name.split_once('/').unwrap_or((name, ""));
            // Others name their parameters, which are theirs to choose.
            let is_rule = kind != "verification" || rules().contains(&rule);
            is_rule && protocol::find(kind).is_ok()
        },
        backbone: &|name| known.backbones.iter().any(|b| b.name == name),
    };
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        let what = match comparable(row, &known) {
            Ok(Against::Distributed) => {
                "can be held against the network that its source distributes".into()
            }
            Ok(Against::Trained) => "can be held against a training here".into(),
            Err(reason) => format!("cannot be compared: {reason}"),
        };
        *counts.entry(what).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let lines = counts
        .into_iter()
        .map(|(what, n)| format!("{n:5}  {what}\n"));
    Ok(lines.collect())
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Verified => "read at the source",
        Status::Secondary => "second hand",
        Status::Unavailable => "not available",
    }
}
