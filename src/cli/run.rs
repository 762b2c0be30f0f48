//! `frbench run`

use super::context::{DataArgs, RunsArgs, SuiteArgs, set_threads};
use super::exit::ExitStatus;
use super::machine::Executors;
use super::progress::Progress;
use crate::Result;
use crate::engine::{Device, DeviceChoice};
use crate::plan::DeviceKind;
use crate::report::Report;
use crate::run::{Options, Outcome, Program, ReadAgain, Stop, Store, scheduler};
use crate::{build, embedded};
use clap::Args;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

#[derive(Args, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub suite: SuiteArgs,
    #[command(flatten)]
    pub runs: RunsArgs,
    /// Run only the m-th of n shares of the jobs; together the shares are the whole suite
    #[arg(long, value_name = "M/N")]
    pub shard: Option<Shard>,
    #[command(flatten)]
    pub data: DataArgs,
    /// Folder that reports are written to
    #[arg(long, value_name = "DIR", default_value = "reports")]
    pub reports: PathBuf,
    /// Where to compute: cpu, cuda or cuda:N (a GPU, counted from 0), or auto, the first GPU if
    /// there is one [default: cpu, or auto if this was built with CUDA]
    #[arg(long, value_name = "DEVICE")]
    pub device: Option<DeviceChoice>,
    /// Let a GPU add in any order, which is faster: the same run then does not give the same bits
    #[arg(long)]
    pub nondeterministic: bool,
    /// Threads; results do not depend on them [default: as many as cores]
    #[arg(long, value_name = "N", value_parser = super::context::threads)]
    pub jobs: Option<std::num::NonZeroUsize>,
    /// Seconds between checkpoints: at most this much is repeated after a kill
    #[arg(long, value_name = "SECONDS", default_value = "20", value_parser = seconds)]
    pub checkpoint_every: f64,
    /// Resume trainings that were begun on a machine with other kernels; the result says so
    #[arg(long)]
    pub force_kernels: bool,
    /// Read all data again. Sets above 2 GiB or 10,000 files are otherwise read where the size,
    /// the times or the inode of a file changed
    #[arg(long)]
    pub rehash: bool,
    /// Print the results as JSON instead of a table
    #[arg(long)]
    pub json: bool,
    /// Fail where a claim is contradicted or undecided
    #[arg(long)]
    pub strict: bool,
}

fn seconds(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.parse().ok();
    value
        .filter(|v| (0.0..=86_400.0).contains(v))
        .ok_or_else(|| "want seconds from 0 to 86400".into())
}

/// One of several shares of a suite's jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// 1-based.
    pub index: u64,
    pub count: u64,
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "want M/N with 1 <= M <= N, such as 2/8".to_string();
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let shard = Shard {
            index: index.parse().map_err(|_| wrong())?,
            count: count.parse().map_err(|_| wrong())?,
        };
        let fits = (1..=shard.count).contains(&shard.index);
        fits.then_some(shard).ok_or_else(wrong)
    }
}

pub fn run(args: RunArgs, executors: Executors) -> Result<ExitStatus> {
    set_threads(args.jobs)?;
    let (device, why) = Device::open(args.device.unwrap_or(DeviceChoice::of_build()))?;
    let kind = DeviceKind::of(&device);
    let whole = super::context::resolve_all(&args.suite)?;
    let suite = super::context::part(whole.clone(), &args.suite)?;
    // Known before anything is computed for it.
    let place = super::report::Place::of(&args.suite, &whole, &args.reports)?;
    let store = Store::new(args.data.root(), &args.runs.runs);
    let options = Options {
        shard: args.shard.map(|s| (s.index as usize, s.count as usize)),
        checkpoint_every: Duration::from_secs_f64(args.checkpoint_every),
        force_kernels: args.force_kernels,
        device,
        read_again: match args.rehash {
            true => ReadAgain::EVERYTHING,
            false => ReadAgain::default(),
        },
    };
    if args.nondeterministic {
        options.device.allow_nondeterministic();
    }
    let progress = Progress::new(args.json);
    if let Some(why) = why {
        progress.line(&why);
    }
    if let Some(there) = super::context::done_elsewhere(&suite, &store, kind)? {
        progress.line(&there);
    }
    let stop = Stop::on_signals()?;
    let program = Program {
        build: build::BUILD,
        code: (executors.code)(kind),
        declarations: embedded::declarations(None)?,
    };
    let outcome = scheduler::execute(
        &suite,
        &program,
        &store,
        &options,
        &progress,
        &stop,
        executors.execute,
    );
    progress.clear();
    let outcome = outcome?;
    if outcome.executed == 0 && outcome.finished.len() == outcome.jobs.len() {
        let jobs = outcome.jobs.len();
        progress.line(&format!(
            "all {jobs} jobs were done already; nothing was run"
        ));
    }
    // The report is of all that is done of the profile, whichever part was asked for now and
    // whoever has done the rest.
    let round = crate::run::outlook(&whole, &program.code, &store, &outcome.failed)?;
    let report = |layout, jobs| {
        let command = super::report::command(&args.suite);
        super::report::read(layout, jobs, &store, &outcome.failed, command)
    };
    let so_far = report(&round.layout, &round.jobs)?;
    super::report::warn(&so_far);
    super::report::publish(&so_far, &whole, &place, args.json)?;
    let asked = || report(&outcome.layout, &outcome.jobs);
    conclude(&args, &outcome, asked)
}

/// The exit status of a run that came to its end, by what it was asked for.
fn conclude(
    args: &RunArgs,
    outcome: &Outcome,
    asked: impl Fn() -> Result<Report>,
) -> Result<ExitStatus> {
    if let Some(first) = outcome.failed.list.first() {
        let failed = outcome.failed.list.len();
        let (more, them) = match failed {
            1 => ("1 failure".to_string(), "it"),
            n => (format!("{n} failures"), "them"),
        };
        let left = match outcome.failed.left_undone() {
            0 => String::new(),
            1 => format!(" and 1 job left undone because of {them}"),
            n => format!(" and {n} jobs left undone because of {them}"),
        };
        return Err(first.error(format!(
            "{more}{left}; the first: `{}`. What does not build on {them} is done; once the cause \
             is mended, the same command does the rest",
            first.what
        )));
    }
    if outcome.left > 0 {
        return Ok(ExitStatus::Success);
    }
    if outcome.finished.len() < outcome.jobs.len() {
        return Ok(ExitStatus::Incomplete);
    }
    if args.strict
        && let Some(claims) = super::report::unproven(&asked()?)
    {
        super::output::note(&format!("claims {claims}"));
        return Ok(ExitStatus::Undecided);
    }
    Ok(ExitStatus::Success)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_are_one_based_and_within_their_count() {
        let shard = |t: &str| t.parse::<Shard>();
        assert_eq!(shard("2/8"), Ok(Shard { index: 2, count: 8 }));
        for bad in ["0/8", "9/8", "2", "a/b", "-1/3", "1/0"] {
            assert!(shard(bad).is_err(), "{bad}");
        }
    }
}
