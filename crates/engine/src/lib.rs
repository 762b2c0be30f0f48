//! A training engine for convolutional networks, on CPUs and NVIDIA GPUs.
//!
//! A backbone describes itself once, as a [`Graph`] of layers. A [`Network`] owns the
//! parameters of a graph in flat stores and runs it: [`Network::infer`] for evaluation, and
//! [`Network::forward_train`] with [`Network::backward`] for training; passes with a way back
//! that change nothing are [`Network::trace_training`] and [`Network::trace_evaluation`],
//! with [`Network::gradients`]. Heads and losses are ordinary candle code over the embedding and
//! the taps; their gradients come back in through [`OutputGrads`].
//!
//! A [`Device`] is the CPU or a GPU; [`device`] has all that can be asked of one.
//!
//! Activations are NHWC, parameters keep the layout and the names of PyTorch. Every sum has
//! a fixed order, so that results are the same bits for any number of threads.
//!
//! ```
//! use frbench_engine::rng::Stream;
//! use frbench_engine::settings::OptimizerSpec;
//! use frbench_engine::{
//!     Affine, Conv, GraphBuilder, Network, OutputGrads, Sgd, TrainMode, Value,
//! };
//!
//! // Images of 16 x 16 pixels and 3 channels to embeddings of 8 numbers.
//! let mut graph = GraphBuilder::new([16, 16, 3]);
//! let mut x = graph.conv(graph.input(), "conv1", Conv::new(16, 3).stride(2));
//! x = graph.batch_norm(x, "bn1", Affine::Learned);
//! x = graph.prelu(x, "prelu1");
//! let embedding = graph.linear(x, "fc", 8, true);
//! let mut network = Network::new(graph.finish(embedding)?);
//! network.init(1);
//!
//! // Two steps of SGD which pull the embeddings of 4 random images towards 0.
//! let mut stream = Stream::derive(1, "images", &[]);
//! let pixels = (0..4 * 16 * 16 * 3).map(|_| stream.normal() as f32).collect();
//! let images = Value::new([4, 16, 16, 3], pixels)?;
//! let sgd = OptimizerSpec {
//!     momentum: 0.9,
//!     nesterov: false,
//!     weight_decay: 5e-4,
//!     clip: None,
//!     spare_norms: false,
//! };
//! let mut sgd = network.sgd(&sgd);
//! let square = |v: &Value| v.data().iter().map(|e| e * e).sum::<f32>();
//! let mut losses = Vec::new();
//! for step in 0..2 {
//!     let mode = TrainMode { bn_group: 4, seed: 1, step };
//!     let (output, tape) = network.forward_train(&images, mode)?;
//!     losses.push(square(&output.embedding));
//!     // The gradient of the sum of squares.
//!     let doubled = output.embedding.data().iter().map(|e| 2.0 * e).collect();
//!     let embedding = Value::new(output.embedding.shape(), doubled)?;
//!     let grads = OutputGrads { embedding: Some(embedding), ..Default::default() };
//!     network.backward(tape, grads, false)?;
//!     network.step(&mut sgd, 0.001)?;
//! }
//! assert!(losses[1] < losses[0]);
//!
//! // Embeddings, in evaluation mode.
//! assert_eq!(network.infer(&images)?.embedding.shape(), [4, 1, 1, 8]);
//! # Ok::<(), frbench_engine::Error>(())
//! ```
//!
//! How it works inside: `DESIGN.md` beside this crate's README.

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
pub mod init;
pub mod network;
mod packed;
pub mod schedule;
pub mod settings;
pub mod sgd;
pub mod store;
mod subsample;
mod tape;
mod taps;
pub mod value;

pub use backward::Gradients;
pub use device::{Device, DeviceChoice};
pub use frbench_base::{Error, Result, rng};
pub use frbench_kernels::{ops, pool, team};
pub use graph::{Affine, Conv, Graph, GraphBuilder, Layer, NodeId};
pub use init::Init;
pub use network::{Network, Output, OutputGrads, StateDict, TrainMode};
pub use sgd::Sgd;
pub use store::{Slot, Store};
pub use tape::Tape;
pub use value::Value;

/// The sources of this crate, each with the hash of what it says: parts of the keys of jobs.
pub static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));
