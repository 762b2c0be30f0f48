//! What a data set says of its images: people, pairs, templates. A reader of a format makes it;
//! identities, counts and protocols read it, and none of them knows how the set is stored.

use super::DataFormat;
use std::collections::{BTreeMap, BTreeSet};

/// What is known about the images of a set, by its kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Description {
    Train(TrainData),
    Pairs(PairData),
    Identification(IdentificationData),
    Templates(TemplateData),
    Gallery(GalleryData),
}

/// Images to learn from.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TrainData {
    /// Class of each image, `0..classes`; no class is empty.
    pub labels: Vec<u32>,
    pub classes: u32,
    /// The person on each image, if that is known: labels may be wrong.
    pub identities: Option<Vec<u64>>,
}

/// Pairs to verify.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairData {
    /// Number of images.
    pub images: usize,
    /// Two images for each pair. None: an image of the pair could not be used, so that the pair
    /// is a non-match at every threshold.
    pub pairs: Vec<Option<(u32, u32)>>,
    /// Whether both images of a pair show one person.
    pub same: Vec<bool>,
    /// Fold of each pair, `0..folds`; none: contiguous folds, as `.bin` packs have them.
    pub folds: Option<Vec<u32>>,
    /// The persons of each pair, if known, numbered in the order in which images show them.
    pub identities: Option<Vec<(u32, u32)>>,
    /// The group of each pair, where the set is made of several.
    pub groups: Option<PairGroups>,
}

/// Groups that pairs are of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairGroups {
    pub names: Vec<String>,
    /// The group of each pair, as its place among the names.
    pub of: Vec<u32>,
}

impl PairData {
    /// Pairs as a pack has them: pair `i` is images `2i` and `2i + 1`.
    pub fn packed(same: Vec<bool>) -> Self {
        let pairs = (0..same.len() as u32).map(|i| Some((2 * i, 2 * i + 1)));
        PairData {
            images: 2 * same.len(),
            pairs: pairs.collect(),
            same,
            folds: None,
            identities: None,
            groups: None,
        }
    }

    /// The fold of each pair where none is stated: contiguous blocks, the first ones larger by one if
    /// the number of pairs does not divide (as scikit-learn's `KFold`).
    pub fn blocks(pairs: usize, folds: usize) -> Vec<u32> {
        let (size, larger) = (pairs / folds, pairs % folds);
        let block = |f: usize| std::iter::repeat_n(f as u32, size + usize::from(f < larger));
        (0..folds).flat_map(block).collect()
    }
}

/// Probes to find among distractors, which are nobody's mate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct IdentificationData {
    /// The person of each probe image.
    pub probe_ids: Vec<u32>,
    /// Number of distractor images.
    pub distractors: usize,
    /// Probe rows on the noise list, ascending; they are left out.
    pub noisy_probes: Vec<usize>,
    /// Distractor rows on the noise list, ascending; they are left out.
    pub noisy_distractors: Vec<usize>,
    /// The person of each probe image that is missing or damaged, ascending; none of them is
    /// among the rows. Images on the noise lists do not count.
    pub lost_probes: Vec<u32>,
    /// Number of distractor images that are missing or damaged.
    pub lost_distractors: usize,
}

/// Probes, and a gallery with images of their people and perhaps of others; distractors of the
/// gallery are nobody's mate.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GalleryData {
    /// The person of each probe image.
    pub probe_ids: Vec<u32>,
    /// The person of each gallery image that is not a distractor.
    pub gallery_ids: Vec<u32>,
    /// Number of distractor images; a closed-set gallery has none.
    pub distractors: usize,
    /// The person of each probe image that is missing or damaged, ascending; none of them is
    /// among the rows.
    pub lost_probes: Vec<u32>,
    /// The same of gallery images.
    pub lost_gallery: Vec<u32>,
    /// Number of distractor images that are missing or damaged.
    pub lost_distractors: usize,
}

/// Images grouped by template and media, and pairs of templates (IJB 1:1).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TemplateData {
    /// Template of each image.
    pub template: Vec<u32>,
    /// Media (a still, or the frames of one video) of each image.
    pub media: Vec<u32>,
    /// Detector score of each image, if known.
    pub detector: Option<Vec<f32>>,
    /// Templates of each pair.
    pub pair_a: Vec<u32>,
    pub pair_b: Vec<u32>,
    pub same: Vec<bool>,
    /// Person of each template, if known.
    pub subjects: Option<BTreeMap<u32, u32>>,
    /// The template of each image that is missing or damaged, ascending; none of them is among
    /// the rows. A template without any other image is in no row, and pairs may name it.
    pub lost: Vec<u32>,
    /// What is searched in what (IJB 1:N), if known.
    pub search: Option<SearchData>,
}

