//! `frbench baseline`

use super::context;
use super::exit::ExitStatus;
use super::machine::{Executors, Machine, MachineArgs};
use super::nightly::BASELINES;
use super::output::{print, print_json};
use super::text::table;
use crate::gate::baseline::{self, Baseline, cell, path};
use crate::gate::collect::planned;
use crate::gate::compare::{Configured, configurations};
use crate::gate::findings::percent;
use crate::gate::measured::{Measured, changed};
use crate::gate::replicate::seeds_per_night;
use crate::gate::verdict::code;
use crate::job::JobSpec;
use crate::suite::{self, Resolved};
use crate::{Error, Result};
use clap::{Args, Subcommand};
use serde_json::json;
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Subcommand, Debug)]
pub enum BaselineCommand {
    /// Measure a suite with many seeds, and write what nightly runs are held against
    Record(RecordArgs),
    /// Measure it again after a change that is meant, and keep why
    Accept(AcceptArgs),
    /// Show a baseline: means, spreads, the loss it can see
    Show(ShowArgs),
    /// Say what a run of now would have in another configuration or by other code
    Diff(DiffArgs),
    /// Print the JSON Schema of baselines
    Schema,
}

#[derive(Args, Debug)]
pub struct Which {
    /// A suite's name (`frbench list`) or the path of a TOML file
    pub suite: String,
    /// Sizes and settings to run it with
    #[arg(long, short, default_value = "nightly")]
    pub profile: String,
    /// Folder of baselines
    #[arg(long, value_name = "DIR", default_value = BASELINES)]
    pub baselines: PathBuf,
}

#[derive(Args, Debug)]
pub struct RecordArgs {
    #[command(flatten)]
    pub which: Which,
    /// Seeds, such as 1..30 or 1,2,3; each is a whole experiment
    #[arg(long, default_value = "1..30", value_parser = seeds)]
    pub seeds: Seeds,
    #[command(flatten)]
    pub machine: MachineArgs,
}

#[derive(Args, Debug)]
pub struct AcceptArgs {
    #[command(flatten)]
    pub which: Which,
    /// Why the new values are right; it is kept in the file
    #[arg(long)]
    pub reason: String,
    /// Seeds, such as 1..30 or 1,2,3 [default: those of the baseline]
    #[arg(long, value_parser = seeds)]
    pub seeds: Option<Seeds>,
    #[command(flatten)]
    pub machine: MachineArgs,
}

#[derive(Args, Debug)]
pub struct ShowArgs {
    #[command(flatten)]
    pub which: Which,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args, Debug)]
pub struct DiffArgs {
    #[command(flatten)]
    pub which: Which,
    #[command(flatten)]
    pub machine: MachineArgs,
    /// Print it as JSON
    #[arg(long)]
    pub json: bool,
}

/// Different seeds, at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds(pub Vec<u64>);

/// Seeds of a baseline at most: one that has more is slow to read and says little more.
const MOST: u64 = 10_000;

fn seeds(text: &str) -> Result<Seeds, String> {
    let wrong = || "want seeds such as 1..30 or 1,2,3, none twice".to_string();
    let number = |t: &str| t.trim().parse::<u64>().map_err(|_| wrong());
    let list = match text.split_once("..") {
        Some((first, last)) => {
            let (first, last) = (number(first)?, number(last.trim_start_matches('='))?);
            if last < first || last - first >= MOST {
                return Err(format!(
                    "want seeds from the lower to the higher, at most {MOST}"
                ));
            }
            (first..=last).collect()
        }
        None => text.split(',').map(number).collect::<Result<Vec<_>, _>>()?,
    };
    let different: BTreeSet<u64> = list.iter().copied().collect();
    match different.len() == list.len() {
        true => Ok(Seeds(list)),
        false => Err(wrong()),
    }
}

pub fn baseline(command: BaselineCommand, executors: Executors) -> Result<ExitStatus> {
    match command {
        BaselineCommand::Record(args) => record(args, executors),
        BaselineCommand::Accept(args) => accept(args, executors),
        BaselineCommand::Show(args) => show(args),
        BaselineCommand::Diff(args) => diff(args, executors),
        BaselineCommand::Schema => {
            print_json(&baseline::schema())?;
            Ok(ExitStatus::Success)
        }
    }
}

