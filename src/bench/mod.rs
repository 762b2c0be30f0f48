//! How fast this machine trains and embeds: what `frbench bench` measures.
//!
//! | file | subject |
//! |---|---|
//! | `case` | what is timed: a network, an input, a training step or an embedding pass |
//! | `work` | one iteration of a case, on the objects that a suite would build |
//! | `serve` | a process that runs iterations on request |
//! | `drive` | the other end: spawns such processes and takes the times, in turns if several |
//! | `peer` | PyTorch at the same cases |
//! | `peak` | the matrix product that speeds are held against, and peak memory |
//!
//! Every case runs in a process of its own, so that peaks of memory do not mix and a
//! driver can alternate single iterations of frbench with those of something else.

pub mod case;
pub mod drive;
pub mod peak;
pub mod peer;
pub mod serve;
pub mod work;

pub use case::{Case, Work};
pub use drive::{Contender, Measured, Peer, is_out_of_memory, measure};
pub use serve::serve;

/// The middle value, or the mean of the two in the middle; NaN of nothing.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match (sorted.len(), sorted.len() / 2) {
        (0, _) => f64::NAN,
        (n, half) if n % 2 == 1 => sorted[half],
        (_, half) => (sorted[half - 1] + sorted[half]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians_are_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 3.0, 2.0]), 2.5);
        assert!(median(&[]).is_nan());
    }
}
