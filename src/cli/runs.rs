//! `frbench runs`

use super::context::{self, DataArgs, RunsArgs};
use super::exit::ExitStatus;
use super::nightly::BASELINES;
use super::output::{self, print, print_json};
use super::text::{quantity, table};
use crate::gate::baseline::Baseline;
use crate::gate::room::{self, Item, Removal, Removed, What};
use crate::plan::DeviceKind;
use crate::run::Store;
use crate::suite;
use crate::{Error, Result, embedded};
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
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
    /// Folder of baselines, whose jobs stay [default: reference_results/baselines, if there is one]
    #[arg(long, value_name = "DIR")]
    baselines: Option<PathBuf>,
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
    for path in entries(Path::new("suites"))?.unwrap_or_default() {
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
    let items = survey(&store)?;
    if args.json {
        print_json(&json!({ "jobs": items }))?;
        return Ok(ExitStatus::Success);
    }
    let named = named(&store, &items, &[])?;
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

/// What lies in a folder, none where there is no such folder. What is not read here would be taken
/// for what nobody needs.
fn entries(folder: &Path) -> Result<Option<Vec<PathBuf>>> {
    let failed = |e| Error::io(folder, e);
    let found = match std::fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
        found => found.map_err(failed)?,
    };
    let paths = found.map(|entry| Ok(entry.map_err(failed)?.path()));
    paths.collect::<Result<Vec<_>>>().map(Some)
}

/// The beginnings of the keys of all jobs that baselines name.
fn of_baselines(stated: Option<&Path>) -> Result<BTreeSet<String>> {
    let folder = stated.unwrap_or(Path::new(BASELINES));
    let paths = match (entries(folder)?, stated) {
        (Some(paths), _) => paths,
        (None, Some(_)) => {
            return Err(Error::Usage(format!(
                "{}: there is no such folder of baselines",
                folder.display()
            )));
        }
        (None, None) => {
            output::note(&format!("no baselines in `{BASELINES}`: none are kept"));
            return Ok(BTreeSet::new());
        }
    };
    let mut keys = BTreeSet::new();
    for path in paths {
        if path.extension().is_some_and(|e| e == "json") {
            for run in Baseline::load(&path)?.measured.runs {
                keys.extend(run.scores.into_values().map(|s| s.key));
                keys.insert(run.key);
            }
        }
    }
    Ok(keys)
}

fn prune(args: &PruneArgs) -> Result<ExitStatus> {
    // What stays is known before anything is said to go.
    let mut wanted = of_baselines(args.baselines.as_deref())?;
    let store = Store::new(args.list.data.root(), &args.list.runs.runs);
    let items = survey(&store)?;
    wanted.extend(named(&store, &items, &args.keep)?.into_values().flatten());
    let kept = room::kept(&items, &wanted);
    let recent = Duration::from_secs(86_400 * u64::from(args.days));
    let removals = room::removals(&items, &kept, recent, SystemTime::now());
    if !args.list.json {
        print(&listed(&removals))?;
    }
    let all = |of: &[&Removal]| quantity(of.iter().map(|r| r.bytes).sum::<u64>() as f64);
    if !args.yes {
        let n = removals.len();
        match args.list.json {
            true => print_json(&json!({ "removed": false, "removals": removals }))?,
            false => print(&format!(
                "\n{n} would go, {}B; with --yes they do\n",
                all(&removals.iter().collect::<Vec<_>>())
            ))?,
        }
        return Ok(ExitStatus::Success);
    }
    let (mut gone, mut stay) = (Vec::new(), Vec::new());
    for (removal, removed) in removals.iter().zip(room::remove(&store, &removals)) {
        match removed {
            Removed::Gone => gone.push(removal),
            Removed::Stays(why) => stay.push((removal, why)),
        }
    }
    match args.list.json {
        true => print_json(&json!({
            "removed": true,
            "removals": gone,
            "stay": stay.iter().map(|(r, why)| json!({ "key": r.key, "why": why })).collect::<Vec<_>>(),
        }))?,
        false => print(&format!("\n{} removed, {}B\n", gone.len(), all(&gone)))?,
    }
    for (removal, why) in &stay {
        output::warn(&format!("`{}` stays: {why}", removal.label));
    }
    Ok(match stay.is_empty() {
        true => ExitStatus::Success,
        false => ExitStatus::Incomplete,
    })
}

/// The jobs of the folder; of which nobody can tell whether a process works on them, is said.
fn survey(store: &Store) -> Result<Vec<Item>> {
    let items = room::survey(store)?;
    for item in &items {
        if let Some(why) = &item.unclear {
            output::warn(&format!("`{}` counts as held: {why}", item.label));
        }
    }
    Ok(items)
}

fn listed(removals: &[Removal]) -> String {
    let mut rows = vec![["what", "job", "", "bytes"].map(String::from).to_vec()];
    for r in removals {
        let what = match r.what {
            What::Checkpoint => "checkpoint",
            What::Job => "all of it",
        };
        let short = r.key.short().to_string();
        let bytes = quantity(r.bytes as f64);
        rows.push(vec![what.to_string(), short, r.label.clone(), bytes]);
    }
    table(&rows)
}
