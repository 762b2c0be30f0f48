//! What was measured of a suite, seed by seed, and what it was measured with.

use frbench_base::key::Key;
use frbench_eval::stats::BySeed;
use frbench_harness::run::explain;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Raw values of a suite under one profile. A seed is a whole experiment: teachers are trained
/// with it, too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    pub suite: String,
    pub profile: String,
    /// Hashes of what the sources say that compute it, by path, and versions of crates, as
    /// `crate NAME`.
    pub code: BTreeMap<String, String>,
    /// Identities of data sets, by name.
    pub data: BTreeMap<String, String>,
    /// How each row is trained, without seeds and without what it builds on.
    pub rows: BTreeMap<String, Value>,
    pub columns: BTreeMap<String, Column>,
    /// In the order of rows and seeds.
    pub runs: Vec<Run>,
}

/// A data set under a protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Column {
    /// How it is scored.
    pub configuration: Value,
    /// The metrics that it yields, and whether higher is better.
    pub metrics: BTreeMap<String, bool>,
}

/// One network and its scores. Keys are the first digits of those of jobs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Run {
    pub row: String,
    pub seed: u64,
    pub key: String,
    /// The key without the code.
    pub comparison: String,
    /// sha256 of the network, its first digits.
    pub model: String,
    /// Those that the last step was computed on; empty where nothing was trained.
    pub kernels: String,
    /// By the id of the column.
    pub scores: BTreeMap<String, Score>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Score {
    pub key: String,
    pub comparison: String,
    /// By the id of the metric, such as `accuracy`.
    pub values: BTreeMap<String, f64>,
}

/// A row on a metric of a column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct CellId {
    pub row: String,
    pub column: String,
    pub metric: String,
}

impl std::fmt::Display for CellId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {} {}", self.row, self.column, self.metric)
    }
}

impl Measured {
    /// Adds what was measured with other seeds.
    pub fn merge(&mut self, other: Measured) {
        self.suite = other.suite;
        self.profile = other.profile;
        self.code.extend(other.code);
        self.data.extend(other.data);
        self.rows.extend(other.rows);
        for (id, column) in other.columns {
            match self.columns.get_mut(&id) {
                Some(known) => known.metrics.extend(column.metrics),
                None => drop(self.columns.insert(id, column)),
            }
        }
        for run in other.runs {
            self.runs
                .retain(|r| (&r.row, r.seed) != (&run.row, run.seed));
            self.runs.push(run);
        }
        self.runs
            .sort_by(|a, b| (&a.row, a.seed).cmp(&(&b.row, b.seed)));
    }

    pub fn run(&self, row: &str, seed: u64) -> Option<&Run> {
        self.runs.iter().find(|r| r.row == row && r.seed == seed)
    }

    /// The values of a cell, by seed.
    pub fn values(&self, cell: &CellId) -> BySeed {
        let runs = self.runs.iter().filter(|r| r.row == cell.row);
        let value = |r: &Run| Some(*r.scores.get(&cell.column)?.values.get(&cell.metric)?);
        runs.filter_map(|r| Some((r.seed, value(r)?))).collect()
    }

    /// Every cell that has a value.
    pub fn cells(&self) -> BTreeSet<CellId> {
        let mut cells = BTreeSet::new();
        for run in &self.runs {
            for (column, score) in &run.scores {
                cells.extend(score.values.keys().map(|metric| CellId {
                    row: run.row.clone(),
                    column: column.clone(),
                    metric: metric.clone(),
                }));
            }
        }
        cells
    }

    /// In the order of their numbers.
    pub fn seeds(&self) -> Vec<u64> {
        let seeds: BTreeSet<u64> = self.runs.iter().map(|r| r.seed).collect();
        seeds.into_iter().collect()
    }

    pub fn higher_is_better(&self, cell: &CellId) -> bool {
        let column = self.columns.get(&cell.column);
        column
            .and_then(|c| c.metrics.get(&cell.metric))
            .is_none_or(|higher| *higher)
    }
}

