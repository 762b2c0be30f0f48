//! What the program knows and the library is told.

use crate::plan::{Build, Code};
use frbench_data::declarations::Declarations;

/// The program that runs jobs.
#[derive(Clone, Debug)]
pub struct Program {
    /// What it was built from, for `env.json`.
    pub build: Build,
    /// What computes, for the keys of jobs.
    pub code: Code,
    /// What it can say of public data sets that are missing.
    pub declarations: Declarations,
}
