//! A number and its error over training seeds and test people, as crossed random factors.
//!
//! Every network is scored on the same people, and every person by every network, so that the mean
//! over n seeds has the variance S²/n + C: S² is the sample variance over seeds, and C the
//! covariance that the people give to the numbers of two different seeds (Obuchowski & Rockette,
//! Commun. Stat. Simul. 24, 1995; Hillis, Stat. Med. 26, 2007, eq. 9 to 11, where for a paired
//! difference C is 2 (Cov2 - Cov3); a negative C counts as 0). C comes from [`People`].
//!
//! The two parts have errors of their own, with n - 1 and P - 1 degrees of freedom for P people.
//! Their quantile is that of Cochran and Cox (Experimental Designs, 2nd edition, 1957, section
//! 4.14): the mean of both t quantiles, weighted by the parts. With few seeds the degrees of
//! freedom of Hillis or Satterthwaite are taken too high where S² is small by chance, and cover
//! too little; `tests/coverage.rs` simulates what is attained.

use super::MIN_SEEDS;
use super::people::People;
use super::proportion::wilson_of;
use super::summary::{mean, sample_sd, students_t};
use serde::{Deserialize, Serialize};
use statrs::distribution::ContinuousCDF;

/// A spread below this is one of rounding: metrics are rates.
const ROUNDING: f64 = 1e-12;

/// One quantity, measured once per seed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sample {
    pub values: Vec<f64>,
    /// What each trial adds to each value; none where that is not known for every seed.
    pub trials: Option<Vec<Vec<f64>>>,
}

impl Sample {
    /// This and `times` the other one, seed by seed; both have the same seeds and trials.
    pub fn plus(&self, times: f64, other: &Sample) -> Sample {
        let add = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a + times * b).collect();
        let trials = self.trials.as_ref().zip(other.trials.as_ref());
        Sample {
            values: add(&self.values, &other.values),
            trials: trials.map(|(a, b)| a.iter().zip(b).map(|(a, b)| add(a, b)).collect()),
        }
    }

    /// The mean over its seeds, held fixed, for as many seeds as are asked for.
    pub fn held(&self, seeds: usize) -> Sample {
        Sample {
            values: vec![mean(&self.values); seeds],
            trials: self.mean_of_trials().map(|mean| vec![mean; seeds]),
        }
    }

    fn mean_of_trials(&self) -> Option<Vec<f64>> {
        let trials = self.trials.as_ref()?;
        let mut sum = vec![0.0; trials.first()?.len()];
        for values in trials {
            let share = values.iter().map(|v| v / trials.len() as f64);
            sum.iter_mut().zip(share).for_each(|(s, v)| *s += v);
        }
        Some(sum)
    }
}

/// A mean over seeds, and what is known of its error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    pub seeds: usize,
    pub mean: f64,
    /// None below [`MIN_SEEDS`] seeds, and where nothing shows an error: equal values in all
    /// seeds of trials that are not known.
    pub error: Option<Sampling>,
}

/// Squared standard errors, by what was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sampling {
    /// Of the training seeds: S²/n.
    pub seeds: f64,
    /// Of the test people: C; 0 where the trials are not known.
    pub people: f64,
    /// What of `seeds` is people to which seeds differ: (V - C)/n, V being the variance that
    /// people give to a single seed's value.
    pub both: f64,
    /// n - 1 and P - 1.
    pub df: (usize, usize),
}

impl Sampling {
    /// The standard error.
    pub fn value(&self) -> f64 {
        (self.seeds + self.people).sqrt()
    }

    /// Half of a two-sided interval in standard errors. `confidence` is 0.95 for 95 %.
    pub fn quantile(&self, confidence: f64) -> f64 {
        let tail = (1.0 - confidence) / 2.0;
        self.weighted(|df| -students_t(df).inverse_cdf(tail))
    }

    fn weighted(&self, of: impl Fn(usize) -> f64) -> f64 {
        match (self.seeds > 0.0, self.people > 0.0) {
            (true, true) => {
                let sum = self.seeds + self.people;
                (self.seeds * of(self.df.0) + self.people * of(self.df.1)) / sum
            }
            (true, false) => of(self.df.0),
            (false, _) => of(self.df.1),
        }
    }

