//! Running jobs: folders, locks, resume, signals, events.
//!
//! One folder per job, named by its cache key, under the runs directory:
//!
//! | file | written | holds |
//! |---|---|---|
//! | `spec.json`, `env.json` | first | what is run, and where |
//! | `events.jsonl` | appended | claims, steps, checkpoints, errors |
//! | `lock` | held while running | process id and host of the owner |
//! | `stamps` | with the result | what is known of each file of a data set |
//! | `seen` | with the result | what was seen of the images of a data set, and what that depends on |
//! | artefacts | during | checkpoint, embeddings, scores |
//! | `result.json` | atomically | the [`frbench_job::result::JobResult`], and its [`seal`] |
//! | `done` | last | empty; its presence means all of the above is whole |
//! | `pruned` | after `done` | empty; the last checkpoint was removed on purpose |
//! | `NAME.damaged-N` | | what was there and was not what the job had left |
//!
//! A job is finished if `done` is there and all files are as `result.json` states them: [`own`].

pub mod attention;
pub mod checkpoint;
mod columns;
pub mod contact_sheet;
pub mod context;
pub mod curve;
pub mod data;
pub mod derive;
pub mod embed;
pub mod embedder;
pub mod environment;
pub mod executors;
pub mod explain;
pub mod failures;
pub mod folder;
pub mod given;
pub mod images;
pub mod import;
pub mod input_probe;
pub mod network;
pub mod observer;
mod open;
pub mod options;
mod outlook;
pub mod own;
mod pair_scores;
pub mod precision;
pub mod program;
pub mod rendering;
pub mod scheduler;
pub mod score;
pub mod seal;
pub mod stamps;
pub mod stock;
pub mod stop;
pub mod store;
pub mod teacher;
pub mod train;
pub mod transfer;
pub mod verify;
pub mod wrong_pairs;

pub use failures::{Failure, Failures};
pub use folder::{JobLock, RunFolder};
pub use observer::{Observer, Silent};
pub use options::{Options, ReadAgain};
pub use outlook::outlook;
pub use program::Program;
pub use scheduler::Outcome;
pub use stop::Stop;
pub use store::Store;
