//! A set less the images that cannot be used: those that are missing, and those that are damaged.
//! What a description says of them stays known, because a protocol counts them.

use super::{DataSet, bad};
use crate::source::Selected;
use frbench_base::Result;
use frbench_job::Description;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// The images of a part that stay, and those that go; both ascending.
struct Split {
    kept: Vec<u32>,
    gone: Vec<u32>,
}

impl DataSet {
    /// The set without `images`, by part: a training set has fewer, pairs with one of them are
    /// non-matches, of probes, galleries and templates they are lost. `dir` is for messages.
    ///
    /// # Errors
    /// `Error::Data`: a class would have no image, or there is no such part.
    pub fn without(mut self, images: &BTreeMap<String, Vec<u32>>, dir: &Path) -> Result<Self> {
        for (part, indices) in images.iter().filter(|(_, indices)| !indices.is_empty()) {
            let Some(entry) = self.parts.iter_mut().find(|p| p.0 == part) else {
                return bad(dir, format!("has no part `{part}`"));
            };
            let split = Split::new(entry.1.len(), indices);
            split.describe(entry.0, &mut self.description, dir)?;
            entry.1 = Arc::new(Selected {
                source: entry.1.clone(),
                indices: split.kept,
            });
        }
        Ok(self)
    }
}

impl Split {
    fn new(images: usize, gone: &[u32]) -> Self {
        let gone: BTreeSet<u32> = gone.iter().copied().collect();
        let (gone, kept) = (0..images as u32).partition(|i| gone.contains(i));
        Split { kept, gone }
    }

    /// Takes the images that go out of what is said of a part.
    fn describe(&self, part: &str, description: &mut Description, dir: &Path) -> Result<()> {
        match (description, part) {
            (Description::Train(data), _) => {
                self.take(&mut data.labels);
                if let Some(people) = &mut data.identities {
                    self.take(people);
                }
                let left: BTreeSet<u32> = data.labels.iter().copied().collect();
                if let Some(class) = (0..data.classes).find(|c| !left.contains(c)) {
                    let what = format!(
                        "all images of class {class} are damaged, so it cannot be left out"
                    );
                    return bad(dir, what);
                }
            }
            (Description::Pairs(data), _) => {
                let number: BTreeMap<u32, u32> = self.kept.iter().copied().zip(0..).collect();
                for pair in &mut data.pairs {
                    *pair = pair.and_then(|(a, b)| Some((*number.get(&a)?, *number.get(&b)?)));
                }
                data.images = self.kept.len();
            }
            (Description::Identification(data), "probes") => {
                let lost = self.renumber(&mut data.noisy_probes);
                let people = lost.iter().map(|&i| data.probe_ids[i as usize]);
                add(&mut data.lost_probes, people.collect());
                self.take(&mut data.probe_ids);
            }
            (Description::Identification(data), _) => {
                data.lost_distractors += self.renumber(&mut data.noisy_distractors).len();
                data.distractors = self.kept.len();
            }
            (Description::Gallery(data), "probes") => {
                add(&mut data.lost_probes, self.take(&mut data.probe_ids));
            }
            (Description::Gallery(data), "gallery") => {
                add(&mut data.lost_gallery, self.take(&mut data.gallery_ids));
            }
            (Description::Gallery(data), _) => {
                data.lost_distractors += self.gone.len();
                data.distractors = self.kept.len();
            }
            (Description::Templates(data), _) => {
                add(&mut data.lost, self.take(&mut data.template));
                self.take(&mut data.media);
                if let Some(scores) = &mut data.detector {
                    self.take(scores);
                }
            }
        }
        Ok(())
    }

    /// Leaves in a list of one entry an image those of images that stay, and returns the others.
    fn take<T: Copy>(&self, all: &mut Vec<T>) -> Vec<T> {
        let of = |images: &[u32]| images.iter().map(|&i| all[i as usize]).collect();
        let (kept, gone) = (of(&self.kept), of(&self.gone));
        *all = kept;
        gone
    }

    /// Renumbers rows of a noise list. Images that go are on it no more; those that go and were
    /// not on it are returned.
    fn renumber(&self, noisy: &mut Vec<usize>) -> Vec<u32> {
        let listed: BTreeSet<usize> = noisy.iter().copied().collect();
        let kept = self.kept.iter().enumerate();
        *noisy = kept
            .filter(|(_, old)| listed.contains(&(**old as usize)))
            .map(|(new, _)| new)
            .collect();
        let gone = self.gone.iter().copied();
        gone.filter(|&i| !listed.contains(&(i as usize))).collect()
    }
}

/// In one order, whatever was lost first.
fn add(lost: &mut Vec<u32>, more: Vec<u32>) {
    lost.extend(more);
    lost.sort_unstable();
}
