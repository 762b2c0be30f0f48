//! Pairs that models get wrong while they are held out, from what the jobs of a plan have left.

use super::Store;
use crate::plan::Round;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_data::set::{self, DataSet};
use frbench_job::{DataSpec, Description, JobSpec};
use frbench_weights::npy::Npy;

/// A column of pairs, and those that any model gets wrong there.
pub struct Column {
    /// The data set, and the suite's name for the protocol.
    pub data: String,
    pub protocol: String,
    /// Labels of the models that are done.
    pub models: Vec<String>,
    /// How many pairs there are.
    pub pairs: usize,
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

/// What protocols of pairs leave.
const RIGHT: &str = "pair_right.npy";
const SCORES: &str = "pair_similarity.npy";

/// Every column of pairs of which a model is done.
///
/// # Errors
/// [`Error::Data`] for a set or a file that is gone.
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
        let set = set::open(data_of(round, first)?, store.data_root())?;
        let Description::Pairs(data) = &set.description else {
            return Err(Error::Bug(format!("`{}` holds no pairs", column.data)));
        };
        let read = |key: &Key, name: &str| -> Result<Vec<f64>> {
            let path = store.folder(key).file(name);
            let numbers: Vec<f64> = Npy::open(&path)?.numbers().collect();
            match numbers.len() == data.same.len() {
                true => Ok(numbers),
                false => Err(Error::Data(format!(
                    "{}: {} numbers for {} pairs",
                    path.display(),
                    numbers.len(),
                    data.same.len()
                ))),
            }
        };
        let mut models = Vec::new();
        for (_, key) in &cells {
            models.push((read(key, RIGHT)?, read(key, SCORES)?));
        }
        let mut wrong = Vec::new();
        for (pair, images) in data.pairs.iter().enumerate() {
            let of = |(right, scores): &(Vec<f64>, Vec<f64>)| (right[pair] == 0.0, scores[pair]);
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
            wrong,
            set,
        });
    }
    Ok(out)
}

/// The data set that a job scores.
fn data_of<'a>(round: &'a Round, key: &Key) -> Result<&'a DataSpec> {
    let spec = |key: &Key| round.jobs.iter().find(|j| j.key == *key).map(|j| &j.spec);
    match spec(key) {
        Some(JobSpec::Score(score)) => match spec(&score.data) {
            Some(JobSpec::Data(data)) => Ok(data),
            _ => Err(Error::Bug(format!("job {} has no data", key.short()))),
        },
        _ => Err(Error::Bug(format!("job {} scores nothing", key.short()))),
    }
}
