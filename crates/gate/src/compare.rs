//! Three kinds of difference, told apart: bits, numbers and configurations.
//!
//! *Bits*: the same key on the same kernels and other bits: nondeterminism or damage. *Numbers*:
//! the same configuration by other code. *Configurations*: another comparison key; nothing can be
//! concluded.

use crate::measured::{CellId, Measured, Run, Score, changed, fields};
use serde::{Serialize, Serializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Two measurements of a suite.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Comparison {
    /// Jobs with the same key and other bits, by seed, trainings first, then by column and row. A plan
    /// alone knows the order in which they are made.
    pub bits: Vec<Bits>,
    /// Networks that other code made with other bits, such as `fcd seed 1`.
    pub changed: Vec<String>,
    /// Sources and crates that differ.
    pub code: Vec<String>,
    /// Every cell of either side.
    #[serde(skip)]
    pub cells: BTreeMap<CellId, Cell>,
}

/// A job with the same key and other bits; as text its label, such as `train fcd seed 1`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bits {
    pub row: String,
    pub seed: u64,
    /// Where it scores; none for a training.
    pub column: Option<String>,
}

impl Bits {
    /// Whether a cell rests on the job.
    pub fn concerns(&self, id: &CellId) -> bool {
        self.row == id.row && self.column.as_ref().is_none_or(|c| *c == id.column)
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            None => write!(f, "train {} seed {}", self.row, self.seed),
            Some(column) => write!(f, "score {} seed {} {column}", self.row, self.seed),
        }
    }
}

impl Serialize for Bits {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// How a cell compares, over the seeds that both sides have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// The same bits for every seed.
    Equal,
    /// Other networks, or other kernels.
    Numbers,
    /// The same networks, scored otherwise: no chance is in that.
    Evaluation,
    /// Another configuration: which settings.
    Configuration(Vec<String>),
    /// The second side has no value.
    Gone,
    /// The first side has no such cell.
    New,
}

/// Compares what was measured now with what was measured before.
pub fn compare(was: &Measured, is: &Measured) -> Comparison {
    let mut out = Comparison {
        code: changed(&was.code, &is.code),
        ..Comparison::default()
    };
    for run in &is.runs {
        let Some(before) = was.run(&run.row, run.seed) else {
            continue;
        };
        let bits = |column: Option<&String>| Bits {
            row: run.row.clone(),
            seed: run.seed,
            column: column.cloned(),
        };
        if !differ(&run.comparison, &before.comparison) && run.model != before.model {
            match same_bits_wanted(before, run) {
                true => out.bits.push(bits(None)),
                false => out.changed.push(network(&run.row, run.seed)),
            }
        }
        for (column, score) in &run.scores {
            let Some(then) = before.scores.get(column) else {
                continue;
            };
            let same = score.key == then.key && !score.key.is_empty() && run.model == before.model;
            if same && run.kernels == before.kernels && score.values != then.values {
                out.bits.push(bits(Some(column)));
            }
        }
    }
    out.bits
        .sort_by(|a, b| (a.seed, &a.column, &a.row).cmp(&(b.seed, &b.column, &b.row)));
    let ids: BTreeSet<CellId> = was.cells().union(&is.cells()).cloned().collect();
    let cells = ids.into_iter().map(|id| {
        let cell = cell(was, is, &id);
        (id, cell)
    });
    out.cells = cells.collect();
    out
}

impl Comparison {
    /// The same of two machines that compute otherwise: bits say nothing, and one network has other
    /// scores.
    pub fn elsewhere(mut self) -> Comparison {
        let bits = std::mem::take(&mut self.bits);
        let trained = bits.iter().filter(|b| b.column.is_none());
        self.changed
            .extend(trained.map(|b| network(&b.row, b.seed)));
        self.changed.sort();
        let scored = self.cells.values_mut();
        for cell in scored.filter(|c| **c == Cell::Evaluation) {
            *cell = Cell::Numbers;
        }
        self
    }
}

/// What a network is called.
fn network(row: &str, seed: u64) -> String {
    format!("{row} seed {seed}")
}

/// Whether two configurations differ; one that is not known is taken as the same.
fn differ(was: &str, is: &str) -> bool {
    !was.is_empty() && !is.is_empty() && was != is
}

/// The same code on the same kernels.
fn same_bits_wanted(was: &Run, is: &Run) -> bool {
    was.key == is.key && was.kernels == is.kernels
}

