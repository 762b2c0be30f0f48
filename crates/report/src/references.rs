//! Published numbers as tables: those compared, and per source those that are context only.

use super::derive::Derived;
use super::format::{Unit, fixed};
use super::model::{PublishedRow, ReportInput};
use super::words;
use serde::Serialize;

/// A published number beside the measured one.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Compared {
    pub method: String,
    pub column: String,
    pub published: String,
    pub measured: String,
    pub difference: String,
    pub runs: String,
    pub paper: String,
    pub table: String,
    pub url: String,
}

/// One table of one paper: methods by data sets and metrics.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Source {
    pub paper: String,
    pub table: String,
    /// Empty where it is not an address that a reader may follow.
    pub url: String,
    /// `training data MS1MV2; backbone MobileFaceNet`.
    pub context: String,
    /// Why it is not compared.
    pub reason: String,
    pub columns: Vec<(String, String)>,
    pub rows: Vec<SourceRow>,
}

#[derive(Clone, Debug, Serialize)]
pub(super) struct SourceRow {
    pub method: String,
    /// Empty where the source has no such number; `not available` where nobody has read it.
    pub cells: Vec<String>,
}

pub(super) fn view(input: &ReportInput, derived: &Derived) -> (Vec<Compared>, Vec<Source>) {
    let mut compared = Vec::new();
    let mut groups: Vec<(&PublishedRow, Vec<(&PublishedRow, &str)>)> = Vec::new();
    for (row, result) in input.published.iter().zip(&derived.published) {
        let Some(reason) = &result.reason else {
            compared.push(compare(input, row, result.measured, result.difference));
            continue;
        };
        let same = |g: &&mut (&PublishedRow, Vec<_>)| {
            g.0.paper == row.paper && g.0.table == row.table && g.0.source == row.source
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.1.push((row, reason)),
            None => groups.push((row, vec![(row, reason)])),
        }
    }
    let sources = groups.into_iter().map(|(_, rows)| source(&rows)).collect();
    (compared, sources)
}

fn compare(
    input: &ReportInput,
    row: &PublishedRow,
    measured: Option<f64>,
    difference: Option<f64>,
) -> Compared {
    let column = input
        .columns
        .iter()
        .find(|c| Some(&c.id) == row.column.as_ref());
    let unit = Unit::of(column.map_or("%", |c| &c.unit));
    Compared {
        method: row.method.clone(),
        column: column.map_or(String::new(), |c| c.label.clone()),
        published: printed(row),
        measured: measured.map_or(String::new(), |v| unit.value(v)),
        difference: difference.map_or(String::new(), |v| unit.signed(v)),
        runs: row.runs.clone(),
        paper: row.paper.clone(),
        table: row.table.clone(),
        url: address(&row.source),
    }
}

fn source(rows: &[(&PublishedRow, &str)]) -> Source {
    let first = rows[0].0;
    let mut columns: Vec<(String, String)> = Vec::new();
    let mut methods: Vec<SourceRow> = Vec::new();
    for (row, _) in rows {
        let head = (row.dataset.clone(), metric(row));
        if !columns.contains(&head) {
            columns.push(head);
        }
        if !methods.iter().any(|m| m.method == row.method) {
            methods.push(SourceRow {
                method: row.method.clone(),
                cells: Vec::new(),
            });
        }
    }
    for method in &mut methods {
        method.cells = columns
            .iter()
            .map(|(dataset, metric)| {
                rows.iter()
                    .find(|(r, _)| {
                        r.method == method.method
                            && r.dataset == *dataset
                            && self::metric(r) == *metric
                    })
                    .map_or(String::new(), |(r, _)| printed(r))
            })
            .collect();
    }
    let read_in = match address(&first.source).as_str() {
        "" if !first.source.is_empty() => format!("read in: {}; ", first.source),
        _ => String::new(),
    };
    let context = [
        ("training data", distinct(rows, |r| &r.training_data)),
        ("backbone", distinct(rows, |r| &r.backbone)),
        ("checkpoint", distinct(rows, |r| &r.checkpoint)),
        ("runs", distinct(rows, |r| &r.runs)),
    ];
    let mut reasons: Vec<&str> = Vec::new();
    for (_, reason) in rows {
        if !reasons.contains(reason) {
            reasons.push(reason);
        }
    }
    Source {
        paper: first.paper.clone(),
        table: first.table.clone(),
        url: address(&first.source),
        context: read_in
            + &context
                .iter()
                .map(|(what, values)| match values.is_empty() {
                    true => format!("{what} not stated"),
                    false => format!("{what} {}", words::list(values)),
                })
                .collect::<Vec<_>>()
                .join("; "),
        reason: reasons.join("; "),
        columns,
        rows: methods,
    }
}

/// `accuracy, %`.
fn metric(row: &PublishedRow) -> String {
    match row.unit.as_str() {
        "" => row.metric.clone(),
        unit => format!("{}, {unit}", row.metric),
    }
}

fn distinct(
    rows: &[(&PublishedRow, &str)],
    field: impl Fn(&PublishedRow) -> &String,
) -> Vec<String> {
    let mut values: Vec<String> = Vec::new();
    for (row, _) in rows {
        let value = field(row);
        if !value.is_empty() && !values.contains(value) {
            values.push(value.clone());
        }
    }
    values
}

fn printed(row: &PublishedRow) -> String {
    match (row.value, row.unit.as_str()) {
        (None, _) => "not available".into(),
        (Some(v), "%") => fixed(v, 2),
        (Some(v), _) => fixed(v, 4),
    }
}

/// The address if a reader may follow it (`http` or `https`), else nothing.
fn address(url: &str) -> String {
    let lower = url.to_ascii_lowercase();
    if !lower.starts_with("https://") && !lower.starts_with("http://") {
        return String::new();
    }
    percent(url)
}

/// Percent-encodes what could end an address in HTML or Markdown.
pub(super) fn percent(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for byte in url.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(byte as char),
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'#' | b'@' | b'!' | b'$' | b'&'
            | b'+' | b',' | b';' | b'=' | b'%' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_become_links() {
        assert_eq!(address("javascript:alert(1)"), "");
        assert_eq!(address("data:text/html,x"), "");
        assert_eq!(
            address("https://a.org/b c\"(d)>"),
            "https://a.org/b%20c%22%28d%29%3E"
        );
    }
}
