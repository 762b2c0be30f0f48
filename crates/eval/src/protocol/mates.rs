//! Probes and the images of their people in a gallery: who stands before whom. Shared by searches in
//! closed and in open sets.

use super::input::Part;
use super::search::{self, Gallery, Ladder, Vectors};
use frbench_base::{Error, Result};
use frbench_engine::Device;
use frbench_job::description::GalleryData;
use std::collections::{BTreeMap, BTreeSet};

/// What is wrong with a set where no probe has a mate.
pub fn without() -> Error {
    Error::Data("no probe has an image of its person in the gallery".into())
}

/// A probe that has a mate, an image of its person, in the gallery.
#[derive(Clone, Copy, Debug)]
pub struct Probe {
    /// Row in the data set.
    pub row: u32,
    pub person: u32,
    pub mates: usize,
    /// Similarity of the most similar mate, and mates that are just so similar.
    pub best: f64,
    pub bests: u64,
    /// Images of others that are at least as similar, and those of them that are just so.
    pub rank: u64,
    pub ties: u64,
}

/// Probes that are missed because an image is missing or damaged.
pub struct Lost {
    /// The person of each.
    pub missed: Vec<u32>,
    /// How many of them are there, and have lost all images of their person in the gallery.
    pub without_mates: usize,
}

impl Lost {
    pub fn of(data: &GalleryData) -> Self {
        let left: BTreeSet<u32> = data.gallery_ids.iter().copied().collect();
        let gone: BTreeSet<u32> = data.lost_gallery.iter().copied().collect();
        let probes = data.probe_ids.iter().copied();
        let mut missed: Vec<u32> = probes
            .filter(|p| gone.contains(p) && !left.contains(p))
            .collect();
        let without_mates = missed.len();
        let lost = data.lost_probes.iter().copied();
        missed.extend(lost.filter(|p| gone.contains(p) || left.contains(p)));
        Lost {
            missed,
            without_mates,
        }
    }

    pub fn notes(&self, data: &GalleryData, trials: usize) -> Vec<String> {
        let mut notes = Vec::new();
        let lost = self.missed.len() - self.without_mates;
        if lost > 0 {
            notes.push(format!(
                "failure to acquire: {lost} of {trials} probes are missing or damaged and missed at \
                 every rank"
            ));
        }
        let (gallery, distractors) = (data.lost_gallery.len(), data.lost_distractors);
        if gallery + distractors > 0 {
            notes.push(format!(
                "failure to enrol: {gallery} images of the gallery and {distractors} distractors are \
                 missing or damaged and left out; {} of {trials} probes have no other image of \
                 their person there and are missed at every rank",
                self.without_mates
            ));
        }
        notes
    }
}

/// The probes with a mate, not yet ranked, and their embeddings.
pub fn with(probes: &Part, gallery: &Part, data: &GalleryData) -> Result<(Vectors, Vec<Probe>)> {
    let mut mates: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (row, &person) in data.gallery_ids.iter().enumerate() {
        mates.entry(person).or_default().push(row);
    }
    let all = Vectors::of(gallery, 0..data.gallery_ids.len());
    let rows: Vec<usize> = (0..data.probe_ids.len())
        .filter(|&row| mates.contains_key(&data.probe_ids[row]))
        .collect();
    let kept = Vectors::of(probes, rows.iter().copied());
    let searched: Vec<Probe> = rows
        .iter()
        .enumerate()
        .map(|(i, &row)| {
            let person = data.probe_ids[row];
            let scores: Vec<f64> = mates[&person]
                .iter()
                .map(|&mate| kept.score(i, &all, mate))
                .collect();
            let best = scores.iter().copied().fold(f64::MIN, f64::max);
            Probe {
                row: row as u32,
                person,
                mates: scores.len(),
                best,
                bests: scores.iter().filter(|&&s| s == best).count() as u64,
                rank: 0,
                ties: 0,
            }
        })
        .collect();
    match searched.is_empty() {
        true => Err(without()),
        false => Ok((kept, searched)),
    }
}

/// Counts the images of all parts that keep a probe from a better rank.
pub fn rank(
    device: &Device,
    searched: &mut [Probe],
    probes: &Vectors,
    parts: &[Part],
) -> Result<()> {
    let ladder = |p: &Probe| Ladder::new(vec![p.best]);
    let mut ladders: Vec<Ladder> = searched.iter().map(ladder).collect();
    for part in parts {
        let rows: Vec<usize> = (0..part.matrix.rows()).collect();
        let gallery = Gallery { part, rows: &rows };
        search::run(device, probes, &mut ladders, gallery, 0)?;
    }
    for (probe, ladder) in searched.iter_mut().zip(ladders) {
        // Mates are in the gallery, too, and none is above the best.
        probe.ties = ladder.ties - probe.bests;
        probe.rank = ladder.above[0] + probe.ties;
    }
    Ok(())
}
