//! How scores are spread: numbers of genuine and of impostor scores in bins of equal width.
//!
//! Both kinds have the same bins. A bin holds its left edge and not its right one. Edges are multiples
//! of the width, which is 1, 2 or 5 times a power of ten: the smallest by which all scores lie in at
//! most 50 bins. A score of minus infinity, a pair that could not be compared, is in no bin.

use super::operating;
use std::collections::BTreeMap;

/// Bins that the scores may be spread over.
const MOST: i64 = 50;
/// Powers of ten of a width.
const POWERS: std::ops::RangeInclusive<i32> = -12..=12;

/// What protocols of pairs leave for plots: the ROC, and both [`histograms`]. Both slices descend.
pub fn series(genuine: &[f64], impostor: &[f64]) -> BTreeMap<String, Vec<(f64, f64)>> {
    let roc = operating::roc_series(genuine, impostor, impostor.len() as u64);
    let roc = [("roc".to_owned(), roc)];
    histograms(genuine, impostor).chain(roc).collect()
}

/// Histograms `genuine` and `impostor` as points (left edge of a bin, number of scores in it). A last
/// point without scores is the right edge of the last bin. None where no score is a number.
pub fn histograms(
    genuine: &[f64],
    impostor: &[f64],
) -> impl Iterator<Item = (String, Vec<(f64, f64)>)> {
    let bins = Bins::over(genuine, impostor);
    let both = bins.map(|bins| {
        [("genuine", genuine), ("impostor", impostor)]
            .map(|(name, scores)| (name.to_owned(), bins.count(scores)))
    });
    both.into_iter().flatten()
}

/// Bins of equal width.
struct Bins {
    /// The width is `step * 10^power`.
    step: f64,
    power: i32,
    /// `10^|power|`.
    ten: f64,
    /// Edge `k` is `k` widths from 0; that of the first bin, and of the last.
    first: i64,
    last: i64,
}

impl Bins {
    /// None where no score is a number, or where they are spread too far.
    fn over(genuine: &[f64], impostor: &[f64]) -> Option<Bins> {
        let scores = genuine.iter().chain(impostor).copied();
        let (low, high) = scores
            .filter(|s| s.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), s| {
                (low.min(s), high.max(s))
            });
        if low > high {
            return None;
        }
        // Scores that are as good as equal are one bin.
        let spread = (high - low).max(1e-3 * high.abs().max(low.abs()).max(1.0));
        let widths = POWERS.flat_map(|power| [1.0, 2.0, 5.0].map(|step| (step, power)));
        let mut bins = widths.map(|(step, power)| {
            let any = Bins {
                step,
                power,
                ten: libm::exp10(f64::from(power.abs())),
                first: 0,
                last: 0,
            };
            Bins {
                first: any.of(low),
                last: any.of(high),
                ..any
            }
        });
        bins.find(|b| {
            let count = b.last.saturating_sub(b.first).saturating_add(1);
            MOST as f64 * b.width() > spread && count <= MOST
        })
    }

    fn width(&self) -> f64 {
        self.edge(1)
    }

    /// An edge, as near to the decimal number as can be.
    fn edge(&self, k: i64) -> f64 {
        match self.power < 0 {
            true => k as f64 * self.step / self.ten,
            false => k as f64 * self.step * self.ten,
        }
    }

    /// The bin of a score.
    fn of(&self, score: f64) -> i64 {
        let k = (score / self.width()).floor() as i64;
        // Quotients are rounded: an edge is in the bin that it begins.
        if self.edge(k) > score {
            k.saturating_sub(1)
        } else if self.edge(k.saturating_add(1)) <= score {
            k.saturating_add(1)
        } else {
            k
        }
    }

    fn count(&self, scores: &[f64]) -> Vec<(f64, f64)> {
        let mut counts = vec![0u64; (self.last - self.first + 1) as usize];
        let most = counts.len() as i64 - 1;
        for score in scores.iter().filter(|s| s.is_finite()) {
            counts[(self.of(*score) - self.first).clamp(0, most) as usize] += 1;
        }
        let counts = counts.into_iter().chain([0]);
        let edges = (self.first..).map(|k| self.edge(k));
        edges.zip(counts.map(|n| n as f64)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(scores: &[f64]) -> Vec<(f64, f64)> {
        series(scores, &[]).remove("genuine").unwrap()
    }

    #[test]
    fn edges_are_decimal_and_belong_to_the_bin_on_their_right() {
        // From -0.1 to 0.9: fifty bins of 0.02 would end below 0.9.
        let points = histogram(&[0.9, 0.3, 0.25, 0.3, -0.1, f64::NEG_INFINITY]);
        assert_eq!(points.len(), 22);
        assert_eq!((points[0], points[1]), ((-0.1, 1.0), (-0.05, 0.0)));
        let at = |edge: f64| points.iter().find(|p| p.0 == edge).unwrap().1;
        assert_eq!((at(0.25), at(0.3), at(0.9)), (1.0, 2.0, 1.0));
        assert_eq!(points[21], (0.95, 0.0));
    }

    #[test]
    fn both_kinds_have_the_same_bins() {
        let both = series(&[0.8, 0.5], &[0.1, f64::NEG_INFINITY]);
        let edges = |kind: &str| -> Vec<f64> { both[kind].iter().map(|p| p.0).collect() };
        assert_eq!(edges("genuine"), edges("impostor"));
        let sum = |kind: &str| -> f64 { both[kind].iter().map(|p| p.1).sum() };
        assert_eq!((sum("genuine"), sum("impostor")), (2.0, 1.0));
        assert!(both.contains_key("roc"));
    }

    #[test]
    fn odd_scores_have_bins_or_none() {
        assert_eq!(histogram(&[0.5, 0.5]), [(0.5, 2.0), (0.50005, 0.0)]);
        assert_eq!(histogram(&[0.0])[0], (0.0, 1.0));
        assert_eq!(histogram(&[2e6, -3e6]).len(), 27); // 25 bins of 200,000, and one that begins at 2,000,000
        let lost = series(&[f64::NEG_INFINITY], &[f64::NEG_INFINITY]);
        assert!(!lost.contains_key("genuine"));
        assert!(!series(&[1e300], &[-1e300]).contains_key("genuine"));
    }
}
