//! The training loop: what one optimiser step is, and what of it is saved.
//!
//! A step is a pure function of the state before it and of `(seed, step)`: order, flips and
//! dropout come from keyed streams. So a run that was killed and resumed equals one that was
//! not, bit for bit. The input of a step is made ahead of it, on threads of its own, and where
//! the network is on a GPU it is there before the step begins.

mod batch;
mod labels;
mod loader;
mod pipeline;
mod probe;
mod queue;
mod teacher;
mod trainer;

pub use batch::{Batch, Images, TeacherRows};
pub use labels::Corrected;
pub use pipeline::{InputPipeline, Made};
pub use probe::REACH;
pub use queue::Queue;
pub use teacher::{FrozenClassifier, FrozenNetwork, Lesson, Teacher};
pub use trainer::{StepReport, Trainer};
