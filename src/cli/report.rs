//! `frbench report`, and the summary that `frbench run` ends with.

use super::context::{self, DeviceArgs, RunsArgs, SuiteArgs};
use super::exit::ExitStatus;
use super::origin::Origin;
use super::output::{self, print};
use super::text::{iso_time, table};
use clap::Args;
use frbench::embedded;
use frbench::key::{Key, sha256_hex};
use frbench::plan::Round;
use frbench::report::derive::{Cell, CellState, Derived, derive};
use frbench::report::{self, ReportInput, collect};
use frbench::run::{Failures, Outcome, Store};
use frbench::stats::ClaimVerdict;
use frbench::suite::Resolved;
use frbench::{Error, Result};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

#[derive(Args, Debug)]
pub struct ReportArgs {
    #[command(flatten)]
    pub suite: SuiteArgs,
    #[command(flatten)]
    pub runs: RunsArgs,
    #[command(flatten)]
    pub device: DeviceArgs,
    /// Folder that reports are written to
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports: PathBuf,
    /// Print the results as JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Renders what has been run so far; runs nothing.
pub fn report(args: ReportArgs) -> Result<ExitStatus> {
    let suite = context::resolve(&args.suite)?;
    let store = Store::new("data", &args.runs.runs);
    let round = args.device.outlook(&suite, &store)?;
    let outcome = so_far(round, &store, Failures::default());
    let command = command(&args.suite);
    if outcome.finished.is_empty() && !args.json {
        print(&format!(
            "nothing of this suite has been run in `{}` yet; `{command}` does\n",
            args.runs.runs.display(),
        ))?;
        return Ok(ExitStatus::Incomplete);
    }
    let place = Place::of(&args.suite, &suite, &args.reports)?;
    let input = input(&suite, &outcome, &store, command)?;
    publish(&input, &suite, &store, &place, args.json)?;
    Ok(if outcome.finished.len() < outcome.jobs.len() {
        ExitStatus::Incomplete
    } else {
        ExitStatus::Success
    })
}

/// What has been run of a plan, by whichever process; `failed` is what could not be.
pub fn so_far(round: Round, store: &Store, mut failed: Failures) -> Outcome {
    let mut standing = store.finished(&round.jobs);
    failed.cut(&round.jobs, &mut standing.finished);
    for (key, damage) in &standing.damaged {
        let text = damage.text(&store.folder(key));
        output::warn(&format!(
            "{text}; it is not reported, and `frbench run` makes it again"
        ));
    }
    Outcome {
        finished: standing.finished,
        jobs: round.jobs,
        layout: round.layout,
        executed: 0,
        failed,
        left: 0,
    }
}

/// What makes the whole report: the suite by the name or path it was asked for by.
pub fn command(args: &SuiteArgs) -> String {
    let quoted = |text: &str| match text.contains(char::is_whitespace) {
        true => format!("'{text}'"),
        false => text.to_string(),
    };
    format!(
        "frbench run {} --profile {}",
        quoted(&args.suite),
        quoted(&args.profile)
    )
}

/// The folder of a report, and whose it is.
pub struct Place {
    folder: PathBuf,
    origin: Origin,
}

impl Place {
    /// The place of a suite's report, in the folder `reports`.
    ///
    /// # Errors
    /// As [`Origin::folder`].
    pub fn of(args: &SuiteArgs, suite: &Resolved, reports: &Path) -> Result<Place> {
        let origin = Origin::of(&embedded::suite(&args.suite)?, reports)?;
        let name = format!("{}-{}", suite.suite, suite.profile);
        let folder = origin.folder(reports, &name)?;
        Ok(Place { folder, origin })
    }
}

/// Write the report's folder and print its summary.
pub fn publish(
    input: &ReportInput,
    suite: &Resolved,
    store: &Store,
    place: &Place,
    json: bool,
) -> Result<()> {
    if let Some(theirs) = place.origin.other(&place.folder)? {
        return Err(Error::Usage(format!(
            "{} became the report of `{theirs}` meanwhile, another suite of this name; run this \
             one again for its report",
            place.folder.display()
        )));
    }
    let locate = |train: &str, file: &str| store.folder(&Key(train.to_string())).file(file);
    let written = report::write(input, &place.folder, &locate)?;
    place.origin.record(&place.folder)?;
    if json {
        let text =
            std::fs::read_to_string(&written.json).map_err(|e| Error::io(&written.json, e))?;
        return print(&text);
    }
    print(&summary(input))?;
    print(&format!("\n{}: {}\n", suite.profile, suite.summary))?;
    print(&format!("\nreport: {}\n", written.html.display()))
}

/// What is known about a suite's runs; `command` is said to make the report again.
pub fn input(
    suite: &Resolved,
    outcome: &Outcome,
    store: &Store,
    command: String,
) -> Result<ReportInput> {
    let mut published = Vec::new();
    for source in &suite.published {
        published.extend(embedded::published(
            source,
            Some(Path::new(context::PUBLISHED)),
        )?);
    }
    let (started, finished) = times(outcome, store);
    collect::collect(&collect::Sources {
        layout: &outcome.layout,
        jobs: &outcome.jobs,
        finished: &outcome.finished,
        failed: &outcome.failed,
        published,
        environment: environment(outcome, store),
        command,
        started,
        finished_at: finished,
    })
}

/// When the first job began and the last one ended.
fn times(outcome: &Outcome, store: &Store) -> (String, String) {
    let modified = |key: &_, name: &str| {
        let meta = std::fs::metadata(store.folder(key).file(name)).ok()?;
        Some(
            meta.modified()
                .ok()?
                .duration_since(UNIX_EPOCH)
                .ok()?
                .as_secs(),
        )
    };
    let keys = || outcome.jobs.iter().map(|j| &j.key);
    let first = keys().filter_map(|k| modified(k, "spec.json")).min();
    let last = keys().filter_map(|k| modified(k, "done")).max();
    let text = |t: Option<u64>| t.map(iso_time).unwrap_or_default();
    (text(first), text(last))
}

/// Facts on which all trainings agree; where they do not, every value that occurred.
fn environment(outcome: &Outcome, store: &Store) -> BTreeMap<String, String> {
    let mut facts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for job in outcome
        .jobs
        .iter()
        .filter(|j| matches!(j.spec, frbench::job::JobSpec::Train(_)))
    {
        let Ok(seal) = store.seal(&job.key) else {
            continue;
        };
        let path = store.folder(&job.key).file("env.json");
        let text = std::fs::read(&path).unwrap_or_default();
        let written = seal.hash("env.json") == Some(&sha256_hex(&text));
        let Some(Value::Object(env)) = serde_json::from_slice(&text).ok().filter(|_| written)
        else {
            output::warn(&format!(
                "{}: it is not what was written there; `frbench run` makes it again",
                path.display()
            ));
            continue;
        };
        // A report travels; who ran it where stays in `env.json`.
        for (name, value) in env.into_iter().filter(|(name, _)| name != "host") {
            let text = match value {
                Value::String(s) => s,
                Value::Object(m) if name == "build" => ["revision", "tree"]
                    .iter()
                    .filter_map(|k| m.get(*k)?.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
                Value::Object(m) if m.is_empty() => continue,
                Value::Array(_) => continue,
                other => other.to_string(),
            };
            let known = facts.entry(name).or_default();
            if !known.contains(&text) {
                known.push(text);
            }
        }
    }
    facts.into_iter().map(|(k, v)| (k, v.join("; "))).collect()
}

/// The answer to the paper's question, the headline table and the claims, as plain text.
pub fn summary(input: &ReportInput) -> String {
    let derived = derive(input);
    let answers = derived.claims.iter().filter_map(|c| c.answer.as_ref());
    let answers: String = answers.map(|a| format!("{a}\n")).collect();
    let gap = if answers.is_empty() { "" } else { "\n" };
    let mut heading = vec![String::new()];
    let headline = |c: &usize| input.columns[*c].headline;
    let shown: Vec<usize> = (0..input.columns.len()).filter(headline).collect();
    heading.extend(shown.iter().map(|&c| input.columns[c].label.clone()));
    let mut rows = vec![heading];
    for (row, cells) in input.rows.iter().zip(&derived.rows) {
        let mut line = vec![input.name(row)];
        line.extend(shown.iter().map(|&c| figure(&cells.cells[c])));
        rows.push(line);
    }
    let mut out = format!(
        "\n{}, profile {}\n\n{answers}{gap}{}",
        input.suite.title,
        input.suite.profile,
        table(&rows)
    );
    if !derived.claims.is_empty() {
        out.push('\n');
        for (claim, result) in input.claims.iter().zip(&derived.claims) {
            out += &format!(
                "  {:<13} {}\n{:<16}{}\n",
                verdict(result.verdict),
                claim.text,
                "",
                result.sentence
            );
        }
    }
    out
}

fn verdict(verdict: ClaimVerdict) -> &'static str {
    match verdict {
        ClaimVerdict::Reproduced => "reproduced",
        ClaimVerdict::Contradicted => "contradicted",
        ClaimVerdict::Inconclusive => "inconclusive",
    }
}

fn figure(cell: &Cell) -> String {
    match (cell.mean, cell.sd) {
        (Some(mean), Some(sd)) => format!("{:.2} ± {:.2} %", 100.0 * mean, 100.0 * sd),
        (Some(mean), None) => format!("{:.2} %", 100.0 * mean),
        _ => match (cell.state, cell.why()) {
            (CellState::Failed, Some(why)) => format!("failed: {why}"),
            _ => format!("{:?}", cell.state).to_lowercase(),
        },
    }
}

/// Whether the evidence leaves any claim open.
pub fn any_inconclusive(input: &ReportInput) -> bool {
    let derived: Derived = derive(input);
    derived
        .claims
        .iter()
        .any(|c| c.verdict == ClaimVerdict::Inconclusive)
}
