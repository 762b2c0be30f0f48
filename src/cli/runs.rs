//! `frbench runs`

use super::context::{self, DataArgs, RunsArgs};
use super::exit::ExitStatus;
use super::nightly::BASELINES;
use super::output::{self, print, print_json};
use super::text::{quantity, table};
use clap::{Args, Subcommand};
use frbench::gate::baseline::Baseline;
use frbench::gate::room::{self, Item, What};
use frbench::plan::DeviceKind;
use frbench::run::Store;
use frbench::suite;
use frbench::{Error, Result, embedded};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub struct RunsCommandArgs {
    #[command(subcommand)]
    command: Option<RunsCommand>,
    #[command(flatten)]
    list: ListArgs,
}

#[derive(Subcommand, Debug)]
enum RunsCommand {
    /// List what is not needed again, and with --yes remove it: checkpoints of finished trainings,
    /// and jobs that no baseline, no listed suite and no recent run names
    Prune(PruneArgs),
}

#[derive(Args, Debug)]
struct ListArgs {
    #[command(flatten)]
    runs: RunsArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Print every job as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct PruneArgs {
    #[command(flatten)]
    list: ListArgs,
    /// Folder of baselines, whose jobs stay
    #[arg(long, value_name = "DIR", default_value = BASELINES)]
    baselines: PathBuf,
    /// Suites by path that are kept beside those of `frbench list`
    #[arg(long, value_name = "FILE,...", value_delimiter = ',')]
    keep: Vec<String>,
    /// Jobs that were written to within so many days stay
    #[arg(long, value_name = "DAYS", default_value_t = 30)]
    days: u32,
    /// Remove it
    #[arg(long)]
    yes: bool,
}

pub fn runs(args: RunsCommandArgs) -> Result<ExitStatus> {
    match args.command {
        None => list(&args.list),
        Some(RunsCommand::Prune(args)) => prune(&args),
    }
}

/// The keys of each profile of the suites that are listed, and of `more`, on the devices of `items`.
fn named(
    store: &Store,
    items: &[Item],
    more: &[String],
) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut names: BTreeSet<String> = embedded::SUITES
        .iter()
        .map(|(n, _)| n.to_string())
        .collect();
    for entry in std::fs::read_dir("suites").into_iter().flatten().flatten() {
        let path = entry.path();
        let recipes = path.file_name().is_some_and(|n| n == "recipes.toml");
        if path.extension().is_some_and(|e| e == "toml") && !recipes {
            names.insert(path.display().to_string());
        }
    }
    names.extend(more.iter().cloned());
    let mut devices = vec![DeviceKind::Cpu, DeviceKind::Cuda];
    devices.retain(|d| items.iter().any(|i| i.device == d.name()));
    let mut out = BTreeMap::new();
    for name in names {
        let (suite, known) = context::load(&name)?;
        for profile in &suite.profiles {
            let resolved = suite::resolve(&suite, &profile.id, &known)?;
            let keys: &mut BTreeSet<String> = out
                .entry(format!("{} {}", resolved.suite, profile.id.value))
                .or_default();
            for device in &devices {
                let round = context::outlook(&resolved, store, *device)?;
                keys.extend(round.jobs.into_iter().map(|j| j.key.0));
            }
        }
    }
    Ok(out)
}

fn list(args: &ListArgs) -> Result<ExitStatus> {
    let store = Store::new(args.data.root(), &args.runs.runs);
    let items = room::survey(&store)?;
    let named = named(&store, &items, &[])?;
    if args.json {
        print_json(&json!({ "jobs": items }))?;
        return Ok(ExitStatus::Success);
    }
    // What several suites share is told with the first.
    let of = |item: &Item| {
        let suite = named.iter().find(|(_, keys)| keys.contains(&item.key.0));
        suite.map_or("no suite of this build".to_string(), |(name, _)| {
            name.clone()
        })
    };
    let mut groups: BTreeMap<(String, String), (usize, u64, u64)> = BTreeMap::new();
    for item in &items {
        let commit = item.commit.chars().take(12).collect();
        let group = groups.entry((of(item), commit)).or_default();
        group.0 += 1;
        group.1 += item.bytes;
        group.2 += item.checkpoint;
    }
    let head = ["suite", "code", "jobs", "bytes", "of it checkpoints"];
    let mut rows = vec![head.map(String::from).to_vec()];
    for ((suite, commit), (jobs, bytes, checkpoints)) in groups {
        rows.push(vec![
            suite,
            commit,
            jobs.to_string(),
            quantity(bytes as f64),
            quantity(checkpoints as f64),
        ]);
    }
    let all: u64 = items.iter().map(|i| i.bytes).sum();
    let open = items.iter().filter(|i| !i.done).count();
    print(&table(&rows))?;
    print(&format!(
        "\n{} jobs in `{}`, {open} of them open, {}B; `frbench runs prune` lists what can go\n",
        items.len(),
        args.runs.runs.display(),
        quantity(all as f64)
    ))?;
    Ok(ExitStatus::Success)
}

fn prune(args: &PruneArgs) -> Result<ExitStatus> {
    let store = Store::new(args.list.data.root(), &args.list.runs.runs);
    let items = room::survey(&store)?;
    let mut wanted: BTreeSet<String> = named(&store, &items, &args.keep)?
        .into_values()
        .flatten()
        .collect();
    for entry in std::fs::read_dir(&args.baselines).into_iter().flatten() {
        let path = entry.map_err(|e| Error::io(&args.baselines, e))?.path();
        if path.extension().is_some_and(|e| e == "json") {
            for run in Baseline::load(&path)?.measured.runs {
                wanted.extend(run.scores.into_values().map(|s| s.key));
                wanted.insert(run.key);
            }
        }
    }
    let kept = room::kept(&items, &wanted);
    let recent = Duration::from_secs(86_400 * u64::from(args.days));
    let removals = room::removals(&items, &kept, recent, SystemTime::now());
    if args.list.json {
        print_json(&json!({ "removed": args.yes, "removals": removals }))?;
    } else {
        let mut rows = vec![["what", "job", "", "bytes"].map(String::from).to_vec()];
        for r in &removals {
            let what = match r.what {
                What::Checkpoint => "checkpoint",
                What::Job => "all of it",
            };
            let short = r.key.short().to_string();
            let bytes = quantity(r.bytes as f64);
            rows.push(vec![what.to_string(), short, r.label.clone(), bytes]);
        }
        print(&table(&rows))?;
        let all: u64 = removals.iter().map(|r| r.bytes).sum();
        let (n, all) = (removals.len(), quantity(all as f64));
        print(&match args.yes {
            true => format!("\n{n} removed, {all}B\n"),
            false => format!("\n{n} would go, {all}B; with --yes they do\n"),
        })?;
    }
    if args.yes {
        for label in room::remove(&store, &removals)? {
            output::warn(&format!(
                "`{label}` stays: a process has taken it meanwhile"
            ));
        }
    }
    Ok(ExitStatus::Success)
}
