//! A judged difference of two rows, in words.

use super::claims::name;
use super::format::Unit;
use super::model::{Column, ReportInput, Row};
use frbench_eval::stats::{ClaimVerdict, Difference, MIN_SEEDS};

/// A finding and its verdict: `...: reproduced.`
pub(super) fn closing(finding: &str, verdict: ClaimVerdict) -> String {
    format!("{finding}: {}.", name(verdict))
}

/// How the two rows of a claim are called.
pub(super) struct Pair {
    /// `Under C30, `, or nothing.
    pub under: String,
    pub better: String,
    pub than: String,
}

impl Pair {
    pub fn of(input: &ReportInput, better: &Row, than: &Row) -> Self {
        // What stands outside of all conditions is compared within that of the other.
        let conditions: Vec<&str> = [better, than]
            .into_iter()
            .map(|row| row.condition.as_str())
            .filter(|condition| !condition.is_empty())
            .collect();
        match conditions.as_slice() {
            [a, b] if a != b => Pair {
                under: String::new(),
                better: input.name(better),
                than: input.name(than),
            },
            shared => Pair {
                under: shared
                    .first()
                    .map_or(String::new(), |condition| format!("Under {condition}, ")),
                better: better.label.clone(),
                than: than.label.clone(),
            },
        }
    }
}

/// A difference and what it says about the claim.
pub(super) struct Found<'a> {
    pub pair: Pair,
    pub column: &'a Column,
    pub margin: f64,
    pub verdict: ClaimVerdict,
    pub difference: Difference,
}

impl Found<'_> {
    /// `A is 0.42 points better than B on synth-lfw accuracy`.
    fn difference(&self) -> String {
        format!(
            "{}{} is {} {} on {}",
            self.pair.under,
            self.pair.better,
            apart(&Unit::of(&self.column.unit), self.difference.mean),
            self.pair.than,
            self.column.label
        )
    }

    /// Why there is no interval.
    fn few(&self) -> String {
        let n = self.difference.n;
        let s = if n == 1 { "" } else { "s" };
        format!("but {n} seed{s} in common give no interval ({MIN_SEEDS} are needed)")
    }

    /// As it stands beside the verdict.
    pub fn sentence(&self) -> String {
        let Some(interval) = self.difference.interval else {
            return format!("{}, {}.", self.difference(), self.few());
        };
        format!(
            "{}: 95 % interval {} over {} seeds in pairs{}.",
            self.difference(),
            Unit::of(&self.column.unit).range(interval),
            self.difference.n,
            self.against(interval)
        )
    }

    /// With the verdict.
    pub fn answer(&self) -> String {
        let finding = match self.difference.interval {
            None => format!("{}, {}", self.difference(), self.few()),
            Some(interval) => format!(
                "{} (95 % interval {}, {} seeds){}",
                self.difference(),
                Unit::of(&self.column.unit).range(interval),
                self.difference.n,
                self.against(interval)
            ),
        };
        closing(&finding, self.verdict)
    }

    /// Where the interval lies with regard to the margin.
    fn against(&self, (low, high): (f64, f64)) -> String {
        let (unit, margin) = (Unit::of(&self.column.unit), self.margin);
        let size = format!("{} {}", unit.value(margin), unit.difference);
        let size = size.trim_end();
        match (self.verdict, margin > 0.0) {
            (ClaimVerdict::Inconclusive, _) if low >= -margin && high <= margin => {
                format!(", all within the margin of {size}, so no difference that matters")
            }
            (ClaimVerdict::Inconclusive, true) => format!(", not clear of the margin of {size}"),
            (ClaimVerdict::Inconclusive, false) => ", which includes no difference".into(),
            (_, true) => format!(", clear of the margin of {size}"),
            (_, false) => String::new(),
        }
    }
}

/// `0.42 points better than`, or `0.00 points apart from`.
fn apart(unit: &Unit, mean: f64) -> String {
    let size = unit.value(mean.abs());
    let word = match unit.value(mean) {
        shown if shown == unit.value(0.0) => "apart from",
        _ if mean >= 0.0 => "better than",
        _ => "worse than",
    };
    format!("{size} {} {word}", unit.difference).replace("  ", " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_rounds_to_nothing_is_neither_better_nor_worse() {
        let points = |mean| apart(&Unit::of("%"), mean);
        assert_eq!(points(0.0042), "0.42 points better than");
        assert_eq!(points(-0.0042), "0.42 points worse than");
        assert_eq!(points(-1e-17), "0.00 points apart from");
        assert_eq!(apart(&Unit::of(""), 0.5), "0.5000 better than");
    }
}
