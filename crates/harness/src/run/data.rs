//! Executes a data job: renders what the face world should render, records the identity of
//! what is there, and holds it against what was pinned.

use super::context::{Context, heed};
use super::rendering::{self, Rendering, Watch, render};
use super::seal::{self, Seal};
use super::store::Store;
use frbench_base::files;
use frbench_base::key::{Key, sha256_hex};
use frbench_base::{Error, Result};
use frbench_data::seen::Seen;
use frbench_data::{manifest, noise};
use frbench_job::result::DataResult;
use frbench_job::{DataSource, DataSpec};
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

pub fn run(spec: &DataSpec, cx: &mut Context) -> Result<DataResult> {
    let root = cx.store.data_root().to_path_buf();
    let dir = root.join(&spec.name);
    let (job, stop) = (cx.job, cx.stop);
    make(spec, &job.key, &root, &heed(stop, &job.label), &mut |now| {
        cx.lock.heartbeat();
        now.tell(job, cx.observer);
        if let Rendering::Resumed(image) = now {
            cx.lock.event("resumed", json!({ "image": image }))?;
        }
        stop.check(&now.state())
    })?;
    let stamps = cx.lock.folder().file(STAMPS);
    let known = cx.options.read_again.known(&stamps);
    let before = seal::read::<Seen>(&cx.lock.folder().file(SEEN), &job.key);
    let before = before.ok().map(|(seen, _)| seen);
    let known = (&known, before.as_ref());
    let (result, now, seen) = manifest::read(spec, &root, known, &cx.watch("read"))?;
    hold_against_generator(spec, &result, &dir)?;
    hold_against_pin(spec, &result, &dir)?;
    now.write(&stamps)?;
    if before.as_ref() != Some(&seen) {
        let seal = Seal::new(&job.key, Vec::new(), BTreeMap::new());
        seal::write(&cx.lock.folder().file(SEEN), &seen, seal)?;
    }
    Ok(result)
}

/// What is known of each file of a set, in the folder of its job.
pub(super) const STAMPS: &str = "stamps";

/// What was seen of the images of a set, in the folder of its job.
const SEEN: &str = "seen";

/// Makes what can be made and is not there: renders a set of the face world, plants noise. A list
/// of noise that is there must be the one that would be drawn. `reading` is asked while sets are
/// read that this one is made of.
pub(super) fn make(
    spec: &DataSpec,
    key: &Key,
    root: &Path,
    reading: frbench_data::watch::Watch,
    watch: Watch,
) -> Result<()> {
    let dir = root.join(&spec.name);
    files::sweep(&dir);
    match &spec.source {
        DataSource::Synth(synth) if !dir.exists() => render(synth, &spec.name, root, key, watch),
        DataSource::Synth(_) => rendering::tidy(&spec.name, root),
        DataSource::Noisy(noisy) => noise::plant(noisy, &dir, root, reading),
        _ => Ok(()),
    }
}

/// Refuses a generated set whose side files (people, groups, tables) differ from its generator's.
/// Keys of jobs leave these files out, since they follow from the generator.
///
/// # Errors
/// [`Error::Data`] with the file.
pub fn hold_against_generator(spec: &DataSpec, found: &DataResult, dir: &Path) -> Result<()> {
    let DataSource::Synth(synth) = &spec.source else {
        return Ok(());
    };
    let stated = frbench_synth::side_files(synth)?;
    let refuse = |name: &str, what: &str| {
        Err(Error::Data(format!(
            "{}: {what}; delete the folder to have it rendered again",
            dir.join(name).display()
        )))
    };
    for (name, text) in &stated {
        match found.files.iter().find(|f| f.path == *name) {
            None => return refuse(name, "missing"),
            Some(there) if there.sha256 != sha256_hex(text.as_bytes()) => {
                return refuse(name, "not what the face world writes");
            }
            Some(_) => {}
        }
    }
    let says = |path: &str| frbench_synth::SIDE_FILES.contains(&path) || path.ends_with(".csv");
    let known = |path: &str| stated.iter().any(|(name, _)| *name == path);
    match found
        .files
        .iter()
        .find(|f| says(&f.path) && !known(&f.path))
    {
        None => Ok(()),
        Some(more) => refuse(&more.path, "not a file of this set"),
    }
}

/// Refuses a set whose pixels and labels are not the pinned ones, if any are pinned.
///
/// # Errors
/// [`Error::Data`] with the folder and both hashes.
pub fn hold_against_pin(spec: &DataSpec, found: &DataResult, dir: &Path) -> Result<()> {
    let identity = crate::plan::identity(found);
    match &spec.identity {
        Some(pinned) if *pinned != identity => Err(Error::Data(format!(
            "{}: the pixels and labels hash to {identity}, but {pinned} is pinned for `{}`; {}",
            dir.display(),
            spec.name,
            match spec.source {
                DataSource::Synth(_) => "delete the folder to have it rendered again",
                DataSource::Noisy(_) => "delete the folder to have its noise drawn again",
                DataSource::Files { .. } => "these are not the files the suite was written for",
            }
        ))),
        _ => Ok(()),
    }
}

/// Whether a set was recorded, can be made again and has no folder any more.
pub fn is_gone(spec: &DataSpec, store: &Store) -> bool {
    let made = !matches!(spec.source, DataSource::Files { .. });
    made && !store.data_root().join(&spec.name).exists()
}
