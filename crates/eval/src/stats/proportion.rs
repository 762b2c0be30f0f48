//! Proportions and several tests at once.

use statrs::distribution::{ContinuousCDF, Normal};

/// Wilson's interval of a proportion of independent trials; `(0, 1)` of none.
pub fn wilson(successes: u64, trials: u64, confidence: f64) -> (f64, f64) {
    if trials == 0 {
        return (0.0, 1.0);
    }
    let z = Normal::standard().inverse_cdf(0.5 + confidence / 2.0);
    wilson_of(successes as f64 / trials as f64, trials as f64, z)
}

/// Wilson's interval of the rate `p` over `n` trials, which may be an effective number, with any
/// quantile in place of the normal one (Franco et al., J. Surv. Stat. Methodol. 7, 2019).
pub fn wilson_of(p: f64, n: f64, quantile: f64) -> (f64, f64) {
    let z = quantile;
    let denominator = 1.0 + z * z / n;
    let centre = (p + z * z / (2.0 * n)) / denominator;
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt() / denominator;
    // The bounds at 0 and 1 are exact; rounding must not cross them.
    let low = if p <= 0.0 { 0.0 } else { centre - half };
    let high = if p >= 1.0 { 1.0 } else { centre + half };
    (low.max(0.0), high.min(1.0))
}

/// Holm's step-down correction: adjusted p values in the order given.
pub fn holm(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut adjusted = vec![0.0; p.len()];
    let mut largest = 0.0f64;
    for (rank, &i) in order.iter().enumerate() {
        largest = largest.max(p[i] * (p.len() - rank) as f64).min(1.0);
        adjusted[i] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_is_that_of_statsmodels() {
        // statsmodels 0.15.0: proportion_confint(k, n, 0.05, "wilson").
        for (k, n, low, high) in [
            (0, 10, 0.0, 0.27753279986288926),
            (7, 10, 0.39677814746114537, 0.8922087325936989),
            (5988, 6000, 0.9965072090880177, 0.9988555167581502),
            (6000, 6000, 0.9993601665122168, 1.0),
        ] {
            let got = wilson(k, n, 0.95);
            assert!(
                (got.0 - low).abs() < 1e-9 && (got.1 - high).abs() < 1e-9,
                "{got:?}"
            );
        }
    }

    #[test]
    fn holm_is_that_of_statsmodels() {
        // multipletests([...], method="holm").
        let got = holm(&[0.01, 0.04, 0.03, 0.005, 0.2]);
        for (got, want) in got.iter().zip([0.04, 0.09, 0.09, 0.025, 0.2]) {
            assert!((got - want).abs() < 1e-12);
        }
        assert!(holm(&[]).is_empty());
    }
}
