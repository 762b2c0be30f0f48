//! 95 % intervals of a verification result, persons resampled.

use crate::protocol::pairs::{self, Couple};
use crate::protocol::rates::Held;
use crate::protocol::{bootstrap, operating};

/// A judged pair.
struct Judged {
    people: Couple,
    same: bool,
    right: bool,
    similarity: f64,
}

impl Judged {
    fn weight(&self, drawn: &[u32]) -> u64 {
        self.people.weight(drawn)
    }
}

/// Intervals of accuracy (at the thresholds already chosen), of TAR at each FAR (the threshold
/// chosen anew in each draw) and of the rates that are `held` at their thresholds.
pub(super) fn resample(
    persons: &[(u32, u32)],
    same: &[bool],
    right: &[bool],
    similarity: &[f64],
    (fars, held): (&[f64], &[Held]),
    resamples: usize,
) -> Vec<Option<(f64, f64)>> {
    let (couples, people) = pairs::couples(persons);
    let couples = couples.into_iter().enumerate();
    let mut pairs: Vec<Judged> = couples
        .map(|(i, people)| Judged {
            people,
            same: same[i],
            right: right[i],
            similarity: similarity[i],
        })
        .collect();
    pairs.sort_by(|p, q| q.similarity.total_cmp(&p.similarity));
    let genuine_share = same.iter().filter(|s| **s).count() as f64 / same.len() as f64;
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
    bootstrap::intervals(people, resamples, purpose, metrics, statistics)
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
    for pair in pairs.iter().take_while(|p| held.accepts(p.similarity)) {
        accepted[usize::from(pair.same)] += pair.weight(drawn);
    }
    let rejected = (total[1] - accepted[1]) as f64 / total[1] as f64;
    match held.is_eer() {
        true => (rejected + accepted[0] as f64 / total[0] as f64) / 2.0,
        false => rejected,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn undrawn_weights_give_the_plain_rates() {
        let pair = |a, b, similarity| Judged {
            people: Couple { a, b },
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
