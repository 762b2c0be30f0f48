//! frbench: train, evaluate and compare face recognition methods, reproducibly.
//!
//! A suite (TOML) is planned into jobs keyed by content, the jobs are run, and reports are
//! rendered from the result files. This is the program as a library: it gathers the crates that
//! do the work, each under the name of its subject, and adds what the program carries along.
//!
//! | module | what it does |
//! |---|---|
//! | [`suite`] | TOML to a typed, validated suite with source positions |
//! | [`plan`] | suite and profile to jobs with content keys; pure |
//! | [`run`] | executes jobs: folders, locks, resume, signals, events, progress |
//! | [`job`] | what a job is, and what it leaves behind |
//! | [`data`] | RecordIO, `.bin` packs, lists, alignment, decoding, manifests, sampling |
//! | [`synth`] | the procedural face world, the embedded default data |
//! | [`engine`] | values, layers, graph and tape, initialisers, optimiser, checkpoints |
//! | [`backbone`], [`head`], [`distill`], [`method`] | one file per architecture, margin head, loss, method |
//! | [`weights`] | networks that were trained elsewhere: files to backbones |
//! | [`train`] | the training loop |
//! | [`protocol`], [`stats`] | verification, identification, templates; intervals and verdicts; pure |
//! | [`gate`] | nightly runs against recorded baselines |
//! | [`report`] | result files to HTML, Markdown, CSV and JSON |
//! | [`parity`] | golden cases of other implementations against what a suite would run |
//! | [`mod@bench`] | how fast this machine trains and embeds |
//! | [`embedded`], [`build`] | suites, data sets and published results in the program; which build it is |
//! | [`cli`] | the command line: one file per command |
//!
//! The library never prints and never exits, but for [`cli`], which is handed what executes jobs.

pub mod bench;
pub mod build;
pub mod cli;
pub mod embedded;

pub use frbench_base::{Error, Result, Size, compare, error, files, key, registry, rng, time};
pub use frbench_data as data;
pub use frbench_engine as engine;
pub use frbench_eval::{protocol, stats};
pub use frbench_gate as gate;
pub use frbench_harness::{parity, plan, run, suite, train};
pub use frbench_job as job;
pub use frbench_methods::{backbone, distill, head, method};
pub use frbench_report as report;
pub use frbench_synth as synth;
pub use frbench_weights as weights;
