//! Networks on an NVIDIA GPU: the same graphs, plans and contracts as on the CPU, NHWC in
//! memory, convolutions by cuDNN, products by cuBLAS, the rest by the kernels of this folder.
//!
//! Every NVIDIA library is loaded when a GPU is opened ([`Gpu::open`]), so that a program with
//! this feature builds without a toolkit and starts without a driver. The kernels are compiled
//! for the GPU at hand then, too.
//!
//! | file | what it holds |
//! |---|---|
//! | `gpu` | the device: opening it, its stream, launches |
//! | `interfaces` | what the rest of the program asks a GPU for, in `device` |
//! | `memory` | buffers, which are used again |
//! | `record` | work that is recorded once and launched as one |
//! | `libraries` | which libraries are there, and what to do about one that is not |
//! | `compile` | the kernels, for the GPU at hand |
//! | `array` | activations and gradients |
//! | `conv`, `gemm` | cuDNN and cuBLAS |
//! | `ops` | our own kernels, one function each |
//! | `classes` | the class weights of a training |
//! | `relations` | what losses relate a batch to: banks of features, and the batch itself |
//! | `taps` | what losses take of a tap |
//! | `images` | training sets that lie there as bytes |
//! | `uploads` | inputs on their way there while it computes |
//! | `replica` | a network's parameters on the device, in the device's layout |
//! | `forward`, `backward` | the passes |
//! | `passes` | the same, recorded where they take longer to ask for than they do |
//! | `search` | scores of probes against a gallery, and of pairs |
//! | `check` | every operation by itself against plain loops in 64 bits |
//! | `rates` | how fast this GPU copies and multiplies, which speeds are held against |

mod array;
mod backward;
mod check;
mod classes;
mod compile;
mod conv;
mod forward;
mod gemm;
mod gpu;
mod images;
mod interfaces;
mod libraries;
mod memory;
mod ops;
mod passes;
mod rates;
mod record;
mod relations;
mod replica;
mod search;
mod taps;
mod uploads;

pub use classes::{Products, Softmax};

pub(crate) use array::Array;
pub(crate) use forward::Tape;
pub(crate) use gpu::Gpu;
pub(crate) use passes::UNTIL_SETTLED;
pub(crate) use replica::Replica;
