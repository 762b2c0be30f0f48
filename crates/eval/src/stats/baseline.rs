//! Tonight's runs against our own committed runs: did we break something?

use super::{BySeed, Difference, MIN_SEEDS, paired, pooled};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BaselineVerdict {
    /// The same values, or no worse by more than the threshold.
    Pass,
    /// Better by more than the threshold, beyond chance.
    Improved,
    /// Worse by more than the threshold, beyond chance.
    Regressed,
    /// Too few or too noisy runs to tell.
    Inconclusive,
    /// The baseline is of another configuration.
    Incomparable,
    /// There is no value on one side.
    Missing,
    /// The run failed.
    Failed,
}

/// When a change counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Gate {
    /// The smallest change that matters in practice, in the metric's unit; at least 0.
    pub threshold: f64,
    /// 0.95 for 95 % intervals.
    pub confidence: f64,
}

/// What tonight's run has for a cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Measured<'a> {
    Values(&'a BySeed),
    Missing,
    Failed,
}

/// A compared cell. Differences are positive where tonight's run is better.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    pub verdict: BaselineVerdict,
    pub difference: Option<Difference>,
    /// One sentence for a reader.
    pub reason: String,
}

/// Compares a cell with its baseline. `comparable` says whether both have the same
/// comparison key. Runs are paired by seed where at least [`MIN_SEEDS`] seeds are common;
/// otherwise they count as independent runs of equal variance, so that one seed a night can
/// be held against many stored ones.
pub fn against_baseline(
    current: Measured,
    baseline: Option<&BySeed>,
    comparable: bool,
    higher_is_better: bool,
    gate: Gate,
) -> Comparison {
    let done = |verdict, reason: &str| Comparison {
        verdict,
        difference: None,
        reason: reason.to_owned(),
    };
    let current = match current {
        Measured::Failed => return done(BaselineVerdict::Failed, "the run failed"),
        Measured::Missing => return done(BaselineVerdict::Missing, "not measured in this run"),
        Measured::Values(v) if v.is_empty() => {
            return done(BaselineVerdict::Missing, "not measured in this run");
        }
        Measured::Values(v) => v,
    };
    let Some(baseline) = baseline.filter(|b| !b.is_empty()) else {
        return done(BaselineVerdict::Missing, "the baseline has no such cell");
    };
    if !comparable {
        return done(
            BaselineVerdict::Incomparable,
            "the baseline was measured under another configuration",
        );
    }
    let Some(difference) = difference(current, baseline, gate.confidence) else {
        return done(BaselineVerdict::Inconclusive, "no values to compare");
    };
    let difference = if higher_is_better {
        difference
    } else {
        difference.reversed()
    };
    let (verdict, reason) = verdict(current, baseline, &difference, gate.threshold);
    Comparison {
        verdict,
        difference: Some(difference),
        reason: reason.to_owned(),
    }
}

fn difference(current: &BySeed, baseline: &BySeed, confidence: f64) -> Option<Difference> {
    let pairs = paired(current, baseline, confidence).filter(|d| d.n >= MIN_SEEDS);
    pairs.or_else(|| {
        let values = |v: &BySeed| v.values().copied().collect::<Vec<f64>>();
        pooled(&values(current), &values(baseline), confidence)
    })
}

fn verdict(
    current: &BySeed,
    baseline: &BySeed,
    difference: &Difference,
    threshold: f64,
) -> (BaselineVerdict, &'static str) {
    // Runs are deterministic: unchanged code gives unchanged numbers, whatever their spread.
    let same = |(seed, value): (&u64, &f64)| baseline.get(seed) == Some(value);
    if current.iter().all(same) {
        return (BaselineVerdict::Pass, "every seed has the baseline's value");
    }
    let Some((low, high)) = difference.interval else {
        return (
            BaselineVerdict::Inconclusive,
            "values changed, and there are too few seeds to tell by chance or not",
        );
    };
    if difference.mean < -threshold && high < 0.0 {
        (
            BaselineVerdict::Regressed,
            "worse by more than the threshold, and the interval excludes zero",
        )
    } else if difference.mean > threshold && low > 0.0 {
        (
            BaselineVerdict::Improved,
            "better by more than the threshold, and the interval excludes zero",
        )
    } else if low >= -threshold {
        (
            BaselineVerdict::Pass,
            "the interval excludes a loss beyond the threshold",
        )
    } else {
        (
            BaselineVerdict::Inconclusive,
            "a loss beyond the threshold is neither shown nor excluded",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use BaselineVerdict::*;

    const GATE: Gate = Gate {
        threshold: 0.002,
        confidence: 0.95,
    };

    fn by_seed(values: &[f64]) -> BySeed {
        (1..).zip(values.iter().copied()).collect()
    }

    fn verdict(current: &[f64], baseline: &[f64], higher: bool) -> BaselineVerdict {
        let (current, baseline) = (by_seed(current), by_seed(baseline));
        against_baseline(
            Measured::Values(&current),
            Some(&baseline),
            true,
            higher,
            GATE,
        )
        .verdict
    }

    #[test]
    fn verdicts() {
        let base = [0.90, 0.91, 0.92, 0.91, 0.90];
        assert_eq!(verdict(&base, &base, true), Pass);
        assert_eq!(verdict(&base[..1], &base, true), Pass);
        let worse = [0.88, 0.891, 0.899, 0.89, 0.881];
        assert_eq!(verdict(&worse, &base, true), Regressed);
        assert_eq!(verdict(&worse, &base, false), Improved);
        // Worse beyond chance, but by less than matters.
        let slightly = base.map(|v| v - 0.001);
        assert_eq!(verdict(&slightly, &base, true), Pass);
        let noisy = [0.93, 0.88, 0.92, 0.89, 0.90];
        assert_eq!(verdict(&noisy, &base, true), Inconclusive);
        assert_eq!(verdict(&[0.80, 0.81], &[0.90, 0.91], true), Inconclusive);
        // One run of another seed, far below five stored ones: pooled interval.
        let one = BySeed::from([(77, 0.80)]);
        let got = against_baseline(
            Measured::Values(&one),
            Some(&by_seed(&base)),
            true,
            true,
            GATE,
        );
        assert_eq!(got.verdict, Regressed);
    }

    #[test]
    fn cells_that_cannot_be_compared() {
        let base = by_seed(&[0.9; 3]);
        let of = |current, baseline, comparable| {
            against_baseline(current, baseline, comparable, true, GATE).verdict
        };
        assert_eq!(of(Measured::Failed, Some(&base), true), Failed);
        assert_eq!(of(Measured::Missing, Some(&base), true), Missing);
        assert_eq!(of(Measured::Values(&base), None, true), Missing);
        assert_eq!(
            of(Measured::Values(&base), Some(&base), false),
            Incomparable
        );
    }
}
