//! frbench: train, evaluate and compare face recognition methods, reproducibly.
//!
//! A suite (TOML) is planned into jobs keyed by content, the jobs are run, and reports are
//! rendered from the result files. Each folder below is one step of that way:
//!
//! | module | what it does |
//! |---|---|
//! | [`suite`] | TOML to a typed, validated suite with source positions |
//! | [`plan`] | suite and profile to jobs with content keys; pure |
//! | [`run`] | executes jobs: folders, locks, resume, signals, events, progress |
//! | [`data`] | RecordIO, `.bin` packs, lists, alignment, decoding, manifests, sampling |
//! | [`synth`] | the procedural face world, the embedded default data |
//! | [`nn`] | values, layers, graph and tape, initialisers, optimiser, checkpoints |
//! | [`backbone`], [`head`], [`distill`], [`method`] | one file per architecture, margin head, loss, method |
//! | [`train`] | the training loop |
//! | [`protocol`], [`stats`] | verification, identification, templates; intervals and verdicts; pure |
//! | [`report`] | result files to HTML, Markdown, CSV and JSON |
//! | [`mod@bench`] | how fast this machine trains and embeds |
//! | [`parity`] | golden cases of other implementations against what a suite would run |
//!
//! The library never prints and never exits; `cli` and `main` do.

pub mod backbone;
pub mod bench;
pub mod data;
pub mod distill;
pub mod error;
pub mod files;
pub mod head;
pub mod key;
pub mod method;
pub mod nn;
pub mod parity;
pub mod plan;
pub mod protocol;
pub mod registry;
pub mod report;
pub mod result;
pub mod rng;
pub mod run;
pub mod stats;
pub mod suite;
pub mod synth;
pub mod train;

pub use error::{Error, Result};
