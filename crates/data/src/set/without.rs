//! A set less the images that cannot be used.

use super::{DataSet, bad};
use crate::source::Selected;
use frbench_base::Result;
use frbench_job::Description;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

impl DataSet {
    /// The set without `images`, by part: a training set has fewer, and pairs with one of them
    /// are non-matches. `dir` is for messages.
    ///
    /// # Errors
    /// `Error::Data`: a class would have no image, or the format is one of which no image can be
    /// left out.
    pub fn without(mut self, images: &BTreeMap<String, Vec<u32>>, dir: &Path) -> Result<Self> {
        for (part, indices) in images.iter().filter(|(_, indices)| !indices.is_empty()) {
            let gone: BTreeSet<u32> = indices.iter().copied().collect();
            let Some(entry) = self.parts.iter_mut().find(|p| p.0 == part) else {
                return bad(dir, format!("has no part `{part}`"));
            };
            let kept: Vec<u32> = (0..entry.1.len() as u32)
                .filter(|i| !gone.contains(i))
                .collect();
            match &mut self.description {
                Description::Train(data) => {
                    data.labels = kept.iter().map(|&i| data.labels[i as usize]).collect();
                    let people = data.identities.as_mut();
                    people.into_iter().for_each(|people| {
                        *people = kept.iter().map(|&i| people[i as usize]).collect();
                    });
                    let left: BTreeSet<u32> = data.labels.iter().copied().collect();
                    if let Some(class) = (0..data.classes).find(|c| !left.contains(c)) {
                        return bad(
                            dir,
                            format!(
                                "all images of class {class} are damaged, so it cannot be left out"
                            ),
                        );
                    }
                }
                Description::Pairs(data) => {
                    let number: BTreeMap<u32, u32> = kept.iter().copied().zip(0..).collect();
                    for pair in &mut data.pairs {
                        *pair = pair.and_then(|(a, b)| Some((*number.get(&a)?, *number.get(&b)?)));
                    }
                    data.images = kept.len();
                }
                other => {
                    return bad(
                        dir,
                        format!(
                            "of a set of format `{}` no image can be left out",
                            other.format().name()
                        ),
                    );
                }
            }
            entry.1 = Arc::new(Selected {
                source: entry.1.clone(),
                indices: kept,
            });
        }
        Ok(self)
    }
}
