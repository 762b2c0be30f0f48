//! `frbench references`

use super::eval::rules;
use super::exit::ExitStatus;
use super::output::{bold, print, print_json};
use super::{context, text};
use clap::Args;
use frbench::report::held::SHIPPED;
use frbench::report::model::{PublishedRow, Status};
use frbench::suite::Catalogue;
use frbench::{Error, Result, embedded, protocol};
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
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows {
        *counts.entry(comparable(row, &known)).or_default() += 1;
    }
    let mut counts: Vec<(String, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    let lines = counts
        .into_iter()
        .map(|(what, n)| format!("{n:5}  {what}\n"));
    Ok(lines.collect())
}

/// What a number can be held against, or the first thing that is in the way.
fn comparable(row: &PublishedRow, known: &Catalogue) -> String {
    let of = |what: &str| format!("cannot be compared: {what}");
    match row.status {
        Status::Unavailable => return of("declared and empty"),
        Status::Secondary => return of("read at second hand"),
        Status::Verified => {}
    }
    let is_set = |name: &str| known.lookup(&name.to_ascii_lowercase()).is_ok();
    let kind = row.protocol.split('/').next().unwrap_or_default();
    let registered = protocol::find(kind);
    if !is_set(&row.dataset) {
        return of("its data set is not one of `frbench list datasets`");
    }
    match registered {
        _ if row.protocol.is_empty() || row.protocol == kind => {
            return of("its source does not state the rule");
        }
        Ok(_) if kind != "verification" => {}
        Ok(_)
            if rules()
                .iter()
                .any(|r| row.protocol == format!("{kind}/{r}")) => {}
        _ => return of("its rule is not one of `frbench list protocols`"),
    }
    if !known.backbones.iter().any(|b| b.name == row.backbone) {
        return of(match row.backbone.is_empty() {
            true => "its source does not state the network",
            false => "its network is not one of `frbench list backbones`",
        });
    }
    if row.checkpoint == SHIPPED {
        return "can be held against the network that its source distributes".into();
    }
    match row.checkpoint.as_str() {
        "last" => {}
        "" => return of("its source does not state which checkpoint was scored"),
        _ => return of("its checkpoint was chosen on test sets"),
    }
    let base = row.training_data.split(", ").next().unwrap_or_default();
    match is_set(base) {
        true => "can be held against a training here".into(),
        false => of("it is not trained on one of `frbench list datasets`"),
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Verified => "read at the source",
        Status::Secondary => "second hand",
        Status::Unavailable => "not available",
    }
}
