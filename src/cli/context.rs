//! From what was typed to a resolved suite and its plan: what `run`, `show`, `check` and
//! `report` have in common.

use crate::engine::device::DeviceChoice;
use crate::job::JobSpec;
use crate::plan::{self, DeviceKind, Round, Selection};
use crate::run::{self, Failures, Store};
use crate::suite::{self, Catalogue, Resolved, Suite};
use crate::{Error, Result};
use crate::{build, embedded};
use clap::Args;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

/// Which suite, and which part of it.
#[derive(Args, Clone, Debug)]
pub struct SuiteArgs {
    /// A suite's name (`frbench list`) or the path of a TOML file
    pub suite: String,
    /// Sizes and settings to run it with
    #[arg(long, short, default_value = "demo")]
    pub profile: String,
    /// Only these methods; teachers they need are trained, too
    #[arg(long, value_name = "METHOD,...", value_delimiter = ',')]
    pub only: Vec<String>,
    /// Only these training seeds
    #[arg(long, value_name = "SEED,...", value_delimiter = ',')]
    pub seeds: Vec<u64>,
}

/// Where finished jobs are kept.
#[derive(Args, Clone, Debug)]
pub struct RunsArgs {
    /// Folder of finished and running jobs
    #[arg(long, value_name = "DIR", default_value = "runs")]
    pub runs: PathBuf,
}

