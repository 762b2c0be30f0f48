//! Intervals, paired tests and verdicts. Pure; no job depends on it.
//!
//! Networks differ by their training seeds, and test sets by the people in them. Both are drawn,
//! and an error states both: [`Estimate`]. Methods are compared seed by seed on the same people.
//! Fewer than [`MIN_SEEDS`] seeds show no spread and prove nothing.

mod claim;
mod crossed;
mod difference;
mod people;
mod power;
mod proportion;
mod ratio;
mod summary;

pub use claim::{ClaimVerdict, Family, Judgement, Tested, judge};
pub use crossed::{Estimate, Sample, Sampling};
pub use difference::{Difference, StandardError, paired};
pub use people::People;
pub use power::{MOST_SEEDS, Needed, POWER, Variances, detectable};
pub use proportion::{holm, wilson, wilson_of};
pub use ratio::{Ratio, ratio};
pub use summary::{Summary, mean, population_sd, sample_sd, summarize, t_quantile};

/// Values of one metric by training seed.
pub type BySeed = std::collections::BTreeMap<u64, f64>;

/// Seeds below which no spread, interval or verdict is given.
pub const MIN_SEEDS: usize = 3;
