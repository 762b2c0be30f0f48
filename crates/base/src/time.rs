//! Dates and times of day, in UTC.

use crate::{Error, Result};
use std::time::{SystemTime, UNIX_EPOCH};

/// A second of the calendar. As text `2026-11-30T01:02:03Z`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Utc {
    pub year: i64,
    /// From 1, as the day.
    pub month: u32,
    pub day: u32,
    pub hour: u32,
    pub minute: u32,
    pub second: u32,
}

impl Utc {
    pub fn now() -> Utc {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        Utc::of(since.map_or(0, |d| d.as_secs()))
    }

    /// So many seconds after 1970 began (Howard Hinnant, "chrono-compatible low-level date
    /// algorithms").
    pub fn of(seconds: u64) -> Utc {
        let z = (seconds / 86_400) as i64 + 719_468;
        let (era, day_of_era) = (z.div_euclid(146_097), z.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        // Months are counted from March, so that a leap day is the last of its year.
        let from_march = (5 * day_of_year + 2) / 153;
        let month = if from_march < 10 {
            from_march + 3
        } else {
            from_march - 9
        };
        let of_day = (seconds % 86_400) as u32;
        Utc {
            year: year_of_era + era * 400 + i64::from(month <= 2),
            month: month as u32,
            day: (day_of_year - (153 * from_march + 2) / 5 + 1) as u32,
            hour: of_day / 3600,
            minute: of_day / 60 % 60,
            second: of_day % 60,
        }
    }

    /// Such as `2026-11-30`.
    pub fn date(&self) -> String {
        format!("{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }

    /// Such as `01:02:03`.
    pub fn time_of_day(&self) -> String {
        format!("{:02}:{:02}:{:02}", self.hour, self.minute, self.second)
    }
}

impl std::fmt::Display for Utc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}T{}Z", self.date(), self.time_of_day())
    }
}

/// The year of a text that begins with a date.
///
/// # Errors
/// [`Error::Usage`] for what does not begin with one.
pub fn year(time: &str) -> Result<u32> {
    let wrong = || Error::Usage(format!("`{time}` is no date such as 2026-11-30"));
    let date = time.get(..10).ok_or_else(wrong)?;
    let shape = |(i, b): (usize, u8)| match i {
        4 | 7 => b == b'-',
        _ => b.is_ascii_digit(),
    };
    match date.bytes().enumerate().all(shape) {
        true => date[..4].parse().map_err(|_| wrong()),
        false => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        // date -u -d @N
        assert_eq!(Utc::of(0).to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Utc::of(951_782_400).to_string(), "2000-02-29T00:00:00Z");
        assert_eq!(Utc::of(1_767_225_599).to_string(), "2025-12-31T23:59:59Z");
        assert_eq!(Utc::of(1_796_000_523).to_string(), "2026-11-30T01:02:03Z");
    }

    #[test]
    fn years_are_those_of_dates() {
        assert_eq!(year("2026-11-30").unwrap(), 2026);
        assert_eq!(
            year(&Utc::now().to_string()).unwrap(),
            Utc::now().year as u32
        );
        for wrong in ["", "2026", "26-11-30xx", "2026/11/30", "éééééé"] {
            assert!(year(wrong).is_err(), "{wrong}");
        }
    }
}
