//! Which images a step sees, and which of them mirrored: pure functions of the seed and the
//! step, never of what was drawn before.

use super::balanced::Balanced;
use frbench_base::rng::Stream;
use frbench_base::{Error, Result};
use frbench_job::BalancedSpec;
use std::sync::Arc;

/// The order in which epoch `epoch` passes over `n` images.
pub fn order(seed: u64, epoch: u64, n: usize) -> Vec<u32> {
    Stream::derive(seed, "data/order", &[epoch]).permutation(n)
}

/// Whether `sample` is mirrored in `epoch`, with probability 1/2.
pub fn flip(seed: u64, epoch: u64, sample: u32) -> bool {
    Stream::derive(seed, "data/flip", &[epoch, u64::from(sample)]).chance(0.5)
}

/// The batches of a pass over some images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Images of all of them but the last.
    pub batch: usize,
    /// Images of the last one.
    pub last: usize,
    /// How many there are.
    pub steps: u64,
}

impl Pass {
    /// Over `n` images. What is left after whole batches is dropped. With `parts` it is a batch of
    /// its own, in so many equal parts (batch-norm groups). Where it does not come out even, the
    /// images that were shown first are shown again, as PyTorch's `DistributedSampler` does.
    ///
    /// # Errors
    /// Fewer images than a batch, an empty batch, or a last batch of one image in each part, of
    /// which a batch norm has no statistics.
    pub fn over(n: usize, batch: usize, parts: Option<usize>) -> Result<Pass> {
        if batch == 0 || n < batch {
            return Err(Error::Usage(format!(
                "a batch of {batch} images cannot be drawn from a set of {n}"
            )));
        }
        let (whole, left) = ((n / batch) as u64, n % batch);
        let parts = match parts {
            Some(parts) if left > 0 => parts.max(1),
            _ => {
                return Ok(Pass {
                    batch,
                    last: batch,
                    steps: whole,
                });
            }
        };
        let last = left.next_multiple_of(parts);
        if last == parts {
            return Err(Error::Usage(format!(
                "the last of {n} images in batches of {batch} shows one image to each batch norm, \
                 which has no statistics of one; take another batch, or leave it out \
                 (`keep-last = false`)"
            )));
        }
        Ok(Pass {
            batch,
            last,
            steps: whole + 1,
        })
    }

    /// Images of the first `steps` steps of such passes.
    pub fn images(&self, steps: u64) -> u64 {
        let batch = self.batch as u64;
        steps * batch - steps / self.steps * (batch - self.last as u64)
    }
}

/// What batches are drawn from, and how.
#[derive(Clone, Copy, Debug, Default)]
pub struct Draw<'a> {
    /// Identity of each image of the set, `[N]`.
    pub labels: &'a [u32],
    /// Numbers of the images that take part; none means all.
    pub kept: Option<&'a [u32]>,
    /// The part of a batch that is not random.
    pub balanced: Option<&'a BalancedSpec>,
    /// Whether a pass ends with a smaller batch, and in how many parts; see [`Pass::over`].
    pub last: Option<usize>,
}

/// Batches by global step; any order of access gives the same batches.
#[derive(Clone, Debug)]
pub struct Batches {
    seed: u64,
    /// Images that take part.
    n: usize,
    /// Which these are, if not all.
    kept: Option<Arc<[u32]>>,
    epoch: Pass,
    /// Random images of a batch, and those after them.
    random: usize,
    balanced: Option<Balanced>,
    pass: Option<u64>,
    order: Vec<u32>,
}

impl Batches {
    /// Random batches of all of `n` images, whole ones alone.
    ///
    /// # Errors
    /// See [`Pass::over`].
    pub fn new(seed: u64, batch: usize, n: usize) -> Result<Self> {
        Ok(Batches {
            seed,
            n,
            kept: None,
            epoch: Pass::over(n, batch, None)?,
            random: batch,
            balanced: None,
            pass: None,
            order: Vec::new(),
        })
    }

