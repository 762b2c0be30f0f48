//! The `.idx` file: `key<TAB>byte offset`, one record a line.

use crate::list::Text;
use crate::watch::Steps;
use frbench_base::{Error, Result};
use std::path::Path;

/// Keys and offsets of an index, sorted by key. `path` is for messages.
///
/// # Errors
/// A line that is not two whole numbers, or a key that occurs twice.
pub fn parse_index<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<Vec<(u64, u64)>> {
    let Text { bytes, watch } = text.into();
    let steps = Steps::new(watch);
    let bad = |line: usize, what: String| Error::Data(format!("{}:{line}: {what}", path.display()));
    let mut entries = Vec::new();
    for (n, line) in bytes.split(|b| *b == b'\n').enumerate() {
        steps.next()?;
        let shown = String::from_utf8_lossy(line);
        let shown = shown.trim();
        if shown.is_empty() {
            continue;
        }
        let mut fields = shown.split_whitespace().map(str::parse::<u64>);
        match (fields.next(), fields.next(), fields.next()) {
            (Some(Ok(key)), Some(Ok(offset)), None) => entries.push((key, offset, n + 1)),
            _ => {
                let start: String = shown.chars().take(40).collect();
                return Err(bad(
                    n + 1,
                    format!("`{start}` is not `key<TAB>byte offset`"),
                ));
            }
        }
    }
    entries.sort_unstable();
    if let Some(w) = entries.windows(2).find(|w| w[0].0 == w[1].0) {
        return Err(bad(
            w[1].2,
            format!("key {} was given on line {} already", w[1].0, w[0].2),
        ));
    }
    Ok(entries.into_iter().map(|(k, o, _)| (k, o)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Vec<(u64, u64)>> {
        parse_index(text.as_bytes(), Path::new("train.idx"))
    }

    #[test]
    fn keys_come_back_sorted() {
        assert_eq!(
            parse("2\t80\n0\t0\n\n1\t40").unwrap(),
            [(0, 0), (1, 40), (2, 80)]
        );
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn errors_name_the_line() {
        for (text, want) in [
            ("0\t0\n1\n", "train.idx:2: `1` is not"),
            ("0\t-4\n", "train.idx:1"),
            (
                "0\t0\n1\t8\n0\t16\n",
                "train.idx:3: key 0 was given on line 1",
            ),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(want), "{message}");
        }
    }
}
