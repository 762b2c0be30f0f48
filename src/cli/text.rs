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

/// `2026-01-31 12:00:00 UTC` from seconds since 1970 (Howard Hinnant's civil calendar).
pub fn iso_time(seconds: u64) -> String {
    let days = (seconds / 86_400) as i64 + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02} UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_civil() {
        // date -u -d @N
        assert_eq!(iso_time(0), "1970-01-01 00:00:00 UTC");
        assert_eq!(iso_time(951_782_400), "2000-02-29 00:00:00 UTC");
        assert_eq!(iso_time(1_767_225_599), "2025-12-31 23:59:59 UTC");
    }

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
