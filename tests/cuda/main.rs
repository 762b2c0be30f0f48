//! What a GPU computes. Runs on a real one, or on the CPU stand-in of `crates/engine/cuda-standin`, which
//! carries out the same calls and the same kernels. One program, as each takes its time to link.
#![cfg(feature = "cuda")]
#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "tests fail where they panic"
)]

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod extraction;
mod heads;
mod input;
mod network;
#[path = "../cli/no_gpu.rs"]
mod no_gpu;
mod ops;
mod passes;
mod relations;
mod run;
mod search;
mod taps;
