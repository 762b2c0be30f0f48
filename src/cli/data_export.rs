//! `frbench data export`

use super::context::DataArgs;
use super::data_find::{Found, at_path, find};
use super::output::{note, print};
use super::progress::Progress;
use crate::data::export::{Form, export as write};
use crate::data::manifest;
use crate::job::DataSource;
use crate::run::Stop;
use crate::{Error, Result, files, plan};
use clap::{Args, ValueEnum};
use std::path::{Path, PathBuf};

#[derive(Args, Debug)]
pub struct ExportArgs {
    /// A data set by name, or the path of a folder, a pack or records
    pub set: String,
    /// The folder to write; it must be empty or missing
    #[arg(long, short, value_name = "DIR")]
    pub out: PathBuf,
    /// The layout to write
    #[arg(long = "as", value_enum, value_name = "LAYOUT")]
    pub form: Layout,
    #[command(flatten)]
    pub data: DataArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Layout {
    /// Pictures, and a list of them (training sets, pairs)
    Folder,
    /// MXNet records (training sets, probes with distractors or a gallery)
    Records,
    /// A .bin pack (pairs)
    Pack,
}

/// Writes a set in another layout, and holds the identity of what was written against its own.
pub fn export(args: &ExportArgs) -> Result<()> {
    let form = match args.form {
        Layout::Folder => Form::Folder,
        Layout::Records => Form::Records,
        Layout::Pack => Form::Pack,
    };
    let found = find(&args.set, &args.data)?;
    let own = files::resolved(&found.root.join(&found.spec.name))?;
    // Of a set that is one file, others may lie beside it.
    if !Path::new(&args.set).is_file() && files::resolved(&args.out)?.starts_with(&own) {
        return Err(Error::Usage(format!(
            "{} is in the folder of the set itself ({}), which would be another set with it: write \
             into a folder elsewhere",
            args.out.display(),
            own.display()
        )));
    }
    let progress = Progress::new(false);
    let stop = Stop::on_signals()?;
    let watch = |done, total, unit: &'static str| {
        if total > 0 {
            progress.advance(&args.set, done, total, unit, "written");
        }
        stop.check_anew("exporting")
    };
    let set = found.open(&watch).inspect_err(|_| progress.clear())?;
    let written = write(&set, form, &args.out, &watch);
    progress.clear();
    let notes = written.inspect_err(|e| {
        let begun = std::fs::read_dir(&args.out).is_ok_and(|mut inside| inside.next().is_some());
        if begun && !matches!(e, Error::Usage(_)) {
            note(&format!(
                "{} is not whole; remove it before the set is exported again",
                args.out.display()
            ));
        }
    })?;
    notes.iter().for_each(|said| note(said));
    let there = at_path(&args.out)?;
    let described = |found: &Found| manifest::describe(&found.spec, &found.root);
    let (before, after) = (described(&found)?, described(&there)?);
    let (was, is) = (plan::identity(&before), plan::identity(&after));
    let generated = !matches!(found.spec.source, DataSource::Files { .. });
    let mut same = match was == is {
        true => format!("the same pictures, labels and pairs, {is}"),
        false => format!("another set, {is} (it was {was})"),
    };
    if !generated && before.facts_sha256 != after.facts_sha256 {
        same += "; what else it says (folds, groups, people) differs";
    }
    if there.spec.format != found.spec.format {
        return Err(Error::Bug(format!(
            "{} is read as another kind of set",
            args.out.display()
        )));
    }
    print(&format!("{}: {same}\n", args.out.display()))
}
