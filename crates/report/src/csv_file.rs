//! `results.csv`: raw values, one line per row, seed and column, with six digits.

use super::model::{ReportInput, RunStatus};
use frbench_base::{Error, Result};

const HEADER: [&str; 27] = [
    "suite",
    "profile",
    "row",
    "label",
    "role",
    "group",
    "condition",
    "backbone",
    "parameters",
    "macs",
    "seed",
    "status",
    "reason",
    "column",
    "dataset",
    "protocol",
    "metric",
    "value",
    "interval_low",
    "interval_high",
    "higher_is_better",
    "chance",
    "synthetic",
    "train_seconds",
    "images_per_second",
    "train_key",
    "checkpoint_sha256",
];

pub(super) fn csv(input: &ReportInput) -> Result<String> {
    let wrong = |e: String| Error::Bug(format!("results.csv: {e}"));
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(HEADER).map_err(|e| wrong(e.to_string()))?;
    for row in &input.rows {
        for run in &row.runs {
            for column in &input.columns {
                let metric = run.metrics.get(&column.id);
                let interval = metric.and_then(|m| m.interval);
                let failed = run.failed.get(&column.id);
                let (status, reason) = match (&run.status, metric, failed) {
                    (RunStatus::Done, Some(m), _) if !m.value.is_finite() => {
                        ("failed", "not a number")
                    }
                    (RunStatus::Done, Some(_), _) => ("done", ""),
                    (_, _, Some(reason)) => ("failed", reason.as_str()),
                    (RunStatus::Done, None, None) => ("missing", "not scored"),
                    (RunStatus::Failed(reason), ..) => ("failed", reason.as_str()),
                    (RunStatus::Missing, ..) => ("missing", "not run"),
                };
                let record = [
                    text(&input.suite.name),
                    text(&input.suite.profile),
                    text(&row.id),
                    text(&row.label),
                    row.role.name().into(),
                    text(&row.group),
                    text(&row.condition),
                    text(&row.backbone),
                    row.parameters.to_string(),
                    row.macs.to_string(),
                    run.seed.to_string(),
                    status.into(),
                    text(reason),
                    text(&column.id),
                    text(&column.dataset),
                    text(&column.protocol),
                    column.metric.clone(),
                    number(metric.map(|m| m.value)),
                    number(interval.map(|i| i.0)),
                    number(interval.map(|i| i.1)),
                    column.higher_is_better.to_string(),
                    number(column.chance),
                    column.context.synthetic.to_string(),
                    number(run.train_seconds),
                    number(run.images_per_second),
                    run.train_key.clone(),
                    run.checkpoint_sha256.clone(),
                ];
                out.write_record(&record)
                    .map_err(|e| wrong(e.to_string()))?;
            }
        }
    }
    let bytes = out.into_inner().map_err(|e| wrong(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| wrong(e.to_string()))
}

/// A text as a cell. A spreadsheet would compute one that begins like a formula, so that an
/// apostrophe goes before it, which spreadsheets do not show.
pub fn text(cell: &str) -> String {
    match cell.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{cell}"),
        false => cell.to_string(),
    }
}

pub(super) fn number(value: Option<f64>) -> String {
    value
        .filter(|v| v.is_finite())
        .map_or(String::new(), |v| format!("{v:.6}"))
}
