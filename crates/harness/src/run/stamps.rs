//! Whether a large file is the one that was read before, without reading it again.

use super::folder::RunFolder;
use frbench_base::files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::Metadata;

/// The stamps of the large files of a job, in its folder. Anybody may remove or damage it: then
/// those files are read.
pub const STAMPS: &str = "stamps.json";

/// What tells a file apart from its successor and from a copy of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    bytes: u64,
    modified_ns: i64,
    changed_ns: i64,
    inode: u64,
}

impl Stamp {
    /// None on a system that tells too little.
    pub fn of(meta: &Metadata) -> Option<Stamp> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            let ns = |s: i64, ns: i64| s.wrapping_mul(1_000_000_000).wrapping_add(ns);
            Some(Stamp {
                bytes: meta.len(),
                modified_ns: ns(meta.mtime(), meta.mtime_nsec()),
                changed_ns: ns(meta.ctime(), meta.ctime_nsec()),
                inode: meta.ino(),
            })
        }
        #[cfg(not(unix))]
        {
            let _ = meta;
            None
        }
    }
}

/// The stamps that were noted when the files of a job were last read.
pub fn noted(folder: &RunFolder) -> BTreeMap<String, Stamp> {
    files::read_json(&folder.file(STAMPS)).unwrap_or_default()
}

/// Notes stamps; a folder that cannot be written to costs a reading the next time, no more.
pub fn note(folder: &RunFolder, stamps: &BTreeMap<String, Stamp>) {
    let _ = files::write_json(&folder.file(STAMPS), stamps);
}
