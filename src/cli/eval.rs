//! `frbench eval`

use super::context::{self, DataArgs, RunsArgs, SuiteArgs};
use super::exit::ExitStatus;
use super::machine::Executors;
use super::output;
use super::run::{self, RunArgs};
use clap::Args;
use frbench::engine::DeviceChoice;
use frbench::suite::evaluation::{self, Candidate, Input};
use frbench::{Error, Result, files};
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub struct EvalArgs {
    /// Files of weights (PyTorch, safetensors, ONNX), each as [NAME=]PATH[@INPUT]
    #[arg(required = true, value_name = "MODEL")]
    models: Vec<String>,
    /// Data sets to evaluate them on (`frbench list datasets`; a folder of yours in the folder of
    /// data sets)
    #[arg(long, required = true, value_name = "DATA,...", value_delimiter = ',', num_args = 1..)]
    on: Vec<String>,
    /// How images become the input of models that do not state it, which no file of weights says:
    /// the code base that trained them, or rgb,MEAN,STD or bgr,MEAN,STD for (x / 255 - MEAN) / STD
    #[arg(long, value_name = "INPUT")]
    input: Option<Input>,
    /// Name of the evaluation [default: of the models]
    #[arg(long)]
    name: Option<String>,
    #[command(flatten)]
    runs: RunsArgs,
    #[command(flatten)]
    data: DataArgs,
    /// Folder that the report and the suite of the evaluation are written to
    #[arg(long, value_name = "DIR", default_value = "reports")]
    reports: PathBuf,
    /// Where to compute: cpu, cuda or cuda:N, or auto
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceChoice>,
    /// Threads; results do not depend on them [default: as many as cores]
    #[arg(long, value_name = "N", value_parser = context::threads)]
    jobs: Option<std::num::NonZeroUsize>,
    /// Read all data again
    #[arg(long)]
    rehash: bool,
    /// Print the results as JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// Writes a suite that evaluates the models, and runs it.
pub fn eval(args: EvalArgs, executors: Executors) -> Result<ExitStatus> {
    let parse = |text: &String| Candidate::parse(text, args.input.as_ref());
    let models = args.models.iter().map(parse);
    let models = models.collect::<Result<Vec<_>>>()?;
    let name = args.name.unwrap_or_else(|| {
        let ids: Vec<String> = models.iter().map(|m| evaluation::id(&m.label)).collect();
        let name = format!("{}-on-{}", ids.join("-"), args.on.join("-"));
        name.chars().take(80).collect()
    });
    let mut known = context::catalogue()?;
    known.data_root = Some(args.data.root());
    let text = evaluation::suite(&name, &models, &args.on, &known)?;
    let path = write(&args.reports, &name, &text)?;
    run::run(
        RunArgs {
            suite: SuiteArgs {
                suite: path.display().to_string(),
                profile: evaluation::PROFILE.to_string(),
                only: Vec::new(),
                seeds: Vec::new(),
            },
            runs: args.runs,
            shard: None,
            data: args.data,
            reports: args.reports,
            device: args.device,
            nondeterministic: false,
            jobs: args.jobs,
            checkpoint_every: 20.0,
            force_kernels: false,
            rehash: args.rehash,
            json: args.json,
            strict: false,
        },
        executors,
    )
}

/// The file of the suite, in the folder of reports: as a suite it can be changed and run.
fn write(reports: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = reports.join(format!("{name}.toml"));
    std::fs::create_dir_all(reports).map_err(|e| Error::io(reports, e))?;
    match std::fs::read_to_string(&path) {
        Ok(there) if there == text => return Ok(path),
        Ok(_) => {
            return Err(Error::Usage(format!(
                "{} is another evaluation; give this one a --name of its own, or remove that file",
                path.display()
            )));
        }
        Err(_) => {}
    }
    files::write_atomic(&path, text.as_bytes())?;
    output::note(&format!(
        "{} is this evaluation as a suite; `frbench run` runs what it says",
        path.display()
    ));
    Ok(path)
}