/// Where data sets are.
#[derive(Args, Clone, Debug)]
pub struct DataArgs {
    /// Folder of data sets, generated or your own [default: $FRBENCH_DATA, or `data`]
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

impl DataArgs {
    /// The folder that is meant.
    pub fn root(&self) -> PathBuf {
        let variable = || std::env::var_os("FRBENCH_DATA").filter(|v| !v.is_empty());
        match &self.data {
            Some(dir) => dir.clone(),
            None => variable().map_or_else(|| PathBuf::from("data"), PathBuf::from),
        }
    }
}

/// Threads for each core that are of any use: more only wait for each other.
const PER_CORE: usize = 4;

/// Sets the number of threads for the whole process; without one, there are as many as cores, or as
/// `RAYON_NUM_THREADS` says. What is none that makes sense is replaced, and that is said.
pub fn set_threads(threads: Option<NonZeroUsize>) -> Result<()> {
    const VARIABLE: &str = "RAYON_NUM_THREADS";
    let variable = || std::env::var(VARIABLE).ok()?.parse::<usize>().ok();
    let (wanted, from) = match (threads, variable()) {
        (Some(threads), _) => (threads.get(), "the command line"),
        // 0 stands for all cores there.
        (None, Some(threads)) if threads > 0 => (threads, VARIABLE),
        (None, _) => return Ok(()),
    };
    let cores = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = sensible(wanted, cores);
    if threads != wanted {
        super::output::note(&format!(
            "{wanted} threads are asked for by {from}; there will be {threads}, on {cores} cores"
        ));
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build_global()
        .map_err(|e| Error::Bug(format!("cannot set the number of threads: {e}")))
}

/// The number of threads for so many that are wanted. A few are always allowed: that results do
/// not depend on them should be seen on any machine.
fn sensible(wanted: usize, cores: usize) -> usize {
    wanted.min((PER_CORE * cores).max(16))
}

/// A number of threads, as an argument.
pub fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let wrong =
        "want a whole number from 1; where it is left out, there are as many threads as cores";
    text.parse().map_err(|_| wrong.into())
}

/// Everything that a suite can name; `./suites/datasets` is over what is embedded.
pub fn catalogue() -> Result<Catalogue> {
    let folder = Path::new("suites/datasets");
    let mut known = embedded::catalogue(folder.is_dir().then_some(folder))?;
    known.data_root = Some(DataArgs { data: None }.root());
    Ok(known)
}

/// Reads the suite called `name` and checks all of it.
pub fn load(name: &str) -> Result<(Suite, Catalogue)> {
    let suite = suite::parse(embedded::suite(name)?)?;
    let known = catalogue()?;
    suite::validate(&suite, &known)?;
    // What the report will show is known before anything is trained for it.
    for table in &suite.published {
        embedded::published(table, Some(Path::new(PUBLISHED))).map_err(|e| match e {
            Error::Usage(what) => Error::Usage(format!("{}: {what}", suite.source.name)),
            other => other,
        })?;
    }
    Ok((suite, known))
}

/// The user's published numbers, which are over those that are embedded.
pub const PUBLISHED: &str = "reference_results/published";

/// The whole profile, whatever part of it is asked for.
pub fn resolve_all(args: &SuiteArgs) -> Result<Resolved> {
    let (suite, known) = load(&args.suite)?;
    suite::resolve(&suite, &args.profile, &known)
}

/// The part of the suite that is asked for.
pub fn resolve(args: &SuiteArgs) -> Result<Resolved> {
    part(resolve_all(args)?, args)
}

/// What is asked for of a profile.
pub fn part(whole: Resolved, args: &SuiteArgs) -> Result<Resolved> {
    let selection = Selection {
        only: args.only.clone(),
        seeds: args.seeds.clone(),
    };
    plan::select(whole, &selection)
}

/// The device whose results are meant.
#[derive(Args, Clone, Copy, Debug)]
pub struct DeviceArgs {
    /// Jobs of this kind of device, `cpu` or `cuda` [default: that of which more are done]
    #[arg(long, value_name = "DEVICE", value_parser = device_kind)]
    pub device: Option<DeviceKind>,
}

fn device_kind(text: &str) -> Result<DeviceKind, String> {
    match text.parse::<DeviceChoice>()? {
        DeviceChoice::Cpu => Ok(DeviceKind::Cpu),
        DeviceChoice::Cuda(_) => Ok(DeviceKind::Cuda),
        DeviceChoice::Auto => Err("want cpu or cuda".into()),
    }
}

impl DeviceArgs {
    /// All jobs, as [`outlook`] foresees them. Where no device is stated and the plan has more
    /// finished jobs of a GPU than of the CPU, they are the GPU's, which is said.
    pub fn outlook(&self, suite: &Resolved, store: &Store) -> Result<Round> {
        if let Some(device) = self.device {
            return outlook(suite, store, device);
        }
        let cpu = outlook(suite, store, DeviceKind::Cpu)?;
        let cuda = outlook(suite, store, DeviceKind::Cuda)?;
        let (on_cpu, on_cuda) = (done(&cpu, store), done(&cuda, store));
        if on_cuda <= on_cpu {
            return Ok(cpu);
        }
        super::output::note(&format!(
            "of {} jobs, {on_cuda} are done on cuda and {on_cpu} on the cpu; the former are taken \
             (`--device cpu` takes the others)",
            cuda.jobs.len()
        ));
        Ok(cuda)
    }
}

/// How many jobs are done that compute something.
fn done(round: &Round, store: &Store) -> usize {
    let computed = round.jobs.iter();
    let computed = computed.filter(|j| !matches!(j.spec, JobSpec::Data(_)));
    computed.filter(|j| store.folder(&j.key).is_done()).count()
}

/// What a run on such a device does again though it is done on the other, if that is more than
/// what is done on this one.
pub fn done_elsewhere(
    suite: &Resolved,
    store: &Store,
    device: DeviceKind,
) -> Result<Option<String>> {
    let other = device.other();
    let there = done(&outlook(suite, store, other)?, store);
    if there == 0 {
        return Ok(None);
    }
    let here = done(&outlook(suite, store, device)?, store);
    Ok((there > here).then(|| {
        format!(
            "{there} jobs of this suite are done on {} and {here} on {}; each device does its own",
            other.name(),
            device.name()
        )
    }))
}

/// All jobs on such a device, as [`run::outlook`] foresees them.
pub fn outlook(suite: &Resolved, store: &Store, device: DeviceKind) -> Result<Round> {
    run::outlook(suite, &build::code(device), store, &Failures::default())
}

#[cfg(test)]
mod tests {
    use super::sensible;

    #[test]
    fn numbers_of_threads_make_sense() {
        assert_eq!(sensible(3, 2), 3);
        assert_eq!(sensible(1_000_000_000, 2), 16);
        assert_eq!(sensible(usize::MAX, 64), 256);
    }
}
