//! Which plots a report shows, and what is in them.

use super::block::{Figure, Key};
use super::derive::{CellState, Derived};
use super::format::Unit;
use super::labels::{precision, recall, to_label, to_truth};
use super::model::*;
use super::svg::{DotGroup, DotRow, LineChart, Scale, Series, dots, lines};
use frbench_job::result::LabelEpoch;
use std::collections::{BTreeMap, BTreeSet};

/// Ratio of the largest to the smallest loss from which the axis is logarithmic.
const LOG_FROM: f64 = 20.0;

/// Seeds, mean and interval of every row but the ablations on one column, condition by
/// condition.
pub(super) fn dots_of(input: &ReportInput, derived: &Derived, c: usize) -> Figure {
    let column = &input.columns[c];
    let unit = Unit::of(&column.unit);
    let mean = |i: usize| derived.rows[i].cells[c].mean.map(|m| m * unit.factor);
    let guide = |i: usize| Some((input.rows[i].role.name(), mean(i)?));
    let mut teacher = Vec::new();
    let mut groups = Vec::new();
    for (condition, rows) in input.groups(|r| r.role != Role::Ablation) {
        let of = |role| rows.iter().filter(move |i| input.rows[**i].role == role);
        teacher.extend(of(Role::Teacher).filter_map(|&i| guide(i)));
        groups.push(DotGroup {
            label: condition.to_string(),
            guides: of(Role::Student).filter_map(|&i| guide(i)).collect(),
            rows: rows
                .iter()
                .map(|&i| dot_row(&input.rows[i], derived, (i, c), unit.factor))
                .collect(),
        });
    }
    let axis = format!("{} {}", column.metric, bracket(&column.unit));
    let label = format!(
        "{}: every seed, mean and 95 % interval per row",
        column.label
    );
    let rates = (unit.name == "%").then_some((0.0, 100.0));
    Figure {
        caption: String::new(),
        drawing: dots(&label, axis.trim_end(), &groups, &teacher, rates),
        legend: Vec::new(),
        note: String::new(),
    }
}

fn dot_row(row: &Row, derived: &Derived, (i, c): (usize, usize), factor: f64) -> DotRow {
    let cell = &derived.rows[i].cells[c];
    DotRow {
        label: row.label.clone(),
        class: row.role.name(),
        values: cell.values.values().map(|v| v * factor).collect(),
        mean: cell.mean.map(|m| m * factor),
        interval: cell.interval.map(|(a, b)| (a * factor, b * factor)),
        hole: if cell.state == CellState::Failed {
            "failed".into()
        } else {
            "missing".into()
        },
    }
}

fn bracket(unit: &str) -> String {
    if unit.is_empty() {
        String::new()
    } else {
        format!("({unit})")
    }
}

/// A small plot of lines, with their legend.
fn plot(caption: String, note: String, chart: LineChart) -> Figure {
    let key = |s: &Series| Key {
        name: s.label.clone(),
        class: s.class.clone(),
    };
    Figure {
        caption,
        note,
        legend: chart.series.iter().map(key).collect(),
        drawing: lines(&chart),
    }
}

/// The loss of a row over epochs, one line per seed.
pub(super) fn training(row: &Row) -> Figure {
    let series: Vec<Series> = row
        .runs
        .iter()
        .enumerate()
        .filter(|(_, run)| !run.curve.is_empty())
        .map(|(i, run)| Series {
            label: format!("seed {}", run.seed),
            class: format!("s{}", i % 8),
            points: run.curve.iter().map(|p| (p.epoch, p.loss)).collect(),
        })
        .collect();
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
    let chart = LineChart {
        label: format!("{}: training loss over epochs", row.label),
        x: "epoch".into(),
        y: "loss".into(),
        x_scale: Scale::Linear,
        y_scale: scale,
        y_range: None,
        height: 230.0,
        chance: false,
        series,
    };
    plot(row.label.clone(), String::new(), chart)
}

