//! Published numbers held against measured ones, where their contexts agree.
//!
//! A number of a network that its source distributes is held against the same network, read from
//! its file; any other against networks that were trained here. What agrees is said of each pair,
//! and of each that is not compared the first thing that differs.

use super::derive::DerivedRow;
use super::model::{Column, Origin, PublishedRow, ReportInput, Row, Status};
use frbench_eval::stats::t_quantile;
use serde::Serialize;

/// How a source calls a network that it distributes: what it printed is of that very file.
pub const SHIPPED: &str = "shipped";

/// Pairs of a list that may be judged otherwise for the same network: those at the threshold, which
/// another decoder, library or device moves.
const FLIPPED: f64 = 3.0;

/// The same for TAR at FAR 1e-4 of templates: 0.03 points.
const TEMPLATES: f64 = 3e-4;

/// A published number and what was measured, or the reason why the two are not compared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// Index of the column.
    pub column: Option<usize>,
    /// Mean of the measured row, raw.
    pub measured: Option<f64>,
    /// Measured minus published, raw.
    pub difference: Option<f64>,
    /// How far the difference may go, and why; none where nothing says so.
    pub allowed: Option<Allowed>,
    /// Why the two are not compared; none where they are.
    pub reason: Option<String>,
}

/// A bound on a difference.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Allowed {
    /// Raw, to either side.
    pub difference: f64,
    /// What it follows from.
    pub rule: String,
    /// The difference is within it.
    pub holds: bool,
}

pub(super) fn compare(
    published: &PublishedRow,
    input: &ReportInput,
    rows: &[DerivedRow],
) -> Comparison {
    match place(published, input) {
        Err(reason) => Comparison {
            reason: Some(reason),
            ..Comparison::default()
        },
        Ok((r, c)) => held(published, &input.rows[r], &rows[r], (&input.columns[c], c)),
    }
}

/// The first row and column that a number can be held against, by index.
fn place(published: &PublishedRow, input: &ReportInput) -> Result<(usize, usize), String> {
    match published.status {
        Status::Unavailable => {
            return Err("declared, but the source could not be read: the value stays empty".into());
        }
        Status::Secondary => {
            return Err("read in another account of the paper, not checked against it".into());
        }
        Status::Verified => {}
    }
    if !input.columns.is_empty() && input.columns.iter().all(|c| c.context.synthetic) {
        let measured = match input.columns.iter().all(|c| c.generated) {
            true => "is on generated data, which is",
            false => "comes of generated data, to train on or to score, which are",
        };
        return Err(format!(
            "context only: what was measured here {measured} never compared with published numbers"
        ));
    }
    let same = |name: &String| name.eq_ignore_ascii_case(&published.method);
    let rows = input.rows.iter().enumerate();
    let rows: Vec<(usize, &Row)> = rows.filter(|(_, r)| r.published.iter().any(same)).collect();
    if rows.is_empty() {
        return Err("context only: nothing in this suite measures the same".into());
    }
    let mut reasons = Vec::new();
    for (c, column) in input.columns.iter().enumerate() {
        let (data, metric) = (&published.dataset, &published.metric);
        if !data.eq_ignore_ascii_case(&column.dataset) || *metric != column.metric {
            continue;
        }
        for (r, row) in &rows {
            match mismatch(published, row, column) {
                None => return Ok((*r, c)),
                Some(reason) => reasons.push(reason),
            }
        }
    }
    Err(reasons.into_iter().next().unwrap_or_else(|| {
        format!(
            "no column here is {} of {}",
            published.metric, published.dataset
        )
    }))
}

