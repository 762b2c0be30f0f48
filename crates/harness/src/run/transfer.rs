//! Thresholds that are chosen on one column of a plan and judged on the others, from the scores
//! that its jobs have left.

use super::Store;
use super::pair_scores::PairSet;
use crate::plan::Round;
use crate::plan::layout::{Cell, LayoutColumn};
use frbench_base::{Error, Result};
use frbench_eval::protocol::rates::{ABOVE, ErrorRates, Scores};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

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

/// Of each model the threshold at the false match rate `fmr` on the data set `from`, and what it
/// comes to on every set of pairs that is scored by the same protocol, that set first.
///
/// # Errors
/// [`Error::Usage`] where `from` is no set of pairs of the plan; [`Error::Data`] for a set that is
/// gone, and scores that are not what their jobs have left.
pub fn transferred(round: &Round, store: &Store, from: &str, fmr: f64) -> Result<Vec<Transferred>> {
    let layout = &round.layout;
    let columns = || layout.columns.iter().filter(|c| c.kind == "verification");
    let chosen = columns().find(|c| c.data == from).ok_or_else(|| {
        Error::Usage(format!(
            "`{from}` is no set of pairs of this evaluation, so no threshold can be chosen on it"
        ))
    })?;
    let judged = columns().filter(|c| c.protocol == chosen.protocol && c.id != chosen.id);
    let judged: Vec<&LayoutColumn> = std::iter::once(chosen).chain(judged).collect();
    let mut sets: BTreeMap<&str, PairSet> = BTreeMap::new();
    let mut out = Vec::new();
    for (row, run) in layout
        .rows
        .iter()
        .flat_map(|r| r.runs.iter().map(move |run| (r, run)))
    {
        let mut threshold = None;
        for &column in &judged {
            let own = |c: &&Cell| c.row == row.id && c.column == column.id && c.seed == run.seed;
            let cell = layout.cells.iter().find(own);
            let Some(cell) = cell.filter(|c| store.folder(&c.score).is_done()) else {
                // Without the first nothing is chosen.
                match threshold {
                    None => break,
                    Some(_) => continue,
                }
            };
            let set = match sets.entry(&column.data) {
                Entry::Occupied(set) => set.into_mut(),
                Entry::Vacant(place) => place.insert(PairSet::of(round, store, &cell.score)?),
            };
            let scores = Scores::of(&set.scores(store, &cell.score)?, &set.data.same)?;
            let threshold = match threshold {
                Some(threshold) => threshold,
                None => *threshold.insert(scores.at_fmr(fmr, ABOVE).threshold),
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
    Ok(out)
}
