//! Whether what finished jobs left is what they left: their results, the files beside them, and
//! what they were made from.

use super::checkpoint::{CHECKPOINT, RECORD, is_rolling};
use super::contact_sheet::LIST;
use super::embed::EMBEDDINGS;
use super::folder::{RESULT, RunFolder};
use super::network::MODEL;
use super::seal::{self, Seal};
use super::stamps;
use frbench_base::key::Key;
use frbench_base::stamp::Stamp;
use frbench_base::{Error, Result};
use frbench_data::manifest::hash_file;
use frbench_job::result::{FileHash, JobResult, PictureKind};
use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::SystemTime;

/// Says that the last checkpoint of a finished training was removed on purpose.
pub const PRUNED: &str = "pruned";

/// Files above this size are read on an idle run only if their stamp has changed.
const LARGE: u64 = 16 << 20;

/// What is wrong with a finished job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// A file in its folder.
    File { name: String, what: String },
    /// Its checkpoint is one from the middle of the training.
    Earlier,
    /// It was made from files of another job that are there no more: of the job with this key.
    Inputs(Key),
}

impl Damage {
    /// What is wrong, with the path of the file; in a folder that is left as it is.
    pub fn text(&self, folder: &RunFolder) -> String {
        match self {
            Damage::File { name, what } => format!("{}: {what}", folder.file(name).display()),
            Damage::Earlier => format!(
                "{}: it is from the middle of the training",
                folder.file(CHECKPOINT).display()
            ),
            Damage::Inputs(need) => format!(
                "{}: made from files of job {} that are there no more",
                folder.path().display(),
                need.short()
            ),
        }
    }
}

/// How thoroughly files are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Large ones by their stamps.
    Stamps,
    /// Each is read, once per process.
    Full,
}

/// The result of a finished job, or what is wrong with it; none of a job that is not finished.
pub fn result(folder: &RunFolder, key: &Key) -> Option<Result<(JobResult, Seal), Damage>> {
    folder.is_done().then(|| {
        seal::read(&folder.file(RESULT), key).map_err(|what| Damage::File {
            name: RESULT.into(),
            what,
        })
    })
}

/// The files that a job leaves, by name and hash, as they are now.
///
/// # Errors
/// [`Error::Data`] with the name of one that is missing.
pub fn left(folder: &RunFolder, result: &JobResult) -> Result<Vec<FileHash>> {
    let mut names = vec!["spec.json", "env.json"];
    match result {
        JobResult::Data(_) => {}
        JobResult::Train(t) => {
            names.extend([CHECKPOINT, RECORD, MODEL]);
            names.extend(t.pictures.iter().map(|p| p.file.path.as_str()));
            if t.pictures
                .iter()
                .any(|p| p.kind == PictureKind::Corrections)
            {
                names.push(LIST);
            }
        }
        JobResult::Import(_) => names.push(MODEL),
        JobResult::Derive(d) => names.extend(d.files.iter().map(|f| f.path.as_str())),
        JobResult::Embed(_) => names.push(EMBEDDINGS),
        JobResult::Score(s) => names.extend(s.evidence.iter().map(|f| f.path.as_str())),
    }
    let hash = |name: &&str| {
        let (sha256, bytes) = hash_file(&folder.file(name))?;
        Ok(FileHash {
            path: name.to_string(),
            bytes,
            sha256,
        })
    };
    names.iter().map(hash).collect()
}

/// Looks at files, and remembers which it has read.
#[derive(Debug, Default)]
pub struct Reader(Mutex<BTreeMap<PathBuf, Stamp>>);

impl Reader {
    /// The first of the files of a job that is not what its seal says.
    pub fn check(&self, folder: &RunFolder, seal: &Seal, depth: Depth) -> Option<Damage> {
        let mut noted = None;
        for file in &seal.files {
            if let Err(what) = self.file(folder, file, depth, &mut noted) {
                let pruned = file.path == CHECKPOINT && folder.file(PRUNED).exists();
                if pruned && !folder.file(CHECKPOINT).exists() {
                    continue;
                }
                if file.path == CHECKPOINT && is_rolling(folder, &seal.key) {
                    return Some(Damage::Earlier);
                }
                let name = file.path.clone();
                return Some(Damage::File { name, what });
            }
        }
        None
    }

    fn file(
        &self,
        folder: &RunFolder,
        file: &FileHash,
        depth: Depth,
        noted: &mut Option<BTreeMap<String, Stamp>>,
    ) -> Result<(), String> {
        let path = folder.file(&file.path);
        let meta = std::fs::metadata(&path).map_err(|e| match e.kind() {
            ErrorKind::NotFound => "it is gone".to_string(),
            _ => format!("it cannot be read: {e}"),
        })?;
        if meta.len() != file.bytes {
            return Err(match meta.len() {
                0 => "it is empty".into(),
                found => format!("it has {found} bytes, {} were written", file.bytes),
            });
        }
        let stamp = Stamp::of(&meta, SystemTime::now());
        let mut seen = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if stamp.is_some() && seen.get(&path) == stamp.as_ref() {
            return Ok(());
        }
        let large = file.bytes > LARGE;
        if large && depth == Depth::Stamps && stamp.is_some() {
            let noted = noted.get_or_insert_with(|| stamps::noted(folder));
            if noted.get(&file.path) == stamp.as_ref() {
                return Ok(());
            }
        }
        let (sha256, _) = hash_file(&path).map_err(|e| format!("it cannot be read: {e}"))?;
        if sha256 != file.sha256 {
            return Err("it is not what was written there (checksum mismatch)".into());
        }
        if let Some(stamp) = stamp {
            if large {
                let noted = noted.get_or_insert_with(|| stamps::noted(folder));
                noted.insert(file.path.clone(), stamp);
                stamps::note(folder, noted);
            }
            seen.insert(path, stamp);
        }
        Ok(())
    }
}

/// The first job that a finished one was made from and that has other files now; `seals` are
/// those of finished jobs.
pub fn outdated(seal: &Seal, seals: &BTreeMap<Key, Seal>) -> Option<Damage> {
    let changed = |(need, digest): &(&Key, &String)| {
        let now = seals.get(need).map(Seal::digest);
        now.is_some_and(|now| now != **digest)
    };
    let (need, _) = seal.inputs.iter().find(changed)?;
    Some(Damage::Inputs(need.clone()))
}

/// The hash of a file of a finished job.
///
/// # Errors
/// [`Error::Bug`] for a file that the job does not leave.
pub fn hash_of(seal: &Seal, name: &str) -> Result<String> {
    let hash = seal.hash(name).map(str::to_string);
    hash.ok_or_else(|| Error::Bug(format!("job {} left no {name}", seal.key.short())))
}
