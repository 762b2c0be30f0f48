//! From a suite to finished jobs.
//!
//! | module | what it does |
//! |---|---|
//! | [`train`] | one optimiser step, and what of it is saved |
//! | [`parity`] | golden cases of other implementations against what a suite would run |
//! | [`suite`] | TOML to a typed, validated suite with source positions |
//! | [`plan`] | suite and profile to jobs with content keys; pure |
//! | [`run`] | executes jobs: folders, locks, resume, signals, events, progress |

pub mod parity;
pub mod plan;
pub mod run;
pub mod suite;
pub mod train;
