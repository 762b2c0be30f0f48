//! Which losses of a night are regressions.
//!
//! Trainings of changed code are new draws, so a night compares draws. For each primary value:
//!
//! 1. **Screening.** The seeds of the night against the baseline: Student's t with the variance of
//!    the baseline's seeds, one-sided, at [`SCREEN`] for all primary values of a night together
//!    (Bonferroni over [`PRIMARIES`]).
//! 2. **Memory.** A one-sided CUSUM over nights (Page, Biometrika 1954) of the same losses, for
//!    small ones: each seed adds its loss in standard deviations less [`ALLOWANCE`]; suspicion is
//!    from [`LIMIT`] on.
//! 3. **Confirmation.** What either suspects is measured with [`CONFIRMING`] further seeds. It is a
//!    regression where these alone show the loss at [`CONFIRM`], and the loss over all seeds of the
//!    night exceeds the tolerance. Otherwise they count in the CUSUM, too.
//!
//! Where the values of equal seeds are known to agree between builds, the baseline's value of a seed
//! corrects that of the night (a control variate). Pure.

mod reference;
#[cfg(test)]
mod simulation;

pub use reference::{Reference, Sample};

use serde::{Deserialize, Serialize};

/// Primary values that all suites of a night have at most.
pub const PRIMARIES: usize = 12;

/// Share of nights without a change on which screening suspects some value.
pub const SCREEN: f64 = 0.1;

/// Share of suspicions without a change that confirmation lets pass.
pub const CONFIRM: f64 = 0.003;

/// Further seeds that confirm.
pub const CONFIRMING: usize = 12;

/// The loss for each seed, in standard deviations, that the CUSUM takes as none.
pub const ALLOWANCE: f64 = 0.6;

/// Where the CUSUM suspects.
pub const LIMIT: f64 = 4.0;

/// What a CUSUM has come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cusum(pub f64);

impl Cusum {
    /// With the seeds of a night.
    pub fn with(self, sample: &Sample) -> Cusum {
        let more = sample.n as f64 * (sample.loss - ALLOWANCE);
        Cusum((self.0 + more).max(0.0))
    }
}

/// What the seeds of a night say of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Screening {
    pub sample: Sample,
    /// One-sided p of no loss.
    pub p: f64,
    /// With this night.
    pub cusum: Cusum,
    pub suspect: bool,
    /// Better beyond chance, at the level of screening.
    pub improved: bool,
}

/// Screens the seeds of a night; `before` is the CUSUM of the nights before.
pub fn screen(reference: &Reference, sample: Sample, before: Cusum) -> Screening {
    let level = SCREEN / PRIMARIES as f64;
    let p = reference.p(&sample);
    let cusum = before.with(&sample);
    Screening {
        sample,
        p,
        cusum,
        suspect: p < level || cusum.0 >= LIMIT,
        improved: 1.0 - p < level,
    }
}

/// What the further seeds say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confirmation {
    pub sample: Sample,
    /// One-sided p of no loss, of the further seeds alone.
    pub p: f64,
    /// The loss over all seeds of the night, in standard deviations of the baseline.
    pub loss: f64,
    /// With the further seeds.
    pub cusum: Cusum,
    pub regressed: bool,
}

/// Confirms a suspicion or drops it. `tolerance` is in the unit of the metric.
pub fn confirm(
    reference: &Reference,
    screening: &Screening,
    further: Sample,
    tolerance: f64,
) -> Confirmation {
    let p = reference.p(&further);
    let loss = screening.sample.and(&further).loss;
    Confirmation {
        sample: further,
        p,
        loss,
        cusum: screening.cusum.with(&further),
        regressed: p < CONFIRM && loss * reference.sd > tolerance,
    }
}
