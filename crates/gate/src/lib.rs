//! Nightly runs against recorded baselines: did we break something?
//!
//! | module | what it does |
//! |---|---|
//! | [`measured`], [`collect`] | what was measured of a suite, seed by seed; from the jobs of a run |
//! | [`baseline`] | what was measured once and is committed |
//! | [`compare`] | bits, numbers and configurations of two measurements |
//! | [`procedure`] | which losses of a night are regressions, and how often that is wrong |
//! | [`night`], [`findings`] | a night of a suite, from its seeds to verdicts |
//! | [`verdict`] | verdicts, and the exit code of several |
//! | [`history`] | nights that were |
//! | [`load`] | what was measured, from baselines, reports and folders of runs |
//! | [`junit`], [`github`], [`badge`] | what continuous integration reads |
//! | [`places`] | where a suite says what is judged |
//! | [`pages`] | trends over nights |
//! | [`room`] | what lies in the folder of runs, and what of it can go |

pub mod badge;
pub mod baseline;
pub mod collect;
pub mod compare;
pub mod findings;
pub mod github;
pub mod history;
pub mod junit;
pub mod load;
pub mod measured;
pub mod night;
pub mod pages;
pub mod places;
pub mod procedure;
pub mod replicate;
pub mod room;
pub mod verdict;
