//! Heads, losses, methods and backbones: against formulas, against other implementations, and in trainings.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic"
)]

#[path = "../common/mod.rs"]
mod common;

mod backbones;
mod canary;
mod head_formulas;
mod heads;
mod input_gradients;
mod losses;
mod losses_recomputed;
mod network_evaluation;
mod network_training;
mod objectives;
mod parity;
mod parity_shapes;
mod proofs;
mod training_heads;
mod training_input;
mod training_losses;
