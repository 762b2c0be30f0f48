//! Data sets: images and what is known about them, opened from a folder.

mod files;
mod gallery;
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
    /// What a reader of results must know about the set.
    pub notes: Vec<String>,
}

impl TrainSet {
    /// The class of the person on each image, if it is known who that is; none for people of no
    /// class. A class is the person on most of its images, of people on equally many the one
    /// with the smallest number.
    pub fn truth(&self) -> Option<Vec<Option<u32>>> {
        let people = self.identities.as_ref()?;
        let mut counts: Vec<BTreeMap<u64, usize>> = vec![BTreeMap::new(); self.classes as usize];
        for (&label, &person) in self.labels.iter().zip(people) {
            *counts[label as usize].entry(person).or_default() += 1;
        }
        let most = |count: &BTreeMap<u64, usize>| {
            let count = count.iter().rev();
            count.max_by_key(|(_, images)| **images).map(|(p, _)| *p)
        };
        let classes = counts.iter().map(most).zip(0..);
        let class_of: BTreeMap<u64, u32> = classes.filter_map(|(p, c)| Some((p?, c))).collect();
        Some(people.iter().map(|p| class_of.get(p).copied()).collect())
    }

    /// Whether each image shows another person than most of its class, if that is known.
    pub fn wrong_labels(&self) -> Option<Vec<bool>> {
        let truth = self.truth()?;
        let images = self.labels.iter().zip(truth);
        Some(images.map(|(l, t)| t != Some(*l)).collect())
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

/// Probes to find in a gallery that also holds distractors.
#[derive(Clone)]
pub struct GallerySet {
    pub probes: Images,
    /// The person on each probe.
    pub probe_ids: Vec<u32>,
    /// Images of the people on the probes, and perhaps of others with a name.
    pub gallery: Images,
    /// The person on each image of the gallery.
    pub gallery_ids: Vec<u32>,
    /// Images of nobody on a probe.
    pub distractors: Images,
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
    Gallery(GallerySet),
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
            DataSet::Gallery(s) => vec![
                ("probes", &s.probes),
                ("gallery", &s.gallery),
                ("distractors", &s.distractors),
            ],
        }
    }

    /// The collection called `name`.
    pub fn part(&self, name: &str) -> frbench_base::Result<&Images> {
        let parts = self.parts();
        let known: Vec<&str> = parts.iter().map(|p| p.0).collect();
        let found = parts.iter().find(|p| p.0 == name).map(|p| p.1);
        found.ok_or_else(|| {
            frbench_base::Error::Usage(format!(
                "this data set has no part `{name}`; it has {}",
                known.join(", ")
            ))
        })
    }
}
