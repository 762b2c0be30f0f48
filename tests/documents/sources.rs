//! The committed files that measured numbers are taken from, and the keys that were looked up.

use super::read;
use std::collections::{BTreeMap, BTreeSet};

pub const MEASUREMENTS: &str = "docs/measurements";
const EXAMPLE: &str = "reports/example";

/// A file of values: conditions in its first lines (`# NAME: ...`), then CSV.
struct Table {
    conditions: BTreeMap<String, String>,
    rows: Vec<BTreeMap<String, String>>,
}

impl Table {
    fn read(name: &str) -> Self {
        let text = read(name);
        let lines = text.lines().filter_map(|l| l.strip_prefix("# "));
        let conditions = lines.filter_map(|l| l.split_once(": "));
        let own = |(k, v): (&str, &str)| (k.to_string(), v.to_string());
        let mut reader = csv::ReaderBuilder::new()
            .comment(Some(b'#'))
            .from_reader(text.as_bytes());
        Table {
            conditions: conditions.map(own).collect(),
            rows: reader
                .deserialize()
                .collect::<Result<_, _>>()
                .unwrap_or_else(|e| panic!("{name}: {e}")),
        }
    }
}

/// Everything that a block may look up; what it did is remembered.
#[derive(Default)]
pub struct Sources {
    tables: BTreeMap<String, Table>,
    /// Of each file, in their order.
    used: BTreeMap<String, Vec<String>>,
}

impl Sources {
    /// The files and the keys that were looked up in each, a line a file.
    pub fn used(&self) -> String {
        let line = |(file, keys): (&String, &Vec<String>)| format!("{file}: {}\n", keys.join("; "));
        self.used.iter().map(line).collect()
    }

    pub fn files(&self) -> BTreeSet<&str> {
        self.used.keys().map(String::as_str).collect()
    }

    fn uses(&mut self, file: &str, key: String) {
        let keys = self.used.entry(file.to_string()).or_default();
        if !keys.contains(&key) {
            keys.push(key);
        }
    }

    fn table(&mut self, file: &str) -> &Table {
        let read = || Table::read(file);
        self.tables.entry(file.to_string()).or_insert_with(read)
    }

    /// A condition of a file of docs/measurements.
    pub fn condition(&mut self, name: &str, condition: &str) -> String {
        let file = format!("{MEASUREMENTS}/{name}");
        let found = self.table(&file).conditions.get(condition).cloned();
        found.unwrap_or_else(|| panic!("{file} states no {condition}"))
    }

    /// The values of a column, of the rows of a file of docs/measurements in which other columns are
    /// what they are said to be, at least one.
    pub fn all(&mut self, name: &str, of: &[(&str, &str)], column: &str) -> Vec<String> {
        self.find(&format!("{MEASUREMENTS}/{name}"), of, column)
    }

    /// The same, where there is one.
    pub fn one(&mut self, name: &str, of: &[(&str, &str)], column: &str) -> String {
        let mut found = self.all(name, of, column);
        assert_eq!(found.len(), 1, "{name}: {of:?}");
        found.remove(0)
    }

    fn find(&mut self, file: &str, of: &[(&str, &str)], column: &str) -> Vec<String> {
        let fits = |row: &&BTreeMap<String, String>| {
            of.iter()
                .all(|(name, value)| row.get(*name).is_some_and(|v| v == value))
        };
        let rows = self.table(file).rows.iter().filter(fits);
        let get = |row: &BTreeMap<String, String>| {
            let value = row.get(column).cloned();
            value.unwrap_or_else(|| panic!("{file} has no column `{column}`"))
        };
        let found: Vec<String> = rows.map(get).collect();
        assert!(!found.is_empty(), "{file}: {of:?}");
        let values: Vec<&str> = of.iter().map(|(_, value)| *value).collect();
        let key = match values.is_empty() {
            true => "all rows".to_string(),
            false => values.join(" "),
        };
        self.uses(file, key);
        found
    }

    /// The mean over seeds of a row of the example's report, and how many seeds there are. Raw: a
    /// rate within [0, 1].
    pub fn mean(&mut self, row: &str, column: &str) -> (f64, usize) {
        let file = format!("{EXAMPLE}/results.csv");
        let values = self.find(&file, &[("row", row), ("column", column)], "value");
        let values: Vec<f64> = values.iter().map(|v| v.parse().unwrap()).collect();
        (
            values.iter().sum::<f64>() / values.len() as f64,
            values.len(),
        )
    }

    /// What is said of a claim of the example's report.
    pub fn claim(&mut self, id: &str, column: &str) -> String {
        let found = self.find(&format!("{EXAMPLE}/claims.csv"), &[("claim", id)], column);
        found.into_iter().next().unwrap()
    }

    /// A cell of a table of the example's report, below the heading `### HEADING`.
    pub fn cell(&mut self, heading: &str, row: &str, column: &str) -> String {
        let file = format!("{EXAMPLE}/report.md");
        let text = read(&file);
        let section = text.split(&format!("\n### {heading}\n")).nth(1);
        let lines = section
            .unwrap_or_else(|| panic!("{file}: {heading}"))
            .lines();
        let table = lines.skip_while(|l| !l.starts_with('|'));
        let table: Vec<Vec<&str>> = table
            .take_while(|l| l.starts_with('|'))
            .map(|l| l.trim_matches('|').split(" | ").map(str::trim).collect())
            .collect();
        let column_at = table[0].iter().position(|c| *c == column);
        let line = table.iter().find(|l| l[0] == row);
        let cell = line.zip(column_at).map(|(l, c)| l[c].replace('\\', ""));
        self.uses(&file, format!("{heading}, {row}, {column}"));
        cell.unwrap_or_else(|| panic!("{file}: {heading}, {row}, {column}"))
    }
}
