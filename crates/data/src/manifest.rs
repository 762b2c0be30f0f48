//! The identity of a data set: what its files hash to, and what its pixels do.

use super::decode::DECODER;
use super::set::{DataSet, Files, locate, open};
use super::source::ImageSource;
use frbench_base::key::hex;
use frbench_base::{Error, Result};
use frbench_job::DataSpec;
use frbench_job::result::{DataResult, FileHash};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
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
    let files = hash_files(&locate(spec, root)?)?;
    let (identities, counts) = counts(&set);
    Ok(DataResult {
        name: spec.name.clone(),
        files,
        pixels_sha256: hash_pixels(&set)?,
        decoder: DECODER.to_string(),
        images: set.parts().iter().map(|(_, s)| s.len() as u64).sum(),
        identities,
        counts,
        notes: match &set {
            DataSet::Train(s) => s.notes.clone(),
            _ => Vec::new(),
        },
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

/// sha256 over, for each part, its name, its number of images and for each image the sha256 of
/// label, width, height (u32, little-endian; no label is 2^32 - 1) and RGB pixels; then over
/// what the set says about them (pairs, templates). It does not depend on how images are
/// stored, and names nothing.
pub fn hash_pixels(set: &DataSet) -> Result<String> {
    let mut hash = Sha256::new();
    hash.update(b"frbench-pixels-v1");
    for (name, source) in set.parts() {
        hash.update(name);
        hash.update((source.len() as u64).to_le_bytes());
        let images: Vec<[u8; 32]> = (0..source.len())
            .into_par_iter()
            .map(|i| hash_image(source.as_ref(), i))
            .collect::<Result<_>>()?;
        images.iter().for_each(|h| hash.update(h));
    }
    match set {
        DataSet::Train(_) | DataSet::Identification(_) | DataSet::Gallery(_) => {}
        DataSet::Pairs(s) => relate(&mut hash, &s.pairs, &s.same),
        DataSet::Templates(s) => {
            for (template, media) in s.template.iter().zip(&s.media) {
                hash.update(template.to_le_bytes());
                hash.update(media.to_le_bytes());
            }
            s.score.iter().for_each(|s| hash.update(s.to_le_bytes()));
            relate(&mut hash, &s.pairs, &s.same);
        }
    }
    Ok(hex(&hash.finalize()))
}

fn relate(hash: &mut Sha256, pairs: &[(u32, u32)], same: &[bool]) {
    for ((a, b), same) in pairs.iter().zip(same) {
        hash.update(a.to_le_bytes());
        hash.update(b.to_le_bytes());
        hash.update([u8::from(*same)]);
    }
}

fn hash_image(source: &dyn ImageSource, i: usize) -> Result<[u8; 32]> {
    let image = source.image(i)?;
    let mut hash = Sha256::new();
    for n in [
        source.label(i).unwrap_or(u32::MAX),
        image.width as u32,
        image.height as u32,
    ] {
        hash.update(n.to_le_bytes());
    }
    hash.update(&image.pixels);
    Ok(hash.finalize().into())
}

/// Identities (0: not known) and further counts.
fn counts(set: &DataSet) -> (u64, BTreeMap<String, u64>) {
    fn distinct<T: Ord>(items: impl Iterator<Item = T>) -> u64 {
        items.collect::<BTreeSet<T>>().len() as u64
    }
    let genuine = |same: &[bool]| same.iter().filter(|s| **s).count() as u64;
    let (identities, counts) = match set {
        DataSet::Train(s) => (
            u64::from(s.classes),
            s.wrong_labels()
                .map(|wrong| ("wrong_labels", wrong.iter().filter(|w| **w).count() as u64))
                .into_iter()
                .collect(),
        ),
        DataSet::Pairs(s) => (
            s.identities.as_ref().map_or(0, |ids| distinct(ids.iter())),
            vec![
                ("pairs", s.same.len() as u64),
                ("genuine", genuine(&s.same)),
            ],
        ),
        DataSet::Identification(s) => (
            distinct(s.probe_ids.iter()),
            vec![
                ("probes", s.probes.len() as u64),
                ("distractors", s.distractors.len() as u64),
                ("noisy_probes", s.noisy_probes.len() as u64),
                ("noisy_distractors", s.noisy_distractors.len() as u64),
            ],
        ),
        DataSet::Gallery(s) => (
            distinct(s.probe_ids.iter().chain(&s.gallery_ids)),
            vec![
                ("probes", s.probes.len() as u64),
                ("gallery", s.gallery.len() as u64),
                ("distractors", s.distractors.len() as u64),
            ],
        ),
        DataSet::Templates(s) => (
            distinct(s.subjects.values()),
            vec![
                ("templates", distinct(s.template.iter())),
                ("pairs", s.same.len() as u64),
                ("genuine", genuine(&s.same)),
            ],
        ),
    };
    let counts = counts.into_iter().map(|(k, n)| (k.to_string(), n));
    (identities, counts.collect())
}
