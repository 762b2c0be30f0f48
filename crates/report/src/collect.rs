//! From the layout of a suite and the results of its jobs to the input of a report.

use super::model::*;
use frbench_base::Result;
use frbench_base::key::Key;
use frbench_harness::plan::layout::{Cell, Layout, LayoutColumn, LayoutRow};
use frbench_harness::run::Failures;
use frbench_harness::run::failures::NOT_RUN;
use frbench_harness::suite::resolve::ReferenceRow;
use frbench_job::result::{JobResult, Metric, ScoreResult, TrainResult};
use frbench_job::{BackboneSpec, DataSource, DataSpec, Job, JobSpec, TrainSpec};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What a report is made from besides the layout.
pub struct Sources<'a> {
    pub layout: &'a Layout,
    pub jobs: &'a [Job],
    pub finished: &'a BTreeMap<Key, JobResult>,
    pub failed: &'a Failures,
    pub published: Vec<PublishedRow>,
    pub environment: BTreeMap<String, String>,
    pub command: String,
    pub started: String,
    pub finished_at: String,
}

/// Everything that is known about a suite's runs, in the order of the suite.
pub fn collect(s: &Sources) -> Result<ReportInput> {
    let layout = s.layout;
    let specs: BTreeMap<&Key, &Job> = s.jobs.iter().map(|j| (&j.key, j)).collect();
    let columns = columns(s, &specs);
    let mut notes = BTreeSet::new();
    let mut rows = Vec::new();
    let mut cells = Cells::new();
    for cell in &layout.cells {
        cells.entry((&cell.row, cell.seed)).or_default().push(cell);
    }
    for row in &layout.rows {
        rows.push(self::row(s, &specs, row, &columns, &cells, &mut notes));
    }
    let seeds: BTreeSet<u64> = layout
        .rows
        .iter()
        .flat_map(|r| r.runs.iter().map(|run| run.seed))
        .collect();
    // A claim about a row or a set that is not part of this profile is not an open question
    // of this report.
    let has = |id: &String| layout.rows.iter().any(|r| r.id == *id);
    let (tested, untested): (Vec<_>, Vec<_>) = layout
        .claims
        .iter()
        .partition(|c| has(&c.better) && has(&c.than) && c.column.is_some());
    if !untested.is_empty() {
        let ids: Vec<&str> = untested.iter().map(|c| c.id.as_str()).collect();
        notes.insert(format!(
            "Claims of the suite that profile `{}` does not test: {}.",
            layout.profile,
            ids.join(", ")
        ));
    }
    notes.extend(mixed_kernels(&s.environment));
    let failures = s.failed.list.iter();
    notes.extend(
        failures.map(|f| format!("Failed: {}: {}.", f.what, f.reason.trim_end_matches('.'))),
    );
    Ok(ReportInput {
        suite: SuiteInfo {
            name: layout.suite.clone(),
            title: layout.title.clone(),
            profile: layout.profile.clone(),
            paper: layout.paper.as_ref().map(paper).unwrap_or_default(),
            analysis: layout.analysis.clone(),
        },
        claims: tested
            .into_iter()
            .map(|c| Claim {
                id: c.id.clone(),
                text: c.text.clone(),
                better: c.better.clone(),
                than: c.than.clone(),
                on: column_id(c.column.as_deref().unwrap_or(&c.on), &c.metric),
                margin: c.margin,
                question: c.question,
            })
            .collect(),
        columns,
        conditions: used(&layout.conditions, &rows),
        rows,
        published: s
            .published
            .iter()
            .cloned()
            .chain(layout.references.iter().map(|r| stated(layout, r)))
            .collect(),
        data: layout
            .data
            .iter()
            .filter_map(
                |d| match (s.finished.get(&d.job)?, &specs.get(&d.job)?.spec) {
                    (JobResult::Data(result), JobSpec::Data(spec)) => Some(DataSet {
                        result: result.clone(),
                        pinned: spec.identity.is_some(),
                    }),
                    _ => None,
                },
            )
            .collect(),
        seeds: seeds.into_iter().collect(),
        environment: s.environment.clone(),
        command: s.command.clone(),
        started: s.started.clone(),
        finished: s.finished_at.clone(),
        notes: notes.into_iter().collect(),
    })
}

/// The cells of a row and seed.
type Cells<'a> = BTreeMap<(&'a str, u64), Vec<&'a Cell>>;

/// What to know where trainings ran on different kernels: each set has bits of its own.
fn mixed_kernels(environment: &BTreeMap<String, String>) -> Option<String> {
    let sets = environment.get("kernels").filter(|k| k.contains("; "))?;
    Some(format!(
        "Trainings ran on different kernels ({sets}; `env.json` in the folder of each says on \
         which). Sets agree to rounding, and training amplifies it: rows compared by seed are \
         not paired to the bit."
    ))
}

