//! The difference between two sets of runs.

use super::summary::{mean, sample_sd, t_quantile};
use super::{BySeed, MIN_SEEDS};
use serde::{Deserialize, Serialize};

/// A mean difference (first minus second) and what is known of its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Seeds that both sides have.
    pub n: usize,
    pub mean: f64,
    /// None where there are too few runs for a spread.
    pub error: Option<StandardError>,
    pub interval: Option<(f64, f64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StandardError {
    pub value: f64,
    /// Degrees of freedom.
    pub df: usize,
}

/// Runs with the same seed, paired: the t interval of the mean of `a - b`. No error below
/// [`MIN_SEEDS`] common seeds; none at all without a common seed.
pub fn paired(a: &BySeed, b: &BySeed, confidence: f64) -> Option<Difference> {
    let differences: Vec<f64> = a
        .iter()
        .filter_map(|(seed, a)| b.get(seed).map(|b| a - b))
        .collect();
    if differences.is_empty() {
        return None;
    }
    let n = differences.len();
    let error = sample_sd(&differences)
        .filter(|_| n >= MIN_SEEDS)
        .map(|sd| StandardError {
            value: sd / (n as f64).sqrt(),
            df: n - 1,
        });
    let mean = mean(&differences);
    let interval = error.map(|e| {
        let half = t_quantile(e.df, confidence) * e.value;
        (mean - half, mean + half)
    });
    Some(Difference {
        n,
        mean,
        error,
        interval,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: [f64; 5] = [0.912, 0.918, 0.9155, 0.9203, 0.9147];
    const B: [f64; 5] = [0.909, 0.9121, 0.9128, 0.9142, 0.9135];

    fn by_seed(values: &[f64]) -> BySeed {
        (1..).zip(values.iter().copied()).collect()
    }

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() < 1e-8, "{got}, want {want}");
    }

    #[test]
    fn paired_is_scipys_ttest_rel() {
        let d = paired(&by_seed(&A), &by_seed(&B), 0.95).unwrap();
        close(d.mean, 0.00378);
        let (low, high) = d.interval.unwrap();
        close(low, 0.0011235934328005007);
        close(high, 0.00643640656719951);
    }

    #[test]
    fn only_common_seeds_are_paired() {
        let b = BySeed::from([(2, 0.9), (9, 0.1)]);
        let d = paired(&by_seed(&A), &b, 0.95).unwrap();
        assert_eq!((d.n, d.interval), (1, None));
        close(d.mean, 0.018);
        assert_eq!(paired(&by_seed(&A), &BySeed::from([(9, 1.0)]), 0.95), None);
    }

    #[test]
    fn equal_values_have_an_interval_without_width() {
        let d = paired(&by_seed(&[0.5, 0.6, 0.7]), &by_seed(&[0.5, 0.6, 0.7]), 0.95).unwrap();
        assert_eq!(d.interval, Some((0.0, 0.0)));
    }
}
