//! Dates of nights, in UTC.

use frbench_base::{Error, Result};
use std::time::{SystemTime, UNIX_EPOCH};

/// Now, such as `2026-11-30T01:02:03Z`.
pub fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    iso(since.map_or(0, |d| d.as_secs()))
}

/// Seconds since 1970 as `2026-11-30T01:02:03Z`.
pub fn iso(seconds: u64) -> String {
    let (days, s) = ((seconds / 86_400) as i64, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}

/// The year of a time that [`iso`] wrote.
///
/// # Errors
/// [`Error::Usage`] for what does not begin with a date.
pub fn year(time: &str) -> Result<u32> {
    let wrong = || Error::Usage(format!("`{time}` is no date such as 2026-11-30"));
    let digits = time.get(..4).ok_or_else(wrong)?;
    let plain = time.len() >= 10 && time.is_char_boundary(10);
    let shape = |(i, b): (usize, u8)| match i {
        4 | 7 => b == b'-',
        _ => b.is_ascii_digit(),
    };
    match plain && time.bytes().take(10).enumerate().all(shape) {
        true => digits.parse().map_err(|_| wrong()),
        false => Err(wrong()),
    }
}

/// The date of a day, counted from 1970 (Howard Hinnant, "chrono-compatible low-level date
/// algorithms").
fn civil(days: i64) -> (i64, u32, u32) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let day = (doy - (153 * mp + 2) / 5 + 1) as u32;
    let month = (if mp < 10 { mp + 3 } else { mp - 9 }) as u32;
    (yoe + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        assert_eq!(iso(0), "1970-01-01T00:00:00Z");
        assert_eq!(iso(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(iso(1_796_000_523), "2026-11-30T01:02:03Z");
        assert_eq!(year("2026-11-30").unwrap(), 2026);
        for wrong in ["", "2026", "26-11-30xx", "2026/11/30", "éééééé"] {
            assert!(year(wrong).is_err(), "{wrong}");
        }
    }
}
