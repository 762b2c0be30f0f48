//! `frbench nightly`

use super::context;
use super::exit::ExitStatus;
use super::machine::{Executors, Machine, MachineArgs};
use super::output::{self, print, print_json};
use super::text::table;
use crate::gate::baseline::{self, Baseline};
use crate::gate::findings::{Findings, percent};
use crate::gate::github;
use crate::gate::history::{self, History};
use crate::gate::night::{Context, Night, deadline};
use crate::gate::places::{Place, Places};
use crate::gate::procedure::PRIMARIES;
use crate::gate::verdict::{Verdict, exit_code};
use crate::gate::{badge, junit, pages};
use crate::suite::resolve::Column;
use crate::suite::source::At;
use crate::suite::{self, Resolved, Suite};
use crate::time::Utc;
use crate::{Error, Result, embedded, files};
use clap::Args;
use serde_json::json;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where baselines are committed.
pub const BASELINES: &str = "reference_results/baselines";

#[derive(Args, Debug)]
pub struct NightlyArgs {
    /// Suites, by name or path [default: every suite of the program that has the profile]
    pub suites: Vec<String>,
    /// Sizes and settings to run them with
    #[arg(long, short, default_value = "nightly")]
    pub profile: String,
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Folder of baselines
    #[arg(long, value_name = "DIR", default_value = BASELINES)]
    pub baselines: PathBuf,
    /// Folder of the history, the pages, `junit.xml`, `summary.md`, `badge.svg` and `night.json`
    #[arg(long, value_name = "DIR", default_value = "nightly")]
    pub out: PathBuf,
    /// Minutes, from the start of the night, in which seeds that confirm a loss are begun
    #[arg(long, value_name = "MINUTES", default_value = "120", value_parser = minutes)]
    pub budget: f64,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
    /// Fail where a suspected loss is undecided
    #[arg(long)]
    pub strict: bool,
}

fn minutes(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok();
    value
        .filter(|v| (0.0..=100_000.0).contains(v))
        .ok_or_else(|| "want minutes from 0 to 100000".into())
}

/// A suite and what it is held against.
struct Prepared {
    suite: Suite,
    resolved: Resolved,
    baseline: Option<Baseline>,
    history: History,
}

pub fn nightly(args: NightlyArgs, executors: Executors) -> Result<ExitStatus> {
    let until = deadline(Duration::from_secs_f64(60.0 * args.budget));
    let night = Utc::now().to_string();
    let prepared = prepare(&args)?;
    // A folder that cannot be written is known before anything is computed.
    std::fs::create_dir_all(&args.out).map_err(|e| Error::io(&args.out, e))?;
    drop(files::NewFile::create(args.out.join("night.json"))?);
    let machine = Machine::open(&args.machine, args.json, executors)?;
    let (rig, recorded) = (machine.rig(), machine.recorded());
    let mut nights = Vec::new();
    let mut found = Vec::new();
    let mut stopped = None;
    for p in &prepared {
        let Some(baseline) = &p.baseline else {
            found.push(without_baseline(&args, p, &night, &recorded.commit));
            continue;
        };
        machine.progress.line(&format!("{}:", p.resolved.suite));
        let begun = Night::begin(Context {
            suite: &p.resolved,
            baseline,
            history: &p.history,
            rig: &rig,
            night: &night,
            environment: &recorded.environment,
        });
        // What earlier suites have found is told, whatever ends this one.
        let interrupted = match begun {
            Ok(night) => {
                let interrupted = night.is_interrupted();
                nights.push(night);
                interrupted
            }
            Err(e) => {
                stopped = Some(e);
                true
            }
        };
        if interrupted {
            break;
        }
    }
    for mut night in nights {
        if let Err(e) = night.confirm(until) {
            stopped = stopped.or(Some(e));
        }
        let (findings, interrupted) = night.conclude();
        found.push(findings);
        stopped = stopped.or(interrupted);
    }
    machine.progress.clear();
    found.sort_by(|a, b| a.suite.cmp(&b.suite));
    let code = code_of_night(&found, stopped.as_ref(), args.strict);
    publish(&args, &prepared, &found, code, stopped.is_some())?;
    match stopped {
        Some(e) => Err(e),
        None => Ok(ExitStatus::Night(code)),
    }
}

