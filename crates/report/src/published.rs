//! Published numbers: `reference_results/published/*.csv`, one file per source.

use super::model::{PublishedRow, Status};
use frbench_base::{Error, Result};
use std::path::Path;

/// The columns of a file, in order.
const HEADER: [&str; 14] = [
    "paper",
    "table",
    "method",
    "dataset",
    "protocol",
    "metric",
    "value",
    "unit",
    "training_data",
    "backbone",
    "checkpoint",
    "runs",
    "source",
    "status",
];

/// The rows of the source `name` (such as `ekd`): `folder/name.csv` where it exists, else those of
/// the `embedded` files, given by name and text.
///
/// # Errors
/// [`Error::Usage`] for an unknown source, and for a malformed file with its line.
pub fn load(
    name: &str,
    embedded: &[(&str, &str)],
    folder: Option<&Path>,
) -> Result<Vec<PublishedRow>> {
    let file = format!("{name}.csv");
    // A name is no path: it cannot lead out of the folder.
    let folder = folder.filter(|_| !name.contains(['/', '\\']) && !name.starts_with('.'));
    if let Some(path) = folder.map(|f| f.join(&file)).filter(|p| p.is_file()) {
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        return parse(&path.display().to_string(), &text);
    }
    match embedded.iter().find(|(n, _)| *n == name) {
        Some((_, text)) => parse(&file, text),
        None => {
            let names: Vec<&str> = embedded.iter().map(|(n, _)| *n).collect();
            Err(Error::Usage(format!(
                "no published results named `{name}`; there are: {}",
                names.join(", ")
            )))
        }
    }
}

/// Reads one file; `name` stands in messages.
pub fn parse(name: &str, text: &str) -> Result<Vec<PublishedRow>> {
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let wrong = |line: u64, what: String| Error::Usage(format!("{name}:{line}: {what}"));
    let header = reader
        .headers()
        .map_err(|e| wrong(1, e.to_string()))?
        .clone();
    if header != *HEADER.as_slice() {
        let want = HEADER.join(",");
        return Err(wrong(1, format!("the first line must be `{want}`")));
    }
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| {
            let line = e.position().map_or(0, csv::Position::line);
            wrong(line, e.to_string())
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        rows.push(row(&record).map_err(|what| wrong(line, what))?);
    }
    Ok(rows)
}

fn row(record: &csv::StringRecord) -> Result<PublishedRow, String> {
    let text = |name: &str| {
        let i = HEADER.iter().position(|h| *h == name).unwrap_or(usize::MAX);
        record.get(i).unwrap_or("").to_string()
    };
    for name in ["paper", "method", "dataset", "metric"] {
        if text(name).is_empty() {
            return Err(format!("`{name}` is empty"));
        }
    }
    let status = match text("status").as_str() {
        "verified" => Status::Verified,
        "secondary" => Status::Secondary,
        "unavailable" => Status::Unavailable,
        other => {
            return Err(format!(
                "status is `{other}`, want `verified`, `secondary` or `unavailable`"
            ));
        }
    };
    let value = match text("value").as_str() {
        "" => None,
        value => Some(
            value
                .parse::<f64>()
                .ok()
                .filter(|v| v.is_finite())
                .ok_or_else(|| format!("value is `{value}`, want a number"))?,
        ),
    };
    match (status, value) {
        (Status::Verified, None) => return Err("a verified row needs a value".into()),
        (Status::Secondary, None) => return Err("a secondary row needs a value".into()),
        (Status::Unavailable, Some(_)) => {
            return Err("an unavailable row must not have a value".into());
        }
        _ => {}
    }
    if status == Status::Verified && text("source").is_empty() {
        return Err("a verified row needs its source: an address, or where it was read".into());
    }
    if status == Status::Secondary && text("source").is_empty() {
        return Err("a secondary row needs to say where it was read".into());
    }
    Ok(PublishedRow {
        paper: text("paper"),
        table: text("table"),
        method: text("method"),
        dataset: text("dataset"),
        protocol: text("protocol"),
        metric: text("metric"),
        value,
        unit: text("unit"),
        training_data: text("training_data"),
        backbone: text("backbone"),
        checkpoint: text("checkpoint"),
        runs: text("runs"),
        source: text("source"),
        status,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_file_and_line() {
        let head = HEADER.join(",");
        let good = "P,T,M,LFW,v,accuracy,99.8,%,,,,,https://x.org,verified";
        let say = |text: String| parse("a.csv", &text).unwrap_err().to_string();
        assert_eq!(
            parse("a.csv", &format!("{head}\n{good}\n")).unwrap().len(),
            1
        );
        assert!(say("paper,value\n".into()).starts_with("a.csv:1: the first line must be"));
        let cases = [
            (good.replace("99.8", "99,8"), "a.csv:3"),
            (
                good.replace("99.8", "high"),
                "a.csv:3: value is `high`, want a number",
            ),
            (
                good.replace("99.8", "inf"),
                "a.csv:3: value is `inf`, want a number",
            ),
            (
                good.replace("99.8", ""),
                "a.csv:3: a verified row needs a value",
            ),
            (
                good.replace("verified", "checked"),
                "a.csv:3: status is `checked`",
            ),
            (
                good.replace("verified", "unavailable"),
                "a.csv:3: an unavailable row",
            ),
            (
                good.replace("https://x.org", ""),
                "a.csv:3: a verified row needs its source",
            ),
            (good.replace("LFW", ""), "a.csv:3: `dataset` is empty"),
        ];
        for (bad, want) in cases {
            let message = say(format!("{head}\n{good}\n{bad}\n"));
            assert!(message.starts_with(want), "{message}");
        }
    }
}
