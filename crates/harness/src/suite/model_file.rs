//! Networks that were trained elsewhere, as their files say.

use frbench_base::{Result, Size};
use frbench_job::BackboneSpec;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

/// What is in a file of weights.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    pub path: PathBuf,
    /// Of the file, as it was when the suite was read.
    pub sha256: String,
    pub backbone: BackboneSpec,
    /// Of the input, in pixels.
    pub size: Size,
    /// Multiply-accumulates of one forward pass of one image.
    pub macs: u64,
    /// Mean and standard deviation, where preprocessing stands in the file.
    pub takes: Option<(f64, f64)>,
}

/// Files that were read, so that a suite with several profiles reads each of them once.
#[derive(Clone, Default)]
pub struct ModelFiles(Arc<Mutex<BTreeMap<PathBuf, ModelFile>>>);

impl ModelFiles {
    /// The network in the file at `path`.
    ///
    /// # Errors
    /// What [`frbench_weights::read`] refuses.
    pub fn open(&self, path: &Path) -> Result<ModelFile> {
        let mut known = self.0.lock().unwrap_or_else(|e| e.into_inner());
        if let Some(found) = known.get(path) {
            return Ok(found.clone());
        }
        let network = frbench_weights::read(path)?;
        let found = ModelFile {
            path: path.to_path_buf(),
            macs: network.graph.macs(),
            takes: network.takes,
            sha256: network.sha256,
            size: network.size,
            backbone: network.backbone,
        };
        known.insert(path.to_path_buf(), found.clone());
        Ok(found)
    }
}
