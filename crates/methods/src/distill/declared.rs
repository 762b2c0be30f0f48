//! Losses that papers compare with and that cannot be computed: known by name, with the reason.

/// A loss without a definition to compute it by.
pub struct Declared {
    pub name: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Why it cannot be run.
    pub reason: &'static str,
}

/// Every loss that is declared and empty.
pub static DECLARED: &[Declared] = &[
    Declared {
        name: "ec-kd",
        source: "exclusivity-consistency regularised distillation (EC-KD), a baseline of \
                 CoupleFace",
        reason: "only its idea is known to us (weight exclusivity by position, feature \
                 consistency weighted by hardness), not its formulas",
    },
    Declared {
        name: "horkd",
        source: "hybrid-order relational knowledge distillation, AAAI 2020, a baseline of A-SKD",
        reason: "its loss was not available to us; it also wants an assistant beside the teacher",
    },
];
