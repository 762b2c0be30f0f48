//! How networks are judged: protocols on embeddings, intervals, differences and verdicts.
//!
//! Everything here is a pure function of embeddings and of a plain description of the data.

pub mod protocol;
pub mod stats;

/// The sources of this crate, each with the hash of what it says: parts of the keys of jobs.
pub static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));
