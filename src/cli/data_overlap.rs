//! `frbench data overlap`

use super::context::DataArgs;
use super::data_find::{Found, find};
use super::network::How;
use super::output::{note, print, print_json};
use super::progress::Progress;
use crate::data::manifest;
use crate::data::overlap::kept::{Kept, Side};
use crate::data::overlap::{Likeness, shared};
use crate::data::set::DataSet;
use crate::data::source::ImageSource;
use crate::data::stamps::Stamps;
use crate::data::watch::Watch;
use crate::job::Views;
use crate::run::Stop;
use crate::run::embedder::normalize;
use crate::{Error, Result};
use clap::Args;
use rayon::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

#[derive(Args, Debug)]
pub struct OverlapArgs {
    /// The set that networks are trained on: by name, or the path of a folder, a pack or records
    pub train: String,
    /// The set that they are evaluated on
    pub eval: String,
    /// Also compare faces, by a network from a file: PATH[@INPUT]
    #[arg(long)]
    pub model: Option<String>,
    /// The least cosine of faces that are listed
    #[arg(long, default_value_t = 0.7, requires = "model")]
    pub cosine: f64,
    #[command(flatten)]
    pub how: How,
    /// All that was found, as JSON
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub data: DataArgs,
}

/// A picture of one set that is in the other.
struct Line {
    what: &'static str,
    value: f64,
    train: String,
    eval: String,
}

/// How many pictures a table shows.
const SHOWN: usize = 20;

pub fn overlap(args: &OverlapArgs) -> Result<()> {
    if !(-1.0..=1.0).contains(&args.cosine) {
        return Err(Error::Usage("--cosine is a number from -1 to 1".into()));
    }
    let progress = Progress::new(args.json);
    let mut notes = Vec::new();
    let lines = lines(args, &progress, &mut notes);
    progress.clear();
    notes.iter().for_each(|said| note(said));
    let lines = lines?;
    if args.json {
        let found = lines
            .iter()
            .map(|l| json!({ "how": l.what, "value": l.value, "train": l.train, "eval": l.eval }));
        return print_json(&found.collect::<Vec<_>>());
    }
    let mut out = String::new();
    for what in kinds() {
        let count = lines.iter().filter(|l| l.what == what).count();
        out += &format!("{what}: {count}\n");
    }
    for line in lines.iter().take(SHOWN) {
        out += &format!(
            "  {} ({:.3})\n    {}\n    {}\n",
            line.what, line.value, line.train, line.eval
        );
    }
    if lines.len() > SHOWN {
        out += &format!("  and {} more; --json has all\n", lines.len() - SHOWN);
    }
    print(&out)
}

/// All that is found; what there is to say besides is added to `notes`.
fn lines(args: &OverlapArgs, progress: &Progress, notes: &mut Vec<String>) -> Result<Vec<Line>> {
    let stop = Stop::on_signals()?;
    let watch = |done, total, unit: &'static str| {
        if total > 0 {
            progress.advance("overlap", done, total, unit, "looked at");
        }
        stop.check_anew("comparing")
    };
    let (train, eval) = (
        find(&args.train, &args.data)?,
        find(&args.eval, &args.data)?,
    );
    let sides = (side(&train, &watch, notes)?, side(&eval, &watch, notes)?);
    let (train, eval) = (train.open(&watch)?, eval.open(&watch)?);
    let (ours, theirs) = (sources(&train), sources(&eval));
    let place = |of: &[&dyn ImageSource], (part, i): (usize, usize)| of[part].describe(i);
    let found = shared(&ours, &theirs, &watch)?.into_iter();
    let mut lines: Vec<Line> = found
        .map(|found| Line {
            what: found.likeness.name(),
            value: found.correlation,
            train: place(&ours, found.first),
            eval: place(&theirs, found.second),
        })
        .collect();
    if let Some(model) = &args.model {
        lines.extend(alike(args, model, &train, &eval, (progress, &stop))?);
    }
    if let (Some(train), Some(eval)) = sides {
        notes.push(keep(args, (train, eval), &lines)?);
    }
    Ok(lines)
}

/// A set and its identity; none of pictures that nothing is trained or scored on as they are.
fn side(set: &Found, watch: Watch, notes: &mut Vec<String>) -> Result<Option<Side>> {
    match manifest::read(&set.spec, &set.root, (&Stamps::default(), None), watch) {
        Ok((found, ..)) => Ok(Some(Side {
            name: found.name,
            pixels_sha256: found.pixels_sha256,
            images: found.images,
        })),
        Err(Error::Data(why)) => {
            notes.push(format!("what is found is not kept for reports: {why}"));
            Ok(None)
        }
        Err(e) => Err(e),
    }
}

