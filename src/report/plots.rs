//! Which plots a report shows, and what is in them.

use super::derive::{CellState, Derived};
use super::format::Unit;
use super::model::*;
use super::svg::{DotRow, LineChart, Scale, Series, dots, lines};
use super::view::Plot;

/// Ratio of the largest to the smallest loss from which the axis is logarithmic.
const LOG_FROM: f64 = 20.0;

/// Seeds, mean and interval of every row but the ablations on one column.
pub(super) fn dot_plot(input: &ReportInput, derived: &Derived, c: usize) -> String {
    let column = &input.columns[c];
    let factor = Unit::of(&column.unit).factor;
    let mut guides = Vec::new();
    let mut rows = Vec::new();
    for (row, d) in input.rows.iter().zip(&derived.rows) {
        if row.role == Role::Ablation {
            continue;
        }
        let cell = &d.cells[c];
        let mean = cell.mean.map(|m| m * factor);
        if let (Role::Teacher | Role::Student, Some(m)) = (row.role, mean) {
            guides.push((row.role.name(), m));
        }
        rows.push(DotRow {
            label: row.label.clone(),
            class: row.role.name(),
            values: cell.values.values().map(|v| v * factor).collect(),
            mean,
            interval: cell.interval.map(|(a, b)| (a * factor, b * factor)),
            hole: if cell.state == CellState::Failed {
                "failed".into()
            } else {
                "missing".into()
            },
        });
    }
    let unit = format!("{} {}", column.metric, bracket(&column.unit));
    let label = format!(
        "{}: every seed, mean and 95 % interval per row",
        column.label
    );
    dots(&label, unit.trim_end(), &rows, &guides)
}

fn bracket(unit: &str) -> String {
    if unit.is_empty() {
        String::new()
    } else {
        format!("({unit})")
    }
}

/// The loss of every row over epochs, one small plot per row, one line per seed.
pub(super) fn training(input: &ReportInput) -> Vec<Plot> {
    let mut plots = Vec::new();
    for row in &input.rows {
        let series: Vec<Series> = row
            .runs
            .iter()
            .enumerate()
            .filter(|(_, run)| !run.curve.is_empty())
            .map(|(i, run)| Series {
                label: format!("seed {}", run.seed),
                style: i,
                points: run.curve.iter().map(|p| (p.epoch, p.loss)).collect(),
            })
            .collect();
        if series.is_empty() {
            continue;
        }
        let losses = || series.iter().flat_map(|s| s.points.iter().map(|p| p.1));
        let high = losses().filter(|l| l.is_finite()).fold(0.0, f64::max);
        let low = losses()
            .filter(|l| l.is_finite())
            .fold(f64::INFINITY, f64::min);
        let scale = if low > 0.0 && high / low > LOG_FROM {
            Scale::Log
        } else {
            Scale::Linear
        };
        plots.push(Plot {
            title: row.label.clone(),
            caption: String::new(),
            legend: series
                .iter()
                .map(|s| (s.label.clone(), s.style % 8))
                .collect(),
            svg: lines(&LineChart {
                label: format!("{}: training loss over epochs", row.label),
                x: "epoch".into(),
                y: "loss".into(),
                x_scale: Scale::Linear,
                y_scale: scale,
                height: 230.0,
                chance: false,
                series,
            }),
        });
    }
    plots
}

/// One ROC plot per column that has curves: the first seed of every row but the ablations.
pub(super) fn roc(input: &ReportInput) -> Vec<Plot> {
    let mut plots = Vec::new();
    for column in &input.columns {
        let mut series = Vec::new();
        for (i, row) in main_rows(input).enumerate() {
            let run = row
                .runs
                .iter()
                .filter(|r| r.roc.get(&column.id).is_some_and(|p| !p.is_empty()))
                .min_by_key(|r| r.seed);
            if let Some(run) = run {
                series.push(Series {
                    label: row.label.clone(),
                    style: i,
                    points: run.roc[&column.id].clone(),
                });
            }
        }
        if series.is_empty() {
            continue;
        }
        plots.push(Plot {
            title: column.label.clone(),
            caption: "First seed of each row.".into(),
            legend: series
                .iter()
                .map(|s| (s.label.clone(), s.style % 8))
                .collect(),
            svg: lines(&LineChart {
                label: format!("{}: ROC of each row", column.label),
                x: "false accept rate".into(),
                y: "TAR".into(),
                x_scale: Scale::Log,
                y_scale: Scale::Linear,
                height: 320.0,
                chance: true,
                series,
            }),
        });
    }
    plots
}

fn main_rows(input: &ReportInput) -> impl Iterator<Item = &Row> {
    input.rows.iter().filter(|r| r.role != Role::Ablation)
}
