//! Suites and their plans.

mod errors;
mod plan;