/// The digits of a key or hash that are kept: two of a suite do not agree in them by chance.
const DIGITS: usize = 16;

/// The first digits of a key or hash.
pub fn short(hash: &str) -> String {
    hash.chars().take(DIGITS).collect()
}

/// What a set of sources and crates is called.
pub fn fingerprint(code: &BTreeMap<String, String>) -> String {
    short(&Key::of(code).0)
}

/// The sources and crates in which two differ, with what is new or gone.
pub fn changed(was: &BTreeMap<String, String>, is: &BTreeMap<String, String>) -> Vec<String> {
    let names: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let differs = |name: &&&String| was.get(**name) != is.get(**name);
    names
        .iter()
        .filter(differs)
        .map(|n| n.to_string())
        .collect()
}

/// The settings in which two configurations differ, such as `batch: 64, was 32`.
pub fn fields(was: &Value, is: &Value) -> Vec<String> {
    let said = |text: Option<String>| text.unwrap_or_else(|| "nothing".into());
    let line = |d: explain::Difference| format!("{}: {}, was {}", d.name, said(d.is), said(d.was));
    explain::differences(was, is)
        .into_iter()
        .map(line)
        .collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    /// A suite of one row `m` on one column, with these values by seed.
    pub fn measured(values: &[(u64, f64)]) -> Measured {
        let run = |(seed, value): &(u64, f64)| Run {
            row: "m".into(),
            seed: *seed,
            key: format!("t{seed}"),
            comparison: format!("ct{seed}"),
            model: format!("model {value}"),
            kernels: "plain".into(),
            scores: BTreeMap::from([(
                "d/p".into(),
                Score {
                    key: format!("s{seed}"),
                    comparison: format!("cs{seed}"),
                    values: BTreeMap::from([("accuracy".into(), *value)]),
                },
            )]),
        };
        Measured {
            suite: "one".into(),
            profile: "nightly".into(),
            code: BTreeMap::from([("methods/head/arcface.rs".into(), "1".into())]),
            data: BTreeMap::from([("d".into(), "1".into())]),
            rows: BTreeMap::from([("m".into(), json!({"spec": {"batch": 32}}))]),
            columns: BTreeMap::from([(
                "d/p".into(),
                Column {
                    configuration: json!({"spec": {"protocol": {"name": "verification"}}}),
                    metrics: BTreeMap::from([("accuracy".into(), true)]),
                },
            )]),
            runs: values.iter().map(run).collect(),
        }
    }

    pub fn cell() -> CellId {
        CellId {
            row: "m".into(),
            column: "d/p".into(),
            metric: "accuracy".into(),
        }
    }

    #[test]
    fn seeds_are_merged_and_values_found() {
        let mut all = measured(&[(2, 0.5)]);
        all.merge(measured(&[(1, 0.25), (2, 0.75)]));
        assert_eq!(all.seeds(), [1, 2]);
        assert_eq!(all.values(&cell()), BySeed::from([(1, 0.25), (2, 0.75)]));
        assert_eq!(all.cells().len(), 1);
    }

    #[test]
    fn differences_name_fields_and_sources() {
        let was = json!({"spec": {"batch": 32, "lr": 0.1}});
        let is = json!({"spec": {"batch": 64, "lr": 0.1}});
        assert_eq!(fields(&was, &is), ["batch: 64, was 32"]);
        let map = |pairs: &[(&str, &str)]| {
            let own = pairs.iter().map(|(a, b)| (a.to_string(), b.to_string()));
            own.collect::<BTreeMap<_, _>>()
        };
        let was = map(&[("a.rs", "1"), ("b.rs", "1")]);
        let is = map(&[("a.rs", "2"), ("b.rs", "1"), ("c.rs", "1")]);
        assert_eq!(changed(&was, &is), ["a.rs", "c.rs"]);
        assert_ne!(fingerprint(&was), fingerprint(&is));
    }
}
