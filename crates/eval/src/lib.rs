//! How networks are judged: protocols on embeddings, intervals, differences and verdicts.
//!
//! Everything here is a pure function of embeddings and of a plain description of the data.

pub mod protocol;
pub mod stats;

/// The hash of the sources of this crate: part of the keys of jobs.
pub const SOURCES: &str = env!("FRBENCH_SOURCES_EVAL");
