//! How the images of a twin are arranged, and who is paired with whom.

use super::SEED;
use super::table::Purpose;
use crate::identity::POPULATIONS;
use frbench_base::rng::Stream;
use std::ops::Range;

/// What the images of a twin are.
#[derive(Clone, Debug, PartialEq)]
pub enum Arrangement {
    /// Image `i` has class `i / images`.
    Train { identities: u64, images: u64 },
    /// Images `2 j` and `2 j + 1` are pair `j`; ten folds of equal size and balance.
    Pairs { pairs: Vec<Pair> },
    /// The same for each population, one after the other, with ten folds of its own.
    Groups { pairs: Vec<Pair> },
    /// First the probes, image `i` of person `i / images`; then the distractors, one image of
    /// one person each.
    Identification {
        probes: u64,
        images: u64,
        distractors: u64,
    },
    /// First the probes, `probes` images of each person; then the gallery, `gallery` other
    /// images of each; then the distractors, one image of one person each.
    Gallery {
        people: u64,
        probes: u64,
        gallery: u64,
        distractors: u64,
    },
    /// First the probes, `probes` images of each person, then one image of each stranger; then the
    /// gallery, `gallery` other images of each person. Strangers are not in it.
    Watchlist {
        people: u64,
        probes: u64,
        gallery: u64,
        strangers: u64,
    },
    /// Image `i` is of person `i / images`; see `templates`.
    Templates { people: u64, images: u64 },
}

impl Arrangement {
    /// The collections that a data set is made of, where there are several: their names and
    /// their images. Distractors come last, if there are any.
    pub fn parts(&self) -> Vec<(&'static str, Range<u64>)> {
        let counts = match *self {
            Arrangement::Train { .. }
            | Arrangement::Pairs { .. }
            | Arrangement::Groups { .. }
            | Arrangement::Templates { .. } => Vec::new(),
            Arrangement::Identification {
                probes,
                images,
                distractors,
            } => vec![("probes", probes * images), ("distractors", distractors)],
            Arrangement::Gallery {
                people,
                probes,
                gallery,
                distractors,
            } => vec![
                ("probes", people * probes),
                ("gallery", people * gallery),
                ("distractors", distractors),
            ],
            Arrangement::Watchlist {
                people,
                probes,
                gallery,
                strangers,
            } => vec![
                ("probes", people * probes + strangers),
                ("gallery", people * gallery),
            ],
        };
        let mut start = 0;
        let part = |(name, count)| {
            start += count;
            (name, start - count..start)
        };
        counts.into_iter().map(part).collect()
    }
}

/// Names of the groups. Each stands for the parameters that the generator draws a person with. No
/// group is one of people.
const GROUPS: [&str; POPULATIONS as usize] = [
    "parameters-a",
    "parameters-b",
    "parameters-c",
    "parameters-d",
];

/// Two pictures, each of a person counted within the twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    pub people: [u64; 2],
}

impl Pair {
    pub fn same(&self) -> bool {
        self.people[0] == self.people[1]
    }

    /// The group of a pair of [`Arrangement::Groups`].
    pub fn group(&self) -> &'static str {
        GROUPS[(self.people[0] % POPULATIONS) as usize]
    }
}

/// Pairs in ten folds; each fold has people of its own, its genuine pairs first. Impostors
/// come from one population, so that skin tone or type does not tell them apart.
pub(super) fn draw_pairs(purpose: Purpose, pairs: u64) -> Vec<Pair> {
    let half = pairs / 20;
    // Enough people for an impostor pair in every population, even in the smallest fold.
    let people = half.max(2 * POPULATIONS).next_multiple_of(POPULATIONS);
    let mut out = Vec::with_capacity(pairs as usize);
    for fold in 0..10 {
        let first = fold * people;
        let mut s = Stream::derive(SEED, "synth-pairs", &[purpose.range(), pairs, fold]);
        let order = s.permutation(people as usize);
        for k in 0..half {
            let p = first + u64::from(order[k as usize]);
            out.push(Pair { people: [p, p] });
        }
        let kin = people / POPULATIONS;
        for _ in 0..half {
            let a = s.below(people);
            let step = 1 + s.below(kin - 1);
            let b = (a / POPULATIONS + step) % kin * POPULATIONS + a % POPULATIONS;
            out.push(Pair {
                people: [first + a, first + b],
            });
        }
    }
    out
}

/// Pairs of each population, of which person `p` is of population `p % POPULATIONS`: ten folds of
/// people of their own, genuine pairs first. Both pictures of an impostor pair are of one population.
pub(super) fn draw_groups(purpose: Purpose, pairs: u64) -> Vec<Pair> {
    let each = pairs / POPULATIONS;
    let half = each / 20;
    let people = half.max(2);
    let mut out = Vec::with_capacity(pairs as usize);
    for population in 0..POPULATIONS {
        for fold in 0..10 {
            let place = [purpose.range(), pairs, population, fold];
            let mut s = Stream::derive(SEED, "synth-groups", &place);
            let person = |k: u64| (fold * people + k) * POPULATIONS + population;
            let order = s.permutation(people as usize);
            for k in &order[..half as usize] {
                let p = person(u64::from(*k));
                out.push(Pair { people: [p, p] });
            }
            for _ in 0..half {
                let a = s.below(people);
                let b = (a + 1 + s.below(people - 1)) % people;
                out.push(Pair {
                    people: [person(a), person(b)],
                });
            }
        }
    }
    out
}
