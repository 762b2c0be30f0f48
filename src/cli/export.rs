//! `frbench export`

use super::context::{self, DeviceArgs, RunsArgs, SuiteArgs};
use super::exit::ExitStatus;
use super::output::{note, print, warn};
use super::report;
use crate::key::Key;
use crate::run::{Failures, Store};
use crate::{Error, Result, files};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct ExportArgs {
    #[command(flatten)]
    suite: SuiteArgs,
    #[command(flatten)]
    runs: RunsArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// What is written, one or several
    #[arg(
        long,
        value_enum,
        value_name = "FORM,...",
        value_delimiter = ',',
        required = true
    )]
    to: Vec<Form>,
    /// The folder to write into; files of the same names are replaced
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    /// Curves and scores of each training, for `tensorboard --logdir DIR`
    Tensorboard,
    /// The tables of the report, each a `tabular` with booktabs
    Latex,
    /// Raw values and claims
    Csv,
}

/// Writes what has been run so far in forms that other programs read; runs nothing.
pub fn export(args: ExportArgs) -> Result<ExitStatus> {
    let suite = context::resolve(&args.suite)?;
    let store = Store::new("data", &args.runs.runs);
    let round = args.device.outlook(&suite, &store)?;
    let command = report::command(&args.suite);
    let (layout, jobs) = (&round.layout, &round.jobs);
    let found = report::read(layout, jobs, &store, &Failures::default(), command.clone())?;
    report::warn(&found);
    if found.standing.finished == 0 {
        return Err(Error::Incomplete(format!(
            "nothing of this suite has been run in `{}` yet; `{command}` does",
            args.runs.runs.display()
        )));
    }
    let mut texts = Vec::new();
    if args.to.contains(&Form::Csv) {
        texts.push(("results.csv".to_string(), found.csv()?));
        texts.push(("claims.csv".to_string(), found.claims_csv()?));
    }
    if args.to.contains(&Form::Latex) {
        texts.extend(found.latex());
    }
    let mut written = Vec::new();
    for (name, text) in texts {
        let path = args.out.join(name);
        files::write_atomic(&path, text.as_bytes())?;
        written.push(path);
    }
    if args.to.contains(&Form::Tensorboard) {
        let locate = |key: &str, file: &str| store.folder(&Key(key.to_string())).file(file);
        let curves = found.tensorboard(&locate, &args.out)?;
        curves.notes.iter().for_each(|text| warn(text));
        if curves.without > 0 {
            note(&format!("networks without a log: {}", curves.without));
        }
        written.extend(curves.files);
    }
    let list = written.iter().map(|path| format!("{}\n", path.display()));
    print(&list.collect::<String>())?;
    Ok(match found.standing.finished < found.standing.jobs {
        true => ExitStatus::Incomplete,
        false => ExitStatus::Success,
    })
}