/// Templates that are searched, and galleries of which each is searched alone.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchData {
    pub galleries: Vec<TemplateList>,
    pub probes: TemplateList,
}

/// Templates with the person of each.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TemplateList {
    pub templates: Vec<u32>,
    pub subjects: Vec<u32>,
}

impl TrainData {
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

impl TemplateData {
    /// Templates all of whose images are missing or damaged.
    pub fn lost_templates(&self) -> BTreeSet<u32> {
        let left: BTreeSet<u32> = match self.lost.is_empty() {
            true => return BTreeSet::new(),
            false => self.template.iter().copied().collect(),
        };
        let lost = self.lost.iter().copied();
        lost.filter(|t| !left.contains(t)).collect()
    }
}

impl Description {
    pub fn format(&self) -> DataFormat {
        match self {
            Description::Train(_) => DataFormat::Train,
            Description::Pairs(_) => DataFormat::Pairs,
            Description::Identification(_) => DataFormat::Identification,
            Description::Templates(_) => DataFormat::Templates,
            Description::Gallery(_) => DataFormat::Gallery,
        }
    }

    /// Number of people (0: not known), and further counts by name.
    pub fn counts(&self) -> (u64, BTreeMap<String, u64>) {
        fn distinct<T: Ord>(items: impl Iterator<Item = T>) -> u64 {
            items.collect::<BTreeSet<T>>().len() as u64
        }
        // What is lost is counted where there is any.
        fn with_lost<'a>(
            mut counts: Vec<(&'a str, usize)>,
            lost: &[(&'a str, usize)],
        ) -> Vec<(&'a str, usize)> {
            counts.extend(lost.iter().filter(|(_, n)| *n > 0));
            counts
        }
        let genuine = |same: &[bool]| same.iter().filter(|s| **s).count();
        let (people, counts): (u64, Vec<(&str, usize)>) = match self {
            Description::Train(d) => {
                let wrong = d.wrong_labels();
                let wrong = wrong.map(|wrong| ("wrong_labels", genuine(&wrong)));
                (u64::from(d.classes), wrong.into_iter().collect())
            }
            Description::Pairs(d) => (
                d.identities
                    .as_ref()
                    .map_or(0, |ids| distinct(ids.iter().flat_map(|&(a, b)| [a, b]))),
                vec![("pairs", d.same.len()), ("genuine", genuine(&d.same))],
            ),
            Description::Identification(d) => (
                distinct(d.probe_ids.iter()),
                with_lost(
                    vec![
                        ("probes", d.probe_ids.len()),
                        ("distractors", d.distractors),
                        ("noisy_probes", d.noisy_probes.len()),
                        ("noisy_distractors", d.noisy_distractors.len()),
                    ],
                    &[
                        ("lost_probes", d.lost_probes.len()),
                        ("lost_distractors", d.lost_distractors),
                    ],
                ),
            ),
            Description::Gallery(d) => (
                distinct(d.probe_ids.iter().chain(&d.gallery_ids)),
                with_lost(
                    vec![
                        ("probes", d.probe_ids.len()),
                        ("gallery", d.gallery_ids.len()),
                        ("distractors", d.distractors),
                    ],
                    &[
                        ("lost_probes", d.lost_probes.len()),
                        ("lost_gallery_images", d.lost_gallery.len()),
                        ("lost_distractors", d.lost_distractors),
                    ],
                ),
            ),
            Description::Templates(d) => (
                d.subjects.as_ref().map_or(0, |s| distinct(s.values())),
                with_lost(
                    vec![
                        ("templates", distinct(d.template.iter()) as usize),
                        ("pairs", d.same.len()),
                        ("genuine", genuine(&d.same)),
                    ],
                    &[
                        ("lost_images", d.lost.len()),
                        ("lost_templates", d.lost_templates().len()),
                    ],
                ),
            ),
        };
        let counts = counts.into_iter().map(|(k, n)| (k.to_string(), n as u64));
        (people, counts.collect())
    }
}
