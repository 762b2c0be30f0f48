//! Means and variances per channel, gathered block by block while the blocks are in cache.

use super::norm::Stats;
use super::rows::Sums;

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
        let total: usize = self.rows.iter().sum();
        let n = total as f64;
        let (mut mean, mut square) = (vec![0.0f64; c], vec![0.0f64; c]);
        let blocks = || self.rows.iter().zip(self.sums.chunks_exact(3 * c));
        for (_, sums) in blocks().filter(|(rows, _)| **rows > 0) {
            for i in 0..c {
                mean[i] += f64::from(sums[c + i]);
            }
        }
        for (&rows, sums) in blocks() {
            for i in 0..c {
                mean[i] += rows as f64 * f64::from(sums[i]);
            }
        }
        mean.iter_mut().for_each(|m| *m /= n);
        for (&rows, sums) in blocks().filter(|(rows, _)| **rows > 0) {
            let rows = rows as f64;
            for i in 0..c {
                let (pivot, sum) = (f64::from(sums[i]), f64::from(sums[c + i]));
                let own = pivot + sum / rows;
                let within = f64::from(sums[2 * c + i]) - sum * sum / rows;
                square[i] += within + rows * (own - mean[i]) * (own - mean[i]);
            }
        }
        let var = square.iter().map(|s| (s / n).max(0.0)).collect();
        Stats { mean, var }
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
    use crate::rng::Stream;

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
