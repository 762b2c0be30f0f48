//! Which images of an evaluation set are in the sets that networks are trained on, as far as that
//! was looked at.

use super::{Parts, column_id};
use crate::model::{Column, Overlap};
use frbench_base::key::Key;
use frbench_data::overlap::kept::Kept;
use frbench_job::result::JobResult;
use frbench_job::{DataSource, JobSpec};
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
    let sets: BTreeMap<String, Option<String>> = trained.flat_map(|key| parts(s, key)).collect();
    for column in &s.layout.columns {
        let mut cells = s.layout.cells.iter().filter(|c| c.column == column.id);
        let Some(JobSpec::Score(score)) = cells.next().and_then(|c| s.spec(&c.score)) else {
            continue;
        };
        // An evaluation set is one set.
        let Some((_, eval)) = parts(s, &score.data).into_iter().next() else {
            continue;
        };
        let mut overlaps = Vec::new();
        for (train, identity) in &sets {
            let ids = identity.as_ref().zip(eval.as_ref());
            let found = ids.map(|(a, b)| Kept::read(data_root, a, b)).transpose();
            let found = found.unwrap_or_else(|e| {
                notes.insert(e.to_string());
                None
            });
            overlaps.push(Overlap {
                train: train.clone(),
                found: found.flatten(),
            });
        }
        let own = column_id(&column.id, "");
        for column in columns.iter_mut().filter(|c| c.id.starts_with(&own)) {
            column.context.overlaps = overlaps.clone();
        }
    }
}

/// Name and identity of each set that a job's is made of: itself, or what noise was planted in and
/// taken from. Generated ones are left out.
fn parts(s: &Parts, key: &Key) -> Vec<(String, Option<String>)> {
    let Some(JobSpec::Data(spec)) = s.spec(key) else {
        return Vec::new();
    };
    let found = match s.finished.get(key) {
        Some(JobResult::Data(found)) => Some(found.pixels_sha256.clone()),
        _ => None,
    };
    match &spec.source {
        DataSource::Synth(_) => Vec::new(),
        DataSource::Files { .. } => vec![(spec.name.clone(), found)],
        DataSource::Noisy(noisy) => {
            let sets = std::iter::once(&noisy.base).chain(&noisy.outliers);
            let brought = sets.filter(|s| !matches!(s.source, DataSource::Synth(_)));
            brought
                .map(|s| (s.name.clone(), s.identity.clone()))
                .collect()
        }
    }
}
