//! `frbench eval`

use super::context::{self, DataArgs, RunsArgs, SuiteArgs};
use super::eval_given::{self, GivenArgs};
use super::exit::ExitStatus;
use super::input_probe;
use super::machine::Executors;
use super::output;
use super::run::{self, RunArgs};
use super::transfer::{self, TransferArgs};
use super::wrong_pairs;
use crate::engine::{Device, DeviceChoice};
use crate::plan::DeviceKind;
use crate::protocol;
use crate::registry::Kind;
use crate::run::Store;
use crate::suite::evaluation::{self, Candidate, Evaluation, Input};
use crate::{Error, Result, embedded, files};
use clap::Args;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub struct EvalArgs {
    /// Files of weights (PyTorch, safetensors, ONNX), each as [NAME=]PATH[@INPUT]
    #[arg(required_unless_present = "embeddings", value_name = "MODEL")]
    models: Vec<String>,
    /// Data sets to evaluate them on (`frbench list datasets`; a folder of yours in the folder of
    /// data sets)
    #[arg(long, value_name = "DATA,...", value_delimiter = ',', num_args = 1..)]
    on: Vec<String>,
    /// A list of data sets and rules by name (`frbench list presets`, or a file of yours in
    /// `suites/presets`)
    #[arg(long, value_name = "NAME")]
    preset: Option<String>,
    /// Rules that pairs are scored by [default: those of the preset, or insightface]
    #[arg(long, value_name = "RULE,...", value_delimiter = ',', value_parser = rule)]
    rule: Vec<String>,
    /// How images become the input of models that do not state it, which no file of weights says:
    /// the code base that trained them, or rgb,MEAN,STD or bgr,MEAN,STD for (x / 255 - MEAN) / STD
    #[arg(long, value_name = "INPUT")]
    input: Option<Input>,
    /// Tables of published numbers to hold models against (`frbench references`); a model is given
    /// the name that a table gives it, as in `"AdaFace R50 MS1MV2"=PATH`
    #[arg(long, value_name = "TABLE,...", value_delimiter = ',')]
    published: Vec<String>,
    #[command(flatten)]
    given: Box<GivenArgs>,
    #[command(flatten)]
    transfer: TransferArgs,
    /// Name of the evaluation [default: of the models, their inputs and the data]
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
    /// Do not look whether other orders of colours and scalings suit the models better
    #[arg(long)]
    no_probe: bool,
    /// Read all data again
    #[arg(long)]
    rehash: bool,
    /// Print the results as JSON instead of a table
    #[arg(long)]
    json: bool,
}

/// The rules of verification.
pub(super) fn rules() -> &'static [&'static str] {
    let verification = protocol::find("verification").ok();
    let rule = verification.and_then(|v| v.info.params.iter().find(|p| p.name == "rule"));
    match rule.map(|p| p.kind) {
        Some(Kind::Choice(rules)) => rules,
        _ => &[],
    }
}

/// One of them.
fn rule(text: &str) -> Result<String, String> {
    let known = rules();
    match known.contains(&text) {
        true => Ok(text.to_string()),
        false => Err(format!("want one of {}", known.join(", "))),
    }
}

/// Scores embeddings that are there, or writes a suite that evaluates the models, and runs it.
pub fn eval(mut args: EvalArgs, executors: Executors) -> Result<ExitStatus> {
    let preset = args.preset.as_deref().map(embedded::preset).transpose()?;
    if args.given.is_given() {
        if !args.models.is_empty() || !args.on.is_empty() || preset.is_some() {
            return Err(Error::Usage(
                "`--embeddings` are scored as they are; models and data sets are another evaluation"
                    .into(),
            ));
        }
        context::set_threads(args.jobs)?;
        return eval_given::score(&args.given, &args.rule, args.device, args.json);
    }
    if args.rule.is_empty() {
        args.rule = preset.iter().flat_map(|p| p.rules.clone()).collect();
    }
    if args.rule.is_empty() {
        args.rule.push(evaluation::RULE.to_string());
    }
    args.on.extend(preset.into_iter().flat_map(|p| p.sets));
    if args.on.is_empty() {
        return Err(Error::Usage(
            "state what to evaluate on: --on DATA, or --preset NAME (`frbench list datasets`, \
             `frbench list presets`)"
                .into(),
        ));
    }
    args.transfer.check(&args.on, &args.rule)?;
    let parse = |text: &String| Candidate::parse(text, args.input.as_ref());
    let models = args.models.iter().map(parse);
    let models = models.collect::<Result<Vec<_>>>()?;
    named_in(&args.published, &models)?;
    let name = args.name.unwrap_or_else(|| {
        let on = args.preset.unwrap_or_else(|| args.on.join("-"));
        evaluation::default_name(&models, &on, &args.rule)
    });
    let mut known = context::catalogue()?;
    known.data_root = Some(args.data.root());
    let on = Evaluation {
        sets: &args.on,
        rules: &args.rule,
        published: &args.published,
    };
    let text = evaluation::suite(&name, &models, on, &known)?;
    let path = write(&args.reports, &name, &text)?;
    let suite = SuiteArgs {
        suite: path.display().to_string(),
        profile: evaluation::PROFILE.to_string(),
        only: Vec::new(),
        seeds: Vec::new(),
    };
    let status = run::run(
        RunArgs {
            suite: suite.clone(),
            runs: args.runs.clone(),
            shard: None,
            data: args.data.clone(),
            reports: args.reports.clone(),
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
    )?;
    let folder = args.reports.join(format!("{name}-{}", evaluation::PROFILE));
    let (device, _) = Device::open(args.device.unwrap_or(DeviceChoice::of_build()))?;
    if !args.no_probe && status == ExitStatus::Success {
        input_probe::look(&models, &args.on, &args.data, &device, &folder)?;
    }
    let suite = context::resolve(&suite)?;
    let store = Store::new(args.data.root(), &args.runs.runs);
    // What was scored now, and not what another device has left.
    let round = context::outlook(&suite, &store, DeviceKind::of(&device))?;
    wrong_pairs::write(&round, &store, &folder)?;
    transfer::write(&args.transfer, &round, &store, &folder, args.json)?;
    Ok(status)
}

/// Checks that published tables have something to say of each model.
fn named_in(tables: &[String], models: &[Candidate]) -> Result<()> {
    if tables.is_empty() {
        return Ok(());
    }
    let mut names: BTreeSet<String> = BTreeSet::new();
    for table in tables {
        let rows = embedded::published(table, Some(Path::new(context::PUBLISHED)))?;
        names.extend(rows.into_iter().map(|row| row.method));
    }
    let known = |m: &&Candidate| names.iter().any(|n| n.eq_ignore_ascii_case(&m.label));
    match models.iter().find(|m| !known(m)) {
        None => Ok(()),
        Some(model) => Err(Error::Usage(format!(
            "`{}` is in none of the published tables {}; name the model as they do, NAME=PATH with \
             one of: {}",
            model.label,
            tables.join(", "),
            names.into_iter().collect::<Vec<_>>().join(", ")
        ))),
    }
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
        "{} is this evaluation as a suite; `frbench run FILE --profile eval` runs what it \
         says",
        path.display()
    ));
    Ok(path)
}