    /// Batches as `draw` wants them: first the random images, then the balanced ones.
    ///
    /// # Errors
    /// See [`Pass::over`] and [`Balanced::new`]; a kept image that the set does not have; a
    /// smaller batch at the end of a pass where batches are partly balanced.
    pub fn of(seed: u64, batch: usize, draw: &Draw) -> Result<Self> {
        let all = draw.labels.len();
        if let Some(image) = draw
            .kept
            .into_iter()
            .flatten()
            .find(|i| **i as usize >= all)
        {
            return Err(Error::Data(format!(
                "image {image} is kept, but the training set has {all} images"
            )));
        }
        let n = draw.kept.map_or(all, <[u32]>::len);
        if n < batch && n < all {
            return Err(Error::Usage(format!(
                "a batch of {batch} images cannot be drawn from the {n} of {all} images that are \
                 kept; the network that judged them may be trained too little, or the angle too \
                 small"
            )));
        }
        let mut batches = Batches::new(seed, batch, n)?;
        batches.epoch = Pass::over(n, batch, draw.last)?;
        if let Some(spec) = draw.balanced {
            if draw.last.is_some() {
                return Err(Error::Usage(
                    "batches that are partly balanced have no last one to keep".into(),
                ));
            }
            if spec.images > batch {
                return Err(Error::Usage(format!(
                    "{} balanced images are more than a batch of {batch} holds",
                    spec.images
                )));
            }
            batches.balanced = Some(match draw.kept {
                Some(kept) => Balanced::new(spec, kept.iter().copied(), draw.labels)?,
                None => Balanced::new(spec, 0..all as u32, draw.labels)?,
            });
            batches.random = batch - spec.images;
        }
        batches.kept = draw.kept.map(Arc::from);
        Ok(batches)
    }

    /// An epoch is as many steps as show as many images as take part.
    pub fn steps_per_epoch(&self) -> u64 {
        self.epoch.steps
    }

    /// Images of the first `steps` steps.
    pub fn images(&self, steps: u64) -> u64 {
        self.epoch.images(steps)
    }

    /// The images of global step `step`.
    pub fn at(&mut self, step: u64) -> Vec<u32> {
        let mut images = match self.random {
            0 => Vec::new(),
            random => self.walk(step, random),
        };
        if let Some(kept) = &self.kept {
            images.iter_mut().for_each(|i| *i = kept[*i as usize]);
        }
        if let Some(balanced) = &self.balanced {
            images.extend(balanced.at(self.seed, step));
        }
        images
    }

    /// `take` of the images that take part: they are passed over in an order anew each time,
    /// where all of a batch is random once an epoch.
    fn walk(&mut self, step: u64, take: usize) -> Vec<u32> {
        let (steps, last) = match self.balanced {
            None => (self.epoch.steps, self.epoch.last),
            Some(_) => ((self.n / take) as u64, take),
        };
        let (pass, turn) = (step / steps, step % steps);
        if self.pass != Some(pass) {
            self.order = order(self.seed, pass, self.n);
            self.pass = Some(pass);
        }
        let size = if turn + 1 == steps { last } else { take };
        let onwards = self.order.iter().cycle().skip(turn as usize * take);
        onwards.take(size).copied().collect()
    }

