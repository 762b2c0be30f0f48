//! Intervals for one model by resampling identities.
//!
//! Pairs that share a person are not independent, so persons are drawn, not pairs: a draw
//! gives person i a weight w_i (how often it was drawn), a genuine pair the weight w_i and an
//! impostor pair the weight w_a * w_b.

use frbench_base::Result;
use frbench_base::registry::{Args, Kind, Param};
use frbench_base::rng::Stream;
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Resamples of a 95 % interval.
const RESAMPLES: usize = 1000;

/// How a suite states another number of them.
pub const PARAM: Param = Param {
    name: "resamples",
    kind: Kind::Int {
        min: 0,
        max: 100_000,
    },
    required: false,
    doc: "identity resamples of the 95 % intervals (default 1000)",
};

/// As stated, or the default.
pub fn resamples(args: &Args) -> Result<usize> {
    args.usize_or(PARAM.name, RESAMPLES)
}

/// Numbers persons `0..n` in the order of their ids.
pub fn number(ids: impl Iterator<Item = u32>) -> (BTreeMap<u32, u32>, usize) {
    let mut numbers: BTreeMap<u32, u32> = ids.map(|id| (id, 0)).collect();
    for (i, n) in numbers.values_mut().enumerate() {
        *n = i as u32;
    }
    let count = numbers.len();
    (numbers, count)
}

/// The 2.5 and 97.5 % points of `statistics` over draws of `people` persons with
/// replacement; each draw calls `statistics` with the weight of every person and gets one
/// value per metric. None for a metric that is NaN in more than one draw of ten (a draw
/// without genuine pairs, say), or when there are fewer than 5 persons.
pub fn intervals(
    people: usize,
    resamples: usize,
    purpose: &str,
    metrics: usize,
    statistics: impl Fn(&[u32]) -> Vec<f64> + Sync,
) -> Vec<Option<(f64, f64)>> {
    if people < 5 || resamples == 0 {
        return vec![None; metrics];
    }
    let draws: Vec<Vec<f64>> = (0..resamples as u64)
        .into_par_iter()
        .map(|draw| {
            let mut stream = Stream::derive(0, purpose, &[draw]);
            let mut weights = vec![0; people];
            for _ in 0..people {
                weights[stream.below(people as u64) as usize] += 1;
            }
            statistics(&weights)
        })
        .collect();
    (0..metrics)
        .map(|m| {
            let mut values: Vec<f64> = draws.iter().map(|d| d[m]).filter(|v| !v.is_nan()).collect();
            if values.len() * 10 < resamples * 9 {
                return None;
            }
            values.sort_by(f64::total_cmp);
            Some((quantile(&values, 0.025), quantile(&values, 0.975)))
        })
        .collect()
}

/// Trials and their outcomes under each of so many metrics, counted by person: a row for each, of its
/// trials and then of the outcomes that are true, as [`ratios`] takes them.
pub fn by_person<T>(trials: impl Iterator<Item = (u32, T)>, metrics: usize) -> Vec<Vec<u64>>
where
    T: IntoIterator<Item = bool>,
{
    let mut people: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
    for (person, outcomes) in trials {
        let row = people.entry(person).or_insert_with(|| vec![0; 1 + metrics]);
        row[0] += 1;
        for (count, hit) in row[1..].iter_mut().zip(outcomes) {
            *count += u64::from(hit);
        }
    }
    people.into_values().collect()
}

/// Intervals of rates whose trials belong to one person each: row i of `counts` holds the
/// trials of person i, then the successes under each metric.
pub fn ratios(counts: &[Vec<u64>], resamples: usize, purpose: &str) -> Vec<Option<(f64, f64)>> {
    let columns = counts.first().map_or(1, Vec::len);
    intervals(counts.len(), resamples, purpose, columns - 1, |weights| {
        let mut sums = vec![0u64; columns];
        for (row, &w) in counts.iter().zip(weights) {
            let w = u64::from(w);
            sums.iter_mut().zip(row).for_each(|(s, c)| *s += w * c);
        }
        sums[1..]
            .iter()
            .map(|&s| s as f64 / sums[0] as f64)
            .collect()
    })
}

/// Linear interpolation between order statistics (NumPy's default).
fn quantile(sorted: &[f64], q: f64) -> f64 {
    let at = q * (sorted.len() - 1) as f64;
    let low = at.floor() as usize;
    let high = (low + 1).min(sorted.len() - 1);
    sorted[low] + (sorted[high] - sorted[low]) * (at - low as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_numpys() {
        // numpy.quantile([1, 2, 4, 8], [0.025, 0.5, 0.975])
        let v = [1.0, 2.0, 4.0, 8.0];
        assert!((quantile(&v, 0.025) - 1.075).abs() < 1e-12);
        assert!((quantile(&v, 0.5) - 3.0).abs() < 1e-12);
        assert!((quantile(&v, 0.975) - 7.7).abs() < 1e-12);
    }

    #[test]
    fn the_interval_of_a_mean_has_the_width_of_its_standard_error() {
        // 400 persons, half of them with value 1: standard error sqrt(0.25 / 400) = 0.025.
        let mean = |w: &[u32]| {
            let ones: u32 = w[..200].iter().sum();
            vec![f64::from(ones) / 400.0, f64::NAN]
        };
        let got = intervals(400, 1000, "test", 2, mean);
        let (low, high) = got[0].unwrap();
        assert!((low - (0.5 - 1.96 * 0.025)).abs() < 0.006, "{low}");
        assert!((high - (0.5 + 1.96 * 0.025)).abs() < 0.006, "{high}");
        assert_eq!(got[1], None);
        assert_eq!(intervals(4, 1000, "test", 1, mean), [None]);
    }
}
