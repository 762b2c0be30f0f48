//! What the choice of people adds to the error of a number.
//!
//! A number of a protocol is a sum over trials (pairs of images, searched probes), and trials that
//! share a person are not independent. With `e_t` what trial t adds to the deviation of the number
//! from its expectation, the variance is the sum of `e_t e_u` over all pairs of trials that share
//! a person (Fafchamps & Gubert, J. Dev. Econ. 83, 2007, eq. 2.7; Aronow, Samii & Assenova,
//! Political Analysis 23, 2015, eq. 4). Summed person by person, pairs of trials of the same two
//! people come twice and are taken off once. Two numbers of the same trials have a covariance of
//! the same form.

use std::collections::BTreeMap;

/// Who is on each trial, and which trials share people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct People {
    /// Two people for each trial, numbered from 0; one person twice for a trial of one.
    trials: Vec<[u32; 2]>,
    /// The couple of each trial of two people.
    couple: Vec<Option<u32>>,
    people: usize,
    couples: usize,
}

impl People {
    /// The people of each trial, by any numbers; trials of one person name it twice.
    pub fn new(of_trials: &[[u32; 2]]) -> Self {
        let mut numbers: BTreeMap<u32, u32> =
            of_trials.iter().flatten().map(|id| (*id, 0)).collect();
        (0..).zip(numbers.values_mut()).for_each(|(i, n)| *n = i);
        let trials: Vec<[u32; 2]> = of_trials
            .iter()
            .map(|pair| pair.map(|id| numbers.get(&id).copied().unwrap_or_default()))
            .collect();
        let mut couples = BTreeMap::new();
        let couple = trials
            .iter()
            .map(|&[a, b]| {
                let next = couples.len() as u32;
                (a != b).then(|| *couples.entry((a.min(b), a.max(b))).or_insert(next))
            })
            .collect();
        People {
            people: numbers.len(),
            couples: couples.len(),
            trials,
            couple,
        }
    }

    /// Trials that have no person in common: pairs whose people are not known.
    pub fn apart(trials: usize) -> Self {
        let own: Vec<[u32; 2]> = (0..trials as u32).map(|i| [i, i]).collect();
        People::new(&own)
    }

    /// Number of people.
    pub fn count(&self) -> usize {
        self.people
    }

    pub fn trials(&self) -> usize {
        self.trials.len()
    }

    /// The covariance of two numbers over draws of people; `a` and `b` hold what each trial adds
    /// to them. With a factor P / (P - 1) for P people, as a sample variance has it.
    pub fn covariance(&self, a: &[f64], b: &[f64]) -> f64 {
        let a = (self.sums(a), self.of_couples(a));
        let b = (self.sums(b), self.of_couples(b));
        let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| x * y).sum::<f64>();
        let people = self.people as f64;
        (dot(&a.0, &b.0) - dot(&a.1, &b.1)) * people / (people - 1.0).max(1.0)
    }

    fn sums(&self, values: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.people];
        for (&[a, b], v) in self.trials.iter().zip(values) {
            sums[a as usize] += v;
            if a != b {
                sums[b as usize] += v;
            }
        }
        sums
    }

    fn of_couples(&self, values: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.couples];
        for (couple, v) in self.couple.iter().zip(values) {
            if let Some(c) = couple {
                sums[*c as usize] += v;
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_is_over_all_trials_that_share_a_person() {
        let trials = [[7, 7], [7, 9], [9, 9], [9, 4], [7, 9], [5, 6]];
        let (a, b) = (
            [0.3, -0.2, 0.5, 0.1, 0.4, -0.7],
            [0.1, 0.2, -0.3, 0.4, 0.0, 0.6],
        );
        let people = People::new(&trials);
        assert_eq!((people.count(), people.trials()), (5, 6));
        let mut want = 0.0;
        for (t, x) in trials.iter().zip(&a) {
            for (u, y) in trials.iter().zip(&b) {
                if t.iter().any(|p| u.contains(p)) {
                    want += x * y;
                }
            }
        }
        let got = people.covariance(&a, &b);
        assert!((got - want * 5.0 / 4.0).abs() < 1e-12, "{got}, want {want}");
    }

    #[test]
    fn trials_apart_have_the_variance_of_a_sample() {
        // Of a mean of five: the sample variance, divided by five.
        let values = [0.912, 0.918, 0.9155, 0.9203, 0.9147];
        let mean = values.iter().sum::<f64>() / 5.0;
        let adds: Vec<f64> = values.iter().map(|v| (v - mean) / 5.0).collect();
        let got = People::apart(5).covariance(&adds, &adds);
        assert!(
            (got - 0.003177262973063454f64.powi(2) / 5.0).abs() < 1e-18,
            "{got}"
        );
    }
}
