//! One look at every image of a set: the hash of its pixels, whether it can be read, its shape.

use crate::decode::orientation;
use crate::set::{DataSet, Findings, becomes};
use crate::source::ImageSource;
use crate::watch::{Counter, Watch};
use frbench_base::{Error, Result};
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// Side of an aligned face, in pixels.
const ALIGNED: usize = 112;

/// What was seen of every image, by part.
pub struct Survey(Vec<(&'static str, Vec<Seen>)>);

enum Seen {
    Image {
        hash: [u8; 32],
        width: usize,
        height: usize,
        turned: bool,
        renamed: bool,
    },
    /// Why the image cannot be read.
    Damaged(String),
}

impl Survey {
    /// Decodes every image of `set`.
    ///
    /// # Errors
    /// An image that cannot be read, named by its place, unless damaged ones are skipped; what
    /// `watch` returns.
    pub fn of(set: &DataSet, skip: bool, watch: Watch) -> Result<Self> {
        let all = set.parts.iter().map(|(_, s)| s.len() as u64).sum();
        let counter = Counter::images(all, watch);
        let parts = set.parts.iter().map(|(name, source)| {
            let look = |i: usize| {
                let label = set.label(name, source.as_ref(), i);
                let seen = match see(source.as_ref(), i, label) {
                    Err(Error::Data(what)) if skip => Ok(Seen::Damaged(what)),
                    other => other,
                };
                counter.add(1)?;
                seen
            };
            let seen = (0..source.len()).into_par_iter().map(look);
            Ok((*name, seen.collect::<Result<_>>()?))
        });
        parts.collect::<Result<_>>().map(Survey)
    }

    /// Images that cannot be read, by part; no part without any.
    pub fn damaged(&self) -> BTreeMap<String, Vec<u32>> {
        let parts = self.0.iter().map(|(name, seen)| {
            let damaged = |s: &Seen| matches!(s, Seen::Damaged(_));
            let images = seen.iter().zip(0..).filter(|(s, _)| damaged(s));
            (name.to_string(), images.map(|(_, i)| i).collect::<Vec<_>>())
        });
        parts.filter(|(_, images)| !images.is_empty()).collect()
    }

    /// The hash so far: of each part its name, its number of images that can be read, and their
    /// hashes.
    pub fn hash(&self) -> Sha256 {
        let mut all = Sha256::new();
        all.update(b"frbench-pixels-v1");
        for (name, seen) in &self.0 {
            let hashes: Vec<&[u8; 32]> = seen
                .iter()
                .filter_map(|s| match s {
                    Seen::Image { hash, .. } => Some(hash),
                    Seen::Damaged(_) => None,
                })
                .collect();
            all.update(name);
            all.update((hashes.len() as u64).to_le_bytes());
            hashes.iter().for_each(|h| all.update(h));
        }
        all
    }

    /// Adds what was found to the findings of the set.
    ///
    /// # Errors
    /// `Error::Data`: the pictures of a set that must be aligned are not.
    pub fn tell(&self, set: &DataSet, findings: &mut Findings) -> Result<()> {
        for (at, (_, seen)) in self.0.iter().enumerate() {
            let source = &set.parts[at].1;
            let of = |test: fn(&Seen) -> bool| {
                let images = (0..seen.len()).filter(move |&i| test(&seen[i]));
                images.map(|i| source.describe(i))
            };
            let other_size = |s: &Seen| {
                let aligned = (ALIGNED, ALIGNED);
                matches!(s, Seen::Image { width, height, .. } if (*width, *height) != aligned)
            };
            if let Some(first) = of(other_size).next().filter(|_| set.wants_aligned) {
                return Err(Error::Data(format!(
                    "{} of {} pictures are not of 112 x 112 pixels, such as {}; the set is \
                     distributed unaligned, and networks want faces that are aligned to the \
                     112 x 112 template: put a `landmarks.txt` beside the list (`path x1 y1 ... \
                     x5 y5`, in pixels of each picture), or write `aligned = true` into the \
                     declaration if these are aligned crops of another size",
                    seen.iter().filter(|s| other_size(s)).count(),
                    seen.len(),
                    first
                )));
            }
            findings.note(
                "pictures are not square; of them the middle is used, in the proportions of a network's \
                 input",
                of(|s| matches!(s, Seen::Image { width, height, .. } if width != height)),
            );
            findings.note(
                "pictures carry an EXIF orientation, which is not applied",
                of(|s| matches!(s, Seen::Image { turned: true, .. })),
            );
            findings.note(
                "pictures lie under another ending, or with `_` for blanks, than the list says",
                of(|s| matches!(s, Seen::Image { renamed: true, .. })),
            );
            let damaged = seen.iter().filter_map(|s| match s {
                Seen::Damaged(what) => Some(what.clone()),
                Seen::Image { .. } => None,
            });
            let becomes = becomes(set.description.format(), set.parts[at].0);
            let what = format!("pictures are damaged and left out{becomes}");
            findings.note(&what, damaged);
        }
        Ok(())
    }
}

fn see(source: &dyn ImageSource, i: usize, label: Option<u32>) -> Result<Seen> {
    let bytes = source.bytes(i)?;
    let image = source.decoded(i, &bytes)?;
    let mut hash = Sha256::new();
    for n in [
        label.unwrap_or(u32::MAX),
        image.width as u32,
        image.height as u32,
    ] {
        hash.update(n.to_le_bytes());
    }
    hash.update(&image.pixels);
    Ok(Seen::Image {
        hash: hash.finalize().into(),
        width: image.width,
        height: image.height,
        turned: orientation(&bytes).is_some_and(|o| o != 1),
        renamed: source.is_renamed(i),
    })
}
