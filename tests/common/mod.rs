//! Shared by the integration tests.

// Compiled into every test program, each of which uses a part of it.
#![allow(dead_code)]

pub mod bytes;
pub mod gpu;
#[path = "../../crates/kernels/tests/kernels/sets.rs"]
pub mod kernel_sets;
pub mod miniatures;
pub mod noise;
pub mod peer;
pub mod runs;
pub mod scoring;
pub mod scripted;
pub mod training;
