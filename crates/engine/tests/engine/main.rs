//! The engine by itself: every kernel and every gradient, on every kernel set of the machine.

mod gradients;
mod kernel_sets;
mod kernels;
