//! One method over its seeds.

use super::MIN_SEEDS;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Mean and spread over seeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    pub n: usize,
    pub mean: f64,
    /// Sample standard deviation (divides by n - 1); none below [`MIN_SEEDS`] values.
    pub sd: Option<f64>,
    /// t interval of the mean; none below [`MIN_SEEDS`] values.
    pub interval: Option<(f64, f64)>,
}

/// Summarises values over seeds; `confidence` is 0.95 for a 95 % interval. None of nothing.
pub fn summarize(values: &[f64], confidence: f64) -> Option<Summary> {
    if values.is_empty() {
        return None;
    }
    let (n, mean) = (values.len(), mean(values));
    let sd = sample_sd(values).filter(|_| n >= MIN_SEEDS);
    let interval = sd.map(|sd| {
        let half = t_quantile(n - 1, confidence) * sd / (n as f64).sqrt();
        (mean - half, mean + half)
    });
    Some(Summary {
        n,
        mean,
        sd,
        interval,
    })
}

/// Arithmetic mean; NaN of nothing.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn squares(values: &[f64]) -> f64 {
    let m = mean(values);
    values.iter().map(|v| (v - m) * (v - m)).sum()
}

/// Standard deviation of a whole population (divides by n), NumPy's default; NaN of nothing.
pub fn population_sd(values: &[f64]) -> f64 {
    (squares(values) / values.len() as f64).sqrt()
}

/// Standard deviation of a sample (divides by n - 1); none below two values.
pub fn sample_sd(values: &[f64]) -> Option<f64> {
    (values.len() >= 2).then(|| (squares(values) / (values.len() - 1) as f64).sqrt())
}

/// Half-width of a two-sided t interval in standard errors. `df` of at least 1.
pub fn t_quantile(df: usize, confidence: f64) -> f64 {
    students_t(df).inverse_cdf(0.5 + confidence / 2.0)
}

pub(super) fn students_t(df: usize) -> StudentsT {
    StudentsT::new(0.0, 1.0, df.max(1) as f64).expect("degrees of freedom are positive")
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALUES: [f64; 5] = [0.912, 0.918, 0.9155, 0.9203, 0.9147];

    #[test]
    fn summary_is_that_of_scipy() {
        // SciPy 1.17.1: stats.t.interval(0.95, 4, loc=mean, scale=stats.sem(values)).
        let s = summarize(&VALUES, 0.95).unwrap();
        assert!((s.mean - 0.9161).abs() < 1e-15);
        assert!((s.sd.unwrap() - 0.003177262973063454).abs() < 1e-15);
        let (low, high) = s.interval.unwrap();
        assert!((low - 0.9121549069535212).abs() < 1e-9, "{low}");
        assert!((high - 0.9200450930464786).abs() < 1e-9, "{high}");
    }

    #[test]
    fn two_seeds_show_no_spread() {
        let s = summarize(&VALUES[..2], 0.95).unwrap();
        assert_eq!((s.n, s.sd, s.interval), (2, None, None));
        assert_eq!(summarize(&[], 0.95), None);
        assert!(summarize(&VALUES[..3], 0.95).unwrap().sd.is_some());
    }
}