    /// The chance of a deviation of more than `distance` to one side: the level at which
    /// [`quantile`](Self::quantile) reaches it.
    pub fn tail(&self, distance: f64) -> f64 {
        let t = distance.abs() / self.value();
        let beyond = |df: usize| students_t(df).sf(t);
        let ends = match (self.seeds > 0.0, self.people > 0.0) {
            (true, true) => (beyond(self.df.0), beyond(self.df.1)),
            (true, false) => (beyond(self.df.0), beyond(self.df.0)),
            (false, _) => (beyond(self.df.1), beyond(self.df.1)),
        };
        let (mut low, mut high) = (ends.0.min(ends.1), ends.0.max(ends.1));
        // Between the two tails the quantile falls with the level.
        for _ in 0..60 {
            if high - low <= 1e-12 * high {
                break;
            }
            let middle = low.midpoint(high);
            match self.quantile(1.0 - 2.0 * middle) > t {
                true => low = middle,
                false => high = middle,
            }
        }
        let tail = low.midpoint(high);
        if distance < 0.0 { 1.0 - tail } else { tail }
    }
}

impl Estimate {
    /// Of a sample on these people. Errors of rates are never 0: where the trials of a seed show
    /// less, the variance is that of half a person for and half a person against, 1/(P + 2)²
    /// (Agresti & Min, Stat. Med. 24, 2005, for differences of matched proportions).
    ///
    /// None of nothing.
    pub fn of(sample: &Sample, people: Option<&People>) -> Option<Estimate> {
        let n = sample.values.len();
        if n == 0 {
            return None;
        }
        let count = n as f64;
        // Equal values that were computed by subtraction differ in their last bits.
        let rounded = |sd: f64| if sd < ROUNDING { 0.0 } else { sd };
        let spread = sample_sd(&sample.values)
            .filter(|_| n >= MIN_SEEDS)
            .map(rounded);
        let error = spread.and_then(|sd| {
            let mut error = Sampling {
                seeds: sd * sd / count,
                people: 0.0,
                both: 0.0,
                df: (n - 1, 1),
            };
            if let Some((people, shared, single)) = people.and_then(|p| shared(sample, sample, p)) {
                let least = 1.0 / (people + 2.0).powi(2);
                error.people = match single < least {
                    true => shared.max(0.0).max(least - error.seeds),
                    false => shared.max(0.0),
                };
                error.both = ((single - shared) / count).clamp(0.0, error.seeds);
                error.df.1 = (people as usize).saturating_sub(1).max(1);
            }
            (error.value() > 0.0).then_some(error)
        });
        Some(Estimate {
            seeds: n,
            mean: mean(&sample.values),
            error,
        })
    }

    /// None without an error.
    pub fn interval(&self, confidence: f64) -> Option<(f64, f64)> {
        let error = self.error?;
        let half = error.quantile(confidence) * error.value();
        Some((self.mean - half, self.mean + half))
    }

    /// The interval of a rate: it does not leave [0, 1].
    pub fn rate_interval(&self, confidence: f64) -> Option<(f64, f64)> {
        let error = self.error?;
        let variance = self.mean * (1.0 - self.mean);
        let trials = match variance > 0.0 {
            true => variance / error.value().powi(2),
            // None or all of the trials: as many as there are people, where they are known.
            false if error.people > 0.0 => (error.df.1 + 1) as f64,
            false => return None,
        };
        Some(wilson_of(
            self.mean.clamp(0.0, 1.0),
            trials,
            error.quantile(confidence),
        ))
    }

    /// Two-sided p of a mean other than 0; never 0 by itself, as no error is.
    pub fn p(&self) -> Option<f64> {
        Some((2.0 * self.error?.tail(self.mean.abs())).min(1.0))
    }

    /// The larger p of two one-sided tests that the mean lies within (-margin, margin)
    /// (Schuirmann, J. Pharmacokinet. Biopharm. 15, 1987).
    pub fn p_within(&self, margin: f64) -> Option<f64> {
        Some(self.error?.tail(margin - self.mean.abs()))
    }
}

