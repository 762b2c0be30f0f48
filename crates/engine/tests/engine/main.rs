//! The engine by itself: every gradient, on every kernel set of the machine.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

mod gradients;
#[path = "../../../kernels/tests/kernels/sets.rs"]
mod kernel_sets;
