//! Numbers as a reader sees them. The minus sign is U+2212, so that it is as wide as `+`.

use frbench_base::time::Utc;

/// How the values of one unit are shown: a factor and a number of digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unit<'a> {
    pub factor: f64,
    pub digits: usize,
    /// After a value, such as `%`.
    pub name: &'a str,
    /// After a difference: differences of rates are points, not per cent.
    pub difference: &'a str,
}

impl<'a> Unit<'a> {
    pub fn of(unit: &'a str) -> Self {
        match unit {
            "%" => Unit {
                factor: 100.0,
                digits: 2,
                name: "%",
                difference: "points",
            },
            other => Unit {
                factor: 1.0,
                digits: 4,
                name: other,
                difference: other,
            },
        }
    }

    pub fn value(&self, value: f64) -> String {
        fixed(value * self.factor, self.digits)
    }

    /// With its sign.
    pub fn signed(&self, value: f64) -> String {
        signed(value * self.factor, self.digits)
    }

    /// Two signed ends.
    pub fn range(&self, (low, high): (f64, f64)) -> String {
        format!("{} to {}", self.signed(low), self.signed(high))
    }

    /// `96.12 %`, or the bare value where the unit has no name.
    pub fn with_name(&self, value: f64) -> String {
        format!("{} {}", self.value(value), self.name)
            .trim_end()
            .to_string()
    }
}

/// A fixed number of digits; never `-0.00`.
pub fn fixed(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let zero = text.bytes().all(|b| matches!(b, b'-' | b'0' | b'.'));
    match text.strip_prefix('-') {
        Some(rest) if zero => rest.to_string(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

/// As [`fixed`], with `+` before what is above zero.
pub fn signed(value: f64, digits: usize) -> String {
    let text = fixed(value, digits);
    let zero = text.bytes().all(|b| matches!(b, b'0' | b'.'));
    if zero || text.starts_with('−') {
        text
    } else {
        format!("+{text}")
    }
}

/// Three digits, such as `3.42 M`, `512 k`, `17`; a dash for the unknown 0.
pub fn count(n: u64) -> String {
    let (value, unit) = match n {
        0 => return "–".into(),
        1..=9_999 => return n.to_string(),
        10_000..=999_499 => (n as f64 / 1e3, "k"),
        999_500..=999_499_999 => (n as f64 / 1e6, "M"),
        _ => (n as f64 / 1e9, "G"),
    };
    let digits = match value {
        v if v < 9.995 => 2,
        v if v < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.digits$} {unit}")
}

/// `42 s`, `3 min 20 s`, `2 h 05 min`.
pub fn duration(seconds: f64) -> String {
    let whole = seconds.round().clamp(0.0, 1e12) as u64;
    match whole {
        0..=9 => format!("{seconds:.1} s"),
        10..=119 => format!("{whole} s"),
        120..=7199 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// `2026-01-31 12:00:00 UTC` from seconds since 1970.
pub fn iso_time(seconds: u64) -> String {
    let time = Utc::of(seconds);
    format!("{} {} UTC", time.date(), time.time_of_day())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_and_zero() {
        assert_eq!(fixed(-0.004, 2), "0.00");
        assert_eq!(fixed(-1.5, 1), "−1.5");
        assert_eq!(signed(0.004, 2), "0.00");
        assert_eq!(signed(0.4, 2), "+0.40");
        assert_eq!(signed(-0.4, 2), "−0.40");
    }

    #[test]
    fn times_name_their_zone() {
        assert_eq!(iso_time(951_782_400), "2000-02-29 00:00:00 UTC");
    }

    #[test]
    fn units() {
        assert_eq!(Unit::of("%").with_name(0.96123), "96.12 %");
        assert_eq!(Unit::of("").with_name(0.5), "0.5000");
        assert_eq!(Unit::of("%").range((-0.001, 0.0034)), "−0.10 to +0.34");
    }

    #[test]
    fn counts_and_durations() {
        assert_eq!(
            [0, 9_999, 43_590, 1_190_000, 6_310_000_000].map(count),
            ["–", "9999", "43.6 k", "1.19 M", "6.31 G"]
        );
        assert_eq!(
            [0.44, 42.0, 200.0, 7500.0].map(duration),
            ["0.4 s", "42 s", "3 min 20 s", "2 h 05 min"]
        );
    }
}
