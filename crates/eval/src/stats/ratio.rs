//! A share of a gap: the ratio of two differences that have a baseline in common.
//!
//! Fieller's set (J. R. Stat. Soc. B 16, 1954) holds the ratios r at which `x - r y` does not differ
//! from 0: what x and y have in common, such as the student that both are held against, is in the
//! error of `x - r y`. The set is an interval only if y itself differs from 0; a ratio without one
//! is not stated.

use super::MIN_SEEDS;
use super::crossed::{Sample, shared};
use super::people::People;
use super::summary::{mean, sample_sd, students_t};
use serde::{Deserialize, Serialize};
use statrs::distribution::ContinuousCDF;

/// A ratio and its interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ratio {
    pub value: f64,
    pub interval: (f64, f64),
}

/// The parts of the variance of `x - r y`, each a parabola in r.
struct Parts {
    mean: [f64; 2],
    /// Of x, of both, of y.
    seeds: [f64; 3],
    people: [f64; 3],
    /// t quantiles of the parts.
    quantile: [f64; 2],
}

/// The ratio of the means of `x` and `y`, seed by seed on the same people. None where its set is
/// unbounded, and below [`MIN_SEEDS`] seeds.
pub fn ratio(x: &Sample, y: &Sample, people: Option<&People>, confidence: f64) -> Option<Ratio> {
    let n = x.values.len();
    if n < MIN_SEEDS || y.values.len() != n {
        return None;
    }
    let variance = |values: &[f64]| Some(sample_sd(values)?.powi(2) / n as f64);
    let (xx, yy) = (variance(&x.values)?, variance(&y.values)?);
    // Var(x + y) = Var(x) + 2 Cov(x, y) + Var(y).
    let sums = x.values.iter().zip(&y.values).map(|(x, y)| x + y);
    let xy = (variance(&sums.collect::<Vec<f64>>())? - xx - yy) / 2.0;
    let of_people = |a: &Sample, b: &Sample| shared(a, b, people?).map(|s| s.1);
    let of_people = of_people(x, x)
        .zip(of_people(x, y))
        .zip(of_people(y, y))
        .map_or([0.0; 3], |((xx, xy), yy)| [xx, xy, yy]);
    let tail = (1.0 - confidence) / 2.0;
    let quantile = |df: usize| -students_t(df).inverse_cdf(tail);
    let free = people.map_or(1, |p| p.count().saturating_sub(1).max(1));
    let parts = Parts {
        mean: [mean(&x.values), mean(&y.values)],
        seeds: [xx, xy, yy],
        people: of_people,
        quantile: [quantile(n - 1), quantile(free)],
    };
    parts.solve()
}

impl Parts {
    /// Above 0 where `x - r y` differs from 0: its square over that of half its interval, less 1.
    fn beyond(&self, r: f64) -> f64 {
        let at = |v: &[f64; 3]| (v[0] - 2.0 * r * v[1] + r * r * v[2]).max(0.0);
        self.excess(
            self.mean[0] - r * self.mean[1],
            at(&self.seeds),
            at(&self.people),
        )
    }

    fn excess(&self, mean: f64, seeds: f64, people: f64) -> f64 {
        let sum = seeds + people;
        if sum <= 0.0 {
            return if mean == 0.0 { -1.0 } else { f64::INFINITY };
        }
        let half = (seeds * self.quantile[0] + people * self.quantile[1]) / sum.sqrt();
        (mean / half).powi(2) - 1.0
    }

    fn solve(&self) -> Option<Ratio> {
        let gap = self.excess(
            self.mean[1],
            self.seeds[2].max(0.0),
            self.people[2].max(0.0),
        );
        if gap <= 0.0 || self.seeds[2] + self.people[2].max(0.0) <= 0.0 {
            return None;
        }
        let value = self.mean[0] / self.mean[1];
        Some(Ratio {
            value,
            interval: (self.end(value, -1.0)?, self.end(value, 1.0)?),
        })
    }

    /// The end of the set on one side of the ratio.
    fn end(&self, value: f64, side: f64) -> Option<f64> {
        let mut step = 1e-3;
        let mut inside = value;
        while self.beyond(value + side * step) <= 0.0 {
            inside = value + side * step;
            step *= 1.5;
            if step > 1e9 {
                return None;
            }
        }
        let mut outside = value + side * step;
        for _ in 0..200 {
            let middle = inside.midpoint(outside);
            match self.beyond(middle) <= 0.0 {
                true => inside = middle,
                false => outside = middle,
            }
        }
        Some(inside.midpoint(outside))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: &[f64]) -> Sample {
        Sample {
            values: values.to_vec(),
            trials: None,
        }
    }

    #[test]
    fn over_seeds_it_is_fiellers() {
        // SciPy 1.17.1: the roots in r of stats.ttest_1samp(x - r * y, 0).pvalue - 0.05.
        let x = sample(&[0.021, 0.034, 0.027, 0.030]);
        let y = sample(&[0.101, 0.118, 0.109, 0.097]);
        let got = ratio(&x, &y, None, 0.95).unwrap();
        let (low, high) = got.interval;
        assert!((got.value - 0.26352941176470585).abs() < 1e-12);
        assert!((low - 0.19305178837702788).abs() < 1e-8, "{low}");
        assert!((high - 0.3312911985366006).abs() < 1e-8, "{high}");
    }

    #[test]
    fn a_gap_that_may_be_none_has_no_share() {
        let method = sample(&[0.02, 0.05, -0.01]);
        assert_eq!(
            ratio(&method, &sample(&[0.1, -0.05, 0.02]), None, 0.95),
            None
        );
        assert_eq!(ratio(&method, &sample(&[0.0; 3]), None, 0.95), None);
        assert_eq!(
            ratio(&sample(&[0.1; 2]), &sample(&[0.2; 2]), None, 0.95),
            None
        );
    }

    #[test]
    fn people_widen_it_less_the_more_both_differences_share_them() {
        let of = |trials: [f64; 4]| Sample {
            values: vec![0.30, 0.31, 0.29],
            trials: Some(vec![trials.to_vec(); 3]),
        };
        let people = People::apart(4);
        let gap = of([0.02, -0.02, 0.01, -0.01]);
        let width = |x: &Sample| {
            let (low, high) = ratio(x, &gap, Some(&people), 0.95).unwrap().interval;
            high - low
        };
        let same = width(&of([0.02, -0.02, 0.01, -0.01]));
        assert!(same < 1e-6, "{same}");
        assert!(width(&of([0.01, -0.02, 0.02, -0.01])) < width(&of([-0.02, 0.02, 0.01, -0.01])));
    }
}
