//! Thresholds that are chosen on one column of a plan and judged on the others, from the scores
//! that its jobs have left.

use super::Store;
use crate::plan::Round;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use frbench_data::set;
use frbench_eval::protocol::rates::{ABOVE, ErrorRates, Scores};
use frbench_job::{Description, JobSpec};
use frbench_weights::npy::Npy;

/// What the threshold of a model comes to on a set.
#[derive(Clone, Debug, PartialEq)]
pub struct Transferred {
    /// Id of the row, and its label.
    pub row: String,
    pub label: String,
    pub seed: u64,
    /// The data set that is judged.
    pub data: String,
    /// At the threshold, above which a pair matches: a tie does not.
    pub rates: ErrorRates,
}

/// The scores of pairs that a job has left.
const SCORES: &str = "pair_similarity.npy";

/// Of each model the threshold at the false match rate `fmr` on the data set `from`, and what it
/// comes to on every set of pairs that is scored by the same protocol, that set first.
///
/// # Errors
/// [`Error::Usage`] where `from` is no set of pairs of the plan; [`Error::Data`] for a set that is
/// gone.
pub fn transferred(round: &Round, store: &Store, from: &str, fmr: f64) -> Result<Vec<Transferred>> {
    let layout = &round.layout;
    let columns = || layout.columns.iter().filter(|c| c.kind == "verification");
    let chosen = columns().find(|c| c.data == from).ok_or_else(|| {
        Error::Usage(format!(
            "`{from}` is no set of pairs of this evaluation, so no threshold can be chosen on it"
        ))
    })?;
    let mut out = Vec::new();
    for row in &layout.rows {
        for run in &row.runs {
            let scores = |column: &str| -> Result<Option<Scores>> {
                let mut cells = layout.cells.iter();
                let cell =
                    cells.find(|c| c.row == row.id && c.column == column && c.seed == run.seed);
                match cell {
                    Some(cell) => scores(round, store, &cell.score),
                    None => Ok(None),
                }
            };
            let Some(own) = scores(&chosen.id)? else {
                continue;
            };
            let threshold = own.at_fmr(fmr, ABOVE).threshold;
            let judged = columns().filter(|c| c.protocol == chosen.protocol && c.id != chosen.id);
            for column in std::iter::once(chosen).chain(judged) {
                let Some(scores) = scores(&column.id)? else {
                    continue;
                };
                out.push(Transferred {
                    row: row.id.clone(),
                    label: row.label.clone(),
                    seed: run.seed,
                    data: column.data.clone(),
                    rates: scores.at(threshold, ABOVE.ties),
                });
            }
        }
    }
    Ok(out)
}

/// The scores that a job has left; none of one that is not done.
fn scores(round: &Round, store: &Store, key: &Key) -> Result<Option<Scores>> {
    let folder = store.folder(key);
    if !folder.is_done() {
        return Ok(None);
    }
    let spec = |key: &Key| round.jobs.iter().find(|j| j.key == *key).map(|j| &j.spec);
    let data = match spec(key) {
        Some(JobSpec::Score(score)) => spec(&score.data),
        _ => None,
    };
    let Some(JobSpec::Data(data)) = data else {
        return Err(Error::Bug(format!("job {} scores nothing", key.short())));
    };
    let Description::Pairs(pairs) = set::open(data, store.data_root())?.description else {
        return Err(Error::Bug(format!("`{}` holds no pairs", data.name)));
    };
    let path = folder.file(SCORES);
    let scores: Vec<f64> = Npy::open(&path)?.numbers().collect();
    let wrong = |what: String| Error::Data(format!("{}: {what}", path.display()));
    match scores.len() == pairs.same.len() {
        true => Scores::of(&scores, &pairs.same)
            .map(Some)
            .map_err(|e| wrong(e.to_string())),
        false => Err(wrong(format!(
            "{} scores for {} pairs",
            scores.len(),
            pairs.same.len()
        ))),
    }
}
