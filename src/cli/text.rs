//! Plain-text tables and figures for people.

use super::output::bold;

/// Characters up to which a column is as wide as its widest cell. A wider cell pushes the rest of
/// its row to the right: padding all others to it could take any amount of memory.
const WIDEST: usize = 160;

/// Columns padded to their widest cell; the first row is the heading.
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |c: usize| {
        let cells = rows.iter().filter_map(|r| r.get(c));
        let width = cells.map(|t| t.chars().count()).max();
        width.unwrap_or(0).min(WIDEST)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut out = String::new();
    for (i, row) in rows.iter().enumerate() {
        let mut line = String::from(" ");
        for (cell, width) in row.iter().zip(&widths) {
            line += &format!(" {} ", padded(cell, *width));
        }
        let line = line.trim_end();
        out += &if i == 0 { bold(line) } else { line.to_string() };
        out.push('\n');
    }
    out
}

/// `text` and blanks up to `width` characters. `format!` pads to 65,535 at most, and panics.
pub fn padded(text: &str, width: usize) -> String {
    let blanks = width.saturating_sub(text.chars().count());
    format!("{text}{}", " ".repeat(blanks))
}

/// `1.3 T`, `12 M`, ...: three figures and a decimal prefix.
pub fn quantity(value: f64) -> String {
    let (mut value, mut prefix) = (value, "");
    for next in ["k", "M", "G", "T", "P", "E"] {
        if value < 999.5 {
            break;
        }
        value /= 1000.0;
        prefix = next;
    }
    let digits = if value >= 99.95 || (prefix.is_empty() && value.fract() == 0.0) {
        0
    } else {
        1
    };
    format!("{value:.digits$} {prefix}").trim_end().to_string()
}

/// `40 s`, `12 min`, `3.5 h`, `12 d`.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 99.5 => format!("{s:.0} s"),
        s if s < 99.5 * 60.0 => format!("{:.0} min", s / 60.0),
        s if s < 48.0 * 3600.0 => format!("{:.1} h", s / 3600.0),
        s => format!("{:.0} d", s / 86400.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short() {
        assert_eq!(quantity(0.0), "0");
        assert_eq!(quantity(950.0), "950");
        assert_eq!(quantity(999.7), "1.0 k");
        assert_eq!(quantity(12_345.0), "12.3 k");
        assert_eq!(quantity(2.5e15), "2.5 P");
        assert_eq!(duration(41.2), "41 s");
        assert_eq!(duration(1800.0), "30 min");
        assert_eq!(duration(36_000.0), "10.0 h");
    }
}
