//! 95 % intervals of a verification result, persons resampled.

use crate::protocol::rates::Held;
use crate::protocol::{bootstrap, operating};
use frbench_base::{Error, Result};
use frbench_job::description::PairData;

/// A judged pair. Persons are numbered from 0.
struct Judged {
    a: usize,
    b: usize,
    same: bool,
    right: bool,
    similarity: f64,
}

impl Judged {
    /// How often a draw holds the pair, given how often it holds each person.
    fn weight(&self, drawn: &[u32]) -> u64 {
        let first = u64::from(drawn[self.a]);
        if self.same {
            first
        } else {
            first * u64::from(drawn[self.b])
        }
    }
}

/// Intervals of accuracy (at the thresholds already chosen), of TAR at each FAR (the threshold
/// chosen anew in each draw) and of the rates that are `held` at their thresholds.
///
/// # Errors
/// [`Error::Data`] if `persons` contradicts the pairs.
pub(super) fn resample(
    data: &PairData,
    persons: &[(u32, u32)],
    right: &[bool],
    similarity: &[f64],
    (fars, held): (&[f64], &[Held]),
    resamples: usize,
) -> Result<Vec<Option<(f64, f64)>>> {
    check(data, persons)?;
    let (numbers, people) = bootstrap::number(persons.iter().flat_map(|p| [p.0, p.1]));
    let mut pairs: Vec<Judged> = (0..data.same.len())
        .map(|i| Judged {
            a: numbers[&persons[i].0] as usize,
            b: numbers[&persons[i].1] as usize,
            same: data.same[i],
            right: right[i],
            similarity: similarity[i],
        })
        .collect();
    pairs.sort_by(|p, q| q.similarity.total_cmp(&p.similarity));
    let genuine_share = data.same.iter().filter(|s| **s).count() as f64 / data.same.len() as f64;
    let statistics = |drawn: &[u32]| {
        // By class: drawn pairs, and those judged rightly.
        let (mut total, mut hits) = ([0; 2], [0; 2]);
        for pair in &pairs {
            let (class, weight) = (usize::from(pair.same), pair.weight(drawn));
            total[class] += weight;
            hits[class] += weight * u64::from(pair.right);
        }
        let rate = |class: usize| hits[class] as f64 / total[class] as f64;
        let accuracy = genuine_share * rate(1) + (1.0 - genuine_share) * rate(0);
        let tar = fars.iter().map(|&far| {
            true_accepts(&pairs, drawn, operating::allowed(far, total[0])) as f64 / total[1] as f64
        });
        let held = held.iter().map(|h| held_rate(&pairs, drawn, h, total));
        std::iter::once(accuracy).chain(tar).chain(held).collect()
    };
    let purpose = "bootstrap/verification";
    let metrics = 1 + fars.len() + held.len();
    Ok(bootstrap::intervals(
        people, resamples, purpose, metrics, statistics,
    ))
}

/// Genuine pairs of a draw strictly above the impostor that exceeds `allowed` false accepts;
/// `pairs` descend.
fn true_accepts(pairs: &[Judged], drawn: &[u32], allowed: u64) -> u64 {
    let mut false_accepts = 0;
    let threshold = pairs.iter().filter(|p| !p.same).find_map(|p| {
        false_accepts += p.weight(drawn);
        (false_accepts > allowed).then_some(p.similarity)
    });
    let threshold = threshold.unwrap_or(f64::NEG_INFINITY);
    let accepted = pairs.iter().take_while(|p| p.similarity > threshold);
    accepted.filter(|p| p.same).map(|p| p.weight(drawn)).sum()
}

/// A rate of a draw at its threshold; `total` are the drawn impostor and genuine pairs.
fn held_rate(pairs: &[Judged], drawn: &[u32], held: &Held, total: [u64; 2]) -> f64 {
    let mut accepted = [0; 2];
    let scored = pairs
        .iter()
        .take_while(|p| p.similarity > f64::NEG_INFINITY);
    for pair in scored.take_while(|p| p.similarity >= held.at.threshold) {
        accepted[usize::from(pair.same)] += pair.weight(drawn);
    }
    let rejected = (total[1] - accepted[1]) as f64 / total[1] as f64;
    match held.both {
        true => (rejected + accepted[0] as f64 / total[0] as f64) / 2.0,
        false => rejected,
    }
}

fn check(data: &PairData, persons: &[(u32, u32)]) -> Result<()> {
    if persons.len() != data.same.len() {
        return Err(Error::Data(format!(
            "{} pairs of identities for {} pairs",
            persons.len(),
            data.same.len()
        )));
    }
    let contradicts = |i: &usize| (persons[*i].0 == persons[*i].1) != data.same[*i];
    match (0..persons.len()).find(contradicts) {
        Some(i) => Err(Error::Data(format!(
            "pair {i} is of persons {} and {}, but is marked {}",
            persons[i].0,
            persons[i].1,
            if data.same[i] { "same" } else { "different" }
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undrawn_weights_give_the_plain_rates() {
        let pair = |a, b, similarity| Judged {
            a,
            b,
            same: a == b,
            right: true,
            similarity,
        };
        let pairs = [
            pair(0, 0, 0.9),
            pair(0, 1, 0.8),
            pair(1, 1, 0.7),
            pair(1, 2, 0.6),
            pair(2, 2, 0.5),
        ];
        assert_eq!(true_accepts(&pairs, &[1, 1, 1], 0), 1);
        assert_eq!(true_accepts(&pairs, &[1, 1, 1], 1), 2);
        assert_eq!(true_accepts(&pairs, &[1, 1, 1], 2), 3);
        // Person 0 twice, person 2 not at all: the impostor pair (0, 1) counts twice.
        assert_eq!(true_accepts(&pairs, &[2, 1, 0], 1), 2);
        assert_eq!(true_accepts(&pairs, &[2, 1, 0], 2), 3);
    }
}
