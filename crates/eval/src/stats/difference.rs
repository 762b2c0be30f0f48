//! The difference between two sets of runs.

use super::summary::{mean, sample_sd, students_t, t_quantile};
use super::{BySeed, MIN_SEEDS};
use serde::{Deserialize, Serialize};
use statrs::distribution::ContinuousCDF;

/// A mean difference (first minus second) and what is known of its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// Seeds it rests on: pairs, or runs of both sides together.
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

impl Difference {
    fn new(n: usize, mean: f64, error: Option<StandardError>, confidence: f64) -> Self {
        let interval = error.map(|e| {
            let half = t_quantile(e.df, confidence) * e.value;
            (mean - half, mean + half)
        });
        Difference {
            n,
            mean,
            error,
            interval,
        }
    }

    /// The same difference seen from the other side.
    pub fn reversed(self) -> Self {
        Difference {
            mean: -self.mean,
            interval: self.interval.map(|(low, high)| (-high, -low)),
            ..self
        }
    }

    /// Two-sided p of a difference beyond `margin` in the direction of the mean: below
    /// 1 - confidence exactly when the interval is clear of the margin on that side. None without
    /// an error, and where equal differences show none.
    pub fn p_beyond(&self, margin: f64) -> Option<f64> {
        let error = self.error?;
        let beyond = self.mean.abs() - margin;
        if error.value == 0.0 {
            return None;
        }
        let tail = students_t(error.df).sf(beyond / error.value);
        Some((2.0 * tail).min(1.0))
    }
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
    Some(Difference::new(n, mean(&differences), error, confidence))
}

/// Independent runs, pooled variance (Student): the t interval of `mean(a) - mean(b)`. One
/// side may be a single run. No error unless one side has [`MIN_SEEDS`] runs; none at all if
/// a side is empty.
pub fn pooled(a: &[f64], b: &[f64], confidence: f64) -> Option<Difference> {
    if a.is_empty() || b.is_empty() {
        return None;
    }
    let enough = a.len().max(b.len()) >= MIN_SEEDS;
    let error = enough.then(|| {
        let squares = |v: &[f64]| sample_sd(v).map_or(0.0, |sd| sd * sd * (v.len() - 1) as f64);
        let df = a.len() + b.len() - 2;
        let variance = (squares(a) + squares(b)) / df as f64;
        let share = 1.0 / a.len() as f64 + 1.0 / b.len() as f64;
        StandardError {
            value: (variance * share).sqrt(),
            df,
        }
    });
    let n = a.len() + b.len();
    Some(Difference::new(n, mean(a) - mean(b), error, confidence))
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
        close(d.p_beyond(0.0).unwrap(), 0.01680655966149485);
        let (low, high) = d.interval.unwrap();
        close(low, 0.0011235934328005007);
        close(high, 0.00643640656719951);
        // stats.ttest_1samp(a - b, 0.001).
        close(d.p_beyond(0.001).unwrap(), 0.04386999962642498);
        close(d.reversed().interval.unwrap().0, -0.00643640656719951);
        close(d.reversed().p_beyond(0.001).unwrap(), 0.04386999962642498);
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
    fn pooled_is_scipys_ttest_ind() {
        let d = pooled(&A, &B[..3], 0.95).unwrap();
        close(d.p_beyond(0.0).unwrap(), 0.06023976976090657);
        let (low, high) = d.interval.unwrap();
        close(low, -0.00028371742032417234);
        close(high, 0.009883717420324225);
        // One run against five: mean -+ t(0.975, 4) * sd * sqrt(1 + 1/5).
        let (low, high) = pooled(&[0.905], &A, 0.95).unwrap().interval.unwrap();
        close(low, -0.020763464951674818);
        close(high, -0.0014365350483249578);
        assert_eq!(pooled(&A[..2], &B[..2], 0.95).unwrap().interval, None);
    }

    #[test]
    fn no_spread_has_no_p() {
        let d = paired(&by_seed(&[0.5, 0.6, 0.7]), &by_seed(&[0.5, 0.6, 0.7]), 0.95).unwrap();
        assert_eq!(d.interval, Some((0.0, 0.0)));
        assert_eq!(d.p_beyond(0.0), None);
    }
}
