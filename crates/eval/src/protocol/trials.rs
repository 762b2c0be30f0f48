//! What each trial adds to the metrics of a protocol, kept as evidence: from it follows what the
//! choice of test people adds to the error of a metric, and of the difference of two networks.
//!
//! | file | what |
//! |---|---|
//! | `trials.csv` | a line per metric: its id, the false accepts that it allows, if it is a rate at some, and its number of trials, if it has some |
//! | `trial_people.npy` | two people per trial, one person twice for a trial of one; absent where they are not known |
//! | `trial_adds.npy` | per metric with trials, in their order, what each trial adds to its deviation |
//!
//! A metric is a mean over trials, or a weighted one by class. A trial with the outcome y (1 or 0)
//! of a class of N trials that has the weight w and the mean m adds w (y - m) / N. All metrics have
//! the same trials; one that does not count for a metric adds nothing.

use super::evidence;
use super::rates::Ties;
use frbench_base::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};

/// The trials of one network under one protocol.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trials {
    /// None: every trial counts as one by itself.
    pub people: Option<Vec<[u32; 2]>>,
    /// By the id of the metric. Metrics that are no means over trials are not there.
    pub adds: Vec<(String, Vec<f32>)>,
    /// False accepts that a rate allows, by the id of the metric, which may have no trials.
    pub allowed: BTreeMap<String, u64>,
}

/// The first line of the table.
const HEADER: &str = "metric,false_accepts,trials";

/// The names of the files; the second is left out where people are not known.
pub const FILES: [&str; 3] = ["trials.csv", "trial_people.npy", "trial_adds.npy"];

impl Trials {
    /// A metric and what each trial adds to it.
    pub(super) fn add(&mut self, metric: String, adds: &[f64]) {
        let adds = adds.iter().map(|v| *v as f32).collect();
        self.adds.push((metric, adds));
    }

    /// A metric that is the share of trials with the outcome `hits`.
    pub(super) fn share(&mut self, metric: &str, hits: &[bool]) {
        self.add(metric.to_owned(), &share(hits.iter().map(|h| Some(*h))));
    }

    /// A metric that is a rate which allows so many false accepts.
    pub(super) fn allow(&mut self, metric: String, false_accepts: u64) {
        self.allowed.insert(metric, false_accepts);
    }

    /// Whether a metric has trials.
    pub fn has(&self, metric: &str) -> bool {
        self.adds.iter().any(|(id, _)| id == metric)
    }

    pub(super) fn evidence(&self) -> Vec<(String, Vec<u8>)> {
        let mut table = format!("{HEADER}\n");
        for (metric, adds) in &self.adds {
            let allowed = self.allowed.get(metric).map(u64::to_string);
            let allowed = allowed.unwrap_or_default();
            table += &format!("{metric},{allowed},{}\n", adds.len());
        }
        for (metric, allowed) in self.allowed.iter().filter(|(id, _)| !self.has(id)) {
            table += &format!("{metric},{allowed},\n");
        }
        let adds: Vec<f32> = self.adds.iter().flat_map(|(_, v)| v).copied().collect();
        let people = self.people.as_ref().map(|people| {
            let flat: Vec<u32> = people.iter().flatten().copied().collect();
            (FILES[1].to_owned(), evidence::npy_u32(&flat))
        });
        let mut files = vec![(FILES[0].to_owned(), table.into_bytes())];
        files.extend(people);
        files.push((FILES[2].to_owned(), evidence::npy_f32(&adds)));
        files
    }

