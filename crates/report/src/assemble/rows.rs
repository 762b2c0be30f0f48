//! The rows of a report: each network with its runs, and what was scored of them.

use super::trials::Trials;
use super::{Parts, column_id};
use crate::model::{Column, Origin, Row, RunStatus, SeedRun};
use frbench_base::Size;
use frbench_base::key::Key;
use frbench_harness::plan::layout::{self, Cell, LayoutRow};
use frbench_harness::run::failures::NOT_RUN;
use frbench_job::result::JobResult;
use frbench_job::{BackboneSpec, DataSource, DataSpec, Job, JobSpec};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The cells of a row and seed.
type Cells<'a> = BTreeMap<(&'a str, u64), Vec<&'a Cell>>;

/// All rows; what a reader must know of their runs is added to `notes`.
pub(super) fn rows(
    s: &Parts,
    columns: &[Column],
    trials: &BTreeMap<Key, Trials>,
    notes: &mut BTreeSet<String>,
) -> Vec<Row> {
    let mut cells = Cells::new();
    for cell in &s.layout.cells {
        cells.entry((&cell.row, cell.seed)).or_default().push(cell);
    }
    let rows = s.layout.rows.iter();
    rows.map(|row| self::row(s, row, (columns, trials), &cells, notes))
        .collect()
}

fn row(
    s: &Parts,
    row: &LayoutRow,
    (columns, trials): (&[Column], &BTreeMap<Key, Trials>),
    cells: &Cells,
    notes: &mut BTreeSet<String>,
) -> Row {
    let first = row.runs.first().and_then(|r| s.network(&r.train));
    let capacity = row.runs.iter().find_map(|r| capacity(s, &r.train));
    let runs = row.runs.iter().map(|run| {
        let cells = cells.get(&(row.id.as_str(), run.seed));
        let cells = cells.map_or(&[][..], Vec::as_slice);
        self::run(s, (row, run), (columns, trials), cells, notes)
    });
    Row {
        info: row.info.clone(),
        origin: row.runs.first().and_then(|r| origin(s, &r.train)),
        backbone: first
            .map(|(network, input)| backbone(network, input.size))
            .unwrap_or_default(),
        parameters: capacity.map_or(0, |(parameters, _)| parameters),
        macs: capacity.map_or(0, |(_, macs)| macs),
        recipe: row.recipe.clone(),
        runs: runs.collect(),
    }
}

/// Where the network of a row comes from, by the job that yields it.
fn origin(s: &Parts, network: &Key) -> Option<Origin> {
    let JobSpec::Train(training) = s.spec(network)? else {
        return Some(Origin::File);
    };
    let JobSpec::Data(set) = s.spec(&training.data)? else {
        return None;
    };
    let mut out = training_set(set);
    if training.start.is_some() {
        out += ", from another network on";
    }
    Some(Origin::Trained(out))
}

/// A set and the noise that was planted in it.
fn training_set(set: &DataSpec) -> String {
    let DataSource::Noisy(noisy) = &set.source else {
        return set.name.clone();
    };
    let mut out = noisy.base.name.clone();
    for (share, kind) in [(noisy.closed, "closed"), (noisy.open, "open")] {
        if share > 0.0 {
            out += &format!(", {} % {kind}", (share * 1000.0).round() / 10.0);
        }
    }
    out
}

/// Parameters and multiply-accumulates of the network that a job has left.
fn capacity(s: &Parts, key: &Key) -> Option<(u64, u64)> {
    let trained = s.trained(key).map(|t| (t.parameters, t.macs));
    trained.or_else(|| s.imported(key).map(|i| (i.parameters, i.macs)))
}

/// How many images a second a network embedded, over all sets.
fn embedded_per_second(s: &Parts, network: &Key) -> Option<f64> {
    let of = |job: &&&Job| matches!(&job.spec, JobSpec::Embed(spec) if spec.model == *network);
    let jobs = s.jobs.values().filter(of);
    let results = jobs.filter_map(|job| match s.finished.get(&job.key)? {
        JobResult::Embed(result) => Some(result),
        _ => None,
    });
    // A resumed job knows its rate, and not how long all of it took.
    let timed = results.filter(|r| r.images_per_second > 0.0);
    let (images, seconds) = timed.fold((0.0, 0.0), |(images, seconds), r| {
        let rows = r.rows as f64;
        (images + rows, seconds + rows / r.images_per_second)
    });
    (seconds > 0.0).then(|| images / seconds)
}

