//! Whether a large file of a job is the one that was read before, without reading it again.

use super::folder::RunFolder;
use frbench_base::files;
use frbench_base::stamp::Stamp;
use std::collections::BTreeMap;

/// The stamps of the large files of a job, in its folder. Without it those files are read.
pub const STAMPS: &str = "large-files.json";

/// The stamps that were noted when the files of a job were last read.
pub fn noted(folder: &RunFolder) -> BTreeMap<String, Stamp> {
    files::read_json(&folder.file(STAMPS)).unwrap_or_default()
}

/// Notes stamps; a folder that cannot be written to costs a reading the next time, no more.
pub fn note(folder: &RunFolder, stamps: &BTreeMap<String, Stamp>) {
    let _ = files::write_json(&folder.file(STAMPS), stamps);
}
