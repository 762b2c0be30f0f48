//! What is trained: one file per architecture, margin head, loss and method, and one static
//! table of each kind.

pub mod backbone;
pub mod distill;
pub mod head;
pub mod method;

/// The sources of this crate, each with the hash of what it says: parts of the keys of jobs.
pub static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));
