//! Lists of five landmarks per picture, in the forms in which detectors write them.
//!
//! | form | content |
//! |---|---|
//! | text | `file x1 y1 ... x5 y5`, and perhaps a score: IJB's list |
//! | CSV | a column of files and ten numbers, perhaps more behind them, perhaps under a heading |
//! | JSON | `{"file": [[x, y], ...]}`, or a list of `{"file": ..., "landmarks": ...}` |

use super::{bad, lines, safe_path};
use crate::align::Landmarks;
use frbench_base::{Error, Result};
use serde_json::Value;
use std::path::Path;

/// A picture by its path, and its five points in its own pixels.
pub type Marked = (String, Landmarks);

/// What a list calls its pictures, and their points.
const FILES: [&str; 6] = ["file", "path", "image", "name", "filename", "img"];
const POINTS: [&str; 5] = ["landmarks", "points", "kps", "keypoints", "landmark"];

/// Reads a list of any of these forms, told by how it begins.
///
/// # Errors
/// [`Error::Data`] with the line or entry: not five points, one that is not finite, a path that
/// leaves its folder, a picture that is listed twice.
pub fn parse_marked(bytes: &[u8], path: &Path) -> Result<Vec<Marked>> {
    let start = bytes.iter().copied().find(|b| !b.is_ascii_whitespace());
    let found = match start {
        Some(b'{' | b'[') => json(bytes, path),
        _ => text(bytes, path),
    }?;
    let mut names: Vec<&str> = found.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|w| w[0] == w[1]) {
        return Err(Error::Data(format!(
            "{}: `{}` is listed twice",
            path.display(),
            twice[0]
        )));
    }
    match found.is_empty() {
        true => Err(Error::Data(format!("{}: lists no picture", path.display()))),
        false => Ok(found),
    }
}

/// Ten numbers as points.
fn points(numbers: &[f64]) -> Option<Landmarks> {
    let mut points: Landmarks = [[0.0; 2]; 5];
    if numbers.len() != 10 || numbers.iter().any(|v| !v.is_finite()) {
        return None;
    }
    for (point, number) in points.iter_mut().flatten().zip(numbers) {
        *point = *number;
    }
    Some(points)
}

fn text(bytes: &[u8], path: &Path) -> Result<Vec<Marked>> {
    const WANT: &str = "want `file x1 y1 x2 y2 x3 y3 x4 y4 x5 y5` (left eye, right eye, nose, \
                        left and right corner of the mouth)";
    let mut out = Vec::new();
    for line in lines(bytes.into(), path)? {
        let (at, line) = line?;
        let fields: Vec<&str> = match [',', '\t', ';'].into_iter().find(|c| line.contains(*c)) {
            Some(between) => line.split(between).map(str::trim).collect(),
            None => line.split_whitespace().collect(),
        };
        let (file, rest) = fields.split_first().ok_or_else(|| bad(path, at, WANT))?;
        let numbers: Vec<Option<f64>> = rest.iter().map(|v| v.parse().ok()).collect();
        // A heading holds no number.
        if out.is_empty() && numbers.iter().all(Option::is_none) && rest.len() >= 10 {
            continue;
        }
        let ten = numbers.get(..10).unwrap_or_default();
        let ten: Option<Vec<f64>> = ten.iter().copied().collect();
        let found = ten.and_then(|ten| points(&ten));
        let found = found.ok_or_else(|| bad(path, at, WANT))?;
        safe_path(file).map_err(|what| bad(path, at, what))?;
        out.push((file.to_string(), found));
    }
    Ok(out)
}

fn json(bytes: &[u8], path: &Path) -> Result<Vec<Marked>> {
    let wrong = |what: String| Error::Data(format!("{}: {what}", path.display()));
    let all: Value = serde_json::from_slice(bytes).map_err(|e| wrong(format!("no JSON: {e}")))?;
    let of = |file: &str, value: &Value| -> Result<Marked> {
        let mut numbers = Vec::new();
        flat(value, &mut numbers);
        let found = points(&numbers)
            .ok_or_else(|| wrong(format!("`{file}`: want five points [[x, y], ...]")))?;
        safe_path(file).map_err(wrong)?;
        Ok((file.to_string(), found))
    };
    match &all {
        Value::Object(map) => map.iter().map(|(file, value)| of(file, value)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(i, item)| {
                let get = |names: &[&str]| names.iter().find_map(|name| item.get(name));
                match (get(&FILES).and_then(Value::as_str), get(&POINTS)) {
                    (Some(file), Some(value)) => of(file, value),
                    _ => Err(wrong(format!(
                        "entry {i}: want an object with `file` and `landmarks`"
                    ))),
                }
            })
            .collect(),
        _ => Err(wrong("want an object or a list".into())),
    }
}

/// The numbers of nested lists, of at most ten.
fn flat(value: &Value, out: &mut Vec<f64>) {
    match value {
        Value::Number(n) if out.len() <= 10 => out.extend(n.as_f64()),
        Value::Array(items) if items.len() <= 10 => items.iter().for_each(|v| flat(v, out)),
        _ => out.push(f64::NAN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<Marked>> {
        parse_marked(text.as_bytes(), Path::new("list"))
    }

    #[test]
    fn every_form_says_the_same() {
        let want = vec![(
            "a/b.jpg".to_string(),
            [[1.0, 2.0], [3.0, 4.0], [5.5, 6.0], [7.0, 8.0], [9.0, 10.0]],
        )];
        for text in [
            "a/b.jpg 1 2 3 4 5.5 6 7 8 9 10 0.99\n",
            "a/b.jpg,1,2,3,4,5.5,6,7,8,9,10\n",
            "file,x1,y1,x2,y2,x3,y3,x4,y4,x5,y5,score\na/b.jpg,1,2,3,4,5.5,6,7,8,9,10,0.5\n",
            r#"{"a/b.jpg": [[1, 2], [3, 4], [5.5, 6], [7, 8], [9, 10]]}"#,
            r#"[{"path": "a/b.jpg", "kps": [1, 2, 3, 4, 5.5, 6, 7, 8, 9, 10]}]"#,
        ] {
            assert_eq!(read(text).unwrap(), want, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, what) in [
            ("a.jpg 1 2 3 4 5 6 7 8 9\n", "list:1: want `file x1"),
            ("a.jpg 1 2 3 4 5 6 7 8 9 nan\n", "list:1"),
            ("../a.jpg 1 2 3 4 5 6 7 8 9 10\n", "list:1"),
            (
                "a 1 2 3 4 5 6 7 8 9 1\na 1 2 3 4 5 6 7 8 9 1\n",
                "`a` is listed twice",
            ),
            ("\n", "lists no picture"),
            (r#"{"a": [[1, 2], [3, 4]]}"#, "`a`: want five points"),
            (r#"[{"landmarks": []}]"#, "entry 0"),
        ] {
            let error = read(text).unwrap_err().to_string();
            assert!(error.contains(what), "{text}: {error}");
        }
        let deep = format!("{{\"a\": {}1{}}}", "[".repeat(100), "]".repeat(100));
        assert!(read(&deep).is_err());
    }
}
