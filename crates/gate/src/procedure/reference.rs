//! What a baseline knows of a value, and how far a night is from it.

use frbench_eval::stats::{BySeed, MIN_SEEDS, mean, sample_sd};
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::{CONFIRM, CONFIRMING, PRIMARIES, SCREEN};

/// A value over the seeds of a baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Reference {
    values: BySeed,
    pub mean: f64,
    /// Sample standard deviation over seeds, at least a quarter of the tolerance: a value that is
    /// the same with every seed has a spread that was not seen.
    pub sd: f64,
    /// Of the values of one seed in two builds that are equally good; 0 where it is not known.
    pub correlation: f64,
    higher_is_better: bool,
}

/// Some seeds of a night.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    pub n: usize,
    /// Mean loss against the baseline in its standard deviations; negative for a gain.
    pub loss: f64,
}

impl Sample {
    /// Both together.
    pub fn and(&self, other: &Sample) -> Sample {
        let n = self.n + other.n;
        let sum = self.n as f64 * self.loss + other.n as f64 * other.loss;
        Sample {
            n,
            loss: sum / n.max(1) as f64,
        }
    }
}

impl Reference {
    /// None below [`MIN_SEEDS`] seeds, or where a value is no number.
    pub fn new(
        values: BySeed,
        higher_is_better: bool,
        tolerance: f64,
        correlation: f64,
    ) -> Option<Reference> {
        let all: Vec<f64> = values.values().copied().collect();
        if all.len() < MIN_SEEDS || all.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let sd = sample_sd(&all)?.max(tolerance / 4.0).max(f64::EPSILON);
        Some(Reference {
            mean: mean(&all),
            sd,
            values,
            correlation: correlation.clamp(0.0, 0.99),
            higher_is_better,
        })
    }

    /// Seeds that it rests on.
    pub fn n(&self) -> usize {
        self.values.len()
    }

    /// The values of a night, by seed, against the baseline; none without a value.
    pub fn sample(&self, night: &BySeed) -> Option<Sample> {
        if night.is_empty() {
            return None;
        }
        let sign = if self.higher_is_better { 1.0 } else { -1.0 };
        let loss = |(seed, value): (&u64, &f64)| {
            // What this seed is above the mean in the baseline, it is here, too, in part.
            let own = self.values.get(seed).map_or(0.0, |v| v - self.mean);
            sign * (self.mean + self.correlation * own - value) / self.sd
        };
        let losses: Vec<f64> = night.iter().map(loss).collect();
        Some(Sample {
            n: losses.len(),
            loss: mean(&losses),
        })
    }

    /// Standard error of a loss over `seeds` seeds, in standard deviations: with the night's values
    /// y = m + r (x - m) + e, that of the baseline's mean counts by 1 - r, and e has the variance
    /// 1 - r^2.
    pub fn error(&self, seeds: usize) -> f64 {
        let r = self.correlation;
        let of_mean = (1.0 - r).powi(2) / self.n() as f64;
        (of_mean + (1.0 - r * r) / seeds as f64).sqrt()
    }

    /// One-sided p of no loss.
    pub fn p(&self, sample: &Sample) -> f64 {
        self.t().sf(sample.loss / self.error(sample.n))
    }

    /// 95 % interval of the change that a sample shows, in the unit of the metric; positive is
    /// better.
    pub fn change(&self, sample: &Sample) -> (f64, f64) {
        let half = self.t().inverse_cdf(0.975) * self.error(sample.n);
        let (low, high) = (-sample.loss - half, -sample.loss + half);
        (self.sd * low, self.sd * high)
    }

    fn t(&self) -> StudentsT {
        let df = (self.n() - 1) as f64;
        StudentsT::new(0.0, 1.0, df).expect("a baseline has several seeds")
    }