    /// From the bytes of the [`FILES`].
    ///
    /// # Errors
    /// [`Error::Data`] with the name of a file that is not as it was written.
    pub fn read(table: &[u8], people: Option<&[u8]>, adds: &[u8]) -> Result<Trials> {
        let wrong = |file: &str, what: &str| Error::Data(format!("{file}: {what}"));
        let text = std::str::from_utf8(table).map_err(|_| wrong(FILES[0], "it is not UTF-8"))?;
        if text.lines().next() != Some(HEADER) {
            let what = format!("the first line must be `{HEADER}`");
            return Err(wrong(FILES[0], &what));
        }
        let mut trials = Trials::default();
        // Those that have trials.
        let mut metrics = Vec::new();
        let mut counts = BTreeSet::new();
        for (line, text) in text.lines().enumerate().skip(1) {
            let what = || {
                let what = "want a metric and two numbers, each of which may be missing";
                wrong(FILES[0], &format!("line {}: {what}", line + 1))
            };
            let number = |text: &str| match text {
                "" => Ok(None),
                number => number.parse::<u64>().map(Some).map_err(|_| what()),
            };
            // A group that a metric is of may have a comma in its name.
            let (rest, count) = text.rsplit_once(',').ok_or_else(what)?;
            let (metric, allowed) = rest.rsplit_once(',').ok_or_else(what)?;
            let allowed = number(allowed)?.map(|n| (metric.to_owned(), n));
            trials.allowed.extend(allowed);
            if let Some(count) = number(count)? {
                metrics.push(metric.to_owned());
                counts.insert(count);
            }
        }
        let adds = evidence::read_f32(adds).ok_or_else(|| {
            wrong(
                FILES[2],
                "want 32-bit floats in one dimension, as they are written",
            )
        })?;
        let count = adds.len() / metrics.len().max(1);
        let whole = count * metrics.len() == adds.len() && count > 0;
        if !whole || counts != BTreeSet::from([count as u64]) {
            let what = format!(
                "{} numbers for {} metrics, which do not have as many trials each as {} says",
                adds.len(),
                metrics.len(),
                FILES[0]
            );
            return Err(wrong(FILES[2], &what));
        }
        if let Some(bytes) = people {
            let flat = evidence::read_u32(bytes).ok_or_else(|| {
                wrong(
                    FILES[1],
                    "want 32-bit numbers in one dimension, as they are written",
                )
            })?;
            if flat.len() != 2 * count {
                let what = format!("{} numbers for {count} trials of two people", flat.len());
                return Err(wrong(FILES[1], &what));
            }
            trials.people = Some(flat.chunks_exact(2).map(|p| [p[0], p[1]]).collect());
        }
        let values = adds.chunks_exact(count).map(<[f32]>::to_vec);
        trials.adds = metrics.into_iter().zip(values).collect();
        Ok(trials)
    }
}

/// What each trial adds to the share of those with the outcome true. One without an outcome does not
/// count.
pub(super) fn share(outcomes: impl Iterator<Item = Option<bool>> + Clone) -> Vec<f64> {
    let n = outcomes.clone().flatten().count() as f64;
    let mean = outcomes.clone().flatten().filter(|y| *y).count() as f64 / n;
    let of = |y: bool| (f64::from(u8::from(y)) - mean) / n;
    outcomes.map(|y| y.map_or(0.0, of)).collect()
}

/// What each pair adds to the accuracy at thresholds that are held: classes are weighted by their
/// sizes.
pub(super) fn accuracy(right: &[bool], same: &[bool]) -> Vec<f64> {
    let count = |class: bool, of: &dyn Fn(usize) -> bool| {
        let all = (0..same.len()).filter(|&i| same[i] == class && of(i));
        all.count() as f64
    };
    let mean = [false, true].map(|c| count(c, &|i| right[i]) / count(c, &|_| true));
    let n = right.len() as f64;
    let of = |(right, same): (&bool, &bool)| {
        (f64::from(u8::from(*right)) - mean[usize::from(*same)]) / n
    };
    right.iter().zip(same).map(of).collect()
}