/// A kind of curve that a protocol leaves: where it is in a run, and how it is drawn.
struct Curve {
    name: &'static str,
    points: fn(&SeedRun) -> &BTreeMap<String, Points>,
    /// What is drawn of a point.
    drawn: fn((f64, f64)) -> (f64, f64),
    axes: [&'static str; 2],
    y_scale: Scale,
    /// Whether a guess is a line on it.
    chance: bool,
}

type Points = Vec<(f64, f64)>;

const ROC: Curve = Curve {
    name: "ROC",
    points: |run| &run.roc,
    drawn: |point| point,
    axes: ["false accept rate", "TAR"],
    y_scale: Scale::Linear,
    chance: true,
};

/// The same errors as on the ROC, both on logarithmic axes.
const DET: Curve = Curve {
    name: "DET",
    points: |run| &run.roc,
    drawn: |(far, tar)| (far, 1.0 - tar),
    axes: ["false match rate", "FNMR"],
    y_scale: Scale::Log,
    chance: false,
};

const CMC: Curve = Curve {
    name: "CMC",
    points: |run| &run.cmc,
    drawn: |point| point,
    axes: ["rank", "found"],
    y_scale: Scale::Linear,
    chance: false,
};

const DIR: Curve = Curve {
    name: "TPIR over FPIR",
    points: |run| &run.dir,
    drawn: |point| point,
    axes: ["false positive identification rate", "TPIR"],
    y_scale: Scale::Linear,
    chance: false,
};

/// One ROC plot per condition and column that has curves.
pub(super) fn roc(input: &ReportInput) -> Vec<Figure> {
    of_columns(input, &ROC, |_| true)
}

/// The same of DET, where a protocol was asked for FMR and FNMR or for the EER.
pub(super) fn det(input: &ReportInput) -> Vec<Figure> {
    let error = |metric: &str| frbench_eval::protocol::is_error(metric);
    of_columns(input, &DET, |column| {
        let same = |c: &&Column| (&c.dataset, &c.protocol) == (&column.dataset, &column.protocol);
        input.columns.iter().filter(same).any(|c| error(&c.metric))
    })
}

/// Shares of probes that are found, over ranks.
pub(super) fn cmc(input: &ReportInput) -> Vec<Figure> {
    of_columns(input, &CMC, |_| true)
}

/// Shares of known probes that are found, over those of unknown ones that raise an alarm.
pub(super) fn dir(input: &ReportInput) -> Vec<Figure> {
    of_columns(input, &DIR, |_| true)
}

/// One plot per condition and column that is wanted and has such curves: the first seed of every row
/// but the ablations, the teacher in all of them.
fn of_columns(input: &ReportInput, curve: &Curve, wanted: impl Fn(&Column) -> bool) -> Vec<Figure> {
    let mut plots = Vec::new();
    for column in input.columns.iter().filter(|c| wanted(c)) {
        let mut groups = input.groups(|r| !matches!(r.role, Role::Teacher | Role::Ablation));
        if groups.is_empty() {
            groups.push(("", Vec::new()));
        }
        for (condition, rows) in groups {
            let teachers = input.rows.iter().filter(|r| r.role == Role::Teacher);
            let rows = teachers.chain(rows.iter().map(|&i| &input.rows[i]));
            let series = curves(rows, column, curve);
            if series.is_empty() {
                continue;
            }
            // The curve is of the whole protocol, not of the metric it is filed under.
            let mut title = place(column);
            if !condition.is_empty() {
                title += &format!(" under {condition}");
            }
            let chart = LineChart {
                label: format!("{title}: {} of each row", curve.name),
                x: curve.axes[0].into(),
                y: curve.axes[1].into(),
                x_scale: Scale::Log,
                y_scale: curve.y_scale,
                y_range: None,
                height: 320.0,
                chance: curve.chance,
                series,
            };
            let caption = format!("Protocol {}, first seed of each row.", column.protocol);
            plots.push(plot(title, caption, chart));
        }
    }
    plots
}

/// Lines in the colours of the dot plots, those of one role told apart by pattern and shade.
fn curves<'a>(rows: impl Iterator<Item = &'a Row>, column: &Column, curve: &Curve) -> Vec<Series> {
    let mut before: Vec<Role> = Vec::new();
    let of = |run: &'a SeedRun| (curve.points)(run).get(&column.id);
    rows.filter_map(|row| {
        let nth = before.iter().filter(|role| **role == row.role).count();
        before.push(row.role);
        let run = row
            .runs
            .iter()
            .filter(|r| of(r).is_some_and(|p| !p.is_empty()))
            .min_by_key(|r| r.seed)?;
        Some(Series {
            label: row.label.clone(),
            class: format!("{} d{} t{}", row.role.name(), nth % 4, nth % 3),
            points: of(run)?.iter().copied().map(curve.drawn).collect(),
        })
    })
    .collect()
}

/// Histograms of genuine and impostor scores by column: its title, its protocol, and a figure of the
/// first seed of every row but the ablations.
pub(super) fn histograms(input: &ReportInput) -> Vec<(String, &str, Vec<Figure>)> {
    let of = |row: &Row, column: &Column| {
        let has = |run: &&SeedRun| run.genuine.contains_key(&column.id);
        let run = row.runs.iter().filter(has).min_by_key(|run| run.seed)?;
        let (genuine, impostor) = (run.genuine.get(&column.id)?, run.impostor.get(&column.id)?);
        Some(histogram(&input.name(row), genuine, impostor))
    };
    let columns = input.columns.iter().map(|column| {
        let rows = input.rows.iter().filter(|r| r.role != Role::Ablation);
        let figures: Vec<Figure> = rows.filter_map(|row| of(row, column)).collect();
        (place(column), column.protocol.as_str(), figures)
    });
    columns
        .filter(|(.., figures)| !figures.is_empty())
        .collect()
}

