//! What a training keeps of itself: the rolling checkpoint while it runs, the last one when it
//! has taken all steps.
//!
//! Both are `checkpoint.safetensors`. The rolling one holds the key of its job and the sha256 of
//! its own bytes. The last one holds numbers only, so that equal trainings leave equal files;
//! what else belongs to it is in `checkpoint.json`, which is written before it.

use super::context::Context;
use super::folder::{RESULT, RunFolder};
use super::seal::{self, BLANK, Seal, only};
use frbench_base::files;
use frbench_base::key::{Key, sha256_hex};
use frbench_base::{Error, Result};
use frbench_engine::checkpoint::Checkpoint;
use frbench_job::result::{CurvePoint, FileHash, JobResult};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::ErrorKind;

pub const CHECKPOINT: &str = "checkpoint.safetensors";
/// What the numbers of the last checkpoint do not say.
pub const RECORD: &str = "checkpoint.json";

/// Entries in the metadata of a rolling checkpoint.
const JOB: &str = "job";
const SHA256: &str = "sha256";

/// How a training went, but for its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub seconds: f64,
    /// Share of its time that the process that took the last step waited for input.
    pub input_wait: f64,
    /// Those that the last step was computed on.
    pub kernels: String,
    pub curve: Vec<CurvePoint>,
}

/// What an earlier process left of a training.
pub enum Kept {
    Nothing,
    Rolling(Checkpoint),
    /// All steps are taken.
    Last(Checkpoint, Record, FileHash),
}

/// Finds what there is to go on from. A file that is damaged or not of this job is set aside,
/// and that is said.
///
/// # Errors
/// [`Error::Io`].
pub fn find(cx: &mut Context) -> Result<Kept> {
    let folder = cx.lock.folder().clone();
    let path = folder.file(CHECKPOINT);
    let bytes = match std::fs::read(&path) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Kept::Nothing),
        Err(e) => return Err(Error::io(path, e)),
    };
    let sha256 = sha256_hex(&bytes);
    let key = &cx.job.key;
    let record = match seal::read::<Record>(&folder.file(RECORD), key) {
        Ok((record, seal)) => of_file(&seal, &sha256).then_some(record),
        Err(what) => {
            if folder.file(RECORD).exists() {
                cx.set_aside(RECORD, &what, "looks for it in result.json")?;
            }
            None
        }
    };
    let read = || Checkpoint::from_bytes(&bytes);
    match record.or_else(|| told(&folder, key, &sha256)) {
        Some(record) => {
            let file = described(&bytes, sha256);
            Ok(Kept::Last(read()?, record, file))
        }
        None => match whole(&bytes, key) {
            Ok(()) => Ok(Kept::Rolling(read()?)),
            Err(what) => {
                cx.set_aside(CHECKPOINT, &what, "starts from its first step")?;
                Ok(Kept::Nothing)
            }
        },
    }
}

fn of_file(seal: &Seal, sha256: &str) -> bool {
    seal.hash(CHECKPOINT) == Some(sha256)
}

/// What the result says, where that of this very checkpoint is there and its record is not.
fn told(folder: &RunFolder, key: &Key, sha256: &str) -> Option<Record> {
    let (result, seal) = seal::read(&folder.file(RESULT), key).ok()?;
    let JobResult::Train(t) = result else {
        return None;
    };
    of_file(&seal, sha256).then_some(Record {
        seconds: t.seconds,
        input_wait: t.input_wait.unwrap_or(0.0),
        kernels: t.kernels,
        curve: t.curve,
    })
}

/// Whether a training can go on from what is there, though it is not its last checkpoint: an
/// earlier one of its own that was put back.
pub fn is_rolling(folder: &RunFolder, key: &Key) -> bool {
    let bytes = std::fs::read(folder.file(CHECKPOINT));
    bytes.is_ok_and(|bytes| whole(&bytes, key).is_ok())
}

