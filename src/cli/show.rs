//! `frbench show`

use super::context::{self, DeviceArgs, RunsArgs, SuiteArgs};
use super::exit::ExitStatus;
use super::output::{bold, print, print_json, warn};
use super::power::power;
use super::redo::Redo;
use super::text::{duration, quantity, table};
use crate::Result;
use crate::job::{ConvMode, DegradeSpec, Job, JobSpec};
use crate::key::Key;
use crate::plan::recipe::{self, Recipe};
use crate::plan::{Kind, Round};
use crate::run::{Failures, Store};
use crate::suite::Resolved;
use crate::suite::resolve::{ModelSource, Row};
use clap::Args;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct ShowArgs {
    #[command(flatten)]
    pub suite: SuiteArgs,
    #[command(flatten)]
    pub runs: RunsArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Every job on a line of its own
    #[arg(long)]
    pub all: bool,
    /// The learning rate over the training of a method
    #[arg(long, value_name = "METHOD", conflicts_with_all = ["json", "all"])]
    pub lr: Option<String>,
    /// The plan as JSON
    #[arg(long)]
    pub json: bool,
    /// The whole suite, all profiles, with what it takes from recipes in its place: a suite that
    /// can be run by itself
    #[arg(long, conflicts_with_all = ["json", "all", "lr", "profile", "only", "seeds", "runs"])]
    pub resolved: bool,
}

/// Operations per second that durations are estimated with: what two cores reach in training.
const SPEED: f64 = 1.4e11;

pub fn show(args: ShowArgs) -> Result<ExitStatus> {
    if args.resolved {
        return super::resolved::resolved(&args.suite.suite);
    }
    let suite = context::resolve(&args.suite)?;
    if let Some(method) = &args.lr {
        print(&super::lr::curve(&suite, method)?)?;
        return Ok(ExitStatus::Success);
    }
    let store = Store::new(PathBuf::new(), &args.runs.runs);
    let round = args.device.outlook(&suite, &store)?;
    let standing = store.finished(&round.jobs);
    let done: BTreeSet<&Key> = standing.finished.keys().collect();
    standing.damaged.iter().for_each(|(key, damage)| {
        warn(&damage.text(&store.folder(key)));
    });
    let redone = Redo::of(&round, &done, &store)?;
    if args.json {
        let jobs = round.jobs.iter().map(|j| {
            let mut value = json!(j);
            value["done"] = json!(done.contains(&j.key));
            if let Some(why) = redone.of_job(&j.key) {
                value["redone"] = json!(why);
            }
            value
        });
        print_json(&json!({
            "finished": round.finished,
            "jobs": jobs.collect::<Vec<_>>(),
            "layout": round.layout,
        }))?;
    } else {
        let mut out = heading(&suite);
        out += &rows(&suite, &round, &done);
        out += &recipes(&round);
        out += &columns(&suite);
        let scored = round.layout.cells.iter().any(|c| done.contains(&c.score));
        let measured = scored.then(|| {
            let (layout, jobs) = (&round.layout, &round.jobs);
            super::report::read(layout, jobs, &store, &Failures::default(), String::new())
        });
        out += &power(&suite, &round, &standing, measured.transpose()?.as_ref());
        out += &jobs(&round, &done);
        out += &redone.text();
        if args.all {
            out += &listing(&round, &done);
        }
        print(&out)?;
    }
    Ok(ExitStatus::Success)
}

fn heading(suite: &Resolved) -> String {
    let name = bold(&format!("{}, profile {}", suite.suite, suite.profile));
    format!("{name}: {}\n{}\n\n", suite.title, suite.summary)
}

fn cells<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.iter().map(|c| c.to_string()).collect()
}

fn rows(suite: &Resolved, round: &Round, done: &BTreeSet<&Key>) -> String {
    let mut out = vec![cells([
        "train", "role", "network", "data", "length", "seeds", "done",
    ])];
    let listed = suite.rows.iter().filter(|r| r.listed);
    for (row, layout) in listed.zip(&round.layout.rows) {
        let trained = layout.runs.iter().filter(|r| done.contains(&r.train));
        out.push(vec![
            row.id.clone(),
            format!("{:?}", row.role).to_lowercase(),
            network(row),
            data(suite, row),
            length(row),
            seeds(row),
            match layout.runs.len() {
                0 => "not run".into(),
                runs => format!("{}/{runs}", trained.count()),
            },
        ]);
    }
    table(&out) + "\n"
}

/// `12 epochs of 128`, or the file.
fn length(row: &Row) -> String {
    match &row.model {
        ModelSource::Trained(trained) => recipe::batches(trained),
        ModelSource::File(file) => {
            let name = file.path.file_name().unwrap_or_default().to_string_lossy();
            format!(
                "from {name} ({})",
                &file.sha256[..12.min(file.sha256.len())]
            )
        }
    }
}

fn seeds(row: &Row) -> String {
    match row.trained() {
        Some(_) => few(row.seeds.iter().map(u64::to_string), SEEDS, " "),
        None => String::from("-"),
    }
}

fn network(row: &Row) -> String {
    let params = row.backbone.params.iter().map(|(k, v)| format!(" {k}={v}"));
    let params: String = params.collect();
    let (name, size) = (&row.backbone.name, row.input.size.in_short());
    let conv = match row.backbone.conv {
        ConvMode::Fast => "",
        ConvMode::Direct => ", direct convolutions",
    };
    let seen = match row.input.degrade {
        Some(DegradeSpec { kind, side }) => format!(" from {side} px by {kind}"),
        None => String::new(),
    };
    format!(
        "{name}{params}, {size} px{seen}, {}-d{conv}",
        row.backbone.embedding
    )
}

