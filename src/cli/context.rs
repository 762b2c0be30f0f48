//! From what was typed to a resolved suite and its plan: what `run`, `show`, `check` and
//! `report` have in common.

use clap::Args;
use frbench::plan::spec::JobSpec;
use frbench::plan::{self, Code, Known, Round, Selection};
use frbench::result::JobResult;
use frbench::suite::{self, Registries, Resolved, Suite, library};
use frbench::{Error, Result};
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

/// Sets the number of threads for the whole process; without one, there are as many as cores.
pub fn set_threads(threads: Option<NonZeroUsize>) -> Result<()> {
    let Some(threads) = threads else {
        return Ok(());
    };
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .build_global()
        .map_err(|e| Error::Bug(format!("cannot set the number of threads: {e}")))
}

/// Everything that a suite can name; `./suites/datasets` is over what is embedded.
pub fn registries() -> Result<Registries> {
    let folder = Path::new("suites/datasets");
    Registries::with_datasets(folder.is_dir().then_some(folder))
}

/// Reads the suite called `name` and checks all of it.
pub fn load(name: &str) -> Result<(Suite, Registries)> {
    let suite = suite::parse(library::find(name)?)?;
    let known = registries()?;
    suite::validate(&suite, &known)?;
    Ok((suite, known))
}

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

/// All jobs as far as the data sets that are already there let them be foreseen.
pub fn outlook(suite: &Resolved, runs: &Path, code: &Code) -> Result<Round> {
    let mut known = Known::default();
    loop {
        let round = plan::outlook(suite, &known, code);
        let before = known.results.len();
        for job in &round.jobs {
            if matches!(job.spec, JobSpec::Data(_))
                && !known.results.contains_key(&job.key)
                && is_done(runs, job)
                && let Some(result) = result(runs, job)?
            {
                known.results.insert(job.key.clone(), result);
            }
        }
        // What is known of one set may name another that is made of it.
        if known.results.len() == before {
            return Ok(round);
        }
    }
}

/// Whether the job has been finished in `runs`.
pub fn is_done(runs: &Path, job: &plan::spec::Job) -> bool {
    runs.join(&job.key.0).join("done").is_file()
}

fn result(runs: &Path, job: &plan::spec::Job) -> Result<Option<JobResult>> {
    let path = runs.join(&job.key.0).join("result.json");
    if !path.is_file() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
    serde_json::from_str(&text)
        .map(Some)
        .map_err(|e| Error::Data(format!("{}: not a result of frbench: {e}", path.display())))
}
