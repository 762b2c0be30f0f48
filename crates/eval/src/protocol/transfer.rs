//! A threshold that transfers: chosen on one set of pairs at a stated false match rate, then read
//! off on others, as a system in use meets them.
//!
//! The threshold is that of [`operating::at_far`]: a pair matches where its score is strictly above
//! the `floor(fmr * impostors) + 1`-th highest impostor score.

use super::operating;
use frbench_base::Result;

/// The error rates of a threshold on a set of pairs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorRates {
    /// Share of impostor pairs that match, and of genuine pairs that do not.
    pub fmr: f64,
    pub fnmr: f64,
    pub false_matches: u64,
    pub impostors: u64,
    pub false_non_matches: u64,
    pub genuine: u64,
}

/// Scores of pairs, larger is more alike, by whether they show one person.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    genuine: Vec<f64>,
    impostors: Vec<f64>,
}

impl Scores {
    /// Of pairs with these labels.
    pub fn of(scores: &[f64], same: &[bool]) -> Scores {
        let mut split = Scores::default();
        for (score, same) in scores.iter().zip(same) {
            match same {
                true => split.genuine.push(*score),
                false => split.impostors.push(*score),
            }
        }
        operating::sort_descending(&mut split.genuine);
        operating::sort_descending(&mut split.impostors);
        split
    }

    /// The threshold at a false match rate: pairs above it match.
    ///
    /// # Errors
    /// [`Error::Data`](frbench_base::Error::Data) without genuine or impostor scores.
    pub fn threshold(&self, fmr: f64) -> Result<f64> {
        let impostors = self.impostors.len() as u64;
        Ok(operating::at_far(fmr, &self.genuine, &self.impostors, impostors)?.threshold)
    }

    /// What a threshold comes to on these pairs.
    pub fn at(&self, threshold: f64) -> ErrorRates {
        let above = |scores: &[f64]| scores.partition_point(|&s| s > threshold) as u64;
        let (impostors, genuine) = (self.impostors.len() as u64, self.genuine.len() as u64);
        let (false_matches, matches) = (above(&self.impostors), above(&self.genuine));
        let share = |part: u64, of: u64| part as f64 / of.max(1) as f64;
        ErrorRates {
            fmr: share(false_matches, impostors),
            fnmr: share(genuine - matches, genuine),
            false_matches,
            impostors,
            false_non_matches: genuine - matches,
            genuine,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_of_one_set_judges_another() {
        let chosen = Scores::of(
            &[0.9, 0.8, 0.5, 0.7, 0.4, 0.3, 0.2, 0.1],
            &[true, true, true, false, false, false, false, false],
        );
        // One false match of five is allowed: strictly above the second highest.
        let threshold = chosen.threshold(0.2).unwrap();
        assert_eq!(threshold, 0.4);
        let here = chosen.at(threshold);
        assert_eq!((here.fmr, here.fnmr), (0.2, 0.0));
        let other = Scores::of(
            &[0.45, 0.4, f64::NEG_INFINITY, 0.5, 0.45, 0.41, 0.1],
            &[true, true, true, false, false, false, false],
        );
        let there = other.at(threshold);
        assert_eq!((there.false_matches, there.impostors), (3, 4));
        assert_eq!((there.false_non_matches, there.genuine), (2, 3));
        assert!(Scores::of(&[0.1], &[true]).threshold(0.1).is_err());
    }
}