/// What is said about the conditions that rows have.
fn used(said: &BTreeMap<String, String>, rows: &[Row]) -> BTreeMap<String, String> {
    let has = |label: &String| rows.iter().any(|r| r.condition == *label);
    let of = said.iter().filter(|(label, _)| has(label));
    of.map(|(label, note)| (label.clone(), note.clone()))
        .collect()
}

/// A number that the suite itself states. Its context is prose, so it is shown and never held
/// against a measured one.
fn stated(layout: &Layout, r: &ReferenceRow) -> PublishedRow {
    let row = layout.rows.iter().find(|row| row.entry == r.entry);
    PublishedRow {
        paper: layout.title.clone(),
        table: String::new(),
        method: row.map_or(&r.entry, |row| &row.label).clone(),
        dataset: r.data.clone(),
        protocol: String::new(),
        metric: r.metric.clone(),
        value: r.value,
        unit: String::new(),
        training_data: r.context.clone(),
        backbone: String::new(),
        checkpoint: String::new(),
        runs: String::new(),
        source: r.source.clone(),
        status: match r.value {
            Some(_) => Status::Verified,
            None => Status::Unavailable,
        },
        row: None,
        column: None,
    }
}

fn column_id(column: &str, metric: &str) -> String {
    format!("{column}/{metric}")
}

fn paper(p: &frbench_harness::suite::model::Paper) -> Paper {
    Paper {
        title: p.title.clone(),
        authors: p.authors.join(", "),
        venue: match (&p.venue, p.year) {
            (Some(v), Some(y)) if !v.contains(&y.to_string()) => format!("{v} {y}"),
            (Some(v), _) => v.clone(),
            _ => String::new(),
        },
        arxiv: p.arxiv.clone(),
        doi: p.doi.clone(),
    }
}

/// One column per metric that any model has under a protocol, in the protocol's order.
fn columns(s: &Sources, specs: &BTreeMap<&Key, &Job>) -> Vec<Column> {
    let training = training_data(s, specs);
    let mut columns = Vec::new();
    for column in &s.layout.columns {
        let scored = s
            .layout
            .cells
            .iter()
            .filter(|c| c.column == column.id)
            .find_map(|c| score(s, &c.score));
        let Some(scored) = scored else {
            columns.extend(failed(s, specs, column, &training));
            continue;
        };
        for (i, metric) in scored.metrics.iter().enumerate() {
            let mut column = self::column(column, &scored.protocol, metric, &training);
            column.headline = i == 0;
            columns.push(column);
        }
    }
    tell_apart(s.layout, &mut columns);
    // What speaks for a protocol comes before its details; the order is otherwise the suite's.
    columns.sort_by_key(|c| !c.headline);
    columns
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
fn failed(
    s: &Sources,
    specs: &BTreeMap<&Key, &Job>,
    column: &LayoutColumn,
    training: &Training,
) -> Option<Column> {
    let mut cells = s.layout.cells.iter().filter(|c| c.column == column.id);
    let cell = cells.find(|c| s.failed.has(&c.score))?;
    let JobSpec::Score(spec) = &specs.get(&cell.score)?.spec else {
        return None;
    };
    let protocol = frbench_eval::protocol::find(&spec.protocol.name).ok()?;
    let metric = Metric {
        id: (protocol.metrics)(&spec.protocol)
            .ok()?
            .into_iter()
            .next()?,
        value: f64::NAN,
        higher_is_better: true,
        chance: None,
        interval: None,
        folds: Vec::new(),
    };
    Some(self::column(column, &column.kind, &metric, training))
}

fn column(c: &LayoutColumn, protocol: &str, metric: &Metric, training: &Training) -> Column {
    Column {
        id: column_id(&c.id, &metric.id),
        dataset: c.data.clone(),
        protocol: protocol.to_string(),
        metric: metric.id.clone(),
        label: format!("{} {}", c.family, metric.id),
        headline: true,
        unit: "%".into(),
        higher_is_better: metric.higher_is_better,
        chance: metric.chance,
        generated: c.synthetic,
        context: Context {
            data: training.name.clone(),
            protocol: protocol.to_string(),
            checkpoint: "last".into(),
            synthetic: c.synthetic || training.generated,
        },
    }
}

/// What networks are trained on.
#[derive(Default)]
struct Training {
    /// The set of the first row.
    name: String,
    /// Some row's is rendered.
    generated: bool,
}

fn training_data(s: &Sources, specs: &BTreeMap<&Key, &Job>) -> Training {
    let runs = s.layout.rows.iter().filter_map(|r| r.runs.first());
    let sets = runs.filter_map(
        |r| match &specs.get(&train_spec(specs, &r.train)?.data)?.spec {
            JobSpec::Data(d) => Some(d),
            _ => None,
        },
    );
    let mut training = Training::default();
    for (i, set) in sets.enumerate() {
        if i == 0 {
            training.name = set.name.clone();
        }
        training.generated |= is_generated(set);
    }
    training
}

fn is_generated(set: &DataSpec) -> bool {
    match &set.source {
        DataSource::Synth(_) => true,
        DataSource::Files { .. } => false,
        DataSource::Noisy(noisy) => is_generated(&noisy.base),
    }
}

fn train_spec<'a>(specs: &BTreeMap<&Key, &'a Job>, key: &Key) -> Option<&'a TrainSpec> {
    match &specs.get(key)?.spec {
        JobSpec::Train(t) => Some(t),
        _ => None,
    }
}

