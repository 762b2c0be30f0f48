//! Reports.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

mod assemble;
mod condition_fixture;
mod conditions;
mod curves;
mod fixture;
mod golden;
mod held;
mod published;
mod render;
mod skeleton;
