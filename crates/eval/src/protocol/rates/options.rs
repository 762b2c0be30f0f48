//! Rates of errors as an option of protocols on pairs: which of them a suite asks for, and what they
//! are of some scores.

use super::{EerRule, ErrorRates, FmrRule, Scores, eer_rule, fmr_rule};
use crate::protocol::{floats, rate_id};
use frbench_base::registry::{Args, Kind, Param};
use frbench_base::{Error, Result};
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

/// What a suite asks for.
pub struct Options {
    pub fmrs: Vec<f64>,
    pub fmr_rule: &'static FmrRule,
    eer_rule: Option<&'static EerRule>,
}

/// A rate at a threshold that is chosen: an FNMR, or the half of both rates.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub at: ErrorRates,
    /// Whether false matches count.
    pub both: bool,
}

impl Held {
    pub fn value(&self) -> f64 {
        match self.both {
            true => self.at.half_total(),
            false => self.at.fnmr(),
        }
    }
}

impl Options {
    pub fn of(args: &Args) -> Result<Self> {
        let fmrs = floats(args, FMRS.name, &[])?;
        if let Some(bad) = fmrs.iter().find(|f| !(**f > 0.0 && **f < 1.0)) {
            return Err(Error::Usage(format!(
                "`{}`: false match rate {bad} in `fmrs`, want rates between 0 and 1",
                args.of
            )));
        }
        Ok(Options {
            fmrs,
            fmr_rule: fmr_rule(args.text_or(FMR_RULE.name, "at-most")?)?,
            eer_rule: match args.text_or(EER_RULE.name, "")? {
                "" => None,
                name => Some(eer_rule(name)?),
            },
        })
    }

    /// Metrics that are asked for.
    pub fn ids(&self) -> Vec<String> {
        let eer = self.eer_rule.map(|_| "eer".to_string());
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
            at: scores.at_fmr(*f, self.fmr_rule),
            both: false,
        });
        let mut held: Vec<Held> = fnmr.collect();
        if let Some(rule) = self.eer_rule {
            let (at, both) = (scores.at_eer(rule)?, true);
            held.push(Held { at, both });
        }
        let rules = |h: &Held| match (h.both, self.eer_rule) {
            (true, Some(rule)) => rule.name,
            _ => self.fmr_rule.name,
        };
        let notes = self.ids().into_iter().zip(&held);
        let notes = notes.map(|(id, h)| format!("{id} ({}): {}", rules(h), h.at));
        Ok((held.clone(), notes.collect()))
    }

    /// The metrics of such rates with their intervals.
    pub fn metrics<'a>(
        &'a self,
        held: &'a [Held],
        intervals: impl Iterator<Item = Option<(f64, f64)>> + 'a,
    ) -> impl Iterator<Item = Metric> + 'a {
        let rates = self.ids().into_iter().zip(held).zip(intervals);
        rates.map(|((id, held), interval)| Metric {
            id,
            value: held.value(),
            higher_is_better: false,
            chance: None,
            interval,
            folds: Vec::new(),
        })
    }
}