/// One network and its scores.
fn run(
    s: &Parts,
    (row, run): (&LayoutRow, &layout::SeedRun),
    (columns, trials): (&[Column], &BTreeMap<Key, Trials>),
    cells: &[&Cell],
    notes: &mut BTreeSet<String>,
) -> SeedRun {
    let mut out = SeedRun {
        seed: run.seed,
        status: RunStatus::Missing,
        metrics: BTreeMap::new(),
        failed: BTreeMap::new(),
        curve: Vec::new(),
        adds: BTreeMap::new(),
        roc: BTreeMap::new(),
        cmc: BTreeMap::new(),
        dir: BTreeMap::new(),
        genuine: BTreeMap::new(),
        impostor: BTreeMap::new(),
        train_seconds: None,
        images_per_second: None,
        embedded_per_second: None,
        train_key: run.train.to_string(),
        checkpoint_sha256: String::new(),
        model_sha256: String::new(),
        labels: Vec::new(),
        attention: Vec::new(),
        pictures: Vec::new(),
    };
    if let Some(t) = s.trained(&run.train) {
        out.status = RunStatus::Done;
        out.curve = t.curve.clone();
        out.train_seconds = Some(t.seconds);
        out.images_per_second = Some(t.images_per_second);
        out.checkpoint_sha256 = t.checkpoint_sha256.clone();
        out.labels = t.labels.clone();
        out.attention = t.attention.clone();
        out.pictures = t.pictures.clone();
        for note in &t.notes {
            notes.insert(format!("{} (seed {}): {note}", row.label, run.seed));
        }
    }
    if let Some(file) = s.imported(&run.train) {
        out.status = RunStatus::Done;
        out.checkpoint_sha256 = file.file_sha256.clone();
        out.model_sha256 = file.model_sha256.clone();
        out.embedded_per_second = embedded_per_second(s, &run.train);
        let (name, format, sha256) = (&file.name, &file.format, &file.file_sha256);
        let of = format!("{}: from {name} ({format}, sha256 {sha256})", row.label);
        let told = file.notes.iter().map(|note| format!("; {note}"));
        notes.insert(of + &told.collect::<String>() + ".");
    }
    if let Some(reason) = s.failed.jobs.get(&run.train) {
        out.status = RunStatus::Failed(reason.clone());
    }
    for cell in cells {
        // Where the network itself is missing, why it is says more.
        let told = out.status == RunStatus::Done;
        let reason = s.failed.jobs.get(&cell.score);
        if let Some(reason) = reason.filter(|r| told || !r.starts_with(NOT_RUN)) {
            let here = columns
                .iter()
                .filter(|c| c.id == column_id(&cell.column, &c.metric));
            let failed = here.map(|c| (c.id.clone(), reason.clone()));
            out.failed.extend(failed);
        }
        let Some(scored) = s.score(&cell.score) else {
            continue;
        };
        if let Some(model) = &scored.model {
            out.checkpoint_sha256 = model.checkpoint_sha256.clone();
            out.model_sha256 = model.model_sha256.clone();
        }
        for metric in &scored.metrics {
            out.metrics
                .insert(column_id(&cell.column, &metric.id), metric.clone());
        }
        let id = |metric: &str| column_id(&cell.column, metric);
        if let Some(trials) = trials.get(&cell.score) {
            let adds = trials.adds.iter();
            out.adds
                .extend(adds.map(|(metric, adds)| (id(metric), adds.clone())));
        }
        // Curves stand with the first column of the protocol.
        let mut ids = scored.metrics.iter().map(|m| id(&m.id));
        if let Some(id) = ids.find(|id| columns.iter().any(|c| c.id == *id)) {
            let series = [
                ("roc", &mut out.roc),
                ("cmc", &mut out.cmc),
                ("dir", &mut out.dir),
                ("genuine", &mut out.genuine),
                ("impostor", &mut out.impostor),
            ];
            for (name, of) in series {
                of.extend(scored.series.get(name).map(|s| (id.clone(), s.clone())));
            }
        }
        for note in &scored.notes {
            notes.insert(format!("{}: {note}", cell.column));
        }
    }
    out
}

/// Such as `mobilefacenet x0.5 @64`.
fn backbone(b: &BackboneSpec, size: Size) -> String {
    let width = b
        .params
        .get("width")
        .and_then(Value::as_f64)
        .filter(|w| *w != 1.0);
    let width = width.map(|w| format!(" x{w}")).unwrap_or_default();
    format!("{}{width} @{}", b.name, size.in_short())
}
