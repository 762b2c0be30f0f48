//! `frbench data`

use super::context::DataArgs;
use super::exit::ExitStatus;
use super::output::print;
use super::progress::Progress;
use super::{data_export, data_inspect, data_overlap};
use crate::data::declarations::Declarations;
use crate::data::decode::encode_png;
use crate::data::manifest;
use crate::data::set::missing;
use crate::data::stamps::Stamps;
use crate::job::{DataFormat, DataSource, DataSpec, JobSpec};
use crate::plan::keys::Names;
use crate::plan::{self, Codes, DeviceKind};
use crate::run::rendering::{Rendering, render as render_set, tidy};
use crate::run::{self, Observer, Stop};
use crate::suite::dataset;
use crate::synth::{self, World};
use crate::{Error, Result, files};
use crate::{build, embedded};
use clap::{Args, Subcommand};
use std::path::{Path, PathBuf};

#[derive(Subcommand, Debug)]
pub enum DataCommand {
    /// Render data sets of the face world, or a picture of what it looks like
    Synth(SynthArgs),
    /// Read data sets, print their hashes and hold them against what is pinned
    Verify(VerifyArgs),
    /// Declare a folder as a data set: recognise its layout, read it, pin what it is
    Add(AddArgs),
    /// Say what a set is: layout, counts, pictures, which public set it resembles
    Inspect(data_inspect::InspectArgs),
    /// Write a set in another layout: a folder, records, a pack
    Export(data_export::ExportArgs),
    /// Look for pictures of one set in another: the same, stored again, cut; or of one face
    Overlap(data_overlap::OverlapArgs),
}

#[derive(Args, Debug)]
pub struct SynthArgs {
    /// Data sets to render, such as `synth-lfw-1200-v1`
    #[arg(required_unless_present = "preview", value_name = "NAME")]
    pub names: Vec<String>,
    /// Write a sheet of 8 people under 8 conditions to this PNG
    #[arg(long, value_name = "FILE")]
    pub preview: Option<PathBuf>,
    #[command(flatten)]
    pub data: DataArgs,
}

#[derive(Args, Debug)]
pub struct AddArgs {
    /// The folder; where it is not in the folder of data sets, a link to it is made there
    pub dir: PathBuf,
    /// What suites call it [default: the folder's name]
    #[arg(long)]
    pub name: Option<String>,
    #[command(flatten)]
    pub data: DataArgs,
}

#[derive(Args, Debug)]
pub struct VerifyArgs {
    /// Data sets to verify
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    #[command(flatten)]
    pub data: DataArgs,
}

pub fn data(command: DataCommand) -> Result<ExitStatus> {
    match command {
        DataCommand::Synth(args) => {
            if let Some(path) = &args.preview {
                let world = World::new(synth::VERSION, synth::twin::SEED)?;
                files::write_atomic(path, &encode_png(&synth::contact_sheet(&world))?)?;
                print(&format!("{}\n", path.display()))?;
            }
            for name in &args.names {
                render(name, &args.data.root())?;
            }
        }
        DataCommand::Add(args) => super::data_add::add(&args)?,
        DataCommand::Inspect(args) => data_inspect::inspect(&args)?,
        DataCommand::Export(args) => data_export::export(&args)?,
        DataCommand::Overlap(args) => data_overlap::overlap(&args)?,
        DataCommand::Verify(args) => {
            let catalogue = super::context::catalogue()?;
            let public = embedded::declarations(None)?;
            let root = args.data.root();
            for name in &args.names {
                let spec = catalogue.lookup(name).map_err(Error::Usage)?;
                print(&verify(&spec, &public, &root)?.0)?;
            }
        }
    }
    Ok(ExitStatus::Success)
}

fn render(name: &str, root: &Path) -> Result<()> {
    let spec = dataset::synth(name).map_err(Error::Usage)?;
    let DataSource::Synth(synth) = &spec.source else {
        return Err(Error::Usage(format!("`{name}` is not of the face world")));
    };
    let dir = root.join(name);
    if dir.exists() {
        tidy(name, root)?;
        return print(&format!("{} is there\n", dir.display()));
    }
    let progress = Progress::new(false);
    let stop = Stop::on_signals()?;
    // That of the job in a run, which goes on with what is rendered here, and the other way round.
    let job = JobSpec::Data(spec.clone());
    let code = build::code(DeviceKind::Cpu);
    let key = plan::keys::keys(&job, &Names::default(), &Codes::new(&code)).cache;
    let mut waiting = false;
    render_set(synth, name, root, &key, &mut |now| {
        match &now {
            Rendering::Waiting if waiting => {}
            Rendering::Waiting => {
                waiting = true;
                progress.line(&format!("another process renders {name}"));
            }
            Rendering::Resumed(at) => progress.line(&format!("{name} resumes at image {at}")),
            Rendering::Dropped(why) => progress.warn(why),
            Rendering::Rendered(done, total) => {
                progress.advance(name, *done, *total, "images", "rendered");
            }
        }
        stop.check(&now.state())
    })?;
    progress.clear();
    print(&format!("{}\n", dir.display()))
}

/// What a set is found to be, in words, and its identity.
pub(super) fn verify(
    spec: &DataSpec,
    public: &Declarations,
    root: &Path,
) -> Result<(String, String)> {
    let gone = missing(spec, root);
    if !gone.is_empty() {
        let describe = crate::data::declarations::describe_missing;
        return Err(Error::Data(describe(
            public.get(&spec.name),
            spec,
            root,
            &gone,
        )));
    }
    let progress = Progress::new(false);
    let stop = Stop::on_signals()?;
    let watch = |done, total, unit: &'static str| {
        if total > 0 {
            progress.advance(&spec.name, done, total, unit, "read");
        }
        stop.check_anew(&spec.name)
    };
    let read = manifest::read(spec, root, (&Stamps::default(), None), &watch);
    progress.clear();
    let (found, ..) = read?;
    let dir = root.join(&spec.name);
    run::data::hold_against_generator(spec, &found, &dir)?;
    run::data::hold_against_pin(spec, &found, &dir)?;
    let mut out = format!("{}: {} images", spec.name, found.images);
    if found.identities > 0 {
        let what = match spec.format {
            DataFormat::Train => "classes",
            _ => "people",
        };
        out += &format!(", {} {what}", found.identities);
    }
    for (name, count) in &found.counts {
        out += &format!(", {count} {}", name.replace('_', " "));
    }
    if let (Some(all), Some(genuine)) = (found.counts.get("pairs"), found.counts.get("genuine")) {
        out += &format!(", {} impostor", all - genuine);
    }
    out.push('\n');
    for file in &found.files {
        out += &format!("  {}  {} ({} bytes)\n", file.sha256, file.path, file.bytes);
    }
    let pinned = match &spec.identity {
        Some(_) => "as pinned",
        None => "not pinned",
    };
    out += &format!(
        "  {}  pixels and labels, {pinned}\n",
        plan::identity(&found)
    );
    if let Some(facts) = &found.facts_sha256 {
        out += &format!("  {facts}  what else it says: noise lists, people\n");
    }
    for note in &found.notes {
        out += &format!("  note: {note}\n");
    }
    if let Some(declared) = public.get(&spec.name) {
        for difference in declared.differences(&found) {
            out += &format!("  differs from the published set: {difference}\n");
        }
    }
    Ok((out, plan::identity(&found).to_string()))
}
