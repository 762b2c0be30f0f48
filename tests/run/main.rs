//! Runs, from a suite to finished jobs.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

#[path = "../common/mod.rs"]
mod common;

mod assembled;
mod changed_data;
mod data_commands;
mod done_again;
mod exported;
mod foreign;
mod keep_images;
mod kill_resume;
mod label_noise;
mod line;
mod lost;
mod nine_sets;
mod one_bad_set;
mod own_files;
mod paper;
mod place;
mod rendering;
