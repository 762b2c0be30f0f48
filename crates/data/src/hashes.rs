//! The hashes of the files of a set, and what became of them since they were recorded.

use super::set::{self, Files};
use super::stamps::{Hashed, Stamp, Stamps};
use super::walk::{self, regular, unreadable, walk};
use super::watch::{Counter, Steps, Watch};
use frbench_base::key::hex;
use frbench_base::{Error, Result};
use frbench_job::result::{DataResult, FileHash};
use frbench_job::{DataSource, DataSpec};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The hash of every declared file, in the order of `names`, and what is known of each file in
/// folders, too. A folder is one entry: the hash over the lines `sha256  path` of its files,
/// bytewise sorted by path. A file that has a stamp in `known` and still bears it is not read.
///
/// # Errors
/// [`Error::Data`] for what is missing or no file, what the disk refuses, what `watch` returns.
pub fn hash_files(files: &Files, known: &Stamps, watch: Watch) -> Result<(Vec<FileHash>, Stamps)> {
    let mut members = Vec::new();
    for (declared, name) in files.names.iter().enumerate() {
        let path = files.dir.join(name);
        if !name.ends_with('/') {
            members.push(Member::of(
                declared,
                PathBuf::new(),
                path,
                name.clone().into_bytes(),
            ));
            continue;
        }
        for relative in walk(&path, watch)?.files {
            let whole = [name.as_bytes(), walk::bytes(&relative)].concat();
            let path = path.join(&relative);
            members.push(Member::of(declared, relative, path, whole));
        }
    }
    let steps = Steps::new(watch);
    let looked_at: Vec<(u64, Option<Hashed>)> = members
        .par_iter()
        .map(|member| {
            steps.next()?;
            member.look(known)
        })
        .collect::<Result<_>>()?;
    let unread = looked_at.iter().filter(|(_, known)| known.is_none());
    let counter = Counter::bytes(unread.map(|(bytes, _)| bytes).sum(), watch);
    let hashed: Vec<Hashed> = members
        .par_iter()
        .zip(looked_at)
        .map(|(member, (_, known))| match known {
            Some(known) => Ok(known),
            None => member.read(&counter),
        })
        .collect::<Result<_>>()?;
    // Members lie in the order of what was declared.
    let mut own = members.iter().zip(&hashed).peekable();
    let mut hashes = Vec::with_capacity(files.names.len());
    for (declared, name) in files.names.iter().enumerate() {
        let of_name = std::iter::from_fn(|| own.next_if(|(m, _)| m.declared == declared));
        hashes.push(summary(name, of_name));
    }
    Ok((hashes, Stamps::new(hashed)))
}

/// A regular file of a set.
struct Member {
    /// Number of the declared file or folder that it is, or lies in.
    declared: usize,
    /// Relative to that folder.
    relative: PathBuf,
    path: PathBuf,
    /// The bytes of its path in the set.
    whole: Vec<u8>,
}

impl Member {
    fn of(declared: usize, relative: PathBuf, path: PathBuf, whole: Vec<u8>) -> Self {
        Member {
            declared,
            relative,
            path,
            whole,
        }
    }

    /// Its size; and its hash, if it bears the stamp that it had when that was taken.
    fn look(&self, known: &Stamps) -> Result<(u64, Option<Hashed>)> {
        let found = regular(&self.path)?;
        let now = Stamp::of(&found, SystemTime::now());
        let same = |k: &&Hashed| now.is_some() && k.stamp == now;
        Ok((found.len(), known.get(&self.whole).filter(same).cloned()))
    }

    fn read(&self, counter: &Counter) -> Result<Hashed> {
        let failed = |e| unreadable(&self.path, e);
        let mut file = File::open(&self.path).map_err(failed)?;
        let stamp = |file: &File| -> Result<Option<Stamp>> {
            let now = SystemTime::now();
            Ok(Stamp::of(&file.metadata().map_err(failed)?, now))
        };
        let before = stamp(&file)?;
        let (sha256, bytes) = hash(&mut file, &self.path, &mut |n| counter.add(n))?;
        // One that was written to meanwhile proves nothing.
        let still = stamp(&file)? == before && before.is_none_or(|s| s.bytes == bytes);
        Ok(Hashed {
            path: self.whole.clone(),
            bytes,
            sha256,
            stamp: before.filter(|_| still),
        })
    }
}

/// The entry of one declared file or folder, from the files that it consists of.
fn summary<'a>(name: &str, own: impl Iterator<Item = (&'a Member, &'a Hashed)>) -> FileHash {
    let mut bytes = 0;
    let mut single = None;
    let mut lines = Sha256::new();
    for (member, file) in own {
        bytes += file.bytes;
        let sha = hex(&file.sha256);
        lines.update(&sha);
        lines.update(b"  ");
        lines.update(walk::bytes(&member.relative));
        lines.update(b"\n");
        single = Some(sha);
    }
    FileHash {
        path: name.to_string(),
        bytes,
        sha256: match single.filter(|_| !name.ends_with('/')) {
            Some(sha) => sha,
            None => hex(&lines.finalize()),
        },
    }
}

