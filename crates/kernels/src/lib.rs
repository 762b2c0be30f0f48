//! What the CPU computes in the training engine.
//!
//! [`ops`] are kernels on slices in NHWC, compiled for AVX-512, for AVX2 with FMA and for plain
//! vectors; [`team`] shares their blocks among rayon's threads, [`pool`] keeps their memory.
//! They know nothing of graphs, of automatic differentiation or of GPUs.

mod huge_pages;
pub mod ops;
pub mod pool;
pub mod team;

/// The sources of this crate, each with the hash of what it says: parts of the keys of jobs.
pub static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));
