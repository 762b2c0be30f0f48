//! The identity of a data set: what its files hash to, and what its pixels do.

pub use super::hashes::hash_file;

use super::decode::DECODER;
use super::hashes::hash_files;
use super::seen::{Seen, fingerprint};
use super::set::{DataSet, Findings, locate, open_located};
use super::stamps::Stamps;
use super::survey::Survey;
use super::watch::{UNWATCHED, Watch};
use frbench_base::key::hex;
use frbench_base::{Error, Result};
use frbench_job::result::DataResult;
use frbench_job::{Damaged, DataSource, DataSpec, Description};
use sha2::{Digest, Sha256};
use std::path::Path;

/// Reads the whole set `spec` under the data root and describes it. Whether that is the pinned
/// set is for the caller to judge.
///
/// # Errors
/// Anything that is missing or cannot be read or decoded.
pub fn describe(spec: &DataSpec, root: &Path) -> Result<DataResult> {
    let nothing = (&Stamps::default(), None);
    read(spec, root, nothing, UNWATCHED).map(|(described, ..)| described)
}

/// The same, with what is known of each of its files and what was seen of its images. Of files
/// that bear their stamps in `known` the hash is taken from there; images are not decoded if what
/// they depend on is what it was when they were `seen`.
///
/// # Errors
/// Also what `watch` returns.
pub fn read(
    spec: &DataSpec,
    root: &Path,
    (known, seen): (&Stamps, Option<&Seen>),
    watch: Watch,
) -> Result<(DataResult, Stamps, Seen)> {
    let located = locate(spec, root, watch)?;
    let mut set = open_located(spec, root, &located, watch)?;
    let (files, stamps) = hash_files(&located, known, watch)?;
    let skip = match &spec.source {
        DataSource::Files { rules, .. } => rules.damaged == Damaged::Skip,
        DataSource::Synth(_) | DataSource::Noisy(_) => false,
    };
    let of = fingerprint(&set, &files, skip, watch)?;
    let seen = match seen.filter(|s| of.is_some() && s.of == of) {
        Some(seen) => {
            set = set.without(&seen.damaged, &located.dir)?;
            seen.clone()
        }
        None => {
            let survey = Survey::of(&set, skip, watch)?;
            let mut findings = Findings::default();
            survey.tell(&set, &mut findings)?;
            let damaged = survey.damaged();
            set = set.without(&damaged, &located.dir)?;
            Seen {
                of,
                pixels_sha256: hashed(&survey, &set.description),
                damaged,
                notes: findings.notes(),
            }
        }
    };
    let notes = [set.findings.notes(), seen.notes.clone()].concat();
    if let Some(why) = set.description.beyond_use() {
        return Err(Error::Data(format!(
            "{}: nothing can be scored without the images that are missing or damaged: {why}{}",
            located.dir.display(),
            notes.iter().map(|n| format!("\n  {n}")).collect::<String>()
        )));
    }
    let (identities, counts) = set.description.counts();
    let described = DataResult {
        name: spec.name.clone(),
        files,
        pixels_sha256: seen.pixels_sha256.clone(),
        facts_sha256: match spec.source {
            DataSource::Files { .. } => hash_facts(&set.description),
            // They follow from the generator, or from the sets that it is made of.
            DataSource::Synth(_) | DataSource::Noisy(_) => None,
        },
        decoder: DECODER.to_string(),
        images: set.parts.iter().map(|(_, s)| s.len() as u64).sum(),
        identities,
        counts,
        damaged: seen.damaged.clone(),
        notes,
    };
    Ok((described, stamps, seen))
}

/// The identity of pixels and labels, as a sha256.
///
/// Of each part its name, its number of images and a sha256 of each image enter. That of an image
/// is over label, width, height (u32, little-endian; no label is 2^32 - 1) and RGB pixels. Pairs
/// and templates follow. No name of a file and no encoding enters. What not every set of a format
/// has is left to [`hash_facts`].
///
/// # Errors
/// An image that cannot be read or decoded; what `watch` returns.
pub fn hash_pixels(set: &DataSet, watch: Watch) -> Result<String> {
    let survey = Survey::of(set, false, watch)?;
    Ok(hashed(&survey, &set.description))
}

fn hashed(survey: &Survey, description: &Description) -> String {
    let mut hash = survey.hash();
    relations(&mut hash, description);
    hex(&hash.finalize())
}

