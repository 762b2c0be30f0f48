//! What a user's machine does to a program: kills at any moment, a full disk, damaged files, its
//! own included. All drawn from one seed, so that `FRBENCH_STORM_SEED` brings a failure back;
//! `scripts/storm` runs it in full.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "tests fail where they panic, and print what they have done"
)]

mod disk;
mod inputs;
mod kills;
mod mutation;
mod own;
mod program;
mod targets;
mod tree;

use frbench::rng::Stream;

/// A number of the environment, or what a short run takes.
fn setting(name: &str, short: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect(name),
        Err(_) => short,
    }
}

/// The stream of draws of one part of the storm.
fn draws(part: &str, round: u64) -> Stream {
    Stream::derive(setting("FRBENCH_STORM_SEED", 1), part, &[round])
}