/// Leaves what was found for reports, and says where.
fn keep(args: &OverlapArgs, (train, eval): (Side, Side), lines: &[Line]) -> Result<String> {
    let distinct = |of: &dyn Fn(&Line) -> bool| {
        let images = lines.iter().filter(|l| of(l)).map(|l| l.eval.as_str());
        images.collect::<BTreeSet<_>>().len() as u64
    };
    let images = kinds().map(|kind| (kind.to_string(), distinct(&|l| l.what == kind)));
    let faces = args.model.as_ref().map(|model| {
        let file = Path::new(model).file_name().unwrap_or_default();
        format!("{} at {}", file.to_string_lossy(), args.cosine)
    });
    let kept = Kept {
        train,
        eval,
        images: images.into(),
        any: distinct(&|_| true),
        faces,
    };
    let root = args.data.root();
    let (a, b) = (&kept.train.pixels_sha256, &kept.eval.pixels_sha256);
    // One that cannot be read is replaced.
    let before = Kept::read(&root, a, b).ok().flatten();
    if let Some(by) = before
        .and_then(|k| k.faces)
        .filter(|_| kept.faces.is_none())
    {
        return Ok(format!(
            "for reports, what was found with faces by {by} is kept; without --model less is known"
        ));
    }
    let path = kept.write(&root)?;
    Ok(format!("{} is for reports on the two sets", path.display()))
}

/// The images of all parts.
fn sources(set: &DataSet) -> Vec<&dyn ImageSource> {
    set.parts
        .iter()
        .map(|(_, source)| source.as_ref())
        .collect()
}

const FACE: &str = "alike faces";

fn kinds() -> [&'static str; 4] {
    let [a, b, c] = [Likeness::Bytes, Likeness::Pixels, Likeness::Picture].map(Likeness::name);
    [a, b, c, FACE]
}

/// Unit vectors of all images of a part.
struct Faces {
    source: Arc<dyn ImageSource>,
    rows: Vec<f32>,
    dim: usize,
}

/// Faces of both sets whose cosine is high: of one person, or of people the network takes for one.
fn alike(
    args: &OverlapArgs,
    model: &str,
    train: &DataSet,
    eval: &DataSet,
    (progress, stop): (&Progress, &Stop),
) -> Result<Vec<Line>> {
    let embedder = args.how.open(model)?;
    let embed = |set: &DataSet| -> Result<Vec<Faces>> {
        let mut out = Vec::new();
        for (name, source) in &set.parts {
            let mut rows: Vec<f32> = Vec::new();
            let total = source.len() as u64;
            embedder.embed(source, (Views::Original, 0), |some, done| {
                rows.extend_from_slice(some);
                progress.advance(name, done as u64, total, "images", "embedded");
                stop.check_anew("embedding")
            })?;
            let dim = embedder.dim(Views::Original);
            for (i, row) in rows.chunks_exact_mut(dim).enumerate() {
                normalize(row)
                    .map_err(|e| Error::Compute(format!("{}: {e}", source.describe(i))))?;
            }
            out.push(Faces {
                source: source.clone(),
                rows,
                dim,
            });
        }
        Ok(out)
    };
    let (ours, theirs) = (embed(train)?, embed(eval)?);
    let mut lines = Vec::new();
    for (a, b) in ours.iter().flat_map(|a| theirs.iter().map(move |b| (a, b))) {
        let found: Vec<Vec<Line>> = b
            .rows
            .par_chunks(b.dim)
            .enumerate()
            .map(|(j, row)| {
                stop.check_anew("comparing")?;
                let cosines = a
                    .rows
                    .chunks_exact(a.dim)
                    .map(|other| row.iter().zip(other).map(|(a, b)| a * b).sum::<f32>());
                Ok(cosines
                    .enumerate()
                    .filter(|(_, cosine)| f64::from(*cosine) >= args.cosine)
                    .map(|(i, cosine)| Line {
                        what: FACE,
                        value: f64::from(cosine),
                        train: a.source.describe(i),
                        eval: b.source.describe(j),
                    })
                    .collect())
            })
            .collect::<Result<_>>()?;
        lines.extend(found.into_iter().flatten());
    }
    lines.sort_by(|a, b| b.value.total_cmp(&a.value));
    Ok(lines)
}
