//! Which difference a design can see, and what it would take to see another.

use super::MIN_SEEDS;
use super::crossed::{Estimate, Sampling};
use super::summary::students_t;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

/// The chance with which a difference is to be seen.
pub const POWER: f64 = 0.8;

/// Variances of a difference, by what they come of; with them other numbers of seeds and people
/// are computed.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Variances {
    /// Of one seed, were there people without end.
    pub seed: f64,
    /// Of one person, whatever the seed: divided by the number of people.
    pub person: f64,
    /// Of one person with one seed: divided by both.
    pub both: f64,
}

/// Numbers that would let a difference be seen, one of the two changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// With the same people; none where no number of seeds is enough.
    pub seeds: Option<usize>,
    /// With the same seeds; none where no number of people is enough, or they are not known.
    pub people: Option<usize>,
}

/// More than these are not asked for.
pub const MOST_SEEDS: usize = 1000;
const MOST_PEOPLE: usize = 1_000_000;

impl Variances {
    /// As an estimate shows them; none without an error.
    pub fn of(estimate: &Estimate) -> Option<(Variances, usize)> {
        let error = estimate.error?;
        let (seeds, people) = (estimate.seeds as f64, (error.df.1 + 1) as f64);
        let of_seeds = seeds * error.seeds;
        let both = seeds * error.both;
        let variances = Variances {
            seed: (of_seeds - both).max(0.0),
            person: people * error.people,
            both: people * both,
        };
        Some((variances, error.df.1 + 1))
    }

    /// What n seeds and P people leave; people of 0 variance count as enough.
    pub fn sampling(&self, seeds: usize, people: usize) -> Sampling {
        let (n, p) = (seeds as f64, people.max(2) as f64);
        let both = self.both / p / n;
        Sampling {
            seeds: self.seed / n + both,
            people: self.person / p,
            both,
            df: (seeds.saturating_sub(1).max(1), people.max(2) - 1),
        }
    }

    /// The smallest numbers, one of them changed at a time, with which a difference of `size` is
    /// seen with the chance `power`.
    pub fn needed(
        &self,
        size: f64,
        (seeds, people): (usize, usize),
        confidence: f64,
        power: f64,
    ) -> Needed {
        let seen = |n: usize, p: usize| {
            n >= MIN_SEEDS && detectable(&self.sampling(n, p), confidence, power) <= size
        };
        let knows_people = self.person + self.both > 0.0;
        Needed {
            seeds: least(seeds.max(MIN_SEEDS), MOST_SEEDS, |n| seen(n, people)),
            people: least(people, MOST_PEOPLE, |p| knows_people && seen(seeds, p)),
        }
    }
}

/// The smallest number from `from` to `most` that is enough; more are enough, too.
fn least(from: usize, most: usize, enough: impl Fn(usize) -> bool) -> Option<usize> {
    if !enough(most) {
        return None;
    }
    let (mut low, mut high) = (from, most);
    while low < high {
        let middle = low.midpoint(high);
        match enough(middle) {
            true => high = middle,
            false => low = middle + 1,
        }
    }
    Some(low)
}

/// The difference that a two-sided test of this level sees with the chance `power`: of each part
/// of the error the one that its t test sees, weighted as their quantiles are.
pub fn detectable(error: &Sampling, confidence: f64, power: f64) -> f64 {
    let sum = error.seeds + error.people;
    let shift = |part: f64, df: usize| match part > 0.0 {
        true => part * noncentrality(df, confidence, power),
        false => 0.0,
    };
    if sum <= 0.0 {
        return 0.0;
    }
    (shift(error.seeds, error.df.0) + shift(error.people, error.df.1)) / sum.sqrt()
}

/// The noncentrality at which a two-sided t test has the chance `power` to decide for the right
/// side.
fn noncentrality(df: usize, confidence: f64, power: f64) -> f64 {
    let t = -students_t(df).inverse_cdf((1.0 - confidence) / 2.0);
    let (mut low, mut high) = (0.0, 10.0 * t + 10.0);
    for _ in 0..50 {
        let middle = f64::midpoint(low, high);
        match beyond(t, df, middle) < power {
            true => low = middle,
            false => high = middle,
        }
    }
    f64::midpoint(low, high)
}

