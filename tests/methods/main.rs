//! Heads, losses, methods and backbones: against formulas, against other implementations, and in trainings.

#[path = "../common/mod.rs"]
mod common;

mod backbones;
mod head_formulas;
mod heads;
mod input_gradients;
mod losses;
mod losses_recomputed;
mod network_evaluation;
mod network_training;
mod objectives;
mod parity;
mod proofs;
mod training_heads;
mod training_input;
mod training_losses;