/// The first part of the context that differs. What the source does not say is a difference.
fn mismatch(published: &PublishedRow, row: &Row, column: &Column) -> Option<String> {
    if column.context.synthetic {
        let how = match column.generated {
            true => "measured",
            false => "trained",
        };
        return Some(format!(
            "{how} on generated data, which is never compared with published numbers"
        ));
    }
    let shipped = published.checkpoint == SHIPPED;
    let trained = match &row.origin {
        None => return Some("it is not known here where the network comes from".into()),
        Some(Origin::File) if !shipped => {
            return Some(
                "its source does not distribute the network, and this one is read from a file"
                    .into(),
            );
        }
        Some(Origin::File) => None,
        Some(Origin::Trained(_)) if shipped => {
            return Some(
                "it is of the network that its source distributes; this one was trained here"
                    .into(),
            );
        }
        Some(Origin::Trained(set)) => Some(set),
    };
    // `name @112`
    let backbone = row.backbone.split(" @").next().unwrap_or_default();
    let mut parts = vec![
        ("protocol", &*published.protocol, &*column.context.protocol),
        ("backbone", &published.backbone, backbone),
    ];
    // A file is what it is: its training need not be known.
    if let Some(set) = trained {
        parts.push(("training data", &published.training_data, set));
        parts.push((
            "checkpoint rule",
            &published.checkpoint,
            &column.context.checkpoint,
        ));
    }
    parts.into_iter().find_map(|(what, theirs, ours)| {
        let kind = ours.split('/').next().unwrap_or_default();
        if what == "protocol" && theirs == kind {
            Some(format!("the source does not state which rule of {kind}"))
        } else if theirs.is_empty() {
            Some(format!("the source does not state its {what}"))
        } else if theirs.eq_ignore_ascii_case(ours) {
            None
        } else {
            Some(format!("another {what}: published {theirs}, here {ours}"))
        }
    })
}

fn held(
    published: &PublishedRow,
    row: &Row,
    derived: &DerivedRow,
    (column, index): (&Column, usize),
) -> Comparison {
    let cell = &derived.cells[index];
    let (Some(value), Some(mean)) = (published.value, cell.mean) else {
        return Comparison {
            reason: Some("nothing measured yet".into()),
            ..Comparison::default()
        };
    };
    let factor = if published.unit == "%" { 0.01 } else { 1.0 };
    let difference = mean - value * factor;
    let bound = match row.origin {
        Some(Origin::File) => same_network(column),
        _ => further_run(cell.values.len(), cell.sd, &published.runs),
    };
    Comparison {
        column: Some(index),
        measured: Some(mean),
        difference: Some(difference),
        allowed: bound.map(|(bound, rule)| Allowed {
            difference: bound,
            rule,
            holds: difference.abs() <= bound,
        }),
        reason: None,
    }
}

/// How far two scores of one network may be apart.
fn same_network(column: &Column) -> Option<(f64, String)> {
    let protocol = &column.context.protocol;
    if protocol.starts_with("verification/") && column.metric == "accuracy" {
        let pairs = column.trials.as_ref()?.people.trials();
        let rule = format!("the same network: {FLIPPED} of {pairs} pairs");
        return Some((FLIPPED / pairs as f64, rule));
    }
    let templates = protocol.starts_with("template-verification/");
    (templates && column.metric == "tar@far=1e-4")
        .then(|| (TEMPLATES, "the same network: 0.03 points".into()))
}

/// How far a published mean of `runs` may be from the mean of `seeds` trainings here, where all
/// are draws from one distribution: the 95 % prediction interval by the spread of those here.
fn further_run(seeds: usize, sd: Option<f64>, runs: &str) -> Option<(f64, String)> {
    let (sd, df) = (sd?, seeds.checked_sub(1).filter(|df| *df > 0)?);
    let mean = runs.strip_prefix("mean of ").and_then(|n| n.parse().ok());
    let (count, of) = match (runs, mean) {
        ("single", _) => (1.0, "a single run"),
        (_, Some(n)) if n >= 1.0 => (n, runs),
        _ => (
            1.0,
            "taken as a single run, which the source does not state,",
        ),
    };
    let rule = format!("95 % of retrainings, {of} by the spread of {seeds} seeds here");
    let spread = sd * (1.0 / seeds as f64 + 1.0 / count).sqrt();
    Some((t_quantile(df, 0.95) * spread, rule))
}
