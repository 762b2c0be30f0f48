//! Verdicts of a night, and the exit code that follows from them.

use serde::{Deserialize, Serialize};

/// What became of a cell or a claim. From the best to the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The same bits, or other ones and no loss that was confirmed.
    Pass,
    /// Better, beyond chance.
    Improved,
    /// A loss is suspected, and there was no time to confirm it or to refute it.
    Undecided,
    /// It was to be measured and was not.
    Missing,
    /// Measured under another configuration, or on one side alone.
    Incomparable,
    /// Worse than the tolerance, and confirmed.
    Regressed,
    /// A job failed, or the same code gave other bits.
    Failed,
}

impl Verdict {
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Improved => "improved",
            Verdict::Undecided => "undecided",
            Verdict::Missing => "missing",
            Verdict::Incomparable => "incomparable",
            Verdict::Regressed => "regressed",
            Verdict::Failed => "failed",
        }
    }
}

/// Exit codes of nights and comparisons.
pub mod code {
    pub const DONE: u8 = 0;
    /// A job failed, or the same code gave other bits.
    pub const FAILED: u8 = 1;
    pub const INCOMPLETE: u8 = 4;
    pub const DATA: u8 = 5;
    pub const UNDECIDED: u8 = 11;
    pub const REGRESSED: u8 = 12;
    pub const INCOMPARABLE: u8 = 13;
}

/// From the first that counts to the last. What is broken comes first, as what was measured is then
/// a part; a loss comes before what cannot be compared.
pub const ORDER: [u8; 7] = [
    code::FAILED,
    code::DATA,
    code::REGRESSED,
    code::INCOMPARABLE,
    code::INCOMPLETE,
    code::UNDECIDED,
    code::DONE,
];

/// The exit code of several that hold at once; of none, that of a night that measured nothing.
pub fn exit_code(codes: impl IntoIterator<Item = u8>) -> u8 {
    let place = |code: &u8| ORDER.iter().position(|c| c == code).unwrap_or(0);
    let first = codes.into_iter().min_by_key(place);
    first.unwrap_or(code::INCOMPLETE)
}

/// The exit code that a verdict stands for. Undecided ones count with `strict` alone.
pub fn code_of(verdict: Verdict, strict: bool) -> u8 {
    match verdict {
        Verdict::Pass | Verdict::Improved => code::DONE,
        Verdict::Undecided if strict => code::UNDECIDED,
        Verdict::Undecided => code::DONE,
        Verdict::Missing => code::INCOMPLETE,
        Verdict::Incomparable => code::INCOMPARABLE,
        Verdict::Regressed => code::REGRESSED,
        Verdict::Failed => code::FAILED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_codes_the_first_in_order_counts() {
        assert_eq!(exit_code([0, 13, 12, 4]), 12);
        assert_eq!(exit_code([12, 1, 5]), 1);
        assert_eq!(exit_code([13, 5]), 5);
        assert_eq!(exit_code([0, 11]), 11);
        assert_eq!(exit_code([0]), 0);
        assert_eq!(exit_code([]), 4, "a night that measured nothing");
    }
}
