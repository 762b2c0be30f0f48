//! Suites and their plans.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

mod conditions;
mod embedded;
mod errors;
mod kept_images;
mod keys;
mod limits;
mod papers;
mod plan;
mod presets;
mod sources;
mod tiny;
