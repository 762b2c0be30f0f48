//! Suites and their plans.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

mod errors;
mod plan;
