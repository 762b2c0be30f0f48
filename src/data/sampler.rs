//! Which images a step sees, and which of them mirrored: pure functions of the seed and the
//! step, never of what was drawn before.

use crate::rng::Stream;
use crate::{Error, Result};

/// The order in which epoch `epoch` passes over `n` images.
pub fn order(seed: u64, epoch: u64, n: usize) -> Vec<u32> {
    Stream::derive(seed, "data/order", &[epoch]).permutation(n)
}

/// Whether `sample` is mirrored in `epoch`, with probability 1/2.
pub fn flip(seed: u64, epoch: u64, sample: u32) -> bool {
    Stream::derive(seed, "data/flip", &[epoch, u64::from(sample)]).chance(0.5)
}

/// Batches of an epoch; the last partial batch is dropped.
///
/// # Errors
/// Fewer images than a batch, or an empty batch.
pub fn steps_per_epoch(batch: usize, n: usize) -> Result<u64> {
    if batch == 0 || n < batch {
        return Err(Error::Usage(format!(
            "a batch of {batch} images cannot be drawn from a set of {n}"
        )));
    }
    Ok((n / batch) as u64)
}

/// The epoch of global step `step` and its images. For a run of steps use [`Batches`], which
/// keeps the epoch's order.
pub fn batch_at(seed: u64, step: u64, batch: usize, n: usize) -> Result<(u64, Vec<u32>)> {
    let mut batches = Batches::new(seed, batch, n)?;
    Ok((step / batches.steps, batches.at(step).to_vec()))
}

/// Batches by global step; any order of access gives the same batches.
#[derive(Clone, Debug)]
pub struct Batches {
    seed: u64,
    batch: usize,
    n: usize,
    steps: u64,
    epoch: Option<u64>,
    order: Vec<u32>,
}

impl Batches {
    pub fn new(seed: u64, batch: usize, n: usize) -> Result<Self> {
        Ok(Batches {
            seed,
            batch,
            n,
            steps: steps_per_epoch(batch, n)?,
            epoch: None,
            order: Vec::new(),
        })
    }

    pub fn steps_per_epoch(&self) -> u64 {
        self.steps
    }

    /// The images of global step `step`.
    pub fn at(&mut self, step: u64) -> &[u32] {
        let epoch = step / self.steps;
        if self.epoch != Some(epoch) {
            self.order = order(self.seed, epoch, self.n);
            self.epoch = Some(epoch);
        }
        let start = (step % self.steps) as usize * self.batch;
        &self.order[start..start + self.batch]
    }

    /// For each image of global step `step`, whether it is mirrored.
    pub fn flips(&mut self, step: u64) -> Vec<bool> {
        let (seed, epoch) = (self.seed, step / self.steps);
        self.at(step)
            .iter()
            .map(|&s| flip(seed, epoch, s))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_passes_over_every_image_once_and_drops_the_rest() {
        let mut batches = Batches::new(1, 4, 14).unwrap();
        assert_eq!(batches.steps_per_epoch(), 3);
        let mut seen: Vec<u32> = (0..3).flat_map(|s| batches.at(s).to_vec()).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 12);
        assert_ne!(batches.at(0).to_vec(), batches.at(3));
    }

    #[test]
    fn a_batch_depends_on_its_step_only() {
        let mut straight = Batches::new(9, 3, 10).unwrap();
        for step in 0..8 {
            let (epoch, resumed) = batch_at(9, step, 3, 10).unwrap();
            assert_eq!(epoch, step / 3);
            assert_eq!(straight.at(step), resumed);
        }
        assert_ne!(
            batch_at(9, 0, 3, 10).unwrap(),
            batch_at(8, 0, 3, 10).unwrap()
        );
    }

    #[test]
    fn about_half_is_mirrored_anew_each_epoch() {
        let flips = |epoch| (0..2000).map(|s| flip(5, epoch, s)).collect::<Vec<_>>();
        let count = flips(0).iter().filter(|f| **f).count();
        assert!((900..1100).contains(&count), "{count}");
        assert_ne!(flips(0), flips(1));
    }

    #[test]
    fn a_set_smaller_than_a_batch_is_an_error() {
        assert!(batch_at(1, 0, 5, 4).is_err());
        assert!(batch_at(1, 0, 0, 4).is_err());
    }
}
