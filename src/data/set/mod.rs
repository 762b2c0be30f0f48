//! Data sets: images and what is known about them, opened from a folder.

mod files;
mod open;

pub use files::{Files, locate, missing};
pub use open::open;

use super::source::ImageSource;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Images of any kind of set.
pub type Images = Arc<dyn ImageSource>;

/// Images to learn from.
#[derive(Clone)]
pub struct TrainSet {
    pub source: Images,
    /// Class of each image, `0..classes`; no class is empty.
    pub labels: Vec<u32>,
    pub classes: u32,
    /// The person on each image, if there is an `identities.txt`: labels may be wrong.
    pub identities: Option<Vec<u64>>,
}

impl TrainSet {
    /// Whether each image shows another person than most of its class, if that is known. Of
    /// people on equally many images the one with the smallest number is the class's.
    pub fn wrong_labels(&self) -> Option<Vec<bool>> {
        let people = self.identities.as_ref()?;
        let mut counts: Vec<BTreeMap<u64, usize>> = vec![BTreeMap::new(); self.classes as usize];
        for (&label, &person) in self.labels.iter().zip(people) {
            *counts[label as usize].entry(person).or_default() += 1;
        }
        let most = |count: &BTreeMap<u64, usize>| {
            let count = count.iter().rev();
            count.max_by_key(|(_, images)| **images).map(|(p, _)| *p)
        };
        let of_class: Vec<Option<u64>> = counts.iter().map(most).collect();
        let images = self.labels.iter().zip(people);
        Some(
            images
                .map(|(&label, &p)| of_class[label as usize] != Some(p))
                .collect(),
        )
    }
}

/// Pairs to verify.
#[derive(Clone)]
pub struct PairSet {
    pub source: Images,
    /// Two images for each pair; in a pack pair `i` is `(2 i, 2 i + 1)`.
    pub pairs: Vec<(u32, u32)>,
    /// Whether both show one person.
    pub same: Vec<bool>,
    /// The person on each image of `source`, if there is an `identities.txt`.
    pub identities: Option<Vec<u64>>,
}

/// Probes to find among distractors.
#[derive(Clone)]
pub struct IdentificationSet {
    pub probes: Images,
    /// The person on each probe.
    pub probe_ids: Vec<u32>,
    pub distractors: Images,
    /// Probes and distractors on the noise lists, ascending.
    pub noisy_probes: Vec<usize>,
    pub noisy_distractors: Vec<usize>,
}

/// Images grouped into templates, and pairs of templates (IJB 1:1).
#[derive(Clone)]
pub struct TemplateSet {
    /// Aligned on access.
    pub source: Images,
    /// Template, media and detector score of each image.
    pub template: Vec<u32>,
    pub media: Vec<u32>,
    pub score: Vec<f32>,
    /// Templates of each pair, and whether both are of one person.
    pub pairs: Vec<(u32, u32)>,
    pub same: Vec<bool>,
    /// Person of each template, as far as the 1:N tables tell.
    pub subjects: BTreeMap<u32, u32>,
}

/// A set of any format.
#[derive(Clone)]
pub enum DataSet {
    Train(TrainSet),
    Pairs(PairSet),
    Identification(IdentificationSet),
    Templates(TemplateSet),
}

impl DataSet {
    /// The collections of images in the set, by the name an embedding job uses.
    pub fn parts(&self) -> Vec<(&'static str, &Images)> {
        match self {
            DataSet::Train(s) => vec![("images", &s.source)],
            DataSet::Pairs(s) => vec![("images", &s.source)],
            DataSet::Templates(s) => vec![("images", &s.source)],
            DataSet::Identification(s) => {
                vec![("probes", &s.probes), ("distractors", &s.distractors)]
            }
        }
    }

    /// The collection called `name`.
    pub fn part(&self, name: &str) -> crate::Result<&Images> {
        let parts = self.parts();
        let known: Vec<&str> = parts.iter().map(|p| p.0).collect();
        let found = parts.iter().find(|p| p.0 == name).map(|p| p.1);
        found.ok_or_else(|| {
            crate::Error::Usage(format!(
                "this data set has no part `{name}`; it has {}",
                known.join(", ")
            ))
        })
    }
}
