//! The commands of the program.

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod commands;
