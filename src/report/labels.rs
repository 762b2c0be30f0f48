//! What became of wrong labels: a table of the last epoch, and curves over epochs.

use super::format::fixed;
use super::model::{ReportInput, Row};
use super::svg::{LineChart, Scale, Series, lines};
use super::view::Plot;
use crate::result::{Corrections, LabelEpoch};
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(super) struct LabelsView {
    pub rows: Vec<LabelRow>,
    pub plots: Vec<Plot>,
}

/// Means over seeds, in the last epoch; shares in per cent.
#[derive(Clone, Debug, Serialize)]
pub(super) struct LabelRow {
    pub label: String,
    /// Share of images nearest to the class of their label, by what the label is.
    pub clean: String,
    pub flipped: String,
    pub outliers: String,
    /// Share of flipped images nearest to the person they show.
    pub truth: String,
    pub corrected: String,
    pub precision: String,
    pub recall: String,
    pub landed: String,
    pub damaged: String,
}

const NONE: &str = "–";

/// None where no training saw a wrong label or corrected one.
pub(super) fn view(input: &ReportInput) -> Option<LabelsView> {
    let looked = |r: &&Row| r.runs.iter().any(|run| !run.labels.is_empty());
    let rows: Vec<&Row> = input.rows.iter().filter(looked).collect();
    if rows.is_empty() {
        return None;
    }
    Some(LabelsView {
        rows: rows.iter().map(|r| line(r)).collect(),
        plots: rows.iter().map(|r| plot(r)).collect(),
    })
}

/// A share, if there is anything to have a share of.
fn share(part: u64, all: u64) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

fn all(c: &Corrections) -> u64 {
    c.clean + c.flipped + c.outliers
}

fn precision(e: &LabelEpoch) -> Option<f64> {
    let c = e.corrections.as_ref()?;
    share(c.flipped + c.outliers, all(c))
}

fn recall(e: &LabelEpoch) -> Option<f64> {
    share(e.corrections.as_ref()?.flipped, e.flipped.images)
}

/// The mean over the seeds for which there is a value.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.flatten().collect();
    (!values.is_empty()).then(|| crate::stats::mean(&values))
}

fn line(row: &Row) -> LabelRow {
    let last = || row.runs.iter().filter_map(|run| run.labels.last());
    let percent = |of: fn(&LabelEpoch) -> Option<f64>| {
        mean(last().map(of)).map_or(NONE.into(), |v| fixed(100.0 * v, 1))
    };
    let corrected = mean(last().map(|e| Some(all(e.corrections.as_ref()?) as f64)));
    LabelRow {
        label: row.label.clone(),
        clean: percent(|e| share(e.clean.to_label, e.clean.images)),
        flipped: percent(|e| share(e.flipped.to_label, e.flipped.images)),
        outliers: percent(|e| share(e.outliers.to_label, e.outliers.images)),
        truth: percent(|e| share(e.flipped.to_truth, e.flipped.images)),
        corrected: corrected.map_or(NONE.into(), |v| fixed(v, 0)),
        precision: percent(precision),
        recall: percent(recall),
        landed: percent(|e| {
            let c = e.corrections.as_ref()?;
            share(c.to_truth, c.flipped)
        }),
        damaged: percent(|e| share(e.corrections.as_ref()?.clean, e.clean.images)),
    }
}

/// Shares over epochs, means over seeds.
fn plot(row: &Row) -> Plot {
    let epochs = row.runs.iter().map(|r| r.labels.len()).max().unwrap_or(0);
    let over = |of: fn(&LabelEpoch) -> Option<f64>| -> Vec<(f64, f64)> {
        let at = |n: usize| mean(row.runs.iter().map(|r| of(r.labels.get(n)?)));
        (0..epochs)
            .filter_map(|n| Some(((n + 1) as f64, 100.0 * at(n)?)))
            .collect()
    };
    let series: [(&str, Vec<(f64, f64)>); 6] = [
        (
            "right labels, at their class",
            over(|e| share(e.clean.to_label, e.clean.images)),
        ),
        (
            "wrong labels, at the label's class",
            over(|e| share(e.flipped.to_label, e.flipped.images)),
        ),
        (
            "wrong labels, at the person's own class",
            over(|e| share(e.flipped.to_truth, e.flipped.images)),
        ),
        (
            "outliers, at the label's class",
            over(|e| share(e.outliers.to_label, e.outliers.images)),
        ),
        ("corrections: precision", over(precision)),
        ("corrections: recall", over(recall)),
    ];
    let series: Vec<Series> = series
        .into_iter()
        .enumerate()
        .filter(|(_, (_, points))| !points.is_empty())
        .map(|(style, (label, points))| Series {
            label: label.to_string(),
            style,
            points,
        })
        .collect();
    Plot {
        title: row.label.clone(),
        caption: String::new(),
        legend: series
            .iter()
            .map(|s| (s.label.clone(), s.style % 8))
            .collect(),
        svg: lines(&LineChart {
            label: format!("{}: right and wrong labels over epochs", row.label),
            x: "epoch".into(),
            y: "% of images".into(),
            x_scale: Scale::Linear,
            y_scale: Scale::Linear,
            height: 230.0,
            chance: false,
            series,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::Fitted;

    #[test]
    fn precision_and_recall_are_those_of_the_last_epoch() {
        let fitted = |images, to_label, to_truth| Fitted {
            images,
            to_label,
            to_truth,
        };
        let epoch = LabelEpoch {
            epoch: 1,
            clean: fitted(70, 63, 63),
            flipped: fitted(20, 2, 15),
            outliers: fitted(10, 1, 0),
            corrections: Some(Corrections {
                clean: 7,
                flipped: 16,
                outliers: 5,
                to_truth: 12,
            }),
        };
        assert_eq!(precision(&epoch), Some(21.0 / 28.0));
        assert_eq!(recall(&epoch), Some(0.8));
        let silent = LabelEpoch {
            corrections: None,
            ..epoch
        };
        assert_eq!(precision(&silent), None);
        assert_eq!(share(3, 0), None);
    }
}
