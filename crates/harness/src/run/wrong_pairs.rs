//! Pairs that models get wrong while they are held out, from what the jobs of a plan have left.

use super::Store;
use super::pair_scores::PairSet;
use crate::plan::Round;
use frbench_base::Result;
use frbench_data::set::DataSet;

/// A column of pairs, and those that any model gets wrong there.
pub struct Column {
    /// The data set, and the suite's name for the protocol.
    pub data: String,
    pub protocol: String,
    /// Labels of the models that are done.
    pub models: Vec<String>,
    /// How many pairs there are.
    pub pairs: usize,
    /// Those of which an image is missing or damaged.
    pub unusable: usize,
    /// Those that the fewest models get wrong first.
    pub wrong: Vec<Wrong>,
    pub set: DataSet,
}

/// A pair that at least one model gets wrong.
pub struct Wrong {
    /// Its number in the set, and its images.
    pub pair: usize,
    pub images: (u32, u32),
    pub same: bool,
    /// Of each model whether it gets the pair wrong, and its score.
    pub models: Vec<(bool, f64)>,
}

/// Every column of pairs of which a model is done.
///
/// # Errors
/// [`Error::Data`](frbench_base::Error::Data) for a set that is gone, and files that are not what
/// their jobs have left.
pub fn wrong_pairs(round: &Round, store: &Store) -> Result<Vec<Column>> {
    let layout = &round.layout;
    let mut out = Vec::new();
    for column in layout.columns.iter().filter(|c| c.kind == "verification") {
        let mut cells = Vec::new();
        for row in &layout.rows {
            let mut own = layout.cells.iter();
            let own = own.find(|c| c.row == row.id && c.column == column.id);
            if let Some(cell) = own.filter(|c| store.folder(&c.score).is_done()) {
                cells.push((row.label.clone(), &cell.score));
            }
        }
        let Some((_, first)) = cells.first() else {
            continue;
        };
        let pairs = PairSet::of(round, store, first)?;
        let data = &pairs.data;
        let mut models = Vec::new();
        for (_, key) in &cells {
            models.push((pairs.right(store, key)?, pairs.scores(store, key)?));
        }
        let mut wrong = Vec::new();
        for (pair, images) in data.pairs.iter().enumerate() {
            let of = |(right, scores): &(Vec<bool>, Vec<f64>)| (!right[pair], scores[pair]);
            let of: Vec<(bool, f64)> = models.iter().map(of).collect();
            if let Some(images) = images.filter(|_| of.iter().any(|(wrong, _)| *wrong)) {
                wrong.push(Wrong {
                    pair,
                    images,
                    same: data.same[pair],
                    models: of,
                });
            }
        }
        wrong.sort_by_key(|w| w.models.iter().filter(|(wrong, _)| *wrong).count());
        out.push(Column {
            data: column.data.clone(),
            protocol: column.protocol.clone(),
            models: cells.into_iter().map(|(label, _)| label).collect(),
            pairs: data.same.len(),
            unusable: data.pairs.iter().filter(|p| p.is_none()).count(),
            wrong,
            set: pairs.set,
        });
    }
    Ok(out)
}
