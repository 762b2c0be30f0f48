//! Cells of tables.

use super::super::derive::{Cell, CellState, Share};
use super::super::format::{Unit, fixed};
use super::super::model::Column;
use frbench_eval::stats::{Difference, summarize};
use serde::Serialize;

#[derive(Clone, Debug, Serialize)]
pub(crate) struct CellView {
    /// The mean, or `failed` and why in short, or `missing`.
    pub text: String,
    /// `± 0.21`, or empty.
    pub spread: String,
    /// `2 of 3 seeds`, or empty.
    pub seeds: String,
    /// Why values are missing.
    pub reason: String,
    pub state: CellState,
    pub best: bool,
}

/// A value and its interval, either of which may be empty.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Two {
    pub value: String,
    pub interval: String,
}

/// A mean over seeds and its standard deviation, either of which may be empty.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Measured {
    pub value: String,
    /// `± 0.21`
    pub spread: String,
}

pub(super) fn view((column, cell): (&Column, &Cell)) -> CellView {
    let unit = Unit::of(&column.unit);
    CellView {
        text: match (cell.mean, cell.state) {
            (Some(mean), _) => unit.value(mean),
            (None, CellState::Failed) => match cell.why() {
                Some(why) => format!("failed: {why}"),
                None => "failed".into(),
            },
            (None, _) => "missing".into(),
        },
        spread: cell
            .sd
            .map_or(String::new(), |sd| format!("± {}", unit.value(sd))),
        seeds: match cell.values.len() {
            0 => String::new(),
            1 if cell.expected == 1 => "1 seed".into(),
            n if n < cell.expected => format!("{n} of {} seeds", cell.expected),
            2 => "2 seeds".into(),
            _ => String::new(),
        },
        reason: cell.reasons.join("; "),
        state: cell.state,
        best: cell.best,
    }
}

pub(super) fn advantage(unit: &Unit, a: Option<Difference>) -> Two {
    let Some(a) = a else {
        return Two::default();
    };
    Two {
        value: unit.signed(a.mean),
        interval: a.interval.map_or(String::new(), |i| unit.range(i)),
    }
}

pub(super) fn share(share: Option<Share>) -> Two {
    let Some(share) = share else {
        return Two::default();
    };
    let percent = |v: f64| fixed(v * 100.0, 0);
    Two {
        value: format!("{} %", percent(share.mean)),
        interval: share.interval.map_or(String::new(), |(low, high)| {
            format!("{} to {} %", percent(low), percent(high))
        }),
    }
}

/// Values over seeds, times `factor`, with `digits` and the name of a unit.
pub(super) fn measured(values: &[f64], factor: f64, digits: usize, unit: &str) -> Measured {
    let Some(summary) = summarize(values, super::super::derive::CONFIDENCE) else {
        return Measured::default();
    };
    let text = |v: f64| fixed(v * factor, digits);
    Measured {
        value: format!("{} {unit}", text(summary.mean))
            .trim_end()
            .to_string(),
        spread: summary
            .sd
            .map_or(String::new(), |sd| format!("± {}", text(sd))),
    }
}
