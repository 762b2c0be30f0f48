//! What the program carries along: suites, declarations of data sets, published results.

use crate::data::declarations::Declarations;
use crate::report::model::PublishedRow;
use crate::report::published;
use crate::suite::source::Source;
use crate::suite::{Catalogue, library};
use frbench_base::Result;
use std::path::Path;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The suite called `wanted`: a path, a file in `./suites`, or an embedded one.
///
/// # Errors
/// As [`library::find`].
pub fn suite(wanted: &str) -> Result<Source> {
    library::find(wanted, SUITES)
}

/// Everything that a suite can name. Declarations in `folder` are over those that are embedded.
///
/// # Errors
/// A declaration that is none, or cannot be read.
pub fn catalogue(folder: Option<&Path>) -> Result<Catalogue> {
    Catalogue::with_datasets(DATASETS, folder)
}

/// The declarations of public data sets. Those in `folder` are over those that are embedded.
///
/// # Errors
/// A declaration that is none, or cannot be read.
pub fn declarations(folder: Option<&Path>) -> Result<Declarations> {
    Declarations::load(DATASETS, folder)
}

/// The published results of the source `name`: those in `folder`, else the embedded ones.
///
/// # Errors
/// As [`published::load`].
pub fn published(name: &str, folder: Option<&Path>) -> Result<Vec<PublishedRow>> {
    published::load(name, PUBLISHED, folder)
}
