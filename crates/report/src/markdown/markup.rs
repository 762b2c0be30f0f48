//! What Markdown is written with: text that stays text, cells, tables.

use super::super::view::{CellView, Measured, Two};
use std::fmt::Write;

pub fn cell(cell: &CellView) -> String {
    let mut line = if cell.best {
        format!("**{}**", cell.text)
    } else {
        cell.text.clone()
    };
    for part in [&cell.spread, &cell.seeds] {
        if !part.is_empty() {
            line.push(' ');
            line.push_str(part);
        }
    }
    line
}

pub fn measured(m: &Measured) -> String {
    match (m.value.as_str(), m.spread.as_str()) {
        ("", _) => "–".into(),
        (value, "") => value.into(),
        (value, spread) => format!("{value} {spread}"),
    }
}

pub fn two(two: &Two) -> String {
    match (two.value.as_str(), two.interval.as_str()) {
        ("", _) => "–".into(),
        (value, "") => value.into(),
        (value, interval) => format!("{value} [{interval}]"),
    }
}

/// The first `left` columns are set left, the others right.
pub fn table<H: AsRef<str>>(
    out: &mut String,
    head: &[H],
    left: usize,
    rows: impl Iterator<Item = Vec<String>>,
) {
    let names: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
    let _ = writeln!(out, "| {} |", names.join(" | "));
    let align = |i| if i < left { "---|" } else { "---:|" };
    let _ = writeln!(out, "|{}", (0..head.len()).map(align).collect::<String>());
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out.push('\n');
}

/// Text that Markdown must not take for markup, on one line.
pub fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A code span; back quotes and bars cannot be escaped within one.
pub fn code(raw: &str) -> String {
    let plain: String = raw
        .chars()
        .map(|c| match c {
            '`' => '\'',
            '|' => '¦',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    if plain.trim().is_empty() {
        "–".into()
    } else {
        format!("`{plain}`")
    }
}

pub fn link(label: &str, url: &str) -> String {
    match url {
        "" => text(label),
        url => format!("[{}]({url})", text(label)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suite_text_stays_text() {
        assert_eq!(
            text("a|b <script> *x* [y](z)\nq"),
            "a\\|b &lt;script&gt; \\*x\\* \\[y\\](z) q"
        );
        assert_eq!(code("a`b|c\n"), "`a'b¦c `");
        assert_eq!(code(""), "–");
    }
}
