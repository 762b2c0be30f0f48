//! Kernels inside their slices and right for any shape, on every kernel set of the machine.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

mod any_shape;
mod sets;
