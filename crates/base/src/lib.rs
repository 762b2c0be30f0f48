//! What every other crate of frbench stands on.
//!
//! | module | what it holds |
//! |---|---|
//! | [`error`] | the error type, and the exit codes that follow from it |
//! | [`files`] | files that are never half-written |
//! | [`stamp`] | whether a file can have changed since it was read |
//! | [`key`] | content keys: sha256 of canonical JSON |
//! | [`compare`] | how far two results are apart |
//! | [`rng`] | random streams, derived from a seed and a purpose |
//! | [`size`] | the sides of images, maps and kernels |
//! | [`registry`] | what registered things say of themselves: names, sources, parameters, proofs |
//! | [`time`] | dates and times of day |

pub mod compare;
pub mod error;
pub mod files;
pub mod key;
pub mod registry;
pub mod rng;
pub mod size;
pub mod stamp;
pub mod time;

pub use error::{Error, Result};
pub use size::Size;

/// The sources of this crate, each with the hash of what it says: parts of the keys of jobs.
pub static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));
