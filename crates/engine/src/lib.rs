//! Networks: values, layers, graph and tape, parameters, optimiser, checkpoints.
//!
//! A backbone describes itself once, as a [`Graph`] of layers. A [`Network`] owns the
//! parameters of a graph in flat stores and runs it: [`Network::infer`] for evaluation, and
//! [`Network::forward_train`] with [`Network::backward`] for training; passes with a way back
//! that change nothing are [`Network::trace_training`] and [`Network::trace_evaluation`],
//! with [`Network::gradients`]. Heads and losses are
//! ordinary candle code over the embedding and the taps; their gradients come back in through
//! [`OutputGrads`].
//!
//! A [`Device`] is the CPU or a GPU; [`device`] has all that can be asked of one.
//!
//! Activations are NHWC, parameters keep the layout and the names of PyTorch. Every sum has
//! a fixed order, so that results are the same bits for any number of threads.

mod backward;
pub mod checkpoint;
pub mod clock;
#[cfg(feature = "cuda")]
mod cuda;
#[cfg(not(feature = "cuda"))]
#[path = "cuda_absent.rs"]
mod cuda;
pub mod device;
mod forward;
mod fusion;
pub mod graph;
mod huge_pages;
pub mod init;
pub mod network;
pub mod ops;
mod packed;
pub mod pool;
pub mod schedule;
pub mod settings;
pub mod sgd;
pub mod store;
mod tape;
mod taps;
pub mod team;
pub mod value;

pub use backward::Gradients;
pub use device::{Device, DeviceChoice};
pub use graph::{Affine, Conv, Graph, GraphBuilder, Layer, NodeId};
pub use init::Init;
pub use network::{Network, Output, OutputGrads, StateDict, TrainMode};
pub use sgd::Sgd;
pub use store::{Slot, Store};
pub use tape::Tape;
pub use value::Value;

/// The hash of the sources of this crate: part of the keys of jobs.
pub const SOURCES: &str = env!("FRBENCH_SOURCES_ENGINE");
/// That of the sources which score on a GPU.
pub const SEARCH_SOURCES: &str = env!("FRBENCH_SOURCES_SEARCH");
