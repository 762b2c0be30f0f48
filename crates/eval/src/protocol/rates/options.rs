//! Rates of errors as an option of protocols on pairs: which of them a suite asks for, and what they
//! are of some scores.

use super::{EerRule, ErrorRates, FmrRule, Scores, Ties, eer_rule, fmr_rule};
use crate::protocol::{operating, rate_id, rates_between};
use frbench_base::Result;
use frbench_base::registry::{Args, Kind, Param};
use frbench_job::result::Metric;

pub const FMRS: Param = Param {
    name: "fmrs",
    kind: Kind::Floats,
    required: false,
    doc: "false match rates of FNMR at FMR, accepting scores that are at least the threshold (default none)",
};

pub const FMR_RULE: Param = Param {
    name: "fmr_rule",
    kind: choice!(super::FMR_RULES),
    required: false,
    doc: "how the threshold of an FMR is chosen: as bob.measure does (at-most, default) or as pyeer (nearest)",
};

pub const EER_RULE: Param = Param {
    name: "eer",
    kind: choice!(super::EER_RULES),
    required: false,
    doc: "equal error rate by the rule of bob.measure (bob) or of pyeer (fvc) (default none)",
};

/// The parameter `fmrs`: false match rates in (0, 1).
pub fn fmrs(args: &Args, default: &[f64]) -> Result<Vec<f64>> {
    rates_between(args, FMRS.name, "false match rate", default)
}

/// The parameter `fmr_rule`.
pub fn stated_rule(args: &Args) -> Result<&'static FmrRule> {
    fmr_rule(args.text_or(FMR_RULE.name, "at-most")?)
}

/// The metric of the EER.
const EER: &str = "eer";

/// What a suite asks for.
pub struct Options {
    fmrs: Vec<f64>,
    fmr_rule: &'static FmrRule,
    eer_rule: Option<&'static EerRule>,
}

/// A rate at a threshold that is chosen: an FNMR, or the EER, which is half the sum of both rates.
#[derive(Clone, Debug)]
pub struct Held {
    pub id: String,
    pub at: ErrorRates,
    ties: Ties,
    /// The FMR of an FNMR.
    fmr: Option<f64>,
}

impl Held {
    pub fn value(&self) -> f64 {
        match self.is_eer() {
            true => self.at.half_total(),
            false => self.at.fnmr(),
        }
    }

    /// Whether false matches count.
    pub fn is_eer(&self) -> bool {
        self.fmr.is_none()
    }

    pub fn accepts(&self, score: f64) -> bool {
        self.ties.accept(score, self.at.threshold)
    }

    /// The threshold, and what a tie with it is.
    pub fn threshold(&self) -> (f64, Ties) {
        (self.at.threshold, self.ties)
    }

    /// The false accepts that an FNMR at an FMR allows.
    pub fn allowed(&self) -> Option<u64> {
        let fmr = self.fmr?;
        Some(operating::allowed(fmr, self.at.impostors))
    }
}

impl Options {
    pub fn of(args: &Args) -> Result<Self> {
        Ok(Options {
            fmrs: fmrs(args, &[])?,
            fmr_rule: stated_rule(args)?,
            eer_rule: match args.text_or(EER_RULE.name, "")? {
                "" => None,
                name => Some(eer_rule(name)?),
            },
        })
    }

    /// Metrics that are asked for.
    pub fn ids(&self) -> Vec<String> {
        let eer = self.eer_rule.map(|_| EER.to_string());
        let fnmr = self.fmrs.iter().map(|f| rate_id("fnmr@fmr", *f));
        fnmr.chain(eer).collect()
    }

    /// The rates that are asked for, in the order of [`ids`](Self::ids), and what a reader must
    /// know of them. Scores in any order.
    ///
    /// # Errors
    /// As [`Scores::new`] and [`Scores::at_eer`].
    pub fn of_scores(&self, genuine: &[f64], impostor: &[f64]) -> Result<(Vec<Held>, Vec<String>)> {
        if self.fmrs.is_empty() && self.eer_rule.is_none() {
            return Ok((Vec::new(), Vec::new()));
        }
        let scores = Scores::new(genuine.to_vec(), impostor.to_vec())?;
        let fnmr = self.fmrs.iter().map(|f| Held {
            id: rate_id("fnmr@fmr", *f),
            at: scores.at_fmr(*f, self.fmr_rule),
            ties: self.fmr_rule.ties,
            fmr: Some(*f),
        });
        let mut held: Vec<Held> = fnmr.collect();
        let note = |h: &Held, rule: &str| format!("{} ({rule}): {}", h.id, h.at);
        let mut notes: Vec<String> = held.iter().map(|h| note(h, self.fmr_rule.name)).collect();
        if let Some(rule) = self.eer_rule {
            let eer = Held {
                id: EER.into(),
                at: scores.at_eer(rule)?,
                ties: Ties::Match,
                fmr: None,
            };
            notes.push(note(&eer, rule.name));
            held.push(eer);
        }
        Ok((held, notes))
    }
}

/// The metrics of such rates with their intervals.
pub fn metrics<'a>(
    held: &'a [Held],
    intervals: &'a [Option<(f64, f64)>],
) -> impl Iterator<Item = Metric> + 'a {
    held.iter().zip(intervals).map(|(held, interval)| Metric {
        id: held.id.clone(),
        value: held.value(),
        higher_is_better: false,
        chance: None,
        interval: *interval,
        folds: Vec::new(),
    })
}