/// The exit code. What stopped a night says it, as later suites have found nothing.
fn code_of_night(found: &[Findings], stopped: Option<&Error>, strict: bool) -> u8 {
    match stopped {
        Some(e) => e.exit_code(),
        None => exit_code(found.iter().flat_map(|f| f.codes(strict))),
    }
}

/// The suites, each with its baseline and history.
fn prepare(args: &NightlyArgs) -> Result<Vec<Prepared>> {
    let mut prepared: Vec<Prepared> = Vec::new();
    let mut asked = Vec::new();
    let names: Vec<String> = match args.suites.is_empty() {
        false => args.suites.clone(),
        true => embedded::SUITES
            .iter()
            .map(|(n, _)| n.to_string())
            .collect(),
    };
    for name in &names {
        let (suite, known) = context::load(name)?;
        let has = suite.profiles.iter().any(|p| p.id.value == args.profile);
        if args.suites.is_empty() && !has {
            continue;
        }
        let resolved = suite::resolve(&suite, &args.profile, &known)?;
        // A baseline and a history go by the name of a suite.
        let mut before = prepared.iter().zip(&asked);
        if let Some((_, other)) = before.find(|(p, _)| p.resolved.suite == resolved.suite) {
            return Err(Error::Usage(format!(
                "`{other}` and `{name}` are both the suite `{}`, which has one night; name it once",
                resolved.suite
            )));
        }
        asked.push(name);
        let path = baseline::path(&args.baselines, &resolved.suite, &args.profile);
        prepared.push(Prepared {
            baseline: Baseline::read(&path, &resolved.suite, &args.profile)?,
            history: History::read(&args.out, &resolved.suite, &args.profile)?,
            suite,
            resolved,
        });
    }
    if prepared.is_empty() {
        return Err(Error::NothingSelected(format!(
            "no suite has a profile `{}`",
            args.profile
        )));
    }
    let gates: usize = prepared.iter().map(|p| p.resolved.gates.len()).sum();
    if gates > PRIMARIES {
        return Err(Error::Usage(format!(
            "{gates} values are watched by `[[gate]]`; at most {PRIMARIES} can be on one night, as \
             more would raise more false alarms"
        )));
    }
    Ok(prepared)
}

fn without_baseline(args: &NightlyArgs, p: &Prepared, night: &str, commit: &str) -> Findings {
    let path = baseline::path(&args.baselines, &p.resolved.suite, &args.profile);
    Findings::without_baseline(
        &p.resolved,
        night,
        commit,
        format!(
            "there is no baseline {}; `frbench baseline record {} --profile {}` makes it",
            path.display(),
            p.resolved.suite,
            args.profile
        ),
    )
}

/// Writes and prints what was found.
fn publish(
    args: &NightlyArgs,
    prepared: &[Prepared],
    found: &[Findings],
    code: u8,
    stopped: bool,
) -> Result<()> {
    let found_verdicts = found.iter().map(Findings::verdict);
    let worst = found_verdicts
        .chain(stopped.then_some(Verdict::Missing))
        .max();
    let worst = worst.unwrap_or(Verdict::Missing);
    let document = json!({ "schema": 1, "exit_code": code, "suites": found });
    let markdown = github::markdown(found);
    // What there is is told before files are written: the disk may be full.
    match args.json {
        true => print_json(&document)?,
        false => print(&told(found, code))?,
    }
    let places = prepared.iter().map(|p| {
        let places = places(&p.suite, &args.profile);
        (p.resolved.suite.as_str(), places)
    });
    let places: BTreeMap<&str, Places> = places.collect();
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|v| v == "true") {
        for night in found {
            if let Some(places) = places.get(night.suite.as_str()) {
                // Standard output may be JSON.
                output::note(github::annotations(night, places).trim_end());
            }
        }
        if let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").map(PathBuf::from) {
            append(&path, &markdown)?;
        }
    }
    let write = |name: &str, text: &str| files::write_atomic(&args.out.join(name), text.as_bytes());
    write("junit.xml", &junit::junit(found, &places)?)?;
    write("summary.md", &markdown)?;
    write("badge.svg", &badge::badge(worst))?;
    files::write_json(&args.out.join("night.json"), &document)?;
    if !stopped {
        for night in found.iter().filter(|f| !f.baseline.is_empty()) {
            history::append(&args.out, night)?;
        }
    }
    pages::write(&args.out)
}

