//! `frbench explain`

use super::context::RunsArgs;
use super::exit::ExitStatus;
use super::output::{print, print_json};
use super::text::table;
use crate::run::Store;
use crate::run::explain::{Part, Past, differences, past};
use crate::{Error, Result};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct ExplainArgs {
    /// The key of a job in the runs folder, or its first digits (`frbench show --all`)
    pub first: String,
    /// The same of the job that it is compared with
    pub second: String,
    #[command(flatten)]
    pub runs: RunsArgs,
    /// Print the differences as JSON
    #[arg(long)]
    pub json: bool,
}

/// What two jobs are made of, as far as it differs: sources, crates, settings, data, other jobs.
pub fn explain(args: ExplainArgs) -> Result<ExitStatus> {
    let store = Store::new(PathBuf::new(), &args.runs.runs);
    let jobs = past(&store, &|_, _| true)?;
    let first = find(&jobs, &args.first, &args.runs)?;
    let second = find(&jobs, &args.second, &args.runs)?;
    for job in [first, second] {
        if job.made_of.is_null() {
            return Err(Error::Data(format!(
                "job {} is of an earlier version, which did not write what it is made of",
                job.key.short()
            )));
        }
    }
    let found = differences(&first.made_of, &second.made_of);
    if args.json {
        let job = |j: &Past| json!({ "key": j.key, "label": j.label, "done": j.done });
        let jobs = [job(first), job(second)];
        print_json(&json!({ "jobs": jobs, "differences": found }))?;
        return Ok(ExitStatus::Success);
    }
    let mut out = vec![vec![
        String::new(),
        format!("{} {}", first.key.short(), first.label),
        format!("{} {}", second.key.short(), second.label),
    ]];
    for d in &found {
        let part = match d.part {
            Part::Source => "source",
            Part::Crate => "crate",
            Part::Setting => "setting",
            Part::Data => "data",
            Part::Job => "job",
        };
        let value = |text: &Option<String>| match text {
            None => "-".to_string(),
            Some(text) => named(text, &jobs),
        };
        out.push(vec![
            format!("{part} {}", d.name),
            value(&d.was),
            value(&d.is),
        ]);
    }
    let mut text = table(&out);
    if found.is_empty() {
        text += "\nNothing that makes their keys differs: they are one job.\n";
    }
    print(&text)?;
    Ok(ExitStatus::Success)
}

/// A key with the name of its job where that is known; identities of data are cut.
fn named(text: &str, jobs: &[Past]) -> String {
    let job = jobs
        .iter()
        .find(|j| j.key.0 == text || j.comparison.0 == text);
    let short = |hash: &str| hash.chars().take(12).collect::<String>();
    match (job, text.strip_prefix("data ")) {
        (Some(job), _) => format!("{} {}", job.key.short(), job.label),
        (None, Some(identity)) => short(identity),
        (None, None) => text.to_string(),
    }
}

fn find<'a>(jobs: &'a [Past], key: &str, runs: &RunsArgs) -> Result<&'a Past> {
    let fits: Vec<&Past> = jobs.iter().filter(|j| j.key.0.starts_with(key)).collect();
    match fits[..] {
        [job] => Ok(job),
        [] => Err(Error::Usage(format!(
            "no job in `{}` has a key that begins with `{key}`",
            runs.runs.display()
        ))),
        _ => Err(Error::Usage(format!(
            "the keys of {} jobs begin with `{key}`; say more of it",
            fits.len()
        ))),
    }
}
