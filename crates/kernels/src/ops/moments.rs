//! Means and variances per channel, gathered block by block while the blocks are in cache.

use super::norm::Stats;
use super::rows::Sums;
use super::simd::simd;

/// What one block of rows adds: for each channel the pivot, the sum of differences to it, and
/// the sum of their squares (`[3][c]`). Differences, so that a mean far from 0 does not cancel
/// the variance away.
pub struct Moments {
    channels: usize,
    /// Rows of each block; 0 for a block that has not been filled.
    rows: Vec<usize>,
    sums: Vec<f32>,
}

impl Moments {
    pub fn new(channels: usize) -> Self {
        Moments {
            channels,
            rows: Vec::new(),
            sums: Vec::new(),
        }
    }

    /// Room for `blocks` blocks: their row counts, and their sums in order.
    pub fn blocks(&mut self, blocks: usize) -> (&mut [usize], &mut [f32]) {
        self.rows = vec![0; blocks];
        self.sums = vec![0.0; blocks * 3 * self.channels];
        (&mut self.rows, &mut self.sums)
    }

    /// Joins the blocks, in their order.
    pub fn stats(&self) -> Stats {
        let c = self.channels;
        let n = self.rows.iter().sum::<usize>() as f64;
        let (mut mean, mut var) = (vec![0.0; c], vec![0.0; c]);
        let blocks = || {
            let all = self.rows.iter().zip(self.sums.chunks_exact(3 * c));
            all.filter(|(rows, _)| **rows > 0)
        };
        for (_, sums) in blocks() {
            add_f64(&mut mean, &sums[c..2 * c]);
        }
        for (&rows, sums) in blocks() {
            add_times(&mut mean, rows as f64, &sums[..c]);
        }
        mean.iter_mut().for_each(|m| *m /= n);
        for (&rows, sums) in blocks() {
            add_squares(&mut var, &mean, rows as f64, sums);
        }
        var.iter_mut().for_each(|s| *s = (*s / n).max(0.0));
        Stats { mean, var }
    }
}

simd! {
    /// `sum += x`, in 64 bits.
    pub fn add_f64(sum: &mut [f64], x: &[f32]) {
        let _ = FMA;
        for (sum, &x) in sum.iter_mut().zip(x) {
            *sum += f64::from(x);
        }
    }
}

simd! {
    fn add_times(sum: &mut [f64], n: f64, x: &[f32]) {
        let _ = FMA;
        for (sum, &x) in sum.iter_mut().zip(x) {
            *sum += n * f64::from(x);
        }
    }
}

simd! {
    /// Adds the squares of what a block's rows differ from `mean` by, which its sums (`[3][c]`)
    /// tell.
    fn add_squares(square: &mut [f64], mean: &[f64], rows: f64, sums: &[f32]) {
        let _ = FMA;
        let c = square.len();
        let (pivots, sums) = sums.split_at(c);
        let (sums, squares) = sums.split_at(c);
        let blocks = pivots.iter().zip(sums).zip(squares);
        for ((square, mean), ((&pivot, &sum), &within)) in square.iter_mut().zip(mean).zip(blocks) {
            let (pivot, sum) = (f64::from(pivot), f64::from(sum));
            let off = pivot + sum / rows - mean;
            let within = f64::from(within) - sum * sum / rows;
            *square += within + rows * off * off;
        }
    }
}

/// Fills one block's sums (`[3][c]`) from its rows.
pub fn of_rows(x: &[f32], c: usize, sums: &mut [f32]) {
    let (pivot, sums) = sums.split_at_mut(c);
    pivot.copy_from_slice(&x[..c]);
    sums.fill(0.0);
    Sums { x, pivot, sums }.run();
}

#[cfg(test)]
mod tests {
    use super::*;
    use frbench_base::rng::Stream;

    #[test]
    fn blocks_of_any_size_give_the_statistics_of_the_whole() {
        let c = 5;
        let mut stream = Stream::derive(1, "moments", &[]);
        let x: Vec<f32> = (0..103 * c)
            .map(|i| 1000.0 * (i % c) as f32 + stream.normal() as f32)
            .collect();
        let mut moments = Moments::new(c);
        let (rows, sums) = moments.blocks(4);
        let cuts = [0, 1, 40, 102, 103];
        for b in 0..4 {
            rows[b] = cuts[b + 1] - cuts[b];
            let block = &x[cuts[b] * c..cuts[b + 1] * c];
            of_rows(block, c, &mut sums[b * 3 * c..(b + 1) * 3 * c]);
        }
        let stats = moments.stats();
        for i in 0..c {
            let column: Vec<f64> = x.iter().skip(i).step_by(c).map(|&v| v.into()).collect();
            let mean = column.iter().sum::<f64>() / 103.0;
            let var = column.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 103.0;
            assert!((stats.mean[i] - mean).abs() < 1e-6 * mean.max(1.0));
            assert!(
                (stats.var[i] - var).abs() < 1e-4 * var,
                "{} {var}",
                stats.var[i]
            );
        }
    }
}