/// Hash and length of a file, read once in pieces.
///
/// # Errors
/// [`Error::Data`] for what is missing or no file; what the disk refuses.
pub fn hash_file(path: &Path) -> Result<(String, u64)> {
    regular(path)?;
    let mut file = File::open(path).map_err(|e| unreadable(path, e))?;
    let (sha256, bytes) = hash(&mut file, path, &mut |_| Ok(()))?;
    Ok((hex(&sha256), bytes))
}

/// `read` is told the bytes of each piece.
fn hash(
    file: &mut File,
    path: &Path,
    read: &mut dyn FnMut(u64) -> Result<()>,
) -> Result<([u8; 32], u64)> {
    let mut buffer = vec![0; 1 << 20];
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    loop {
        match file.read(&mut buffer).map_err(|e| unreadable(path, e))? {
            0 => return Ok((hash.finalize().into(), bytes)),
            n => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
                read(n as u64)?;
            }
        }
    }
}

/// What has become of a recorded set.
#[derive(Debug, PartialEq)]
pub struct Compared {
    /// What is known of its files now.
    pub stamps: Stamps,
    /// Optional files that are new, gone or changed, a line each: where there are any, the set
    /// is another one than was recorded. Everything else is as it was.
    pub changed: Vec<String>,
}

/// Holds the files of a set against what was recorded of it. `known` is what was known of each
/// file then; those that bear their stamps are not read if `trusted`.
///
/// # Errors
/// [`Error::Data`] if a file that must be there is missing or differs, or any file of a generated
/// set: with each of them and both hashes. What the disk refuses and what `watch` returns.
pub fn compare(
    spec: &DataSpec,
    root: &Path,
    recorded: &DataResult,
    (known, trusted): (&Stamps, bool),
    watch: Watch,
) -> Result<Compared> {
    let dir = root.join(&spec.name);
    let (required, optional) = set::names(spec, root, watch)?;
    let required: BTreeSet<String> = required.into_iter().collect();
    let then = by_path(&recorded.files);
    let mut names: Vec<String> = recorded.files.iter().map(|f| f.path.clone()).collect();
    let new = required.iter().chain(&optional);
    names.extend(new.filter(|n| !then.contains_key(n.as_str())).cloned());
    let mut here = names.clone();
    here.retain(|name| set::is_there(&dir, name));
    let here = Files { dir, names: here };
    let none = Stamps::default();
    let (files, stamps) = hash_files(&here, if trusted { known } else { &none }, watch)?;
    let now = by_path(&files);
    let mut changed = Vec::new();
    let mut all_optional = matches!(spec.source, DataSource::Files { .. });
    for name in &names {
        let path = here.dir.join(name);
        let path = path.display();
        let what = match (then.get(name.as_str()), now.get(name.as_str())) {
            (Some(then), Some(now)) if then == now => continue,
            (Some(then), Some(now)) => format!(
                "{path}: sha256 is {} ({} bytes), recorded is {} ({} bytes){}",
                now.sha256,
                now.bytes,
                then.sha256,
                then.bytes,
                within(name, known, &stamps)
            ),
            (Some(then), None) => format!("{path}: missing; recorded is {}", then.sha256),
            (None, Some(now)) => format!("{path}: new, sha256 is {}", now.sha256),
            (None, None) => continue,
        };
        all_optional &= !required.contains(name);
        changed.push(what);
    }
    match changed.is_empty() || all_optional {
        true => Ok(Compared { stamps, changed }),
        false => Err(Error::Data(format!(
            "data set `{}` is not what was recorded:\n  {}\n{}",
            recorded.name,
            changed.join("\n  "),
            match spec.source {
                DataSource::Files { .. } =>
                    "bring back the files that were recorded, or give the changed set a name of \
                     its own",
                _ =>
                    "bring back the files that were recorded, or delete the folder to have it \
                      made again",
            }
        ))),
    }
}

fn by_path(files: &[FileHash]) -> BTreeMap<&str, &FileHash> {
    files.iter().map(|f| (f.path.as_str(), f)).collect()
}

/// How many changed files of a folder a message names.
const NAMED: usize = 5;

/// What changed inside a folder, as far as its files are known.
fn within(folder: &str, then: &Stamps, now: &Stamps) -> String {
    let inside = |f: &&Hashed| folder.ends_with('/') && f.path.starts_with(folder.as_bytes());
    let named = |what: &str, f: &Hashed| format!("{} ({what})", String::from_utf8_lossy(&f.path));
    let mut names = Vec::new();
    for file in now.files().iter().filter(inside) {
        match then.get(&file.path) {
            None => names.push(named("new", file)),
            Some(then) if then.sha256 != file.sha256 => names.push(named("changed", file)),
            Some(_) => {}
        }
    }
    let gone = |f: &&Hashed| now.get(&f.path).is_none();
    let gone = then.files().iter().filter(inside).filter(gone);
    names.extend(gone.map(|f| named("missing", f)));
    // Nothing was known of its files: all would be new.
    if names.is_empty() || !then.files().iter().any(|f| inside(&f)) {
        return String::new();
    }
    names.sort_unstable();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.truncate(NAMED);
    format!(": {}{more}", names.join(", "))
}
