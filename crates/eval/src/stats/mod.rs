//! Intervals, paired tests and verdicts. Pure.
//!
//! The unit of replication is the training seed: methods are compared pair by pair of runs
//! with the same seed. Fewer than [`MIN_SEEDS`] seeds show no spread and prove nothing.

mod baseline;
mod claim;
mod difference;
mod proportion;
mod summary;

pub use baseline::{BaselineVerdict, Comparison, Gate, Measured, against_baseline};
pub use claim::{Claim, ClaimRule, ClaimVerdict, judge, judge_family};
pub use difference::{Difference, StandardError, paired, pooled};
pub use proportion::{holm, mcnemar_exact, wilson};
pub use summary::{Summary, gap_closed, mean, population_sd, sample_sd, summarize, t_quantile};

/// Values of one metric by training seed.
pub type BySeed = std::collections::BTreeMap<u64, f64>;

/// Seeds below which no spread, interval or verdict is given.
pub const MIN_SEEDS: usize = 3;
