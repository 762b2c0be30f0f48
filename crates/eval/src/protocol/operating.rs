//! Operating points: the true accept rate at a false accept rate, and curves.

use frbench_base::{Error, Result};
use rayon::prelude::*;

/// True accepts at a false accept rate, from order statistics: accept strictly above the
/// `floor(far * impostors) + 1`-th highest impostor score, so at most `far` are accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// The rate asked for.
    pub far: f64,
    /// Accepted scores are strictly above.
    pub threshold: f64,
    pub true_accepts: u64,
    pub genuine: u64,
    pub false_accepts: u64,
    pub impostors: u64,
    /// Genuine and impostor scores equal to the threshold; they are rejected.
    pub tied_genuine: u64,
    pub tied_impostors: u64,
}

impl OperatingPoint {
    pub fn tar(&self) -> f64 {
        self.true_accepts as f64 / self.genuine as f64
    }

    /// What a reader must know about this point, if anything.
    pub fn note(&self) -> Option<String> {
        let id = tar_id(self.far);
        let mut parts = Vec::new();
        if self.far * (self.impostors as f64) < 1.0 {
            parts.push(format!(
                "{} impostor scores cannot resolve this rate: no false accept is allowed",
                self.impostors
            ));
        } else if self.false_accepts < 10 {
            parts.push(format!("rests on {} false accepts", self.false_accepts));
        }
        // One impostor is always at the threshold: it defines it.
        if self.tied_impostors > 1 || self.tied_genuine > 0 {
            parts.push(format!(
                "{} impostor and {} genuine scores lie exactly at the threshold",
                self.tied_impostors, self.tied_genuine
            ));
        }
        (!parts.is_empty()).then(|| format!("{id}: {}", parts.join("; ")))
    }
}

/// `tar@far=1e-3`.
pub fn tar_id(far: f64) -> String {
    super::rate_id("tar@far", far)
}

/// How many of `impostors` may be accepted at `far`: the floor of the product, taken safely
/// where the product is a whole number but for rounding (0.00001 * 100000).
pub fn allowed(far: f64, impostors: u64) -> u64 {
    let exact = far * impostors as f64;
    let near = exact.round();
    if (exact - near).abs() <= 1e-9 * near.max(1.0) {
        near as u64
    } else {
        exact.floor() as u64
    }
}

/// Sorts scores from high to low.
pub fn sort_descending(scores: &mut [f64]) {
    scores.par_sort_unstable_by(|a, b| b.total_cmp(a));
}

/// The point at `far`. `impostor_tail` holds at least the `allowed + 1` highest of
/// `impostors` scores and every score tied with the last of them; both slices descend.
///
/// # Errors
/// [`Error::Data`] without genuine or impostor scores.
pub fn at_far(
    far: f64,
    genuine: &[f64],
    impostor_tail: &[f64],
    impostors: u64,
) -> Result<OperatingPoint> {
    if genuine.is_empty() || impostors == 0 {
        return Err(no_scores(genuine.len(), impostors));
    }
    let allowed = allowed(far, impostors) as usize;
    let threshold = match impostor_tail.get(allowed) {
        Some(&t) => t,
        None if allowed as u64 >= impostors => f64::NEG_INFINITY,
        None => {
            return Err(Error::Bug(format!(
                "{} impostor scores were kept, {} are needed",
                impostor_tail.len(),
                allowed + 1
            )));
        }
    };
    let above = |scores: &[f64]| scores.partition_point(|&s| s > threshold) as u64;
    let tied = |scores: &[f64]| scores.partition_point(|&s| s >= threshold) as u64 - above(scores);
    Ok(OperatingPoint {
        far,
        threshold,
        true_accepts: above(genuine),
        genuine: genuine.len() as u64,
        false_accepts: above(impostor_tail),
        impostors,
        tied_genuine: tied(genuine),
        tied_impostors: tied(impostor_tail),
    })
}

