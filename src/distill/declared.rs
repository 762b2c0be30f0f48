//! Losses that papers compare with and that cannot be computed: known by name, with the reason.

/// A loss without a definition to compute it by.
pub struct Declared {
    pub name: &'static str,
    /// Where it comes from.
    pub source: &'static str,
    /// Why it cannot be run.
    pub reason: &'static str,
}

/// Every loss that is declared and empty. What `at-gradient` would take: a backward pass of
/// networks in evaluation mode, and a need of methods (as `teacher_taps` is one) upon which a
/// step gets both input gradients before the loss and two more passes after it, since a loss
/// sees the tensors of one pass and never the network.
pub static DECLARED: &[Declared] = &[
    Declared {
        name: "at-gradient",
        source: "Zagoruyko and Komodakis, ICLR 2017, section 3.2: half the squared distance \
                 between the input gradients of the classification losses",
        reason: "its gradient is a Hessian-vector product: the student's half could be had as \
                 the difference of the parameter gradients at x + e v and x - e v, with \
                 v = J_S - J_T, in two more passes that leave the running statistics alone; the \
                 teacher's half is an input gradient in evaluation mode, and networks have a \
                 backward pass in training mode alone. Attention transfer by activations is \
                 `at`",
    },
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
