//! Where a series steps: the piecewise constant function with the least squares and a price for
//! each step (Potts; Boysen et al., Annals of Statistics 2009).

use frbench_eval::stats::mean;

/// The first points of all pieces but the first.
pub fn steps(values: &[f64]) -> Vec<usize> {
    let n = values.len();
    if n < 4 {
        return Vec::new();
    }
    let price = 3.0 * noise(values) * (n as f64).ln();
    // Sums from the mean on, so that no digits are lost.
    let middle = mean(values);
    let (mut sums, mut squares) = (vec![0.0; n + 1], vec![0.0; n + 1]);
    for (i, v) in values.iter().enumerate() {
        let v = v - middle;
        sums[i + 1] = sums[i] + v;
        squares[i + 1] = squares[i] + v * v;
    }
    let (mut best, mut begin) = (vec![0.0; n + 1], vec![0; n + 1]);
    best[0] = -price;
    for to in 1..=n {
        (best[to], begin[to]) = last(&best, &sums, &squares, to, price);
    }
    let mut out = Vec::new();
    let mut at = begin[n];
    while at > 0 {
        out.push(at);
        at = begin[at];
    }
    out.reverse();
    out
}

/// The least cost of the first `to` values, of which those from the second result on are one piece.
/// Every pair of nights passes here, for every value of every suite.
fn last(best: &[f64], sums: &[f64], squares: &[f64], to: usize, price: f64) -> (f64, usize) {
    let (mut least, mut begin) = (f64::INFINITY, 0);
    for from in 0..to {
        let sum = sums[to] - sums[from];
        let own = squares[to] - squares[from] - sum * sum / (to - from) as f64;
        let cost = best[from] + price + own;
        if cost < least {
            (least, begin) = (cost, from);
        }
    }
    (least, begin)
}

/// Variance of a value, from the median of the differences of neighbours, which steps hardly move.
fn noise(values: &[f64]) -> f64 {
    let mut differences: Vec<f64> = values.windows(2).map(|w| (w[1] - w[0]).abs()).collect();
    differences.sort_by(f64::total_cmp);
    let median = differences[differences.len() / 2];
    // The median of |difference| of two normals is 0.954 standard deviations.
    (median / 0.954).powi(2).max(1e-12)
}

#[cfg(test)]
mod tests {
    use super::*;
    use frbench_base::rng::Stream;

    fn series(pieces: &[(usize, f64)]) -> Vec<f64> {
        let mut stream = Stream::derive(1, "steps", &[]);
        let of = pieces
            .iter()
            .flat_map(|(n, level)| std::iter::repeat_n(*level, *n));
        of.map(|level| level + 0.01 * stream.normal()).collect()
    }

    #[test]
    fn steps_are_found_and_noise_has_none() {
        assert_eq!(
            steps(&series(&[(60, 0.9), (40, 0.8), (50, 0.85)])),
            [60, 100]
        );
        assert!(steps(&series(&[(200, 0.9)])).is_empty());
        assert!(steps(&[0.5; 30]).is_empty());
        assert!(steps(&[0.1, 0.9]).is_empty());
    }
}