fn cell(was: &Measured, is: &Measured, id: &CellId) -> Cell {
    if was.values(id).is_empty() {
        return Cell::New;
    }
    let values = is.values(id);
    if values.is_empty() {
        return Cell::Gone;
    }
    let mut cell = Cell::Equal;
    for seed in values.keys() {
        let Some(run) = is.run(&id.row, *seed) else {
            continue;
        };
        let Some(before) = was.run(&id.row, *seed) else {
            // Nothing to hold it against bit by bit.
            cell = Cell::Numbers;
            continue;
        };
        let (Some(score), Some(then)) = (run.scores.get(&id.column), before.scores.get(&id.column))
        else {
            continue;
        };
        let configured = differ(&run.comparison, &before.comparison);
        if configured || differ(&score.comparison, &then.comparison) {
            return Cell::Configuration(why(was, is, id, before, run));
        }
        let value = |s: &Score| s.values.get(&id.metric).map(|v| v.to_bits());
        match (run.model == before.model, value(score) == value(then)) {
            (true, true) => {}
            (true, false) if cell != Cell::Numbers => cell = Cell::Evaluation,
            _ => cell = Cell::Numbers,
        }
    }
    cell
}

/// What of the configuration of a cell differs.
fn why(was: &Measured, is: &Measured, id: &CellId, before: &Run, run: &Run) -> Vec<String> {
    let mut out = Vec::new();
    if differ(&run.comparison, &before.comparison) {
        out.extend(of_row(was, is, &id.row));
    }
    out.extend(of_column(was, is, &id.column));
    if out.is_empty() {
        out.push(OF_PICTURES.into());
    }
    out.dedup();
    out
}

/// What differs where no setting of a score does.
const OF_PICTURES: &str = "the views of its pictures, or what its data say beside them";
/// The same of a training.
const OF_BASIS: &str = "what it is built on: its teacher, what is derived from it, or what its \
                        data say beside their pictures";

/// How a row is configured otherwise, which it is.
fn of_row(was: &Measured, is: &Measured, row: &str) -> Vec<String> {
    let own = (was.rows.get(row), is.rows.get(row));
    let own = match own {
        (Some(a), Some(b)) => fields(a, b),
        _ => Vec::new(),
    };
    match own.is_empty() {
        true => vec![OF_BASIS.into()],
        false => own,
    }
}

/// How a column is configured otherwise, if it is.
fn of_column(was: &Measured, is: &Measured, column: &str) -> Vec<String> {
    match (was.columns.get(column), is.columns.get(column)) {
        (Some(a), Some(b)) => fields(&a.configuration, &b.configuration),
        _ => Vec::new(),
    }
}

/// Something that is configured otherwise, and how.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Configured {
    /// `a` for a row, `column synth-lfw/ten-fold`, `data synth-lfw`, `a on synth-lfw/ten-fold`.
    pub what: String,
    pub why: Vec<String>,
}

/// All that is configured otherwise, or on one side alone: rows, columns with their metrics, sets
/// of data, and rows on columns. Values do not matter, so `is` may be a plan.
pub fn configurations(was: &Measured, is: &Measured) -> Vec<Configured> {
    let runs = is.runs.iter();
    let both: Vec<(&Run, &Run)> = runs
        .filter_map(|run| Some((was.run(&run.row, run.seed)?, run)))
        .collect();
    let otherwise = both
        .iter()
        .filter(|(a, b)| differ(&a.comparison, &b.comparison));
    let trained: BTreeSet<&str> = otherwise.map(|(_, run)| run.row.as_str()).collect();
    let mut out = BTreeMap::new();
    for (row, there) in union(&was.rows, &is.rows) {
        let why = match there.alone("row") {
            Some(why) => vec![why],
            None if trained.contains(row) => of_row(was, is, row),
            None => Vec::new(),
        };
        out.insert((0, row.to_string()), why);
    }
    let mut scored = BTreeSet::new();
    for (column, there) in union(&was.columns, &is.columns) {
        let mut why: Vec<String> = there.alone("column").into_iter().collect();
        if let (Some(a), Some(b)) = (was.columns.get(column), is.columns.get(column)) {
            why.extend(of_column(was, is, column));
            why.extend(metrics(&a.metrics, &b.metrics));
        }
        if !why.is_empty() {
            scored.insert(column);
        }
        out.insert((1, format!("column {column}")), why);
    }
    for (name, there) in union(&was.data, &is.data) {
        let why = match (there.alone("set"), was.data.get(name), is.data.get(name)) {
            (Some(why), ..) => Some(why),
            (None, Some(a), Some(b)) if b.is_empty() && !a.is_empty() => {
                Some("not made or read yet, so that nothing is known of what builds on it".into())
            }
            (None, Some(a), Some(b)) if differ(a, b) => {
                Some(format!("other pictures or labels: {b}, was {a}"))
            }
            _ => None,
        };
        out.insert((2, format!("data {name}")), why.into_iter().collect());
    }
    for (before, run) in both {
        for (column, there) in union(&before.scores, &run.scores) {
            let columns = [&was.columns, &is.columns];
            if columns.iter().any(|known| !known.contains_key(column)) {
                continue;
            }
            // What differs with its row or its column is said there.
            let own = !trained.contains(run.row.as_str()) && !scored.contains(column);
            let keys = (before.scores.get(column), run.scores.get(column));
            let why = there.alone("score").or(match keys {
                (Some(a), Some(b)) if own && differ(&a.comparison, &b.comparison) => {
                    Some(OF_PICTURES.to_string())
                }
                _ => None,
            });
            if let Some(why) = why {
                out.insert((3, format!("{} on {column}", run.row)), vec![why]);
            }
        }
    }
    let said = out.into_iter().filter(|(_, why)| !why.is_empty());
    said.map(|((_, what), why)| Configured { what, why })
        .collect()
}

