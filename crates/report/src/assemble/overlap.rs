//! Which images of an evaluation set are in the sets that networks are trained on, as far as that
//! was looked at.

use super::{Parts, column_id};
use crate::model::{Column, Overlap};
use frbench_data::overlap::kept::Kept;
use frbench_job::result::JobResult;
use frbench_job::{DataSource, DataSpec, JobSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Adds to the context of each column what is known of it and the training sets. Generated sets
/// have people of their own and are left out. What cannot be read is named in `notes`.
pub(super) fn tell(
    s: &Parts,
    data_root: &Path,
    columns: &mut [Column],
    notes: &mut BTreeSet<String>,
) {
    let runs = s.layout.rows.iter().filter_map(|r| r.runs.first());
    let trained = runs.filter_map(|run| Some(&s.train_spec(&run.train)?.data));
    let sets: BTreeMap<String, Option<String>> = trained.filter_map(|key| set(s, key)).collect();
    for cell in &s.layout.cells {
        let Some(JobSpec::Score(score)) = s.spec(&cell.score) else {
            continue;
        };
        let Some((_, eval)) = set(s, &score.data) else {
            continue;
        };
        let own = column_id(&cell.column, "");
        for column in columns.iter_mut().filter(|c| c.id.starts_with(&own)) {
            if !column.context.overlaps.is_empty() {
                continue;
            }
            let overlaps = sets.iter().map(|(train, identity)| {
                let ids = identity.as_ref().zip(eval.as_ref());
                let found = ids.map(|(a, b)| Kept::read(data_root, a, b)).transpose();
                let found = found.unwrap_or_else(|e| {
                    notes.insert(e.to_string());
                    None
                });
                Overlap {
                    train: train.clone(),
                    found: found.flatten(),
                }
            });
            column.context.overlaps = overlaps.collect();
        }
    }
}

/// Name and identity of the set that a job makes; of one with noise, of what it is made from. None
/// of a generated set.
fn set(s: &Parts, key: &frbench_base::key::Key) -> Option<(String, Option<String>)> {
    let JobSpec::Data(spec) = s.spec(key)? else {
        return None;
    };
    let found = match s.finished.get(key) {
        Some(JobResult::Data(found)) => Some(found.pixels_sha256.clone()),
        _ => None,
    };
    let of = |spec: &DataSpec, found| match spec.source {
        DataSource::Synth(_) => None,
        _ => Some((spec.name.clone(), found)),
    };
    match &spec.source {
        DataSource::Noisy(noisy) => of(&noisy.base, noisy.base.identity.clone()),
        _ => of(spec, found),
    }
}