/// What pairs and templates say of images.
pub(crate) fn relations(hash: &mut Sha256, description: &Description) {
    match description {
        Description::Train(_) | Description::Identification(_) | Description::Gallery(_) => {}
        Description::Pairs(d) => {
            for (pair, same) in d.pairs.iter().zip(&d.same) {
                let (a, b) = pair.unwrap_or((u32::MAX, u32::MAX));
                relate(hash, a, b, *same);
            }
        }
        Description::Templates(d) => {
            for (template, media) in d.template.iter().zip(&d.media) {
                hash.update(template.to_le_bytes());
                hash.update(media.to_le_bytes());
            }
            let scores = d.detector.iter().flatten();
            scores.for_each(|s| hash.update(s.to_le_bytes()));
            for ((a, b), same) in d.pair_a.iter().zip(&d.pair_b).zip(&d.same) {
                relate(hash, *a, *b, *same);
            }
        }
    }
}

fn relate(hash: &mut Sha256, a: u32, b: u32, same: bool) {
    hash.update(a.to_le_bytes());
    hash.update(b.to_le_bytes());
    hash.update([u8::from(same)]);
}

/// sha256 over what a set says beyond its pixels, labels and pairs, and what not every set of
/// its format says: the folds of pairs, who is on each image, which probes and distractors are
/// noise, who is on a template, what is missing or damaged. Each enters with its name and number;
/// none where nothing is said. It changes scores and what is counted of a training, but no
/// embedding.
pub fn hash_facts(description: &Description) -> Option<String> {
    let mut facts = Facts::default();
    match description {
        Description::Train(d) => facts.add("identities", d.identities.iter().flatten().copied()),
        Description::Pairs(d) => {
            let people = d.identities.iter().flatten();
            facts.add(
                "identities",
                people.flat_map(|&(a, b)| [u64::from(a), u64::from(b)]),
            );
            facts.add("folds", d.folds.iter().flatten().map(|&f| u64::from(f)));
            for (group, name) in d.groups.iter().flat_map(|g| (0..).zip(&g.names)) {
                facts.add(&format!("group {group}"), name.bytes().map(u64::from));
            }
            let groups = d.groups.iter().flat_map(|g| &g.of);
            facts.add("groups", groups.map(|&g| u64::from(g)));
        }
        Description::Identification(s) => {
            let numbers = |of: &[usize]| of.iter().map(|i| *i as u64).collect::<Vec<_>>();
            facts.add("noisy_probes", numbers(&s.noisy_probes));
            facts.add("noisy_distractors", numbers(&s.noisy_distractors));
            facts.add("lost_probes", s.lost_probes.iter().map(|&p| u64::from(p)));
            facts.count("lost_distractors", s.lost_distractors);
        }
        Description::Templates(s) => {
            let pairs = s.subjects.iter().flatten();
            facts.add(
                "subjects",
                pairs.flat_map(|(t, s)| [u64::from(*t), u64::from(*s)]),
            );
            facts.add("lost", s.lost.iter().map(|&t| u64::from(t)));
            if let Some(search) = &s.search {
                let galleries = search.galleries.iter().map(|g| ("gallery", g));
                for (name, list) in galleries.chain([("searched", &search.probes)]) {
                    let templates = list.templates.iter().zip(&list.subjects);
                    facts.add(name, templates.flat_map(|(t, s)| [*t, *s].map(u64::from)));
                }
            }
        }
        Description::Gallery(s) => {
            facts.add("lost_probes", s.lost_probes.iter().map(|&p| u64::from(p)));
            facts.add("lost_gallery", s.lost_gallery.iter().map(|&p| u64::from(p)));
            facts.count("lost_distractors", s.lost_distractors);
        }
    }
    facts.0.map(|hash| hex(&hash.finalize()))
}

/// Facts under their names, once there are any.
#[derive(Default)]
struct Facts(Option<Sha256>);

impl Facts {
    /// Adds a number, unless it is 0.
    fn count(&mut self, name: &str, number: usize) {
        self.add(name, Some(number as u64).filter(|n| *n > 0));
    }

    /// Adds the numbers called `name`, unless there are none.
    fn add(&mut self, name: &str, numbers: impl IntoIterator<Item = u64>) {
        let numbers: Vec<u64> = numbers.into_iter().collect();
        if numbers.is_empty() {
            return;
        }
        let hash = self
            .0
            .get_or_insert_with(|| Sha256::new_with_prefix(b"frbench-facts-v1"));
        hash.update((name.len() as u64).to_le_bytes());
        hash.update(name);
        hash.update((numbers.len() as u64).to_le_bytes());
        numbers.iter().for_each(|n| hash.update(n.to_le_bytes()));
    }
}
