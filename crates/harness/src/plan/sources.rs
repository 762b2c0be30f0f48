//! The hashes of those sources of this crate that can change numbers, by kind of job.

pub const TRAIN: &str = env!("FRBENCH_SOURCES_TRAIN");
pub const DERIVE: &str = env!("FRBENCH_SOURCES_DERIVE");
pub const EMBED: &str = env!("FRBENCH_SOURCES_EMBED");
pub const SCORE: &str = env!("FRBENCH_SOURCES_SCORE");
