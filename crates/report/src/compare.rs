//! Two rows on one column, seed by seed on the same people.

use super::derive::CONFIDENCE;
use super::model::{Column, Row, RunStatus};
use frbench_eval::stats::{Estimate, MIN_SEEDS, Ratio, Sample, Sampling, ratio};
use serde::Serialize;
use std::collections::BTreeMap;

/// A difference, positive where the first row is better, whatever the direction of the metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    pub seeds: usize,
    /// Test people, or trials where people are not known; none where no trials are known.
    pub people: Option<usize>,
    pub mean: f64,
    pub error: Option<Sampling>,
    /// 95 % interval.
    pub interval: Option<(f64, f64)>,
}

impl Difference {
    pub fn estimate(&self) -> Estimate {
        Estimate {
            seeds: self.seeds,
            mean: self.mean,
            error: self.error,
        }
    }
}

/// The values of a row by seed, and what the trials add to them.
pub(super) struct Series<'a>(BTreeMap<u64, (f64, Option<&'a [f32]>)>);

impl<'a> Series<'a> {
    pub fn of(row: &'a Row, column: &Column) -> Self {
        let trials = column.trials.as_ref().map(|t| t.people.trials());
        let done = row.runs.iter().filter(|r| r.status == RunStatus::Done);
        let values = done.filter_map(|run| {
            let value = run.metrics.get(&column.id)?.value;
            let adds = run.adds.get(&column.id).map(Vec::as_slice);
            let adds = adds.filter(|a| Some(a.len()) == trials);
            value.is_finite().then_some((run.seed, (value, adds)))
        });
        Series(values.collect())
    }

    /// One value and list of trials for each of the seeds that both have, in their order.
    fn shared(&self, other: &Series) -> (Sample, Sample) {
        let seeds: Vec<u64> = self.seeds().filter(|s| other.0.contains_key(s)).collect();
        (self.sample(&seeds), other.sample(&seeds))
    }

    fn seeds(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }

    fn sample(&self, seeds: &[u64]) -> Sample {
        let of = |seed: &u64| self.0.get(seed);
        let wide = |adds: &[f32]| adds.iter().map(|v| f64::from(*v)).collect();
        Sample {
            values: seeds.iter().filter_map(of).map(|v| v.0).collect(),
            trials: seeds
                .iter()
                .map(|s| of(s).and_then(|v| v.1).map(wide))
                .collect(),
        }
    }

    /// The whole row.
    pub fn all(&self) -> Sample {
        self.sample(&self.seeds().collect::<Vec<_>>())
    }
}

/// `a` less `b` on the seeds they have in common; none without one.
pub(super) fn difference(a: &Series, b: &Series, column: &Column) -> Option<Difference> {
    let (a, b) = a.shared(b);
    of(&apart(&a, &b, column), column)
}

fn of(sample: &Sample, column: &Column) -> Option<Difference> {
    let people = column.trials.as_ref().map(|t| &*t.people);
    let estimate = Estimate::of(sample, people)?;
    let known = people.filter(|_| sample.trials.is_some());
    Some(Difference {
        seeds: estimate.seeds,
        people: known.map(|p| p.count()),
        mean: estimate.mean,
        error: estimate.error,
        interval: estimate
            .interval(CONFIDENCE)
            .map(|interval| within(column, interval)),
    })
}

/// The interval of a difference: one of rates is from -1 to 1.
pub(super) fn within(column: &Column, (low, high): (f64, f64)) -> (f64, f64) {
    match column.is_rate() {
        true => (low.clamp(-1.0, 1.0), high.clamp(-1.0, 1.0)),
        false => (low, high),
    }
}

/// Positive where `a` is better.
fn apart(a: &Sample, b: &Sample, column: &Column) -> Sample {
    match column.higher_is_better {
        true => a.plus(-1.0, b),
        false => b.plus(-1.0, a),
    }
}

/// How far a teacher is above a student, and whether its networks were held fixed: it is a factor
/// of its own where it was trained with at least three of the student's seeds.
pub(super) fn gap(
    teacher: &Series,
    student: &Series,
    column: &Column,
) -> Option<(Difference, bool)> {
    let (t, s) = teacher.shared(student);
    if t.values.len() >= MIN_SEEDS {
        return Some((of(&apart(&t, &s, column), column)?, false));
    }
    if teacher.0.is_empty() {
        return None;
    }
    let s = student.all();
    let t = teacher.all().held(s.values.len());
    Some((of(&apart(&t, &s, column), column)?, true))
}

/// The share of the gap between student and teacher that a method closes: 0 for the student
/// alone, 1 for the teacher. None where its set is no interval.
pub(super) fn share(
    method: &Series,
    student: &Series,
    teacher: &Series,
    column: &Column,
) -> Option<Ratio> {
    let seeds: Vec<u64> = method
        .seeds()
        .filter(|s| student.0.contains_key(s))
        .collect();
    let paired: Vec<u64> = seeds
        .iter()
        .copied()
        .filter(|s| teacher.0.contains_key(s))
        .collect();
    let (seeds, teacher) = match paired.len() >= MIN_SEEDS {
        true => {
            let teacher = teacher.sample(&paired);
            (paired, teacher)
        }
        false if teacher.0.is_empty() => return None,
        false => {
            let held = teacher.all().held(seeds.len());
            (seeds, held)
        }
    };
    let (method, student) = (method.sample(&seeds), student.sample(&seeds));
    let (over, gap) = (
        apart(&method, &student, column),
        apart(&teacher, &student, column),
    );
    let positive = gap.values.iter().sum::<f64>() > 0.0;
    let people = column.trials.as_ref().map(|t| &*t.people);
    positive.then(|| ratio(&over, &gap, people, CONFIDENCE))?
}
