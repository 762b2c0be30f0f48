//! Runs, from a suite to finished jobs.

#[path = "../common/mod.rs"]
mod common;

mod keep_images;
mod kill_resume;
mod label_noise;
mod line;
mod paper;