fn score<'a>(s: &Sources<'a>, key: &Key) -> Option<&'a ScoreResult> {
    match s.finished.get(key)? {
        JobResult::Score(r) => Some(r),
        _ => None,
    }
}

fn trained<'a>(s: &Sources<'a>, key: &Key) -> Option<&'a TrainResult> {
    match s.finished.get(key)? {
        JobResult::Train(r) => Some(r),
        _ => None,
    }
}

fn row(
    s: &Sources,
    specs: &BTreeMap<&Key, &Job>,
    row: &LayoutRow,
    columns: &[Column],
    cells: &Cells,
    notes: &mut BTreeSet<String>,
) -> Row {
    let first = row.runs.first().and_then(|r| train_spec(specs, &r.train));
    let capacity = row.runs.iter().find_map(|r| trained(s, &r.train));
    let runs = row.runs.iter().map(|run| {
        let mut out = SeedRun {
            seed: run.seed,
            status: RunStatus::Missing,
            metrics: BTreeMap::new(),
            failed: BTreeMap::new(),
            curve: Vec::new(),
            roc: BTreeMap::new(),
            train_seconds: None,
            images_per_second: None,
            train_key: run.train.to_string(),
            checkpoint_sha256: String::new(),
            model_sha256: String::new(),
            labels: Vec::new(),
            attention: Vec::new(),
            pictures: Vec::new(),
        };
        if let Some(t) = trained(s, &run.train) {
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
        if let Some(reason) = s.failed.jobs.get(&run.train) {
            out.status = RunStatus::Failed(reason.clone());
        }
        for cell in cells
            .get(&(row.id.as_str(), run.seed))
            .into_iter()
            .flatten()
        {
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
            let Some(scored) = score(s, &cell.score) else {
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
            if let (Some(roc), Some(metric)) = (scored.series.get("roc"), scored.metrics.first()) {
                out.roc
                    .insert(column_id(&cell.column, &metric.id), roc.clone());
            }
            for note in &scored.notes {
                notes.insert(format!("{}: {note}", cell.column));
            }
        }
        out
    });
    Row {
        id: row.id.clone(),
        label: row.label.clone(),
        role: match row.role {
            frbench_harness::suite::model::Role::Teacher => Role::Teacher,
            frbench_harness::suite::model::Role::Student => Role::Student,
            frbench_harness::suite::model::Role::Baseline => Role::Baseline,
            frbench_harness::suite::model::Role::Method => Role::Method,
            frbench_harness::suite::model::Role::Ablation => Role::Ablation,
        },
        group: if row.settings.is_empty() {
            String::new()
        } else {
            row.entry.clone()
        },
        of: row.of.clone(),
        note: row.note.clone().unwrap_or_default(),
        condition: row
            .condition
            .as_ref()
            .map_or(String::new(), |(_, label)| label.clone()),
        backbone: first
            .map(|t| backbone(&t.backbone, t.input.size))
            .unwrap_or_default(),
        parameters: capacity.map_or(0, |t| t.parameters),
        macs: capacity.map_or(0, |t| t.macs),
        recipe: row.recipe.clone(),
        runs: runs.collect(),
    }
}

/// Such as `mobilefacenet x0.5 @64`.
fn backbone(b: &BackboneSpec, side: usize) -> String {
    let width = b
        .params
        .get("width")
        .and_then(Value::as_f64)
        .filter(|w| *w != 1.0);
    let width = width.map(|w| format!(" x{w}")).unwrap_or_default();
    format!("{}{width} @{side}", b.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mixed_kernels_are_named_and_one_set_is_not() {
        let with = |sets: &str| {
            let facts = BTreeMap::from([("kernels".to_string(), sets.to_string())]);
            mixed_kernels(&facts)
        };
        assert_eq!(with("avx512"), None);
        let note = with("avx512; plain").unwrap();
        assert!(note.contains("(avx512; plain;"), "{note}");
        assert_eq!(mixed_kernels(&BTreeMap::new()), None);
    }
}
