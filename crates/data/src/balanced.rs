//! The balanced part of a batch: several images of each of some identities, so that a batch
//! holds positive pairs however many identities there are.

use frbench_base::rng::Stream;
use frbench_base::{Error, Result};
use frbench_job::BalancedSpec;
use std::sync::Arc;

/// Draws the balanced part of batches.
#[derive(Clone, Debug)]
pub struct Balanced {
    /// Identities of a batch, and images of each.
    identities: usize,
    per_identity: usize,
    /// The images of each identity that has any.
    of: Arc<[Vec<u32>]>,
}

impl Balanced {
    /// From the images that take part and the identity of each image of the set.
    ///
    /// # Errors
    /// [`Error::Usage`] where `spec` does not come out even, or wants more identities than
    /// there are.
    pub fn new(
        spec: &BalancedSpec,
        images: impl Iterator<Item = u32>,
        labels: &[u32],
    ) -> Result<Self> {
        if spec.per_identity == 0 || !spec.images.is_multiple_of(spec.per_identity) {
            return Err(Error::Usage(format!(
                "{} balanced images of a batch are no multiple of {} for each identity",
                spec.images, spec.per_identity
            )));
        }
        let mut of: Vec<Vec<u32>> = Vec::new();
        for image in images {
            let identity = labels[image as usize] as usize;
            if identity >= of.len() {
                of.resize(identity + 1, Vec::new());
            }
            of[identity].push(image);
        }
        of.retain(|images| !images.is_empty());
        let identities = spec.images / spec.per_identity;
        if identities > of.len() {
            return Err(Error::Usage(format!(
                "the balanced part of a batch shows {identities} identities, but there are \
                 images of {}",
                of.len()
            )));
        }
        Ok(Balanced {
            identities,
            per_identity: spec.per_identity,
            of: of.into(),
        })
    }

    /// Images of a batch drawn so.
    pub fn len(&self) -> usize {
        self.identities * self.per_identity
    }

    /// Whether no image is drawn so.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The images of global step `step`, those of an identity side by side: identities are
    /// drawn without repetition, and so are the images of one that has enough of them.
    pub fn at(&self, seed: u64, step: u64) -> Vec<u32> {
        let mut stream = Stream::derive(seed, "data/balanced", &[step]);
        let identities = stream.permutation(self.of.len());
        let mut out = Vec::with_capacity(self.len());
        for &identity in &identities[..self.identities] {
            let images = &self.of[identity as usize];
            let order = stream.permutation(images.len());
            let drawn = order.iter().map(|&i| images[i as usize]);
            out.extend(drawn.cycle().take(self.per_identity));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Six identities of five images, one of two, and one that has none.
    fn labels() -> Vec<u32> {
        let many = (0..30).map(|i| i % 6);
        many.chain([7, 7]).collect()
    }

    fn balanced(images: usize, per_identity: usize) -> Result<Balanced> {
        let spec = BalancedSpec {
            images,
            per_identity,
            unclassified: false,
        };
        Balanced::new(&spec, 0..32, &labels())
    }

    #[test]
    fn each_of_some_identities_shows_as_many_images() {
        let (balanced, labels) = (balanced(12, 4).unwrap(), labels());
        let mut seen = BTreeSet::new();
        for step in 0..200 {
            let drawn = balanced.at(3, step);
            assert_eq!(drawn.len(), 12);
            let mut shown = BTreeSet::new();
            for group in drawn.chunks(4) {
                let identity = labels[group[0] as usize];
                assert!(group.iter().all(|&i| labels[i as usize] == identity));
                assert!(shown.insert(identity), "an identity twice");
                let distinct: BTreeSet<_> = group.iter().collect();
                assert_eq!(distinct.len(), if identity == 7 { 2 } else { 4 });
            }
            seen.extend(drawn);
        }
        assert_eq!(seen.len(), 32, "every image is drawn some day");
    }

    #[test]
    fn a_draw_depends_on_seed_and_step_alone() {
        let one = balanced(8, 2).unwrap();
        let later = one.at(5, 9);
        one.at(5, 2);
        assert_eq!(one.at(5, 9), later);
        assert_ne!(one.at(5, 8), later);
        assert_ne!(one.at(6, 9), later);
    }

    #[test]
    fn what_cannot_be_drawn_says_why() {
        let message = |images, per| balanced(images, per).unwrap_err().to_string();
        assert!(message(10, 4).contains("no multiple of 4"));
        assert!(message(10, 0).contains("no multiple of 0"));
        let message = message(32, 4);
        assert!(
            message.contains("8 identities") && message.contains("of 7"),
            "{message}"
        );
    }
}
