//! What was seen of the pixels of a set, so that they need not be decoded again when something
//! else of the set has changed: a noise list, the people on its images.

use crate::decode::DECODER;
use crate::manifest::relations;
use crate::set::DataSet;
use crate::watch::{Steps, Watch};
use frbench_base::Result;
use frbench_base::key::hex;
use frbench_job::result::FileHash;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// What a look at every image of a set has found, and what it depends on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// sha256 of what it depends on; none of sets whose files do not tell.
    pub of: Option<String>,
    /// The set's identity.
    pub pixels_sha256: String,
    /// Images that cannot be read, by part.
    pub damaged: BTreeMap<String, Vec<u32>>,
    /// What a reader must know about the pictures.
    pub notes: Vec<String>,
}

/// sha256 of all that decides what will be seen of the images of `set`: the `files` that they are
/// made from, which images there are, in which order and under which labels, how they are related,
/// and how they are decoded. None of a set whose files do not tell.
///
/// # Errors
/// What `watch` returns.
pub(crate) fn fingerprint(
    set: &DataSet,
    files: &[FileHash],
    skip: bool,
    watch: Watch,
) -> Result<Option<String>> {
    let Some(made_from) = &set.made_from else {
        return Ok(None);
    };
    let mut hash = Sha256::new_with_prefix(b"frbench-seen-v1");
    let mut text = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    text(DECODER);
    for file in files.iter().filter(|f| made_from.contains(&f.path)) {
        text(&file.path);
        text(&file.sha256);
    }
    let steps = Steps::new(watch);
    for (name, source) in &set.parts {
        text(name);
        for i in 0..source.len() {
            steps.next()?;
            text(&source.describe(i));
        }
    }
    for (name, source) in &set.parts {
        hash.update((source.len() as u64).to_le_bytes());
        for i in 0..source.len() {
            let label = set.label(name, source.as_ref(), i);
            hash.update(label.unwrap_or(u32::MAX).to_le_bytes());
        }
    }
    hash.update([u8::from(skip), u8::from(set.wants_aligned)]);
    relations(&mut hash, &set.description);
    Ok(Some(hex(&hash.finalize())))
}
