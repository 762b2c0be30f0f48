//! Running jobs: folders, locks, resume, signals, events.
//!
//! One folder per job, named by its cache key, under the runs directory:
//!
//! | file | written | holds |
//! |---|---|---|
//! | `spec.json`, `env.json` | first | what is run, and where |
//! | `events.jsonl` | appended | claims, steps, checkpoints, errors |
//! | `lock` | held while running | process id and host of the owner |
//! | artefacts | during | checkpoint, embeddings, scores |
//! | `result.json` | atomically | the [`crate::result::JobResult`] |
//! | `done` | last | empty; its presence means all of the above is whole |

pub mod attention;
pub mod data;
pub mod derive;
pub mod embed;
pub mod environment;
pub mod folder;
pub mod gallery;
pub mod images;
pub mod observer;
pub mod precision;
pub mod scheduler;
pub mod score;
pub mod stop;
pub mod store;
pub mod teacher;
pub mod train;

pub use folder::{Claim, RunFolder};
pub use observer::{Observer, Silent};
pub use scheduler::{Options, Outcome, execute};
pub use stop::Stop;
pub use store::Store;