/// A ROC curve `(far, tar)` for plots: at most about 200 points, evenly spread over the
/// logarithm of the number of false accepts. Slices as for [`at_far`].
pub fn roc_series(genuine: &[f64], impostor_tail: &[f64], impostors: u64) -> Vec<(f64, f64)> {
    let mut points: Vec<(f64, f64)> = log_spaced(impostor_tail.len(), 200)
        .into_iter()
        // A pair that could not be scored is accepted at no threshold.
        .filter(|&rank| impostor_tail[rank - 1] > f64::NEG_INFINITY)
        .map(|rank| {
            let threshold = impostor_tail[rank - 1];
            let at_least = |s: &[f64]| s.partition_point(|&x| x >= threshold) as f64;
            (
                at_least(impostor_tail) / impostors as f64,
                at_least(genuine) / genuine.len() as f64,
            )
        })
        .collect();
    points.dedup();
    points
}

/// Whole numbers from 1 to `last`, spread over the logarithm, at most about `count`.
pub fn log_spaced(last: usize, count: usize) -> Vec<usize> {
    if last == 0 {
        return Vec::new();
    }
    let step = libm::log(last as f64) / (count.max(2) - 1) as f64;
    let mut ranks: Vec<usize> = (0..count.max(2))
        .map(|i| (libm::exp(step * i as f64).round() as usize).clamp(1, last))
        .collect();
    ranks.dedup();
    ranks
}

/// A point of a curve: everything at `score` and above is accepted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    pub score: f64,
    pub true_accepts: u64,
    pub false_accepts: u64,
}

/// The points of scikit-learn's `roc_curve`, from the strictest on: the empty one, then one
/// at every distinct score, without those on a straight line between their neighbours
/// (`drop_intermediate`). Both slices descend.
fn curve(genuine: &[f64], impostor: &[f64]) -> Vec<Nearest> {
    // A pair that could not be scored is accepted at no threshold.
    let scored = |s: &'_ [f64]| s.partition_point(|&x| x > f64::NEG_INFINITY);
    let (genuine, impostor) = (&genuine[..scored(genuine)], &impostor[..scored(impostor)]);
    let mut all: Vec<Nearest> = Vec::new();
    let (mut g, mut i) = (0, 0);
    while g < genuine.len() || i < impostor.len() {
        let next = |s: &[f64], at: usize| s.get(at).copied().unwrap_or(f64::NEG_INFINITY);
        let score = next(genuine, g).max(next(impostor, i));
        g += genuine[g..].iter().take_while(|&&s| s == score).count();
        i += impostor[i..].iter().take_while(|&&s| s == score).count();
        all.push(Nearest {
            score,
            true_accepts: g as u64,
            false_accepts: i as u64,
        });
    }
    let slope = |i: usize| {
        let (a, b) = (&all[i], &all[i + 1]);
        (
            b.true_accepts - a.true_accepts,
            b.false_accepts - a.false_accepts,
        )
    };
    let corner = |&i: &usize| i == 0 || i + 1 == all.len() || slope(i - 1) != slope(i);
    let empty = Nearest {
        score: f64::INFINITY,
        true_accepts: 0,
        false_accepts: 0,
    };
    let kept = (0..all.len()).filter(corner).map(|i| all[i]);
    std::iter::once(empty).chain(kept).collect()
}

/// The points whose false accept rate is nearest to each of `fars`, as IJB scripts pick them
/// from scikit-learn's `roc_curve`: of equally near ones the larger rate counts, of equal
/// rates the higher true accept rate. Both slices descend.
///
/// # Errors
/// [`Error::Data`] without genuine or impostor scores.
pub fn at_nearest_far(genuine: &[f64], impostor: &[f64], fars: &[f64]) -> Result<Vec<Nearest>> {
    if genuine.is_empty() || impostor.is_empty() {
        return Err(no_scores(genuine.len(), impostor.len() as u64));
    }
    let points = curve(genuine, impostor);
    Ok(fars
        .iter()
        .map(|far| {
            let distance =
                |p: &Nearest| (p.false_accepts as f64 / impostor.len() as f64 - far).abs();
            let nearer = |best: Nearest, p: Nearest| {
                if distance(&p) < distance(&best) {
                    p
                } else {
                    best
                }
            };
            points
                .iter()
                .rev()
                .copied()
                .reduce(nearer)
                .expect("a curve has points")
        })
        .collect())
}

fn no_scores(genuine: usize, impostors: u64) -> Error {
    Error::Data(format!(
        "a false accept rate needs genuine and impostor scores; there are {genuine} and {impostors}"
    ))
}