impl Which {
    fn resolve(&self) -> Result<Resolved> {
        let (suite, known) = context::load(&self.suite)?;
        suite::resolve(&suite, &self.profile, &known)
    }

    fn file(&self, suite: &Resolved) -> PathBuf {
        path(&self.baselines, &suite.suite, &self.profile)
    }

    fn there(&self, suite: &Resolved) -> Result<Baseline> {
        let file = self.file(suite);
        let found = Baseline::read(&file, &suite.suite, &self.profile)?;
        found.ok_or_else(|| {
            Error::NothingSelected(format!(
                "there is no {}; `frbench baseline record {} --profile {}` makes it",
                file.display(),
                self.suite,
                self.profile
            ))
        })
    }
}

fn record(args: RecordArgs, executors: Executors) -> Result<ExitStatus> {
    let suite = args.which.resolve()?;
    let file = args.which.file(&suite);
    if file.exists() {
        return Err(Error::Usage(format!(
            "{} is there already; `frbench baseline accept {} --reason WHY` replaces it and keeps \
             why",
            file.display(),
            args.which.suite
        )));
    }
    let machine = Machine::open(&args.machine, false, executors)?;
    let measured = measure(&machine, &suite, &args.seeds.0)?;
    let recorded = Baseline::new(measured, machine.recorded());
    recorded.write(&file)?;
    print(&described(&recorded, &suite))?;
    print(&format!("\nwritten: {}\n", file.display()))?;
    Ok(ExitStatus::Success)
}

fn accept(args: AcceptArgs, executors: Executors) -> Result<ExitStatus> {
    if args.reason.trim().is_empty() {
        return Err(Error::Usage(
            "--reason: say why the new values are right".into(),
        ));
    }
    let suite = args.which.resolve()?;
    let file = args.which.file(&suite);
    let old = args.which.there(&suite)?;
    let seeds = match args.seeds {
        Some(seeds) => seeds.0,
        None => old.measured.seeds(),
    };
    let machine = Machine::open(&args.machine, false, executors)?;
    let measured = measure(&machine, &suite, &seeds)?;
    let new = Baseline::new(measured, machine.recorded());
    let new = old.moved(new, args.reason.trim(), &suite.gates);
    new.write(&file)?;
    print(&described(&new, &suite))?;
    print(&format!("\nwritten: {}\n", file.display()))?;
    Ok(ExitStatus::Success)
}

/// Every value with every seed; what is done already is not done again.
fn measure(machine: &Machine, suite: &Resolved, seeds: &[u64]) -> Result<Measured> {
    let rig = machine.rig();
    let mut measured = Measured::default();
    for (i, seed) in seeds.iter().enumerate() {
        machine
            .progress
            .line(&format!("seed {seed}, {} of {}", i + 1, seeds.len()));
        let one = rig.run(suite, *seed)?;
        if let Some(problem) = one.problems.first() {
            return Err(Error::Compute(format!(
                "{}: {}; a baseline has every value, so none was written. Once the cause is mended, \
                 the same command does the rest",
                problem.what, problem.reason
            )));
        }
        if let Some(((row, column, seed), reason)) = one.without.first_key_value() {
            return Err(Error::Incomplete(format!(
                "{row} on {column} has no value with seed {seed}: {reason}; no baseline was written"
            )));
        }
        measured.merge(one.measured);
    }
    machine.progress.clear();
    Ok(measured)
}

fn show(args: ShowArgs) -> Result<ExitStatus> {
    let suite = args.which.resolve()?;
    let found = args.which.there(&suite)?;
    match args.json {
        true => print_json(&json!({
            "suite": suite.suite,
            "profile": suite.profile,
            "seeds": found.measured.seeds(),
            "recorded": found.recorded,
            "moves": found.moves,
            "gates": gates(&found, &suite),
        }))?,
        false => print(&described(&found, &suite))?,
    }
    Ok(ExitStatus::Success)
}

