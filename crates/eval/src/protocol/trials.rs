//! What each trial adds to the metrics of a protocol, kept as evidence: from it follows what the
//! choice of test people adds to the error of a metric, and of the difference of two networks.
//!
//! | file | what |
//! |---|---|
//! | `trials.csv` | a line per metric: its id, and the false accepts that it allows, if it is a rate at some |
//! | `trial_people.npy` | two people per trial, one person twice for a trial of one; absent where they are not known |
//! | `trial_adds.npy` | per metric, in their order, what each trial adds to its deviation |
//!
//! A metric is a mean over trials, or a weighted one by class. A trial with the outcome y (1 or 0)
//! of a class of N trials that has the weight w and the mean m adds w (y - m) / N.

use super::evidence;
use frbench_base::{Error, Result};
use std::collections::BTreeMap;

/// The trials of one network under one protocol.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Trials {
    /// None: every trial counts as one by itself.
    pub people: Option<Vec<[u32; 2]>>,
    /// By the id of the metric. Metrics that are no means over trials are not there.
    pub adds: Vec<(String, Vec<f32>)>,
    /// False accepts that a rate allows, by the id of the metric.
    pub allowed: BTreeMap<String, u64>,
}

/// The names of the files; the second is left out where people are not known.
pub const FILES: [&str; 3] = ["trials.csv", "trial_people.npy", "trial_adds.npy"];

impl Trials {
    /// A metric that is the share of trials with the outcome `hits`.
    pub(super) fn share(&mut self, metric: &str, hits: &[bool]) {
        self.adds.push((metric.to_owned(), share(hits)));
    }

    pub(super) fn evidence(&self) -> Vec<(String, Vec<u8>)> {
        let mut table = String::from("metric,false_accepts\n");
        for (metric, _) in &self.adds {
            let allowed = self.allowed.get(metric).map(u64::to_string);
            table += &format!("{metric},{}\n", allowed.unwrap_or_default());
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
        let mut trials = Trials::default();
        let mut metrics = Vec::new();
        for (line, text) in text.lines().enumerate().skip(1) {
            let what = || format!("line {}: want a metric and a number or nothing", line + 1);
            let (metric, allowed) = text
                .split_once(',')
                .ok_or_else(|| wrong(FILES[0], &what()))?;
            metrics.push(metric.to_owned());
            if !allowed.is_empty() {
                let allowed = allowed.parse().map_err(|_| wrong(FILES[0], &what()))?;
                trials.allowed.insert(metric.to_owned(), allowed);
            }
        }
        let adds = evidence::read_f32(adds).ok_or_else(|| {
            wrong(
                FILES[2],
                "want 32-bit floats in one dimension, as they are written",
            )
        })?;
        let count = adds.len() / metrics.len().max(1);
        if metrics.is_empty() || count * metrics.len() != adds.len() || count == 0 {
            let what = format!("{} numbers for {} metrics", adds.len(), metrics.len());
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

/// What each trial adds to the share of `hits`.
pub(super) fn share(hits: &[bool]) -> Vec<f32> {
    let n = hits.len() as f64;
    let mean = hits.iter().filter(|h| **h).count() as f64 / n;
    let of = |hit: &bool| ((f64::from(u8::from(*hit)) - mean) / n) as f32;
    hits.iter().map(of).collect()
}

/// What each pair adds to the accuracy at thresholds that are held: classes are weighted by their
/// sizes.
pub(super) fn accuracy(right: &[bool], same: &[bool]) -> Vec<f32> {
    let count = |class: bool, of: &dyn Fn(usize) -> bool| {
        let all = (0..same.len()).filter(|&i| same[i] == class && of(i));
        all.count() as f64
    };
    let mean = [false, true].map(|c| count(c, &|i| right[i]) / count(c, &|_| true));
    let n = right.len() as f64;
    let of = |(right, same): (&bool, &bool)| {
        ((f64::from(u8::from(*right)) - mean[usize::from(*same)]) / n) as f32
    };
    right.iter().zip(same).map(of).collect()
}

/// What each pair adds to the true accept rate at a false accept rate, whose threshold is the
/// `allowed + 1`-th highest impostor score: a genuine pair as to a share, an impostor pair through
/// the threshold that it moves, by the slope of the curve there (Hsieh & Turnbull, Ann. Stat. 24,
/// 1996, eq. 2.2). The slope is that of the chord over two standard errors of the number of false
/// accepts on either side. `genuine` and `impostor` are all scores, from high to low.
pub(super) fn tar(
    similarity: &[f64],
    same: &[bool],
    (genuine, impostor): (&[f64], &[f64]),
    allowed: u64,
    threshold: f64,
) -> Vec<f32> {
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
    let accepted = |scores: &[f64]| scores.partition_point(|&s| s > threshold) as f64;
    let (g, i) = (genuine.len() as f64, impostor.len() as f64);
    let (tar, far) = (accepted(genuine) / g, accepted(impostor) / i);
    let of = |(s, same): (&f64, &bool)| {
        let hit = f64::from(u8::from(*s > threshold));
        // A slope per false accept, of which there are `i` times the rate.
        let adds = match same {
            true => (hit - tar) / g,
            false => -slope * (hit - far),
        };
        adds as f32
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
        for people in [trials.people.clone(), None] {
            trials.people = people;
            let files: BTreeMap<String, Vec<u8>> = trials.evidence().into_iter().collect();
            let of = |name: &str| files.get(name).map(Vec::as_slice);
            let table = of(FILES[0]).unwrap();
            let adds = of(FILES[2]).unwrap();
            assert_eq!(Trials::read(table, of(FILES[1]), adds).unwrap(), trials);
            let short = &adds[..adds.len() - 4];
            assert!(Trials::read(table, of(FILES[1]), short).is_err());
            assert!(Trials::read(b"metric\nrank-1", None, adds).is_err());
            assert!(Trials::read(b"metric,false_accepts\n", None, adds).is_err());
        }
    }

    #[test]
    fn what_trials_add_sums_to_nothing() {
        let same = [true, false, true, false, true, false];
        let similarity = [0.9, 0.5, 0.4, 0.2, 0.3, 0.1];
        let right = [true, true, false, true, true, false];
        let sums = |adds: &[f32], class: bool| {
            let of = adds.iter().zip(&same).filter(|(_, s)| **s == class);
            of.map(|(v, _)| *v).sum::<f32>()
        };
        let adds = tar(
            &similarity,
            &same,
            (&[0.9, 0.4, 0.3], &[0.5, 0.2, 0.1]),
            1,
            0.2,
        );
        for adds in [accuracy(&right, &same), adds] {
            assert!(sums(&adds, true).abs() < 1e-6 && sums(&adds, false).abs() < 1e-6);
        }
        // One impostor pair more above the threshold: the rate of genuine pairs falls.
        let adds = tar(
            &similarity,
            &same,
            (&[0.9, 0.4, 0.3], &[0.5, 0.2, 0.1]),
            1,
            0.2,
        );
        assert!(adds[1] < 0.0 && adds[3] > 0.0, "{adds:?}");
    }
}