fn data(suite: &Resolved, row: &Row) -> String {
    let Some(trained) = row.trained() else {
        return String::from("-");
    };
    let name = &trained.data.name;
    match &row.keep {
        Some(keep) => format!(
            "{name}, within {} degrees by {}",
            keep.degrees, suite.rows[keep.by].id
        ),
        None => name.clone(),
    }
}

/// What each row minimises and how it is trained; rows that differ in their data alone once.
fn recipes(round: &Round) -> String {
    let mut groups: Vec<(&Recipe, Vec<&str>)> = Vec::new();
    let mut known: BTreeMap<&Recipe, usize> = BTreeMap::new();
    for row in &round.layout.rows {
        let group = *known.entry(&row.recipe).or_insert(groups.len());
        match groups.get_mut(group) {
            Some((_, ids)) => ids.push(&row.id),
            None => groups.push((&row.recipe, vec![&row.id])),
        }
    }
    let mut out = vec![cells(["recipe", "", ""])];
    let mut trainings: Vec<&str> = Vec::new();
    let mut numbers: BTreeMap<&str, usize> = BTreeMap::new();
    for (recipe, ids) in &groups {
        let number = *numbers.entry(&recipe.training).or_insert(trainings.len());
        if number == trainings.len() {
            trainings.push(&recipe.training);
        }
        out.push(vec![
            by_condition(ids),
            recipe.loss.clone(),
            format!("training {}", number + 1),
        ]);
    }
    let mut text = table(&out) + "\n";
    for (i, training) in trainings.iter().enumerate() {
        text += &format!("  training {}: {training}\n", i + 1);
    }
    text + "\n"
}

/// `arcface@c0, c30`: rows of one entry by their conditions.
fn by_condition(ids: &[&str]) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut last = "";
    for id in ids {
        match id.split_once('@') {
            Some((entry, condition)) if entry == last => {
                out.push(condition.to_string());
            }
            Some((entry, _)) => {
                last = entry;
                out.push(id.to_string());
            }
            None => out.push(id.to_string()),
        }
    }
    few(out.into_iter(), IDS, ", ")
}

/// What a cell shows of a list, at most.
const SEEDS: usize = 12;
const IDS: usize = 40;

/// The first of a list, and how many more there are.
fn few(items: impl ExactSizeIterator<Item = String>, most: usize, between: &str) -> String {
    let more = items.len().saturating_sub(most);
    let mut shown: Vec<String> = items.take(most).collect();
    if more > 0 {
        shown.push(format!("and {more} more"));
    }
    shown.join(between)
}

fn columns(suite: &Resolved) -> String {
    let mut claims: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for claim in &suite.claims {
        if let Some(column) = &claim.column {
            claims.entry(column).or_default().push(claim.id.clone());
        }
    }
    let mut out = vec![cells(["evaluate", "protocol", "claims"])];
    for column in &suite.columns {
        let ids = claims.remove(&*column.id()).unwrap_or_default();
        out.push(vec![
            column.data.name.clone(),
            format!("{} ({})", column.protocol, column.spec.name),
            few(ids.into_iter(), IDS, ", "),
        ]);
    }
    table(&out) + "\n"
}

fn jobs(round: &Round, done: &BTreeSet<&Key>) -> String {
    let mut out = vec![cells(["jobs", "all", "done", "shared", "operations left"])];
    let users = users(&round.jobs);
    let mut left = 0.0;
    for kind in [
        Kind::Data,
        Kind::Train,
        Kind::Derive,
        Kind::Embed,
        Kind::Score,
    ] {
        let of_kind = || round.jobs.iter().filter(|j| Kind::of(&j.spec) == kind);
        // Not `sum()`: the sum of nothing is -0.
        let open = of_kind()
            .filter(|j| !done.contains(&j.key))
            .fold(0.0, |sum, j| sum + j.cost);
        let shared = of_kind().filter(|j| users.get(&j.key).is_some_and(|n| *n > 1));
        left += open;
        out.push(vec![
            format!("{kind:?}").to_lowercase(),
            of_kind().count().to_string(),
            of_kind()
                .filter(|j| done.contains(&j.key))
                .count()
                .to_string(),
            shared.count().to_string(),
            quantity(open),
        ]);
    }
    let mut text = table(&out);
    text += &format!(
        "\n{} of {} jobs are done. The rest costs about {} operations, {} at {} per second.\n",
        done.len(),
        round.jobs.len(),
        quantity(left),
        duration(left / SPEED),
        quantity(SPEED)
    );
    if !round.finished {
        text += "Some data sets are not made yet; the keys of what builds on them will follow \
                 from their contents.\n";
    }
    text
}

/// How many jobs need each job.
fn users(jobs: &[Job]) -> BTreeMap<&Key, usize> {
    let mut out = BTreeMap::new();
    for need in jobs.iter().flat_map(|j| &j.needs) {
        *out.entry(need).or_insert(0) += 1;
    }
    out
}

fn listing(round: &Round, done: &BTreeSet<&Key>) -> String {
    let mut out = vec![cells(["key", "state", "operations", "job"])];
    for job in &round.jobs {
        let provisional = !round.finished && !matches!(job.spec, JobSpec::Data(_));
        out.push(vec![
            if provisional { "-" } else { job.key.short() }.to_string(),
            if done.contains(&job.key) {
                "done"
            } else {
                "open"
            }
            .to_string(),
            quantity(job.cost),
            job.label.clone(),
        ]);
    }
    "\n".to_string() + &table(&out)
}
