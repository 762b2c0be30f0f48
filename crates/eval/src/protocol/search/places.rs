//! Where a score in f32 stands on a ladder.

/// Scores of a ladder as f32 sees them, and a table of where each stands.
pub(super) struct Places {
    /// What is below the first is below the ladder's score, what is above the second above it. Both
    /// ascend, and end with infinity.
    from: Vec<f32>,
    to: Vec<f32>,
    /// Cells of equal width from the lowest of `from` on, and one for what is above all: how many
    /// intervals end in cells before it, and [`SEVERAL`].
    cells: Vec<u16>,
    /// Cells per unit of score.
    per_score: f32,
}

/// More than one interval reaches into the cell.
const SEVERAL: u16 = 1 << 15;
/// Cells for each score of a ladder, so that few are of several; and the most there are.
const CELLS: usize = 8;
const MOST: usize = 4096;

impl Places {
    /// Scores ascend, and f32 is off by at most `bound`.
    pub fn new(scores: &[f64], bound: f64) -> Self {
        let end = std::iter::once(f32::INFINITY);
        let from = scores.iter().map(|s| ((s - bound) as f32).next_down());
        let to = scores.iter().map(|s| ((s + bound) as f32).next_up());
        let mut places = Places {
            from: from.chain(end.clone()).collect(),
            to: to.chain(end).collect(),
            cells: vec![SEVERAL],
            per_score: 0.0,
        };
        // Other lists are searched as a whole.
        if (1..usize::from(SEVERAL)).contains(&scores.len()) {
            places.fill(scores.len());
        }
        places
    }

    fn fill(&mut self, count: usize) {
        let inner = (CELLS * count).clamp(64, MOST);
        self.per_score = inner as f32 / (self.to[count - 1].next_up() - self.from[0]);
        self.cells = vec![0; inner + 2];
        let mut reached = vec![0u16; inner + 2];
        // A cell is that of a difference and a product, neither of which can descend where a score
        // ascends. So an interval that reaches into no cell of a score does not hold it.
        let mut next = 0;
        for k in 0..count {
            let [first, last] = [self.from[k], self.to[k].next_up()].map(|end| self.cell(end));
            reached[first..=last].iter_mut().for_each(|n| *n += 1);
            if next <= last {
                self.cells[next..=last].fill(k as u16);
                next = last + 1;
            }
        }
        self.cells[next..].fill(count as u16);
        for (cell, _) in self.cells.iter_mut().zip(reached).filter(|(_, n)| *n > 1) {
            *cell |= SEVERAL;
        }
    }

    /// Scores below it are below the ladder; infinite where that is empty.
    pub fn lowest(&self) -> f32 {
        self.from[0]
    }

    /// The cell of each score, the first for those below the ladder. There is no branch, so that
    /// several are computed at once.
    pub fn cells<const N: usize>(&self, scores: &[f32; N]) -> [i32; N] {
        let (least, last) = (self.from[0], (self.cells.len() - 1) as f32);
        scores.map(|score| ((score - least) * self.per_score).max(0.0).min(last) as i32)
    }

    fn cell(&self, score: f32) -> usize {
        let [cell] = self.cells(&[score]);
        cell as usize
    }

    /// How many scores of the ladder are below this one, which is in this cell; none where f32 leaves
    /// that open.
    pub fn of(&self, score: f32, cell: i32) -> Option<usize> {
        let cell = self.cells[cell as usize];
        let ended = usize::from(cell & !SEVERAL);
        let below = match cell & SEVERAL {
            0 => ended + usize::from(self.to[ended] < score),
            _ => ended + self.to[ended..].partition_point(|&to| to < score),
        };
        (self.from[below] > score).then_some(below)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(places: &Places, score: f32) -> Option<usize> {
        let [cell] = places.cells(&[score]);
        places.of(score, cell)
    }

    proptest! {
        #[test]
        fn the_table_says_what_the_intervals_say(
            mut scores in prop::collection::vec(-1.0f64..1.0, 0..200),
            close in prop::collection::vec(0.3f64..0.300001, 0..20),
            bound in prop::sample::select(vec![0.0, 1e-9, 1e-5, 0.02]),
            others in prop::collection::vec(-1.2f32..1.2, 50),
        ) {
            scores.extend(close);
            scores.sort_by(f64::total_cmp);
            scores.dedup();
            let places = Places::new(&scores, bound);
            // Ends of intervals and their neighbours, and scores anywhere.
            let ends = places.from.iter().chain(&places.to);
            let ends = ends.flat_map(|end| [end.next_down(), *end, end.next_up()]);
            let ends = ends.filter(|end| *end < 2.0);
            for score in ends.chain(others) {
                let below = places.to.iter().filter(|to| **to < score).count();
                let open = places.from[below] <= score;
                prop_assert_eq!(of(&places, score), (!open).then_some(below));
                if !open {
                    let score = f64::from(score);
                    prop_assert!(scores[..below].iter().all(|s| s + bound < score));
                    prop_assert!(scores[below..].iter().all(|s| s - bound > score));
                }
            }
        }
    }

    #[test]
    fn most_scores_are_looked_up() {
        let scores: Vec<f64> = (0..44).map(|k| f64::from(k) / 44.0).collect();
        let places = Places::new(&scores, 1e-5);
        assert!(places.cells.iter().all(|c| *c < SEVERAL));
        assert_eq!(places.cells.last(), Some(&44));
        // A ladder of one score, and one that is longer than a cell can say.
        assert_eq!(of(&Places::new(&[0.5], 1e-5), 0.9), Some(1));
        let long: Vec<f64> = (0..70_000).map(|k| f64::from(k) / 70_000.0).collect();
        assert_eq!(of(&Places::new(&long, 1e-9), 1.5), Some(70_000));
    }
}
