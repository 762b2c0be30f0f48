//! Networks that were trained elsewhere: from a file of weights to a network.
//!
//! | module | what it does |
//! |---|---|
//! | [`container`] | the formats of files: bytes to named tensors |
//! | [`names`] | where in a file the state of a network is |
//! | [`fit`](mod@fit) | which backbone it is of, and its state by that backbone's names |
//! | [`onnx`] | models with their graph, to networks of the engine |
//! | [`npy`] | arrays of NumPy |
//! | [`aliases`] | other names of the same networks |
//!
//! No code of a file is run, and no number of one is trusted: lengths, offsets, shapes and strides
//! are checked against the file, and what is read is bounded by its size.

pub mod aliases;
pub mod container;
pub mod fit;
mod foreign;
pub mod names;
pub mod npy;
pub mod onnx;
mod tensor;
mod tree;

pub use container::WeightsFile;
pub use fit::{Fit, fit};
pub use foreign::{Foreign, ONNX, read};
pub use onnx::OnnxNetwork;
pub use tensor::{Dtype, Tensor};
pub use tree::Tree;

/// The sources of this crate, each with the hash of what it says: parts of the keys of jobs.
pub static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));