fn append(path: &Path, text: &str) -> Result<()> {
    let file = std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path);
    file.and_then(|mut f| f.write_all(text.as_bytes()))
        .map_err(|e| Error::io(path, e))
}

/// Where gates, claims and columns stand in the files of a suite.
fn places(suite: &Suite, profile: &str) -> Places {
    let place = |offset: usize| {
        let (file, offset) = suite.source.place(offset);
        let name = file.name.strip_prefix("<frbench>/").unwrap_or(&file.name);
        Place {
            file: name.to_string(),
            line: file.position(offset).0,
        }
    };
    let named = |id: &At<String>| (id.value.clone(), place(id.span.start));
    let profiles = suite.profiles.iter().filter(|p| p.id.value == profile);
    let columns = profiles.flat_map(|p| &p.evaluate).map(|e| {
        let id = Column::id_of(&e.data.value, &e.protocol.value);
        (id, place(e.data.span.start))
    });
    Places {
        suite: place(0),
        gates: suite.gates.iter().map(|g| named(&g.id)).collect(),
        claims: suite.claims.iter().map(|c| named(&c.id)).collect(),
        columns: columns.collect(),
    }
}

/// What was found, for a terminal.
fn told(found: &[Findings], code: u8) -> String {
    let mut out = String::new();
    for night in found {
        let counts: Vec<String> = night
            .counts()
            .iter()
            .map(|(n, c)| format!("{c} {n}"))
            .collect();
        out += &format!(
            "\n{}, profile {}: {}{}\n",
            night.suite,
            night.profile,
            night.verdict().name(),
            match counts.is_empty() {
                true => String::new(),
                false => format!(" ({})", counts.join(", ")),
            }
        );
        let seeds: Vec<String> = night
            .seeds
            .iter()
            .chain(&night.further)
            .map(u64::to_string)
            .collect();
        if !seeds.is_empty() {
            let more = match night.further.len() {
                0 => String::new(),
                n => format!(", the last {n} to confirm"),
            };
            let known = if night.repeated {
                "; this code was measured before"
            } else {
                ""
            };
            out += &format!("  seeds {}{more}{known}\n", seeds.join(", "));
        }
        for problem in &night.problems {
            out += &format!("  failed: {}: {}\n", problem.what, problem.reason);
        }
        if let Some(bits) = night.other_bits() {
            out += &format!("  {bits}\n");
        }
        if !night.sources.is_empty() {
            out += &format!(
                "  other than in the baseline: {}\n",
                night.sources.join(", ")
            );
        }
        for note in &night.notes {
            out += &format!("  {note}\n");
        }
        let mut rows = vec![
            ["value", "now", "baseline", "verdict", ""]
                .map(String::from)
                .to_vec(),
        ];
        let told = night
            .cells
            .iter()
            .filter(|c| c.gate.is_some() || c.verdict != Verdict::Pass);
        for c in told {
            let expected = c.expected.map_or(String::new(), |e| e.to_string());
            rows.push(vec![
                c.cell.to_string(),
                c.mean.map_or(String::new(), percent),
                expected,
                c.verdict.name().to_string(),
                c.reason.clone(),
            ]);
        }
        if rows.len() > 1 {
            out += &table(&rows);
        }
        for c in night.claims.iter().filter(|c| c.verdict != Verdict::Pass) {
            out += &format!("  claim {}: {}: {}\n", c.id, c.verdict.name(), c.reason);
        }
    }
    out + &format!("\nexit code {code}\n")
}
