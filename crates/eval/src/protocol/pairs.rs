//! Pairs of images: what all protocols on them refuse, leave out and resample.

use super::{bootstrap, operating};
use frbench_base::{Error, Result};
use frbench_job::Description;
use frbench_job::description::PairData;

/// Why rates of pairs have no interval.
pub const WITHOUT_PEOPLE: &str = "no interval: the pairs' identities are not known, and pairs that \
                                  share a person are not independent";

/// The pairs that `protocol` is to score.
///
/// # Errors
/// [`Error::Data`] for another kind of set, and for a description that contradicts itself.
pub fn of<'a>(data: &'a Description, protocol: &str) -> Result<&'a PairData> {
    let Description::Pairs(data) = data else {
        return Err(Error::Data(format!("`{protocol}` needs pairs of images")));
    };
    let pairs = data.pairs.len();
    if pairs != data.same.len() {
        let labels = data.same.len();
        return Err(Error::Data(format!("{pairs} pairs and {labels} labels")));
    }
    let beyond =
        |pair: &Option<(u32, u32)>| pair.is_some_and(|(a, b)| a.max(b) as usize >= data.images);
    if let Some(i) = data.pairs.iter().position(beyond) {
        return Err(Error::Data(format!(
            "pair {i} names an image beyond the {} of the set",
            data.images
        )));
    }
    if let Some(people) = &data.identities {
        agree(people, &data.same)?;
    }
    Ok(data)
}

/// # Errors
/// [`Error::Data`] where the people of pairs contradict their labels.
fn agree(people: &[(u32, u32)], same: &[bool]) -> Result<()> {
    if people.len() != same.len() {
        return Err(Error::Data(format!(
            "{} pairs of identities for {} pairs",
            people.len(),
            same.len()
        )));
    }
    match (0..people.len()).find(|&i| (people[i].0 == people[i].1) != same[i]) {
        Some(i) => Err(Error::Data(format!(
            "pair {i} is of persons {} and {}, but is marked {}",
            people[i].0,
            people[i].1,
            if same[i] { "same" } else { "different" }
        ))),
        None => Ok(()),
    }
}

/// A note on pairs that are non-matches because an image of them could not be used.
pub fn lost(data: &PairData) -> Option<String> {
    let lost = |class: bool| {
        let pairs = data.pairs.iter().zip(&data.same);
        pairs.filter(|(p, s)| p.is_none() && **s == class).count()
    };
    let (genuine, impostor) = (lost(true), lost(false));
    (genuine + impostor > 0).then(|| {
        format!(
            "failure to acquire: {genuine} genuine and {impostor} impostor pairs have an image that \
             is missing or damaged, and are non-matches at every threshold"
        )
    })
}

/// Genuine and impostor scores, each from high to low.
pub fn split(scores: &[f64], same: &[bool]) -> (Vec<f64>, Vec<f64>) {
    let of = |class: bool| {
        let all = scores.iter().zip(same);
        let mut scores: Vec<f64> = all.filter(|p| *p.1 == class).map(|p| *p.0).collect();
        operating::sort_descending(&mut scores);
        scores
    };
    (of(true), of(false))
}

/// The people on each pair, as trials have them, if they are known.
pub fn trials(data: &PairData) -> Option<Vec<[u32; 2]>> {
    let people = data.identities.as_ref()?;
    Some(people.iter().map(|&(a, b)| [a, b]).collect())
}

/// The people on a pair, numbered from 0: one twice on a genuine pair.
#[derive(Clone, Copy, Debug)]
pub struct Couple {
    pub a: usize,
    pub b: usize,
}

impl Couple {
    /// How often a draw holds the pair, given how often it holds each person.
    pub fn weight(self, drawn: &[u32]) -> u64 {
        let first = u64::from(drawn[self.a]);
        match self.a == self.b {
            true => first,
            false => first * u64::from(drawn[self.b]),
        }
    }
}

/// The people of each pair, and their number.
pub fn couples(people: &[(u32, u32)]) -> (Vec<Couple>, usize) {
    let (numbers, count) = bootstrap::number(people.iter().flat_map(|p| [p.0, p.1]));
    let place = |person: &u32| numbers[person] as usize;
    let couples = people.iter().map(|(a, b)| Couple {
        a: place(a),
        b: place(b),
    });
    (couples.collect(), count)
}
