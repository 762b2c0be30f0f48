//! What scoring jobs have left of pairs: the score of each, and whether it is judged rightly.

use super::own::Depth;
use super::store::Store;
use crate::plan::Round;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_data::set::{self, DataSet};
use frbench_job::description::PairData;
use frbench_job::{DataSpec, Description, JobSpec};
use frbench_weights::npy::Npy;

/// What protocols of pairs leave.
const RIGHT: &str = "pair_right.npy";
const SCORES: &str = "pair_similarity.npy";

/// A set of pairs that jobs score.
pub struct PairSet {
    pub set: DataSet,
    pub data: PairData,
}

impl PairSet {
    /// The set that job `key` scores.
    ///
    /// # Errors
    /// [`Error::Data`] for a set that is gone.
    pub fn of(round: &Round, store: &Store, key: &Key) -> Result<PairSet> {
        let spec = data_of(round, key)?;
        let set = set::open(spec, store.data_root())?;
        let Description::Pairs(data) = &set.description else {
            return Err(Error::Bug(format!("`{}` holds no pairs", spec.name)));
        };
        let data = data.clone();
        Ok(PairSet { set, data })
    }

    /// The score of each pair, larger is more alike.
    ///
    /// # Errors
    /// [`Error::Data`] for a file that is gone, or not what the job has left.
    pub fn scores(&self, store: &Store, key: &Key) -> Result<Vec<f64>> {
        self.numbers(store, key, SCORES)
    }

    /// Whether each pair is judged rightly while it is held out.
    ///
    /// # Errors
    /// As [`PairSet::scores`].
    pub fn right(&self, store: &Store, key: &Key) -> Result<Vec<bool>> {
        let numbers = self.numbers(store, key, RIGHT)?;
        Ok(numbers.into_iter().map(|right| right != 0.0).collect())
    }

    fn numbers(&self, store: &Store, key: &Key, name: &str) -> Result<Vec<f64>> {
        let folder = store.folder(key);
        let result = store.result(key).and_then(Result::err);
        if let Some(damage) = result.or_else(|| store.damage(key, Depth::Full)) {
            return Err(Error::Data(format!(
                "{}; `frbench run` makes it again",
                damage.text(&folder)
            )));
        }
        let path = folder.file(name);
        let numbers: Vec<f64> = Npy::open(&path)?.numbers().collect();
        match numbers.len() == self.data.same.len() {
            true => Ok(numbers),
            false => Err(Error::Data(format!(
                "{}: {} numbers for {} pairs",
                path.display(),
                numbers.len(),
                self.data.same.len()
            ))),
        }
    }
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
