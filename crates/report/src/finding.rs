//! A judged difference of two rows, in words.

use super::claims::ClaimResult;
use super::compare::Difference;
use super::derive::CONFIDENCE;
use super::format::{Unit, count, fixed};
use super::model::{Claim, Column, ReportInput, Row};
use frbench_eval::stats::{ClaimVerdict, MIN_SEEDS, MOST_SEEDS, Needed};

/// A finding and its verdict: `...: reproduced.`
pub(super) fn closing(finding: &str, verdict: ClaimVerdict, claim: &Claim) -> String {
    let of = match claim.reconstructed.as_str() {
        "" => "",
        _ => ", of our reconstruction",
    };
    format!("{finding}: {}{of}.", verdict.name())
}

/// `95 %`, `98.33 %`.
pub(super) fn level(confidence: f64) -> String {
    let text = fixed(100.0 * confidence, 2);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// `3 seeds and 1186 people`.
pub(super) fn drawn(column: &Column, difference: &Difference) -> String {
    let s = if difference.seeds == 1 { "" } else { "s" };
    let seeds = format!("{} seed{s}", difference.seeds);
    let known = column.trials.as_ref().is_some_and(|t| t.known);
    match (difference.people, known) {
        (None, _) => seeds,
        (Some(n), true) => format!("{seeds} and {n} people"),
        (Some(n), false) => format!("{seeds} and {n} trials"),
    }
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
    pub claim: &'a Claim,
    /// But for its words.
    pub result: &'a ClaimResult,
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
    fn no_error(&self) -> String {
        let n = self.difference.seeds;
        let s = if n == 1 { "" } else { "s" };
        match n < MIN_SEEDS {
            true => format!("but {n} seed{s} in common give no interval ({MIN_SEEDS} are needed)"),
            false => format!(
                "but it is the same with all {n} seeds, and without trials nothing shows its error"
            ),
        }
    }

    /// The interval of the verdict's test, and what was drawn.
    fn interval(&self) -> Option<(String, String)> {
        let judged = &self.result.judgement;
        let range = Unit::of(&self.column.unit).range(judged.interval?);
        let of = drawn(self.column, &self.difference);
        Some((format!("{} interval {range}", level(judged.confidence)), of))
    }

    /// As it stands beside the verdict.
    pub fn sentence(&self) -> String {
        let Some((interval, of)) = self.interval() else {
            return format!("{}, {}.", self.difference(), self.no_error());
        };
        let found = format!("{}: {interval} over {of}{}.", self.difference(), self.so());
        let known = !matches!(&self.column.trials, Some(t) if !t.known);
        let unknown = match (known, self.difference.people) {
            (_, None) => " The interval says nothing about other people.",
            (false, _) => {
                " Who is on the trials is not known: they count as independent, and the interval \
                 may be too short."
            }
            (true, _) => "",
        };
        let reconstructed = match self.claim.reconstructed.as_str() {
            "" => String::new(),
            what => format!(
                " What is judged is our reconstruction: {}.",
                what.trim_end_matches('.')
            ),
        };
        format!("{found}{}{unknown}{reconstructed}", self.power())
    }

    /// With the verdict.
    pub fn answer(&self) -> String {
        let finding = match self.interval() {
            None => format!("{}, {}", self.difference(), self.no_error()),
            Some((interval, of)) => {
                format!("{} ({interval}, {of}){}", self.difference(), self.so())
            }
        };
        closing(&finding, self.result.verdict, self.claim)
    }

    /// A size in the unit of differences.
    fn size(&self, size: f64) -> String {
        let unit = Unit::of(&self.column.unit);
        let text = format!("{} {}", unit.value(size), unit.difference);
        text.trim_end().to_string()
    }

    /// What makes the verdict.
    fn so(&self) -> String {
        let (judged, mean) = (&self.result.judgement, self.difference.mean);
        let real = judged.p_adjusted.is_some_and(|p| p < 1.0 - CONFIDENCE);
        let margin = match self.claim.margin > 0.0 {
            true => Some(format!("the margin of {}", self.size(self.claim.margin))),
            false => None,
        };
        match (self.result.verdict, margin) {
            (ClaimVerdict::Reproduced, Some(margin)) => {
                format!(", clear of 0 and not below {margin}")
            }
            (ClaimVerdict::Equivalent, Some(margin)) if real && mean > 0.0 => {
                format!(", real and smaller than {margin}")
            }
            (ClaimVerdict::Equivalent, Some(margin)) => {
                format!(", smaller than {margin} on either side (two one-sided tests at 5 %)")
            }
            (ClaimVerdict::Undecided, _) if judged.closed => {
                ", and nothing is decided before the paper’s own question is".into()
            }
            (ClaimVerdict::Undecided, Some(margin)) if real && mean > 0.0 => {
                format!(", real but below {margin}, and not shown to stay below it")
            }
            (ClaimVerdict::Undecided, Some(margin)) => {
                format!(", which includes 0 and does not exclude {margin}")
            }
            (ClaimVerdict::Undecided, None) => {
                ", which includes 0; without a margin no difference is too small to matter".into()
            }
            _ => String::new(),
        }
    }

    /// What this design could have seen, beside an undecided claim.
    fn power(&self) -> String {
        let Some(seen) = self.result.detectable else {
            return String::new();
        };
        if self.result.verdict != ClaimVerdict::Undecided {
            return String::new();
        }
        let seen = format!(
            " With a chance of 80 %, this design sees a difference of {}.",
            self.size(seen)
        );
        let needed = self.result.needed.map(|n| self.needed(n));
        seen + &needed.unwrap_or_default()
    }

    /// What it would take to see a difference of the margin.
    fn needed(&self, needed: Needed) -> String {
        let margin = self.size(self.claim.margin);
        let known = self.column.trials.as_ref().is_none_or(|t| t.known);
        let people = if known { "people" } else { "trials" };
        let about = |n: usize| format!("about {}", count(rounded(n)));
        match (needed.seeds, needed.people) {
            (Some(n), None) if self.difference.people.is_none() && n > self.difference.seeds => {
                format!(" For the margin of {margin} it would take {n} seeds.")
            }
            (Some(n), _) if n <= self.difference.seeds => {
                format!(" That is enough for the margin of {margin}.")
            }
            (Some(n), Some(p)) => format!(
                " For the margin of {margin} it would take {n} seeds, or {} {people} with these seeds.",
                about(p)
            ),
            (Some(n), None) => format!(
                " For the margin of {margin} it would take {n} seeds; no number of {people} does with these seeds."
            ),
            (None, Some(p)) => format!(
                " For the margin of {margin} it would take {} {people}; no number of seeds does with these {people}.",
                about(p)
            ),
            (None, None) if self.difference.people.is_none() => {
                format!(" For the margin of {margin} it would take more than {MOST_SEEDS} seeds.")
            }
            (None, None) => format!(
                " For the margin of {margin} neither more seeds nor more {people} would do; it would \
                 take more of both."
            ),
        }
    }
}

/// To two digits: what follows from few seeds is no better known.
fn rounded(n: usize) -> u64 {
    let unit = 10u64.pow(n.max(1).ilog10().saturating_sub(1));
    (n as u64).div_ceil(unit) * unit
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

    #[test]
    fn levels_and_large_numbers_are_short() {
        assert_eq!(
            [0.95, 0.975, 1.0 - 0.05 / 3.0].map(level),
            ["95 %", "97.5 %", "98.33 %"]
        );
        assert_eq!([7, 42, 118, 180_219].map(rounded), [7, 42, 120, 190_000]);
    }
}