    /// The loss, in the unit of the metric, that one night with so many seeds finds and confirms
    /// nine times in ten.
    pub fn visible(&self, seeds: usize) -> f64 {
        let normal = Normal::standard();
        // Each of the two steps in 95 of 100.
        let reach = |level: f64, seeds: usize| {
            (self.t().inverse_cdf(1.0 - level) + normal.inverse_cdf(0.95)) * self.error(seeds)
        };
        let screened = reach(SCREEN / PRIMARIES as f64, seeds);
        self.sd * screened.max(reach(CONFIRM, CONFIRMING))
    }

    /// Seeds a night that make half of that loss visible to screening; none where the baseline has
    /// too few seeds for any number.
    pub fn seeds_for_half(&self, seeds: usize) -> Option<usize> {
        let normal = Normal::standard();
        let level = SCREEN / PRIMARIES as f64;
        let reach = self.t().inverse_cdf(1.0 - level) + normal.inverse_cdf(0.95);
        let wanted = self.visible(seeds) / self.sd / 2.0;
        (seeds..=1000).find(|k| reach * self.error(*k) <= wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(correlation: f64, higher: bool) -> Reference {
        let values = (1..=30).map(|s| (s, 0.8 + 0.01 * f64::from((s % 5) as u32)));
        Reference::new(values.collect(), higher, 0.001, correlation).unwrap()
    }

    #[test]
    fn a_loss_has_the_direction_of_its_metric() {
        let night = BySeed::from([(1, 0.79), (2, 0.80)]);
        let loss = |higher| reference(0.0, higher).sample(&night).unwrap().loss;
        assert!(loss(true) > 1.0);
        assert!((loss(true) + loss(false)).abs() < 1e-12);
        assert_eq!(reference(0.0, true).sample(&BySeed::new()), None);
    }

    #[test]
    fn the_error_is_that_of_two_means_and_falls_with_the_correlation() {
        let error = |r: f64| reference(r, true).error(3);
        assert!((error(0.0) - (1.0f64 / 3.0 + 1.0 / 30.0).sqrt()).abs() < 1e-12);
        let want = (0.25f64 / 30.0 + 0.75 / 3.0).sqrt();
        assert!((error(0.5) - want).abs() < 1e-12);
        // A build that is the baseline but for a shift: nothing but the shift is left.
        let r = reference(0.99, true);
        let night: BySeed = (1..=3).map(|s| (s, r.values[&s] - r.sd)).collect();
        assert!((r.sample(&night).unwrap().loss - 1.0).abs() < 0.02);
    }

    #[test]
    fn p_is_that_of_scipy() {
        // SciPy: stats.t.sf(2.5, 29), stats.t.sf(-1, 29).
        let r = reference(0.0, true);
        let p = |t: f64| {
            r.p(&Sample {
                n: 3,
                loss: t * r.error(3),
            })
        };
        assert!((p(2.5) - 0.009_164_4).abs() < 1e-5, "{}", p(2.5));
        assert!((p(-1.0) - 0.837_22).abs() < 1e-4, "{}", p(-1.0));
    }

    #[test]
    fn a_baseline_says_what_it_sees() {
        let r = reference(0.0, true);
        let (three, ten) = (r.visible(3) / r.sd, r.visible(10) / r.sd);
        assert!((2.0..3.0).contains(&three), "{three}");
        assert!(ten < three);
        assert!(r.seeds_for_half(3).unwrap() > 12);
    }

    #[test]
    fn a_value_that_never_varies_has_a_spread_that_was_not_seen() {
        let same: BySeed = (1..=30).map(|s| (s, 1.0)).collect();
        let r = Reference::new(same, true, 0.02, 0.0).unwrap();
        assert_eq!(r.sd, 0.005);
        assert!(Reference::new(BySeed::from([(1, 0.5), (2, 0.5)]), true, 0.0, 0.0).is_none());
        let odd: BySeed = (1..=3).map(|s| (s, f64::NAN)).collect();
        assert!(Reference::new(odd, true, 0.0, 0.0).is_none());
    }
}