/// What each pair adds to the true accept rate at a false accept rate, whose threshold is the
/// `allowed + 1`-th highest impostor score: a genuine pair as to a share, an impostor pair through
/// the threshold that it moves, by the slope of the curve there (Hsieh & Turnbull, Ann. Stat. 24,
/// 1996, eq. 2.2). The slope is that of the chord over two standard errors of the number of false
/// accepts on either side. `genuine` and `impostor` are all scores, from high to low. To FNMR at an
/// FMR each pair adds the opposite.
pub(super) fn tar(
    similarity: &[f64],
    same: &[bool],
    (genuine, impostor): (&[f64], &[f64]),
    allowed: u64,
    (threshold, ties): (f64, Ties),
) -> Vec<f64> {
    let last = impostor.len() - 1;
    let k = (allowed as usize).min(last);
    let reach = (2.0 * (k.max(1) as f64).sqrt()).ceil() as usize;
    let (low, high) = (k.saturating_sub(reach), (k + reach).min(last));
    let rate = |k: usize| {
        let above = genuine.partition_point(|&s| s > impostor[k]);
        above as f64 / genuine.len() as f64
    };
    let slope = match high > low {
        true => (rate(high) - rate(low)) / (high - low) as f64,
        false => 0.0,
    };
    let accept = |score: &f64| ties.accept(*score, threshold);
    let accepted = |scores: &[f64]| scores.partition_point(accept) as f64;
    let (g, i) = (genuine.len() as f64, impostor.len() as f64);
    let (tar, far) = (accepted(genuine) / g, accepted(impostor) / i);
    let of = |(s, same): (&f64, &bool)| {
        let hit = f64::from(u8::from(accept(s)));
        // A slope per false accept, of which there are `i` times the rate.
        match same {
            true => (hit - tar) / g,
            false => -slope * (hit - far),
        }
    };
    similarity.iter().zip(same).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_hold_what_was_written() {
        let mut trials = Trials {
            people: Some(vec![[1, 1], [1, 4], [4, 4]]),
            ..Trials::default()
        };
        trials.share("rank-1", &[true, false, true]);
        trials.share("tar@far=1e-1", &[false, false, true]);
        trials.allowed.insert("tar@far=1e-1".into(), 12);
        trials.allowed.insert("fmr-ratio@fmr=1e-1/a, b".into(), 7);
        for people in [trials.people.clone(), None] {
            trials.people = people;
            let files: BTreeMap<String, Vec<u8>> = trials.evidence().into_iter().collect();
            let of = |name: &str| files.get(name).map(Vec::as_slice);
            let table = of(FILES[0]).unwrap();
            let adds = of(FILES[2]).unwrap();
            assert_eq!(Trials::read(table, of(FILES[1]), adds).unwrap(), trials);
            let short = &adds[..adds.len() - 4];
            assert!(Trials::read(table, of(FILES[1]), short).is_err());
            let says = |lines: &str| {
                let table = format!("{HEADER}\n{lines}");
                let read = Trials::read(table.as_bytes(), None, adds);
                read.unwrap_err().to_string()
            };
            assert!(says("rank-1\n").contains("trials.csv: line 2: want"));
            assert!(says("rank-1,,few\n").contains("trials.csv: line 2: want"));
            assert!(says("").contains("6 numbers for 0 metrics"));
            assert!(says("a,,3\nb,,4\n").contains("6 numbers for 2 metrics"));
            assert!(Trials::read(b"metric,false_accepts\n", None, adds).is_err());
        }
    }

    #[test]
    fn what_trials_add_sums_to_nothing() {
        let same = [true, false, true, false, true, false];
        let similarity = [0.9, 0.5, 0.4, 0.2, 0.3, 0.1];
        let right = [true, true, false, true, true, false];
        let sums = |adds: &[f64], class: bool| {
            let of = adds.iter().zip(&same).filter(|(_, s)| **s == class);
            of.map(|(v, _)| *v).sum::<f64>()
        };
        let sorted = (&[0.9, 0.4, 0.3][..], &[0.5, 0.2, 0.1][..]);
        let adds = tar(&similarity, &same, sorted, 1, (0.2, Ties::NonMatch));
        // One impostor pair more above the threshold: the rate of genuine pairs falls.
        assert!(adds[1] < 0.0 && adds[3] > 0.0, "{adds:?}");
        // Where a tie matches, the second impostor pair is above as well.
        let tied = tar(&similarity, &same, sorted, 1, (0.2, Ties::Match));
        assert!(tied[1] < 0.0 && tied[3] < 0.0, "{tied:?}");
        let shares = share([Some(true), None, Some(false), None].into_iter());
        assert_eq!(shares, [0.25, 0.0, -0.25, 0.0]);
        for adds in [accuracy(&right, &same), adds, tied] {
            assert!(sums(&adds, true).abs() < 1e-12 && sums(&adds, false).abs() < 1e-12);
        }
    }
}
