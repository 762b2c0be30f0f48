//! What a job is: everything that can change its numbers, and nothing else.
//!
//! The vocabulary of all that plans, executes and reports, below each of them. Specifications
//! are serialised to canonical JSON and hashed ([`frbench_base::key`]); they never hold a path,
//! host, worker count or time. A dependency is named by the cache key of the job it comes from.
//!
//! | module | what it describes |
//! |---|---|
//! | [`data`] | data sets: files, generated ones, noise planted in others |
//! | [`description`] | what a data set says of its images: people, pairs, templates |
//! | [`network`] | backbone, input, head |
//! | [`training`] | one training |
//! | [`import`] | a network that was trained elsewhere |
//! | [`job`] | the six kinds of jobs |
//! | [`artefact`] | what is derived of a whole set before a training |
//! | [`result`] | what a finished job leaves behind |

pub mod artefact;
pub mod data;
pub mod description;
pub mod import;
pub mod job;
mod left;
pub mod network;
pub mod result;
pub mod training;

pub use data::{Damaged, DataFormat, DataSource, DataSpec, Missing, NoisySpec, Rules, SynthSpec};
pub use description::Description;
pub use frbench_engine::settings::{
    ConvMode, Decay, Length, OptimizerSpec, Precision, ScheduleSpec,
};
pub use import::ImportSpec;
pub use job::{DeriveSpec, EmbedSpec, Job, JobSpec, Pixels, ProtocolSpec, ScoreSpec, Views};
pub use network::{BackboneSpec, Color, DegradeKind, DegradeSpec, HeadSpec, InputSpec};
pub use training::{BalancedSpec, KEPT_IMAGES, MethodSpec, TrainSpec};

/// The sources of this crate, each with the hash of what it says: parts of the keys of jobs.
pub static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));
