//! Executes a data job: renders what the face world should render, records the identity of
//! what is there, and holds it against what was pinned.

use super::context::Context;
use super::store::Store;
use frbench_base::files;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_data::{manifest, noise};
use frbench_job::result::DataResult;
use frbench_job::{DataSource, DataSpec, SynthSpec};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Sets up to this size are hashed on every run; larger ones when a file's size, time or
/// inode changed since they were last hashed.
const ALWAYS_HASH_BYTES: u64 = 2 << 30;
const STAMPS: &str = "verified.json";

pub fn run(spec: &DataSpec, cx: &mut Context) -> Result<DataResult> {
    let root = cx.store.data_root().to_path_buf();
    let dir = root.join(&spec.name);
    make(spec, &root, &mut |done, total| {
        cx.progress(done, total, "images", "rendered");
        cx.stop.check("rendering")
    })?;
    let result = manifest::describe(spec, &root)?;
    hold_against_pin(spec, &result, &dir)?;
    stamp(&result, &dir, &cx.store.folder(&cx.job.key).file(STAMPS))?;
    Ok(result)
}

/// Makes what can be made and is not there: renders a set of the face world, plants noise. A list
/// of noise that is there must be the one that would be drawn.
fn make(
    spec: &DataSpec,
    root: &Path,
    progress: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    let dir = root.join(&spec.name);
    match &spec.source {
        DataSource::Synth(synth) if !dir.exists() => render(synth, &spec.name, root, progress),
        DataSource::Noisy(noisy) => noise::plant(noisy, &dir, root),
        _ => Ok(()),
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

/// Render a set under a temporary name, so that a folder that exists is a whole data set.
/// `progress` is told images done and to do; its error stops the work.
pub fn render(
    synth: &SynthSpec,
    name: &str,
    root: &Path,
    progress: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    std::fs::create_dir_all(root).map_err(|e| Error::io(root, e))?;
    let tmp = tempfile::Builder::new()
        .prefix(&format!(".{name}-"))
        .tempdir_in(root)
        .map_err(|e| Error::io(root, e))?;
    frbench_synth::write(synth, tmp.path(), progress)?;
    let (made, dir) = (tmp.keep(), root.join(name));
    // Another process may have finished the same set under another runs directory.
    if let Err(e) = std::fs::rename(&made, &dir) {
        let _ = std::fs::remove_dir_all(&made);
        if !dir.exists() {
            return Err(Error::io(&dir, e));
        }
    }
    files::sync_dir(root);
    Ok(())
}

/// Whether a set was recorded, can be made again and has no folder any more.
pub fn is_gone(spec: &DataSpec, store: &Store) -> bool {
    let made = !matches!(spec.source, DataSource::Files { .. });
    made && !store.data_root().join(&spec.name).exists()
}

/// Holds the files against the recorded hashes; a set that [`is_gone`] is made again before.
pub fn verify(
    spec: &DataSpec,
    recorded: &DataResult,
    store: &Store,
    key: &Key,
    progress: &mut dyn FnMut(u64, u64) -> Result<()>,
) -> Result<()> {
    if is_gone(spec, store) {
        make(spec, store.data_root(), progress)?;
    }
    let dir = store.data_root().join(&spec.name);
    let total: u64 = recorded.files.iter().map(|f| f.bytes).sum();
    let stamps = store.folder(key).file(STAMPS);
    if total > ALWAYS_HASH_BYTES && unchanged(recorded, &dir, &stamps) {
        return Ok(());
    }
    manifest::verify(recorded, &dir)?;
    if total > ALWAYS_HASH_BYTES {
        stamp(recorded, &dir, &stamps)?;
    }
    Ok(())
}

/// What tells a file apart from its successor without reading it.
#[derive(PartialEq, Serialize, Deserialize)]
struct Stamp {
    path: String,
    bytes: u64,
    modified_ns: u128,
    inode: u64,
}

impl Stamp {
    fn of(dir: &Path, path: &str) -> Option<Stamp> {
        let meta = std::fs::metadata(dir.join(path)).ok()?;
        let modified = meta
            .modified()
            .ok()?
            .duration_since(std::time::UNIX_EPOCH)
            .ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&meta);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Stamp {
            path: path.to_string(),
            bytes: meta.len(),
            modified_ns: modified.as_nanos(),
            inode,
        })
    }
}

fn stamp(recorded: &DataResult, dir: &Path, to: &Path) -> Result<()> {
    let stamps: Vec<Stamp> = recorded
        .files
        .iter()
        .filter_map(|f| Stamp::of(dir, &f.path))
        .collect();
    files::write_json(to, &stamps)
}

fn unchanged(recorded: &DataResult, dir: &Path, stamps: &Path) -> bool {
    let Ok(stamps) = files::read_json::<Vec<Stamp>>(stamps) else {
        return false;
    };
    stamps.len() == recorded.files.len()
        && stamps
            .iter()
            .all(|s| Stamp::of(dir, &s.path).as_ref() == Some(s))
}