/// What is known of each gate.
fn gates(found: &Baseline, suite: &Resolved) -> Vec<serde_json::Value> {
    let seeds = seeds_per_night(suite);
    let of = suite.gates.iter().map(|gate| {
        let reference = found.reference(gate);
        let r = reference.as_ref();
        json!({
            "gate": gate.id,
            "cell": cell(gate).to_string(),
            "tolerance": gate.tolerance,
            "why": gate.why,
            "n": r.map(|r| r.n()),
            "mean": r.map(|r| r.mean),
            "sd": r.map(|r| r.sd),
            "correlation": r.map(|r| r.correlation),
            "visible": r.map(|r| r.visible(seeds)),
            "seeds_for_half": r.and_then(|r| r.seeds_for_half(seeds)),
        })
    });
    of.collect()
}

fn described(found: &Baseline, suite: &Resolved) -> String {
    let r = &found.recorded;
    let seeds = seeds_per_night(suite);
    let mut out = format!(
        "{}, profile {}: {} seeds, {} values, recorded {} from {} ({}) on {}\n",
        found.measured.suite,
        found.measured.profile,
        found.measured.seeds().len(),
        found.measured.cells().len(),
        r.time,
        r.commit.get(..12).unwrap_or(&r.commit),
        r.tree,
        r.environment
    );
    for moved in &found.moves {
        out += &format!(
            "  before: of {}, from {}; moved because: {}\n",
            moved.from.time,
            moved.from.commit.get(..12).unwrap_or(&moved.from.commit),
            moved.reason
        );
    }
    let per_night = format!("seen with {seeds} seeds");
    let head = [
        "gate",
        "mean ± sd",
        "tolerated",
        per_night.as_str(),
        "half of it takes",
    ];
    let mut rows = vec![head.map(String::from).to_vec()];
    for gate in &suite.gates {
        let points = |v: f64| format!("{:.2} points", 100.0 * v);
        let Some(r) = found.reference(gate) else {
            let few = "fewer than 3 seeds".to_string();
            rows.push(vec![cell(gate).to_string(), few]);
            continue;
        };
        let half = r.seeds_for_half(seeds);
        let half = half.map_or("a larger baseline".into(), |k| format!("{k} seeds a night"));
        rows.push(vec![
            cell(gate).to_string(),
            format!("{} ± {}", percent(r.mean), percent(r.sd)),
            points(gate.tolerance),
            points(r.visible(seeds).max(gate.tolerance)),
            half,
        ]);
    }
    match rows.len() {
        1 => out += "  no `[[gate]]` of the suite watches a value of this profile\n",
        _ => out += &table(&rows),
    }
    out
}

fn diff(args: DiffArgs, executors: Executors) -> Result<ExitStatus> {
    let suite = args.which.resolve()?;
    let found = args.which.there(&suite)?;
    let machine = Machine::open(&args.machine, true, executors)?;
    let first = found.measured.seeds().first().copied().unwrap_or(1);
    let round = machine.rig().outlook(&suite, first)?;
    let jobs = round.jobs.iter();
    let data = jobs.filter(|j| matches!(j.spec, JobSpec::Data(_)));
    let data = machine.rig().store.finished(data).finished;
    let now = planned(&round.jobs, &round.layout, &data, first)?;
    let sources = changed(&found.measured.code, &now.code);
    let configured = configurations(&found.measured, &now);
    if args.json {
        print_json(&json!({ "configurations": configured, "code": sources }))?;
    } else {
        let mut out = String::new();
        for Configured { what, why } in &configured {
            out += &format!("  {what}: {}\n", why.join("; "));
        }
        for source in &sources {
            out += &format!("  other code: {source}\n");
        }
        if out.is_empty() {
            out = "nothing differs from the baseline\n".into();
        }
        print(&out)?;
    }
    Ok(match configured.is_empty() {
        true => ExitStatus::Success,
        false => ExitStatus::Night(code::INCOMPARABLE),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_are_ranges_or_lists() {
        assert_eq!(seeds("1..3"), Ok(Seeds(vec![1, 2, 3])));
        assert_eq!(seeds("4,2"), Ok(Seeds(vec![4, 2])));
        for wrong in ["", "3..1", "1,1", "a", "1..", "0..99999999999"] {
            assert!(seeds(wrong).is_err(), "{wrong}");
        }
    }
}
