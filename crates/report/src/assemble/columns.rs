//! The columns of a report: one per metric that any model has under a protocol.

use super::trials::Trials;
use super::{Parts, column_id, overlap};
use crate::model::{self, Column, Context};
use frbench_base::key::Key;
use frbench_eval::stats::People;
use frbench_harness::plan::layout::{Layout, LayoutColumn};
use frbench_harness::suite::resolve::ResolvedClaim;
use frbench_job::result::Metric;
use frbench_job::{DataSource, DataSpec, JobSpec};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

/// One column per metric that any model has under a protocol, in the protocol's order.
/// Rates that too few false accepts support are left out and named in `notes`, unless a claim is
/// judged on them.
pub(super) fn columns(
    s: &Parts,
    trials: &BTreeMap<Key, Trials>,
    data_root: &Path,
    notes: &mut BTreeSet<String>,
) -> Vec<Column> {
    let generated = trains_on_generated(s);
    let mut columns = Vec::new();
    for column in &s.layout.columns {
        let here = s.layout.cells.iter().filter(|c| c.column == column.id);
        let Some(scored) = here.clone().find_map(|c| s.score(&c.score)) else {
            columns.extend(failed(s, column, generated));
            continue;
        };
        // All networks have the same trials; those of some may be damaged.
        let trials = here.clone().find_map(|c| trials.get(&c.score));
        let people = shared(trials);
        let mut unsupported = Vec::new();
        // The first that is kept speaks for the protocol.
        let mut headline = true;
        for metric in &scored.metrics {
            let allowed = trials.and_then(|t| t.allowed.get(&metric.id));
            let claims = || s.layout.claims.iter();
            let judged =
                |c: &&ResolvedClaim| c.column.as_ref() == Some(&column.id) && c.metric == metric.id;
            if allowed.is_some_and(|n| *n < SUPPORT) && !claims().any(|c| judged(&c)) {
                unsupported.push(metric.id.as_str());
                continue;
            }
            let mut new = self::column(column, &scored.protocol, metric, generated);
            new.headline = std::mem::take(&mut headline);
            new.primary = claims().filter(judged).any(|c| c.primary);
            let has = trials.is_some_and(|t| t.has(&metric.id));
            new.trials = people.clone().filter(|_| has);
            columns.push(new);
        }
        if !unsupported.is_empty() {
            notes.insert(format!(
                "{}: fewer than {SUPPORT} false accepts support {}, which is no column therefore.",
                column.id,
                unsupported.join(", ")
            ));
        }
    }
    overlap::tell(s, data_root, &mut columns, notes);
    tell_apart(s.layout, &mut columns);
    // What primary claims are judged on comes first, then what speaks for a protocol, then its
    // details; the order is otherwise the suite's.
    columns.sort_by_key(|c| (!c.primary, !c.headline));
    columns
}

/// False accepts below which a rate is not shown by default.
const SUPPORT: u64 = 10;

/// Who is on the trials.
fn shared(trials: Option<&Trials>) -> Option<model::Trials> {
    let trials = trials?;
    let count = trials.adds.first()?.1.len();
    let people = match &trials.people {
        Some(people) => People::new(people),
        None => People::apart(count),
    };
    Some(model::Trials {
        people: Arc::new(people),
        known: trials.people.is_some(),
    })
}

/// Gives columns of one heading, such as two sizes of a twin or one set under two protocols, the
/// names of their data sets and protocols.
fn tell_apart(layout: &Layout, columns: &mut [Column]) {
    let mut alike: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (i, column) in columns.iter().enumerate() {
        alike.entry(column.label.clone()).or_default().push(i);
    }
    for group in alike.into_values().filter(|group| group.len() > 1) {
        let of = |i: usize| {
            let (id, metric) = (&columns[i].id, &columns[i].metric);
            let own = |c: &&LayoutColumn| column_id(&c.id, metric) == *id;
            layout.columns.iter().find(own)
        };
        let places: Vec<Option<&LayoutColumn>> = group.iter().map(|&i| of(i)).collect();
        let several = |name: fn(&LayoutColumn) -> &str| {
            let names = places.iter().flatten().map(|c| name(c));
            names.collect::<BTreeSet<_>>().len() > 1
        };
        let (data, protocols) = (several(|c| &c.data), several(|c| &c.protocol));
        for (i, place) in group.into_iter().zip(&places) {
            let (Some(place), metric) = (place, &columns[i].metric) else {
                continue;
            };
            let set = if data { &place.data } else { &place.family };
            columns[i].label = match protocols {
                true => format!("{set} {metric} ({})", place.protocol),
                false => format!("{set} {metric}"),
            };
        }
    }
}

/// The headline of a column without a value, where that is because something failed.
fn failed(s: &Parts, column: &LayoutColumn, generated: bool) -> Option<Column> {
    let mut cells = s.layout.cells.iter().filter(|c| c.column == column.id);
    let cell = cells.find(|c| s.failed.has(&c.score))?;
    let JobSpec::Score(spec) = s.spec(&cell.score)? else {
        return None;
    };
    let protocol = frbench_eval::protocol::find(&spec.protocol.name).ok()?;
    let id = (protocol.metrics)(&spec.protocol)
        .ok()?
        .into_iter()
        .next()?;
    let metric = Metric {
        value: f64::NAN,
        higher_is_better: !frbench_eval::protocol::is_error(&id),
        id,
        chance: None,
        interval: None,
        folds: Vec::new(),
    };
    Some(self::column(column, &column.kind, &metric, generated))
}

fn column(c: &LayoutColumn, protocol: &str, metric: &Metric, generated: bool) -> Column {
    Column {
        id: column_id(&c.id, &metric.id),
        dataset: c.data.clone(),
        protocol: protocol.to_string(),
        metric: metric.id.clone(),
        label: format!("{} {}", c.family, metric.id),
        headline: true,
        primary: false,
        trials: None,
        unit: if metric.id.contains("ratio") { "" } else { "%" }.into(),
        higher_is_better: metric.higher_is_better,
        chance: metric.chance,
        generated: c.synthetic,
        context: Context {
            protocol: protocol.to_string(),
            checkpoint: "last".into(),
            synthetic: c.synthetic || generated,
            overlaps: Vec::new(),
        },
    }
}

/// Whether some row is trained on rendered images.
fn trains_on_generated(s: &Parts) -> bool {
    let runs = s.layout.rows.iter().filter_map(|r| r.runs.first());
    let mut sets = runs.filter_map(|r| match s.spec(&s.train_spec(&r.train)?.data)? {
        JobSpec::Data(d) => Some(d),
        _ => None,
    });
    sets.any(is_generated)
}

fn is_generated(set: &DataSpec) -> bool {
    match &set.source {
        DataSource::Synth(_) => true,
        DataSource::Files { .. } => false,
        DataSource::Noisy(noisy) => is_generated(&noisy.base),
    }
}
