//! Suites: TOML to a typed, validated description of what to train, evaluate and compare.
//!
//! Text becomes a tree with positions ([`tree`]), is checked against the format, which is
//! data ([`grammar`], [`check`]), put together with the recipes that it takes ([`mod@whole`]), read
//! into the [`model`] ([`read`]), and one profile of it is resolved against the catalogue
//! ([`resolve()`]). Every error is a usage error `file:line:column: what; what would be right`.

pub mod catalogue;
pub mod check;
pub mod dataset;
pub mod evaluation;
pub mod grammar;
pub mod library;
pub mod model;
pub mod model_file;
pub mod preprocessing;
pub mod preset;
pub mod read;
mod recipes;
pub mod resolve;
pub mod schema;
pub mod sets;
pub mod source;
pub mod tree;
pub mod whole;
mod write;

pub use catalogue::Catalogue;
pub use model::Suite;
pub use read::parse;
pub use resolve::{Resolved, resolve, validate};
pub use whole::whole;
