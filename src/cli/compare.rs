//! `frbench compare`

use super::exit::ExitStatus;
use super::output::{print, print_json};
use super::text::table;
use crate::Result;
use crate::gate::compare::{Cell, compare as compared};
use crate::gate::findings::percent;
use crate::gate::load::load;
use crate::gate::verdict::code;
use crate::stats::{BySeed, mean, paired};
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

#[derive(Args, Debug)]
pub struct CompareArgs {
    /// A baseline, a report's folder or `results.json`, or a folder of runs
    pub first: PathBuf,
    /// What it is compared with
    pub second: PathBuf,
    /// Print the differences as JSON
    #[arg(long)]
    pub json: bool,
}

/// Value by value, and apart: bits, numbers and configurations.
pub fn compare(args: CompareArgs) -> Result<ExitStatus> {
    let (was, is) = (load(&args.first)?, load(&args.second)?);
    let found = compared(&was, &is);
    let mut rows = vec![
        [
            "value",
            "first",
            "second",
            "seeds",
            "change, 95 %",
            "seeds agree",
            "",
        ]
        .map(String::from)
        .to_vec(),
    ];
    let mut cells = Vec::new();
    for (id, cell) in &found.cells {
        let (a, b) = (was.values(id), is.values(id));
        let of =
            |v: &BySeed| (!v.is_empty()).then(|| mean(&v.values().copied().collect::<Vec<_>>()));
        let change = paired(&b, &a, 0.95);
        let agree = correlation(&a, &b);
        let (kind, why) = match cell {
            Cell::Equal => ("equal", String::new()),
            Cell::Numbers => ("numbers", String::new()),
            Cell::Evaluation => ("evaluation", "the same networks, scored otherwise".into()),
            Cell::Configuration(why) => ("configuration", why.join("; ")),
            Cell::Gone => ("gone", "only in the first".into()),
            Cell::New => ("new", "only in the second".into()),
        };
        cells.push(json!({
            "cell": id, "kind": kind, "why": why, "first": a, "second": b,
            "change": change, "correlation": agree,
        }));
        let interval = change.and_then(|c| c.interval);
        rows.push(vec![
            id.to_string(),
            of(&a).map_or("-".into(), percent),
            of(&b).map_or("-".into(), percent),
            change.map_or(0, |c| c.n).to_string(),
            interval.map_or(String::new(), |(low, high)| {
                format!("{:+.2} to {:+.2}", 100.0 * low, 100.0 * high)
            }),
            agree.map_or(String::new(), |r| format!("{r:+.2}")),
            match why.is_empty() {
                true => kind.to_string(),
                false => format!("{kind}: {why}"),
            },
        ]);
    }
    if args.json {
        print_json(&json!({
            "bits": found.bits, "changed": found.changed, "code": found.code, "cells": cells,
        }))?;
    } else {
        let mut out = table(&rows);
        if !found.bits.is_empty() {
            let n = found.bits.len();
            out += &format!("\nthe same code and kernels gave other bits in {n} jobs:\n");
            out.extend(found.bits.iter().map(|bits| format!("  {bits}\n")));
        }
        if !found.code.is_empty() {
            out += &format!("\nother code: {}\n", found.code.join(", "));
        }
        print(&out)?;
    }
    let configured = |c: &Cell| matches!(c, Cell::Configuration(_) | Cell::Gone | Cell::New);
    Ok(
        match (found.bits.is_empty(), found.cells.values().any(configured)) {
            (false, _) => ExitStatus::Night(code::FAILED),
            (true, true) => ExitStatus::Night(code::INCOMPARABLE),
            (true, false) => ExitStatus::Success,
        },
    )
}

/// Seeds below which no correlation is given.
const SEEDS: usize = 10;

/// Pearson's correlation of the values of common seeds: what pairing by seed would buy.
fn correlation(a: &BySeed, b: &BySeed) -> Option<f64> {
    let pairs: Vec<(f64, f64)> = a
        .iter()
        .filter_map(|(s, v)| Some((*v, *b.get(s)?)))
        .collect();
    if pairs.len() < SEEDS {
        return None;
    }
    let n = pairs.len() as f64;
    let of = |f: fn(&(f64, f64)) -> f64| pairs.iter().map(f).sum::<f64>() / n;
    let (x, y) = (of(|p| p.0), of(|p| p.1));
    let sums = pairs.iter().fold((0.0, 0.0, 0.0), |(xy, xx, yy), p| {
        let (dx, dy) = (p.0 - x, p.1 - y);
        (xy + dx * dy, xx + dx * dx, yy + dy * dy)
    });
    let scale = (sums.1 * sums.2).sqrt();
    (scale > 0.0).then(|| sums.0 / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn correlations_are_of_common_seeds() {
        let a: BySeed = (0..12).map(|s| (s, s as f64)).collect();
        let b: BySeed = (0..12).map(|s| (s, 3.0 - 2.0 * s as f64)).collect();
        assert!((correlation(&a, &b).unwrap() + 1.0).abs() < 1e-12);
        let few: BySeed = (0..9).map(|s| (s, s as f64)).collect();
        assert_eq!(correlation(&a, &few), None);
        let same: BySeed = (0..12).map(|s| (s, 1.0)).collect();
        assert_eq!(correlation(&a, &same), None);
    }
}
