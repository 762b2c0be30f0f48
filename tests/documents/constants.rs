//! Numbers of the documents that look measured and are none: settings, definitions, rules.

pub struct Constants {
    pub document: &'static str,
    /// Why these are not measured.
    pub reason: &'static str,
    /// As they stand in the document, with as many words as tell them from others.
    pub phrases: &'static [&'static str],
}

pub const CONSTANTS: &[Constants] = &[
    Constants {
        document: "README.md",
        reason: "defaults and limits of the program",
        phrases: &["at most 20 seconds are repeated", "above 2 GiB"],
    },
    Constants {
        document: "README.md",
        reason: "versions",
        phrases: &["Rust 1.89 or later", "those from before 1.6"],
    },
    Constants {
        document: "README.md",
        reason: "a setting of the suite",
        phrases: &["30 % of the labels are wrong"],
    },
    Constants {
        document: "README.md",
        reason: "a bound that tests/cuda holds",
        phrases: &["agree on the first losses to 1e-4"],
    },
    Constants {
        document: "METHODOLOGY.md",
        reason: "levels of intervals and tests",
        phrases: &[
            "the 95 % prediction interval",
            "two one-sided tests at 5 %",
            "a chance of 80 %",
            "found where there is none is 5 %",
            "an error of 5 % for each claim",
            "each by itself at 95 %",
            "has no claim to its 5 %",
            "(95 % limits)",
            "at 10 % for all watched values together",
            "p < 0.003",
            "Wilson's, 95 %",
        ],
    },
    Constants {
        document: "METHODOLOGY.md",
        reason: "mathematics: t of two degrees of freedom, rates, chance",
        phrases: &[
            "does not leave 0 to 100 %",
            "q is up to 4.3",
            "near 0 or 100 %",
            "let it score 100 %",
            "chance is 50 %",
            "below 1.1 × 10⁻¹⁰",
        ],
    },
    Constants {
        document: "METHODOLOGY.md",
        reason: "rules and constants of the program",
        phrases: &[
            "TAR at FAR 1e-4 of templates by 0.03 points",
            "by more than 0.01 points",
            "in standard deviations less 0.6",
            "move by 0.05 %",
        ],
    },
    Constants {
        document: "METHODOLOGY.md",
        reason: "definitions of others",
        phrases: &["thresholds k · 0.01", "more than 1 % of TAR", "(x − 127.5)"],
    },
    Constants {
        document: "METHODOLOGY.md",
        reason: "bounds that tests hold",
        phrases: &[
            "by 93 to 97.5 % (98 % with",
            "below 3 · 10⁻⁵",
            "in 64 bits to 10⁻³ or better",
            "within 1 % with differences of the loss",
        ],
    },
];
