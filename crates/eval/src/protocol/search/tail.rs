//! The highest of many scores.

use crate::protocol::operating;

/// The highest scores seen, and every score tied with the lowest of them.
pub(super) struct Tail {
    keep: usize,
    scores: Vec<f64>,
    /// Scores below cannot belong to the tail.
    pub floor: f64,
}

impl Tail {
    /// Of scores that are at least `floor`.
    pub fn new(keep: usize, floor: f64) -> Self {
        Tail {
            keep,
            scores: Vec::new(),
            floor: if keep == 0 { f64::INFINITY } else { floor },
        }
    }

    pub fn extend(&mut self, found: &mut Vec<f64>) {
        let floor = self.floor;
        self.scores.extend(found.drain(..).filter(|&s| s >= floor));
        if self.scores.len() > 2 * self.keep.max(1 << 16) {
            self.trim();
        }
    }

    /// Whether as many were seen as are kept.
    pub fn is_full(&self) -> bool {
        self.scores.len() >= self.keep
    }

    fn trim(&mut self) {
        if self.scores.len() > self.keep {
            let (_, &mut floor, _) = self
                .scores
                .select_nth_unstable_by(self.keep - 1, |a, b| b.total_cmp(a));
            self.floor = floor;
            self.scores.retain(|&s| s >= floor);
        }
    }

    pub fn finish(mut self) -> Vec<f64> {
        self.trim();
        operating::sort_descending(&mut self.scores);
        self.scores
    }
}