/// The chance that Student's t with a noncentrality lies above `t`: that of a normal number above
/// t s, over the distribution of s = chi / sqrt(df) (Johnson & Kotz, Continuous Univariate
/// Distributions 2, chapter 31), by Simpson's rule.
fn beyond(t: f64, df: usize, noncentrality: f64) -> f64 {
    const STEPS: usize = 400;
    let k = df as f64;
    let spread = 8.0 / (2.0 * k).sqrt();
    let (from, to) = ((1.0 - spread).max(0.0), 1.0 + spread.max(1.0));
    let log_of = |s: f64| (k - 1.0) * s.ln() - k * s * s / 2.0;
    // The largest density is 1, so that nothing overflows; the sum of densities divides.
    let most = log_of((1.0 - 1.0 / k).max(1e-3).sqrt());
    let (mut sum, mut weight) = (0.0, 0.0);
    for i in 0..=STEPS {
        let s = from + (to - from) * i as f64 / STEPS as f64;
        let simpson = match i {
            0 | STEPS => 1.0,
            i if i % 2 == 1 => 4.0,
            _ => 2.0,
        };
        let density = match (s > 0.0, df) {
            (true, _) => (log_of(s) - most).exp(),
            (false, 1) => (-most).exp(),
            (false, _) => 0.0,
        };
        weight += simpson * density;
        sum += simpson * density * Normal::standard().cdf(noncentrality - t * s);
    }
    sum / weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noncentralities_are_those_of_scipy() {
        // SciPy 1.17.1: the root in d of stats.nct.sf(stats.t.ppf(0.5 + c / 2, df), df, d) - power.
        for (df, confidence, power, want) in [
            (2, 0.95, 0.8, 5.653489266405569),
            (4, 0.95, 0.8, 3.7610602610043027),
            (7, 0.95, 0.8, 3.269762149402478),
            (15, 0.9, 0.9, 3.069205031923035),
            (299, 0.99, 0.8, 3.4365361152508926),
            (1, 0.95, 0.8, 16.334008869920975),
        ] {
            let got = noncentrality(df, confidence, power);
            assert!((got - want).abs() < 1e-4 * want, "{df}: {got}, want {want}");
        }
    }

    #[test]
    fn what_is_needed_is_just_enough() {
        let variances = Variances {
            seed: 1e-4,
            person: 0.02,
            both: 0.01,
        };
        let sees = |n, p| detectable(&variances.sampling(n, p), 0.95, POWER);
        let size = 0.015;
        let needed = variances.needed(size, (3, 1000), 0.95, POWER);
        let (n, p) = (needed.seeds.unwrap(), 1000);
        assert!(sees(n, p) <= size && sees(n - 1, p) > size, "{n}");
        // Three seeds are too few, however many people there are.
        assert_eq!(needed.people, None);
        let needed = variances.needed(0.05, (3, 300), 0.95, POWER);
        let p = needed.people.unwrap();
        assert!(
            sees(3, p) <= 0.05 && (p == 300 || sees(3, p - 1) > 0.05),
            "{p}"
        );
        // What people leave no number of seeds takes away.
        let seeds = variances.needed(0.01, (3, 1000), 0.95, POWER).seeds;
        assert_eq!(seeds, None);
    }

    #[test]
    fn variances_give_the_sampling_that_they_are_of() {
        let error = Sampling {
            seeds: 3e-5,
            people: 2e-5,
            both: 1e-5,
            df: (4, 99),
        };
        let estimate = Estimate {
            seeds: 5,
            mean: 0.1,
            error: Some(error),
        };
        let (variances, people) = Variances::of(&estimate).unwrap();
        let again = variances.sampling(5, people);
        assert!((again.seeds - error.seeds).abs() < 1e-18);
        assert!((again.people - error.people).abs() < 1e-18);
        assert_eq!(again.df, error.df);
    }
}
