//! The engine by itself: every kernel and every gradient, on every kernel set of the machine.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

mod gradients;
mod kernel_sets;
mod kernels;