/// Number of people; the covariance that they give to numbers of different seeds, mean over pairs
/// of seeds; and to numbers of one seed, mean over seeds. With n seeds, n² times the covariance of
/// the means is the sum over all pairs of seeds.
pub(super) fn shared(a: &Sample, b: &Sample, people: &People) -> Option<(f64, f64, f64)> {
    let (x, y) = (a.trials.as_ref()?, b.trials.as_ref()?);
    let n = x.len() as f64;
    let single = x.iter().zip(y).map(|(x, y)| people.covariance(x, y));
    let single = single.sum::<f64>() / n;
    let of_means = people.covariance(&a.mean_of_trials()?, &b.mean_of_trials()?);
    let shared = (n * of_means - single) / (n - 1.0);
    Some((people.count() as f64, shared, single))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two rows, four seeds, six trials of three people, and what follows from them.
    fn sample() -> (Sample, People) {
        let right: [[f64; 6]; 4] = [
            [1.0, 0.0, 1.0, 1.0, 0.0, 1.0],
            [1.0, 1.0, 0.0, 1.0, 0.0, 1.0],
            [1.0, 0.0, 1.0, 1.0, 1.0, 1.0],
            [0.0, 0.0, 1.0, 1.0, 0.0, 1.0],
        ];
        let values: Vec<f64> = right.iter().map(|r| mean(r)).collect();
        let trials = right.iter().zip(&values);
        let trials = trials.map(|(r, m)| r.iter().map(|v| (v - m) / 6.0).collect());
        let people = People::new(&[[0, 0], [0, 1], [1, 1], [1, 2], [2, 2], [0, 2]]);
        let trials = Some(trials.collect());
        (Sample { values, trials }, people)
    }

    #[test]
    fn parts_are_those_of_all_pairs_of_seeds() {
        let (sample, people) = sample();
        let trials = sample.trials.clone().unwrap();
        let mut pairs = Vec::new();
        for (j, x) in trials.iter().enumerate() {
            for (k, y) in trials.iter().enumerate() {
                if j != k {
                    pairs.push(people.covariance(x, y));
                }
            }
        }
        let (_, shared, _) = shared(&sample, &sample, &people).unwrap();
        assert!((shared - mean(&pairs)).abs() < 1e-15, "{shared}");
        let got = Estimate::of(&sample, Some(&people)).unwrap();
        let error = got.error.unwrap();
        let sd = sample_sd(&sample.values).unwrap();
        assert!((error.seeds - sd * sd / 4.0).abs() < 1e-15);
        assert_eq!(error.df, (3, 2));
        assert!(error.people >= shared.max(0.0));
    }

    #[test]
    fn without_people_it_is_the_t_test() {
        // SciPy 1.17.1: stats.ttest_rel(A, B), stats.ttest_1samp(A - B, 0.001).
        let differences = [0.003, 0.0059, 0.0027, 0.0061, 0.0012];
        let sample = Sample {
            values: differences.to_vec(),
            trials: None,
        };
        let got = Estimate::of(&sample, None).unwrap();
        let (low, high) = got.interval(0.95).unwrap();
        assert!((low - 0.0011235934328005007).abs() < 1e-9, "{low}");
        assert!((high - 0.00643640656719951).abs() < 1e-9, "{high}");
        assert!((got.p().unwrap() - 0.01680655966149485).abs() < 1e-9);
    }

    #[test]
    fn quantile_and_tail_agree() {
        let error = Sampling {
            seeds: 2e-4,
            people: 1e-4,
            both: 0.0,
            df: (2, 299),
        };
        // (2 t(0.975, 2) + t(0.975, 299)) / 3 by scipy.stats.t.ppf.
        let want = (2.0 * 4.302652729749462 + 1.9679296690656698) / 3.0;
        assert!((error.quantile(0.95) - want).abs() < 1e-7);
        for confidence in [0.5, 0.9, 0.95, 0.999] {
            let distance = error.quantile(confidence) * error.value();
            let tail = error.tail(distance);
            assert!(
                (tail - (1.0 - confidence) / 2.0).abs() < 1e-7,
                "{confidence}"
            );
            assert!((error.tail(-distance) - (1.0 - tail)).abs() < 1e-7);
        }
    }

    #[test]
    fn equal_differences_are_no_certainty() {
        let values = vec![0.25, 0.25 + 1e-16, 0.25 - 1e-16];
        let unknown = Sample {
            values: values.clone(),
            trials: None,
        };
        let got = Estimate::of(&unknown, None).unwrap();
        assert_eq!((got.error, got.p(), got.interval(0.95)), (None, None, None));
        // With known trials, the people alone have an error.
        let known = Sample {
            values,
            trials: Some(vec![vec![0.0; 40]; 3]),
        };
        let people = People::apart(40);
        let got = Estimate::of(&known, Some(&people)).unwrap();
        assert!((got.error.unwrap().value() - 1.0 / 42.0).abs() < 1e-12);
        assert!(got.p().unwrap() > 0.0);
    }

    #[test]
    fn rates_stay_rates() {
        let of = |values: &[f64]| {
            Estimate::of(
                &Sample {
                    values: values.to_vec(),
                    trials: Some(vec![vec![0.0; 40]; values.len()]),
                },
                Some(&People::apart(40)),
            )
        };
        for values in [[0.0; 3], [1.0; 3], [0.0, 0.01, 0.05], [0.9, 1.0, 1.0]] {
            let (low, high) = of(&values).unwrap().rate_interval(0.95).unwrap();
            assert!(
                0.0 <= low && low < high && high <= 1.0,
                "{values:?}: {low} {high}"
            );
        }
        let seeds = Sample {
            values: vec![0.0; 3],
            trials: None,
        };
        assert_eq!(
            Estimate::of(&seeds, None).unwrap().rate_interval(0.95),
            None
        );
    }
}
