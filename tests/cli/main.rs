//! The commands of the program.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod commands;
mod no_gpu;
