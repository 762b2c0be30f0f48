//! Where scores of a probe stand on its ladder.

/// What one probe has found.
pub(super) struct Count<'a> {
    pub inverse_norm: f64,
    /// The ladder's: ascending, each once.
    pub scores: &'a [f64],
    /// `between[k]`: rows strictly above exactly the first k of `scores`.
    pub between: Vec<u64>,
    ties: u64,
}

impl<'a> Count<'a> {
    pub fn new(scores: &'a [f64], inverse_norm: f64) -> Self {
        Count {
            inverse_norm,
            scores,
            between: vec![0; scores.len() + 1],
            ties: 0,
        }
    }

    /// The lowest score of the ladder; rows below it change nothing.
    pub fn lowest(&self) -> f64 {
        self.scores.first().copied().unwrap_or(f64::INFINITY)
    }

    pub fn add(&mut self, score: f64) {
        let k = self.scores.partition_point(|&s| s < score);
        self.between[k] += 1;
        if self.scores.get(k) == Some(&score) {
            self.ties += 1;
        }
    }

    /// Rows above each score, and ties.
    pub fn finish(self) -> (Vec<u64>, u64) {
        let mut above = self.between[1..].to_vec();
        for k in (1..above.len()).rev() {
            above[k - 1] += above[k];
        }
        (above, self.ties)
    }
}