    /// For each of the images of global step `step`, whether it is mirrored.
    pub fn flips(&self, step: u64, images: &[u32]) -> Vec<bool> {
        let epoch = step / self.epoch.steps;
        let mirrored = images.iter().map(|&i| flip(self.seed, epoch, i));
        mirrored.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The images of a step of random batches: its part of the order of its epoch.
    fn by_definition(seed: u64, step: u64, batch: usize, n: usize) -> Vec<u32> {
        let steps = n / batch;
        let (epoch, turn) = (step / steps as u64, step as usize % steps);
        let order = order(seed, epoch, n);
        order.chunks_exact(batch).nth(turn).unwrap().to_vec()
    }

    #[test]
    fn an_epoch_passes_over_every_image_once_and_drops_the_rest() {
        let mut batches = Batches::new(1, 4, 14).unwrap();
        assert_eq!(batches.steps_per_epoch(), 3);
        let mut seen: Vec<u32> = (0..3).flat_map(|s| batches.at(s)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 12);
        assert_ne!(batches.at(0), batches.at(3));
    }

    #[test]
    fn what_is_left_of_a_pass_can_be_a_batch_of_its_own() {
        let labels = [0; 15];
        let draw = |n: usize, last| Draw {
            labels: &labels[..n],
            last,
            ..Draw::default()
        };
        let mut batches = Batches::of(1, 4, &draw(14, Some(1))).unwrap();
        assert_eq!(batches.steps_per_epoch(), 4);
        let all: Vec<Vec<u32>> = (0..9).map(|s| batches.at(s)).collect();
        let sizes: Vec<usize> = all.iter().map(Vec::len).collect();
        assert_eq!(sizes, [4, 4, 4, 2, 4, 4, 4, 2, 4]);
        for pass in [&all[..4], &all[4..8]] {
            let mut seen: Vec<u32> = pass.concat();
            seen.sort_unstable();
            assert_eq!(seen, (0..14).collect::<Vec<u32>>());
        }
        let images = (0..=9).map(|steps| batches.images(steps));
        let want = (0..=9).map(|n| sizes[..n].iter().sum::<usize>() as u64);
        assert!(images.eq(want));
        // The whole batches are those of a training that drops the rest.
        let mut whole = Batches::new(1, 4, 14).unwrap();
        assert_eq!(all[..3], [whole.at(0), whole.at(1), whole.at(2)]);
        // Three images are left for two parts, so the first is shown again.
        let mut batches = Batches::of(1, 12, &draw(15, Some(2))).unwrap();
        let (first, last) = (batches.at(0), batches.at(1));
        assert_eq!(last.len(), 4);
        assert_eq!(last[3], first[0]);
        let error = Batches::of(1, 4, &draw(13, Some(1))).unwrap_err();
        assert!(error.to_string().contains("keep-last"), "{error}");
        let even = Batches::of(1, 4, &draw(12, Some(1))).unwrap();
        assert_eq!(even.steps_per_epoch(), 3);
    }

    #[test]
    fn a_batch_depends_on_its_step_only() {
        let mut straight = Batches::new(9, 3, 10).unwrap();
        for step in 0..8 {
            let mut resumed = Batches::new(9, 3, 10).unwrap();
            assert_eq!(straight.at(step), resumed.at(step));
            assert_eq!(straight.at(step), by_definition(9, step, 3, 10));
        }
        let first = |seed| Batches::new(seed, 3, 10).unwrap().at(0);
        assert_ne!(first(9), first(8));
    }

    /// Ten images, two of each identity.
    const LABELS: [u32; 10] = [0, 0, 1, 1, 2, 2, 3, 3, 4, 4];

    #[test]
    fn images_that_are_not_kept_are_not_drawn() {
        let kept = [1, 4, 5, 8, 9];
        let draw = Draw {
            labels: &LABELS,
            kept: Some(&kept),
            balanced: None,
            last: None,
        };
        let mut batches = Batches::of(2, 2, &draw).unwrap();
        assert_eq!(batches.steps_per_epoch(), 2);
        let mut seen: Vec<u32> = (0..20).flat_map(|s| batches.at(s)).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, kept);
        // All of them are the whole set, in its order.
        let all: Vec<u32> = (0..10).collect();
        let draw = Draw {
            kept: Some(&all),
            ..draw
        };
        let mut batches = Batches::of(2, 3, &draw).unwrap();
        for step in 0..9 {
            assert_eq!(batches.at(step), by_definition(2, step, 3, 10));
        }
        let foreign = Draw {
            kept: Some(&[3, 10, 4]),
            ..draw
        };
        let error = Batches::of(2, 2, &foreign).unwrap_err();
        assert!(error.to_string().contains("image 10"), "{error}");
        let few = Draw {
            kept: Some(&[3]),
            ..draw
        };
        let error = Batches::of(2, 2, &few).unwrap_err();
        assert!(error.to_string().contains("the 1 of 10 images"), "{error}");
    }

    #[test]
    fn half_of_a_batch_is_random_and_half_of_it_balanced() {
        let spec = BalancedSpec {
            images: 4,
            per_identity: 2,
            unclassified: false,
        };
        let draw = Draw {
            labels: &LABELS,
            kept: None,
            balanced: Some(&spec),
            last: None,
        };
        let mut batches = Batches::of(7, 6, &draw).unwrap();
        assert_eq!(batches.steps_per_epoch(), 1);
        let straight: Vec<Vec<u32>> = (0..10).map(|s| batches.at(s)).collect();
        // The random images of five steps pass over the set once.
        let mut random: Vec<u32> = straight[..5]
            .iter()
            .flat_map(|b| &b[..2])
            .copied()
            .collect();
        random.sort_unstable();
        assert_eq!(random, (0..10).collect::<Vec<u32>>());
        for batch in &straight {
            assert_eq!(batch.len(), 6);
            for pair in batch[2..].chunks(2) {
                assert_eq!(LABELS[pair[0] as usize], LABELS[pair[1] as usize]);
                assert_ne!(pair[0], pair[1]);
            }
        }
        let mut resumed = Batches::of(7, 6, &draw).unwrap();
        for step in [9, 3, 4, 0] {
            assert_eq!(resumed.at(step), straight[step as usize]);
        }
        let too_many = BalancedSpec { images: 8, ..spec };
        let draw = Draw {
            balanced: Some(&too_many),
            ..draw
        };
        let error = Batches::of(7, 6, &draw).unwrap_err();
        assert!(error.to_string().contains("batch of 6"), "{error}");
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
        assert!(Batches::new(1, 5, 4).is_err());
        assert!(Batches::new(1, 0, 4).is_err());
    }
}
