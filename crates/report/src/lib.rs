//! Result files to one self-contained folder: HTML, Markdown, CSV and JSON. Tables for LaTeX and
//! curves for TensorBoard are made where they are asked for.
//!
//! A [`Report`] holds what was measured, per seed, and what follows from it. Each section is a
//! file that makes blocks of it; HTML and Markdown each render every kind of block once. Equal
//! input gives equal bytes.

mod assemble;
mod block;
mod cells;
mod citation;
pub mod claims;
mod claims_file;
pub mod comparable;
mod compare;
mod csv_file;
pub mod derive;
pub mod escape;
mod finding;
mod format;
pub mod held;
mod html;
mod labels;
mod latex;
mod markdown;
mod measures;
pub mod model;
mod pictures;
mod plots;
mod prose;
pub mod published;
#[cfg(test)]
mod render_tests;
mod report;
mod section;
pub mod svg;
pub mod tensorboard;
mod words;

pub use assemble::{Sources, assemble};
pub use csv_file::text as csv_text;
pub use derive::{Derived, derive};
pub use model::ReportInput;
pub use pictures::Locate;
pub use report::{Report, Standing, Written};
