//! What is left to score of a set of which images are missing or damaged.

use crate::Description;
use std::collections::BTreeSet;

impl Description {
    /// Why nothing can be scored of what is left of a set, if so. None of a set of which no image
    /// is lost: whether that can be scored, its protocol says.
    pub fn beyond_use(&self) -> Option<String> {
        match self {
            Description::Train(_) => None,
            Description::Pairs(d) => {
                let whole = d.pairs.iter().map(Option::is_some);
                lacking("both of its images", d.same.iter().copied().zip(whole))
            }
            Description::Templates(d) => {
                let lost = d.lost_templates();
                let whole = d.pair_a.iter().zip(&d.pair_b);
                let whole = whole.map(|(a, b)| !lost.contains(a) && !lost.contains(b));
                lacking(
                    "an image of both of its templates",
                    d.same.iter().copied().zip(whole),
                )
            }
            Description::Identification(d) => {
                if d.lost_probes.is_empty() && d.lost_distractors == 0 {
                    return None;
                }
                let noisy: BTreeSet<usize> = d.noisy_probes.iter().copied().collect();
                let mut seen = BTreeSet::new();
                let mut people = (0..d.probe_ids.len()).filter(|i| !noisy.contains(i));
                if !people.any(|i| !seen.insert(d.probe_ids[i])) {
                    return Some("no person has two probe images left".into());
                }
                (d.distractors <= d.noisy_distractors.len()).then(|| "no distractor is left".into())
            }
            Description::Gallery(d) => {
                if d.lost_probes.is_empty() && d.lost_gallery.is_empty() {
                    return None;
                }
                let gallery: BTreeSet<u32> = d.gallery_ids.iter().copied().collect();
                let any = d.probe_ids.iter().any(|id| gallery.contains(id));
                (!any).then(|| {
                    "no probe is left whose person has an image left in the gallery".into()
                })
            }
        }
    }
}

/// The kind of pairs of which none `has` what it needs, by label and whether a pair has it.
fn lacking(has: &str, pairs: impl Iterator<Item = (bool, bool)>) -> Option<String> {
    let mut counts = [[0usize; 2]; 2];
    pairs.for_each(|(same, whole)| counts[usize::from(same)][usize::from(whole)] += 1);
    let kinds = [(true, "genuine"), (false, "impostor")];
    kinds.into_iter().find_map(|(same, kind)| {
        let [lost, whole] = counts[usize::from(same)];
        (lost > 0 && whole == 0).then(|| format!("none of the {lost} {kind} pairs has {has} left"))
    })
}