/// How the metrics of a column differ: those of one side, and those that are read otherwise.
fn metrics(was: &BTreeMap<String, bool>, is: &BTreeMap<String, bool>) -> Vec<String> {
    let said = |(metric, there): (&str, There)| {
        let why = match there.alone("metric") {
            Some(why) => why,
            None if was.get(metric) == is.get(metric) => return None,
            None => "another direction of it is better".into(),
        };
        Some(format!("`{metric}`: {why}"))
    };
    union(was, is).into_iter().filter_map(said).collect()
}

/// Which of two sides have something.
#[derive(Clone, Copy)]
enum There {
    First,
    Second,
    Both,
}

impl There {
    /// That one side alone has it.
    fn alone(self, what: &str) -> Option<String> {
        match self {
            There::First => Some(format!("the suite has no such {what} any more")),
            There::Second => Some(format!("the baseline has no such {what}")),
            There::Both => None,
        }
    }
}

/// What is on either side, and where.
fn union<'a, T>(
    was: &'a BTreeMap<String, T>,
    is: &'a BTreeMap<String, T>,
) -> BTreeMap<&'a str, There> {
    let of = |name| match (was.contains_key(name), is.contains_key(name)) {
        (true, true) => There::Both,
        (true, false) => There::First,
        (false, _) => There::Second,
    };
    let names = was.keys().chain(is.keys());
    names.map(|name| (name.as_str(), of(name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measured::tests::{cell as id, measured};
    use serde_json::json;

    const VALUES: [(u64, f64); 3] = [(1, 0.5), (2, 0.6), (3, 0.7)];

    #[test]
    fn equal_bits_are_equal() {
        let found = compare(&measured(&VALUES), &measured(&VALUES[..2]));
        assert_eq!(found.cells[&id()], Cell::Equal);
        assert!(found.bits.is_empty() && found.changed.is_empty() && found.code.is_empty());
    }

    #[test]
    fn other_bits_of_the_same_code_are_named() {
        let mut is = measured(&VALUES);
        is.runs[1].model = "other".into();
        is.runs[2].scores.get_mut("d/p").unwrap().values = [("accuracy".into(), 0.1)].into();
        let found = compare(&measured(&VALUES), &is);
        let labels: Vec<String> = found.bits.iter().map(Bits::to_string).collect();
        assert_eq!(labels, ["train m seed 2", "score m seed 3 d/p"]);
        assert!(found.bits[1].concerns(&id()));
        // Between machines bits say nothing.
        let elsewhere = found.elsewhere();
        assert!(elsewhere.bits.is_empty());
        assert_eq!(elsewhere.changed, ["m seed 2"]);
        assert_eq!(elsewhere.cells[&id()], Cell::Numbers);
        // On other kernels they are numbers.
        is.runs.iter_mut().for_each(|r| r.kernels = "avx2".into());
        let found = compare(&measured(&VALUES), &is);
        assert!(found.bits.is_empty());
        assert_eq!(found.changed, ["m seed 2"]);
    }

    #[test]
    fn other_code_gives_numbers_and_the_sources_are_named() {
        let mut is = measured(&VALUES[..1]);
        is.code.insert("methods/head/arcface.rs".into(), "2".into());
        is.runs[0].key = "other".into();
        assert_eq!(compare(&measured(&VALUES), &is).cells[&id()], Cell::Equal);
        is.runs[0].model = "other".into();
        let found = compare(&measured(&VALUES), &is);
        assert_eq!(found.cells[&id()], Cell::Numbers);
        assert_eq!(found.changed, ["m seed 1"]);
        assert_eq!(found.code, ["methods/head/arcface.rs"]);
    }

    #[test]
    fn one_network_that_is_scored_otherwise_is_told_apart() {
        let mut is = measured(&VALUES);
        for run in &mut is.runs {
            let score = run.scores.get_mut("d/p").unwrap();
            score.key = "other".into();
            score.values = [("accuracy".into(), 0.4)].into();
        }
        let found = compare(&measured(&VALUES), &is);
        assert_eq!(found.cells[&id()], Cell::Evaluation);
        assert!(found.bits.is_empty());
    }

    #[test]
    fn another_configuration_names_its_settings() {
        let mut is = measured(&VALUES);
        is.rows.insert("m".into(), json!({"spec": {"batch": 64}}));
        is.runs[0].comparison = "other".into();
        let cells = compare(&measured(&VALUES), &is).cells;
        assert_eq!(
            cells[&id()],
            Cell::Configuration(vec!["batch: 64, was 32".into()])
        );
        is.rows = measured(&VALUES).rows;
        let cells = compare(&measured(&VALUES), &is).cells;
        let Cell::Configuration(why) = &cells[&id()] else {
            panic!("{cells:?}")
        };
        assert!(why[0].contains("its teacher"), "{why:?}");
    }

    #[test]
    fn cells_of_one_side_are_gone_or_new() {
        let was = measured(&VALUES);
        let mut is = measured(&[]);
        assert_eq!(compare(&was, &is).cells[&id()], Cell::Gone);
        is = measured(&VALUES);
        assert_eq!(compare(&measured(&[]), &is).cells[&id()], Cell::New);
    }

    fn configured(was: &Measured, is: &Measured) -> Vec<String> {
        let said = |c: Configured| format!("{}: {}", c.what, c.why.join("; "));
        configurations(was, is).into_iter().map(said).collect()
    }

    #[test]
    fn rows_columns_metrics_and_data_that_differ_are_named() {
        let was = measured(&VALUES);
        assert!(configured(&was, &was).is_empty());
        let mut is = measured(&VALUES[..1]);
        is.runs[0].scores.get_mut("d/p").unwrap().comparison = "other".into();
        let column = is.columns.get_mut("d/p").unwrap();
        column.configuration = json!({"spec": {"protocol": {"name": "verification", "folds": 5}}});
        column.metrics = [("eer".into(), false)].into();
        is.data.insert("d".into(), "2".into());
        is.data.insert("e".into(), "1".into());
        assert_eq!(
            configured(&was, &is),
            [
                "column d/p: protocol/folds: 5, was nothing; `accuracy`: the suite has no such \
                 metric any more; `eer`: the baseline has no such metric",
                "data d: other pictures or labels: 2, was 1",
                "data e: the baseline has no such set",
            ]
        );
    }

    #[test]
    fn what_is_on_one_side_alone_is_named() {
        let was = measured(&VALUES);
        let mut is = measured(&VALUES);
        is.rows.insert("new".into(), json!({}));
        is.columns = [("d/q".into(), is.columns["d/p"].clone())].into();
        is.data.insert("d".into(), String::new());
        for run in &mut is.runs {
            run.scores = [("d/q".into(), run.scores["d/p"].clone())].into();
        }
        assert_eq!(
            configured(&was, &is),
            [
                "new: the baseline has no such row",
                "column d/p: the suite has no such column any more",
                "column d/q: the baseline has no such column",
                "data d: not made or read yet, so that nothing is known of what builds on it",
            ]
        );
    }

    #[test]
    fn a_score_of_its_own_configuration_is_named_once() {
        let was = measured(&VALUES);
        let mut is = measured(&VALUES);
        for run in &mut is.runs {
            run.scores.get_mut("d/p").unwrap().comparison = "other".into();
        }
        assert_eq!(configured(&was, &is), [format!("m on d/p: {OF_PICTURES}")]);
        is.runs.iter_mut().for_each(|r| r.scores.clear());
        assert_eq!(
            configured(&was, &is),
            ["m on d/p: the suite has no such score any more"]
        );
    }
}
