//! What the program carries along: suites and their recipes, declarations and lists of data sets,
//! published results.

use crate::data::declarations::Declarations;
use crate::report::model::PublishedRow;
use crate::report::published;
use crate::suite::Catalogue;
use crate::suite::library::Embedded;
use crate::suite::sets::{self, Sets};
use crate::suite::source::Source;
use frbench_base::Result;
use std::path::Path;

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// The suites, and the recipes that they share.
const LIBRARY: Embedded = Embedded {
    suites: SUITES,
    recipes: include_str!("../suites/recipes.toml"),
};

/// The suite called `wanted`: a path, a file in `./suites`, or an embedded one.
///
/// # Errors
/// As [`Embedded::find`].
pub fn suite(wanted: &str) -> Result<Source> {
    LIBRARY.find(wanted)
}

/// A suite of this text, which may take the embedded recipes.
pub fn source(name: impl Into<String>, text: impl Into<String>) -> Source {
    LIBRARY.source(name, text)
}

/// Everything that a suite can name. Declarations in `folder` are over those that are embedded.
///
/// # Errors
/// A declaration that is none, or cannot be read.
pub fn catalogue(folder: Option<&Path>) -> Result<Catalogue> {
    Catalogue::with_datasets(DATASETS, folder)
}

/// The list of data sets called `name`: `./suites/presets/NAME.toml`, or an embedded one.
///
/// # Errors
/// As [`sets::find`].
pub fn preset(name: &str) -> Result<Sets> {
    sets::find(name, PRESETS, Path::new("suites/presets"))
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
