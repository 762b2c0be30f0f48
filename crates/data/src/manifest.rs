//! The identity of a data set: what its files hash to, and what its pixels do.

use super::decode::DECODER;
use super::set::{DataSet, Files, locate, open};
use super::survey::Survey;
use frbench_base::key::hex;
use frbench_base::{Error, Result};
use frbench_job::result::{DataResult, FileHash};
use frbench_job::{Damaged, DataSource, DataSpec, Description};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Reads the whole set `spec` under the data root and describes it. Whether that is the pinned
/// set is for the caller to judge.
///
/// # Errors
/// Anything that is missing or cannot be read or decoded.
pub fn describe(spec: &DataSpec, root: &Path) -> Result<DataResult> {
    let set = open(spec, root)?;
    let located = locate(spec, root)?;
    let files = hash_files(&located)?;
    let skip = match &spec.source {
        DataSource::Files { rules, .. } => rules.damaged == Damaged::Skip,
        _ => false,
    };
    let survey = Survey::of(&set, skip)?;
    let mut findings = set.findings.clone();
    survey.tell(&set, &mut findings)?;
    let damaged = survey.damaged();
    let set = set.without(&damaged, &located.dir)?;
    let mut hash = survey.hash();
    relations(&mut hash, &set.description);
    let (identities, counts) = set.description.counts();
    Ok(DataResult {
        name: spec.name.clone(),
        files,
        pixels_sha256: hex(&hash.finalize()),
        decoder: DECODER.to_string(),
        images: set.parts.iter().map(|(_, s)| s.len() as u64).sum(),
        identities,
        counts,
        damaged,
        notes: findings.notes(),
    })
}

/// Rehashes the files of a set described before; `dir` is the folder of the set.
///
/// # Errors
/// `Error::Data` with each file that is missing or differs, and both hashes.
pub fn verify(recorded: &DataResult, dir: &Path) -> Result<()> {
    let differences: Vec<Option<String>> = recorded
        .files
        .par_iter()
        .map(|file| match hash_member(dir, &file.path) {
            Ok(now) if now.sha256 == file.sha256 && now.bytes == file.bytes => Ok(None),
            Ok(now) => Ok(Some(format!(
                "{}: sha256 is {} ({} bytes), recorded is {} ({} bytes)",
                dir.join(&file.path).display(),
                now.sha256,
                now.bytes,
                file.sha256,
                file.bytes
            ))),
            Err(Error::Data(what)) => Ok(Some(format!("{what}; recorded is {}", file.sha256))),
            Err(other) => Err(other),
        })
        .collect::<Result<_>>()?;
    let differences: Vec<String> = differences.into_iter().flatten().collect();
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::Data(format!(
        "data set `{}` is not what was recorded:\n  {}\nbring back the files that were recorded, \
         or give the changed set a name of its own",
        recorded.name,
        differences.join("\n  ")
    )))
}

/// The hash of every file of a set, in the order of its declaration. A folder of images is one
/// entry: the hash over the lines `sha256  path` of its files, bytewise sorted by path.
pub fn hash_files(files: &Files) -> Result<Vec<FileHash>> {
    files
        .names
        .par_iter()
        .map(|name| hash_member(&files.dir, name))
        .collect()
}

fn hash_member(dir: &Path, name: &str) -> Result<FileHash> {
    let (sha256, bytes) = if name.ends_with('/') {
        hash_folder(&dir.join(name))?
    } else {
        hash_file(&dir.join(name))?
    };
    Ok(FileHash {
        path: name.to_string(),
        bytes,
        sha256,
    })
}

fn unreadable(path: &Path, error: std::io::Error) -> Error {
    match error.kind() {
        std::io::ErrorKind::NotFound => Error::Data(format!("{}: missing", path.display())),
        _ => Error::io(path, error),
    }
}

/// Hash and length of a file, read once in pieces.
pub fn hash_file(path: &Path) -> Result<(String, u64)> {
    let failed = |e| unreadable(path, e);
    let mut file = File::open(path).map_err(failed)?;
    let mut buffer = vec![0; 1 << 20];
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    loop {
        match file.read(&mut buffer).map_err(failed)? {
            0 => return Ok((hex(&hash.finalize()), bytes)),
            n => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
}

fn hash_folder(dir: &Path) -> Result<(String, u64)> {
    let mut paths = Vec::new();
    collect(dir, &mut paths)?;
    let mut named: Vec<(Vec<u8>, PathBuf)> = paths
        .into_iter()
        .map(|p| {
            let name = p
                .strip_prefix(dir)
                .unwrap_or(&p)
                .as_os_str()
                .as_encoded_bytes();
            (name.to_vec(), p)
        })
        .collect();
    named.sort_unstable();
    let hashes: Vec<(String, u64)> = named
        .par_iter()
        .map(|(_, path)| hash_file(path))
        .collect::<Result<_>>()?;
    let mut hash = Sha256::new();
    for ((name, _), (sha, _)) in named.iter().zip(&hashes) {
        hash.update(sha);
        hash.update(b"  ");
        hash.update(name);
        hash.update(b"\n");
    }
    Ok((hex(&hash.finalize()), hashes.iter().map(|h| h.1).sum()))
}

/// All files below `dir`. Links to folders are not followed, so there are no cycles.
fn collect(dir: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let failed = |e| unreadable(&folder, e);
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            match entry.file_type().map_err(failed)?.is_dir() {
                true => folders.push(entry.path()),
                false => paths.push(entry.path()),
            }
        }
    }
    Ok(())
}

/// The hash of the pixels and labels of a set, and of what it says about them.
///
/// # Errors
/// An image that cannot be read.
pub fn hash_pixels(set: &DataSet) -> Result<String> {
    let mut hash = Survey::of(set, false)?.hash();
    relations(&mut hash, &set.description);
    Ok(hex(&hash.finalize()))
}

/// sha256 over, for each part, its name, its number of images and for each image the sha256 of
/// label, width, height (u32, little-endian; no label is 2^32 - 1) and RGB pixels; then over
/// what the set says about them (pairs, templates). It does not depend on how images are
/// stored, and names nothing.
fn relations(hash: &mut Sha256, description: &Description) {
    match description {
        Description::Train(_) | Description::Identification(_) | Description::Gallery(_) => {}
        Description::Pairs(d) => {
            for (pair, same) in d.pairs.iter().zip(&d.same) {
                let (a, b) = pair.unwrap_or((u32::MAX, u32::MAX));
                relate(hash, a, b, *same);
            }
            for fold in d.folds.iter().flatten() {
                hash.update(fold.to_le_bytes());
            }
        }
        Description::Templates(d) => {
            for (template, media) in d.template.iter().zip(&d.media) {
                hash.update(template.to_le_bytes());
                hash.update(media.to_le_bytes());
            }
            let scores = d.detector.iter().flatten();
            scores.for_each(|s| hash.update(s.to_le_bytes()));
            for ((a, b), same) in d.pair_a.iter().zip(&d.pair_b).zip(&d.same) {
                relate(hash, *a, *b, *same);
            }
        }
    }
}

fn relate(hash: &mut Sha256, a: u32, b: u32, same: bool) {
    hash.update(a.to_le_bytes());
    hash.update(b.to_le_bytes());
    hash.update([u8::from(same)]);
}