/// Set and protocol of a column: its label without the metric.
fn place(column: &Column) -> String {
    let metric = format!(" {}", column.metric);
    column.label.replacen(&metric, "", 1)
}

fn histogram(title: &str, genuine: &[(f64, f64)], impostor: &[(f64, f64)]) -> Figure {
    let count = |points: &[(f64, f64)]| points.iter().map(|p| p.1).sum::<f64>();
    let series = [("genuine", "s0", genuine), ("impostor", "s1", impostor)];
    let series = series.into_iter().map(|(label, class, points)| Series {
        label: label.into(),
        class: class.into(),
        points: outline(points, 100.0 / count(points).max(1.0)),
    });
    let chart = LineChart {
        label: format!("{title}: shares of genuine and of impostor scores, in bins"),
        x: "score".into(),
        y: "%".into(),
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        y_range: None,
        height: 230.0,
        chance: false,
        series: series.collect(),
    };
    let width = genuine.get(1).zip(genuine.first());
    let note = format!(
        "{} genuine and {} impostor scores, bins of {}",
        count(genuine),
        count(impostor),
        // Edges are decimal numbers; their difference is, but for rounding.
        width.map_or(0.0, |(b, a)| format!("{:.6e}", b.0 - a.0)
            .parse()
            .unwrap_or(b.0 - a.0))
    );
    plot(title.to_owned(), note, chart)
}

/// The outline of bins, each as high as a share.
fn outline(points: &[(f64, f64)], factor: f64) -> Vec<(f64, f64)> {
    let tops = points.windows(2).flat_map(|bin| {
        let share = bin[0].1 * factor;
        [(bin[0].0, share), (bin[1].0, share)]
    });
    let ends = |p: Option<&(f64, f64)>| p.map(|p| (p.0, 0.0));
    let (first, last) = (ends(points.first()), ends(points.last()));
    first.into_iter().chain(tops).chain(last).collect()
}

/// A line of shares: its label, its class, and the share in an epoch.
type ShareLine = (&'static str, &'static str, fn(&LabelEpoch) -> Option<f64>);

/// What a row has learned of right and wrong labels, over epochs; none where none was wrong.
pub(super) fn fits(row: &Row) -> Option<Figure> {
    let epochs = || row.runs.iter().flat_map(|r| &r.labels);
    if epochs().all(|e| e.flipped.images + e.outliers.images == 0) {
        return None;
    }
    let lines: [ShareLine; 4] = [
        ("right labels", "s2", |e| to_label(&e.clean)),
        ("wrong labels, at the label", "s5", |e| to_label(&e.flipped)),
        ("wrong labels, at the person", "s0", |e| {
            to_truth(&e.flipped)
        }),
        ("outliers, at the label", "s4", |e| to_label(&e.outliers)),
    ];
    Some(shares(row, "share of images nearest to a class", &lines))
}

/// Precision and recall of a row's corrections over epochs; none of a head that corrects
/// nothing.
pub(super) fn corrections(row: &Row) -> Option<Figure> {
    // Where no label is wrong, the precision is 0 and the recall nothing: the table says so.
    let wrong = |e: &LabelEpoch| e.flipped.images + e.outliers.images > 0;
    let mut epochs = row.runs.iter().flat_map(|r| &r.labels);
    epochs.find(|e| e.corrections.is_some() && wrong(e))?;
    let lines: [ShareLine; 2] = [("precision", "s0", precision), ("recall", "s1", recall)];
    Some(shares(row, "precision and recall of corrections", &lines))
}

/// Shares over epochs, means over seeds, on an axis from 0 to 100 %.
fn shares(row: &Row, what: &str, lines: &[ShareLine]) -> Figure {
    let all = || row.runs.iter().flat_map(|r| &r.labels);
    let numbers: BTreeSet<u64> = all().map(|e| e.epoch).collect();
    let mean = |n: u64, value: fn(&LabelEpoch) -> Option<f64>| {
        let of_epoch = all().filter(|e| e.epoch == n);
        let values: Vec<f64> = of_epoch.filter_map(value).collect();
        let sum: f64 = values.iter().sum();
        (!values.is_empty()).then(|| 100.0 * sum / values.len() as f64)
    };
    let series = lines.iter().map(|(label, class, value)| Series {
        label: label.to_string(),
        class: class.to_string(),
        points: numbers
            .iter()
            .filter_map(|&n| Some((n as f64, mean(n, *value)?)))
            .collect(),
    });
    let chart = LineChart {
        label: format!("{}: {what}, over epochs", row.label),
        x: "epoch".into(),
        y: "%".into(),
        x_scale: Scale::Linear,
        y_scale: Scale::Linear,
        y_range: Some((0.0, 100.0)),
        height: 230.0,
        chance: false,
        series: series.filter(|s| !s.points.is_empty()).collect(),
    };
    plot(row.label.clone(), String::new(), chart)
}
