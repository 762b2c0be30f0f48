//! Suites and their plans.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

mod conditions;
mod embedded;
mod errors;
mod errors_of_recipes;
mod kept_images;
mod keys;
mod limits;
mod papers;
mod plan;
mod presets;
mod recipes;
mod sources;
mod tiny;
