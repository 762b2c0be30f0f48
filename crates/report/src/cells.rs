//! Numbers as cells of tables.

use super::block::{Cell, Tone};
use super::derive::{self, CONFIDENCE, CellState, Difference};
use super::format::{Unit, fixed};
use super::model::Column;
use frbench_eval::stats::{Ratio, summarize};

/// The mean over seeds with its spread; where there is none, why.
pub(super) fn mean(column: &Column, cell: &derive::Cell) -> Cell {
    let unit = Unit::of(&column.unit);
    let text = match (cell.mean, cell.state) {
        (Some(mean), _) => unit.value(mean),
        (None, CellState::Failed) => match cell.why() {
            Some(why) => format!("failed: {why}"),
            None => "failed".into(),
        },
        (None, _) => "missing".into(),
    };
    let seeds = match cell.values.len() {
        0 => String::new(),
        _ if cell.from_file => String::new(),
        1 if cell.expected == 1 => "1 seed".into(),
        n if n < cell.expected => format!("{n} of {} seeds", cell.expected),
        2 => "2 seeds".into(),
        _ => String::new(),
    };
    let mut out = Cell::of(text).below(seeds).tone(match cell.state {
        CellState::Failed => Tone::Failed,
        CellState::Missing => Tone::Missing,
        _ if cell.best => Tone::Best,
        _ => Tone::Plain,
    });
    if let Some(sd) = cell.sd {
        out.beside = format!("± {}", unit.value(sd));
    }
    out.title = cell.reasons.join("; ");
    out
}

/// The interval of the mean.
pub(super) fn interval(column: &Column, cell: &derive::Cell) -> Cell {
    let unit = Unit::of(&column.unit);
    let text = cell.interval.map_or(String::new(), |(low, high)| {
        format!("{} to {}", unit.value(low), unit.value(high))
    });
    Cell::of(text)
}

/// A difference and its interval, either of which may be empty.
pub(super) fn advantage(column: &Column, difference: Option<Difference>) -> (String, String) {
    let unit = Unit::of(&column.unit);
    difference.map_or(Default::default(), |d| {
        let interval = d.interval.map(|i| format!("[{}]", unit.range(i)));
        (unit.signed(d.mean), interval.unwrap_or_default())
    })
}

/// A share of the gap and its interval; `over` says whether there is a difference to take it of.
pub(super) fn share(share: Option<Ratio>, over: bool) -> Cell {
    let Some(share) = share else {
        return Cell::of(if over { "not defined" } else { "" });
    };
    let percent = |v: f64| fixed(v * 100.0, 0);
    let (low, high) = share.interval;
    let interval = format!("[{} to {} %]", percent(low), percent(high));
    Cell::of(format!("{} %", percent(share.value))).beside(interval)
}

/// The mean of values over seeds, times `factor`, with `digits` and the name of a unit.
pub(super) fn measured(values: &[f64], factor: f64, digits: usize, unit: &str) -> Cell {
    let Some(summary) = summarize(values, CONFIDENCE) else {
        return Cell::default();
    };
    let text = |v: f64| fixed(v * factor, digits);
    let value = format!("{} {unit}", text(summary.mean));
    let spread = summary.sd.map(|sd| format!("± {}", text(sd)));
    Cell::of(value.trim_end()).beside(spread.unwrap_or_default())
}