/// Whether a rolling checkpoint is one of this job, and as it was written.
fn whole(bytes: &[u8], key: &Key) -> Result<(), String> {
    if bytes.is_empty() {
        return Err("it is empty".into());
    }
    let unlike = || "it is not what was written there (checksum mismatch)".to_string();
    let checkpoint = Checkpoint::from_bytes(bytes).map_err(|e| format!("it is {e}"))?;
    let said = |name| checkpoint.metadata.get(name).map(String::as_str);
    let sha256 = said(SHA256).ok_or_else(unlike)?;
    let header = bytes.first_chunk().map_or(0, |n| u64::from_le_bytes(*n));
    let header = bytes.len().min(8usize.saturating_add(header as usize));
    let at = only(&bytes[..header], sha256).ok_or_else(unlike)?;
    let mut blank = bytes.to_vec();
    blank[at..at + BLANK.len()].copy_from_slice(BLANK.as_bytes());
    if sha256_hex(&blank) != sha256 {
        return Err(unlike());
    }
    match said(JOB) {
        Some(job) if job == key.0 => Ok(()),
        job => Err(format!(
            "it belongs to another job ({})",
            Key(job.unwrap_or("unknown").into()).short()
        )),
    }
}

/// Replaces the rolling checkpoint.
///
/// # Errors
/// [`Error::Io`].
pub fn roll(folder: &RunFolder, key: &Key, mut checkpoint: Checkpoint) -> Result<()> {
    let metadata = &mut checkpoint.metadata;
    metadata.insert(JOB.into(), key.0.clone());
    metadata.insert(SHA256.into(), BLANK.into());
    let mut bytes = checkpoint.to_bytes();
    let sha256 = sha256_hex(&bytes);
    // It stands in the header, before all numbers.
    let at = bytes
        .windows(BLANK.len())
        .position(|w| w == BLANK.as_bytes());
    let at = at.ok_or_else(|| Error::Bug("a checkpoint without its metadata".into()))?;
    bytes[at..at + BLANK.len()].copy_from_slice(sha256.as_bytes());
    files::write_atomic(&folder.file(CHECKPOINT), &bytes)
}

/// Replaces it by the last one.
///
/// # Errors
/// [`Error::Io`].
pub fn finish(
    folder: &RunFolder,
    key: &Key,
    checkpoint: &Checkpoint,
    record: &Record,
) -> Result<FileHash> {
    let bytes = checkpoint.to_bytes();
    let file = described(&bytes, sha256_hex(&bytes));
    describe(folder, key, record, &file)?;
    files::write_atomic(&folder.file(CHECKPOINT), &bytes)?;
    Ok(file)
}

/// Writes what belongs to the last checkpoint, which is this file.
///
/// # Errors
/// [`Error::Io`].
pub fn describe(folder: &RunFolder, key: &Key, record: &Record, file: &FileHash) -> Result<()> {
    let seal = Seal::new(key, vec![file.clone()], BTreeMap::new());
    seal::write(&folder.file(RECORD), record, seal).map(drop)
}

fn described(bytes: &[u8], sha256: String) -> FileHash {
    FileHash {
        path: CHECKPOINT.into(),
        bytes: bytes.len() as u64,
        sha256,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rolling_checkpoint_is_tied_to_its_job_and_its_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let (one, other) = (Key("1".repeat(64)), Key("2".repeat(64)));
        let folder = RunFolder::new(dir.path(), &one);
        let mut checkpoint = Checkpoint::default();
        let tensor = (vec![3], vec![1.0, f32::NAN, -0.0]);
        checkpoint.tensors.insert("velocity".into(), tensor);
        checkpoint.metadata.insert("step".into(), "3".into());
        roll(&folder, &one, checkpoint).unwrap();
        let bytes = files::read(&folder.file(CHECKPOINT)).unwrap();
        assert_eq!(whole(&bytes, &one), Ok(()));
        let why = whole(&bytes, &other).unwrap_err();
        assert!(why.contains("another job (111111111111)"), "{why}");
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1;
            assert!(whole(&flipped, &one).is_err(), "byte {at}");
            assert!(whole(&bytes[..at], &one).is_err(), "{at} bytes");
        }
    }
}
