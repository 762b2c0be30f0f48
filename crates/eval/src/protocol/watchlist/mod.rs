//! Open-set search: some probes show people whom the gallery does not know, and a search has to say so.
//!
//! A probe raises an alarm if its highest score is accepted. FPIR is the share of unknown probes that
//! do. A known probe is found at rank N if its mate is accepted and fewer than N images of others are
//! at least as similar: ties count against the probe. TPIR, also called DIR, is the share of known
//! probes that are found. A rule says which threshold a stated FPIR has, and whether a score that is
//! equal to it is accepted.

mod bob;
mod insightface;

use super::rate_id;
use crate::protocol::rates::Ties;
use frbench_base::registry::{Args, Kind, Param, named};
use frbench_base::{Error, Result};

/// How a threshold is chosen and what it accepts.
pub struct Rule {
    pub name: &'static str,
    /// The threshold for an FPIR in `[0, 1]`; scores ascend and some are above minus infinity.
    threshold: fn(&[f64], f64) -> f64,
    ties: Ties,
    /// Where there are several galleries: whether a probe that none of them knows counts as missed
    /// in the rate of probes that are found at some rank.
    pub unknown_are_missed: bool,
}

pub static RULES: &[Rule] = &[bob::RULE, insightface::RULE];

/// How a suite names one.
pub(super) const RULE: Param = Param {
    name: "rule",
    kind: choice!(RULES),
    required: false,
    doc: "bob: the smallest threshold whose FPIR is at most the stated one, accepting what is equal to \
          it; insightface: the score at place int(n fpir) of those of n unknown probes, accepting what \
          is above it",
};

pub(super) const FPIRS: Param = Param {
    name: "fpirs",
    kind: Kind::Floats,
    required: false,
    doc: "false positive identification rates, 0 to 1 (default 1e-2, 1e-1)",
};

/// The rule called `name`.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub fn rule(name: &str) -> Result<&'static Rule> {
    named(RULES, |r| r.name, "rule of open-set search", name)
}

/// What a suite asks of an open-set search.
pub(super) struct Asked {
    pub rule: &'static Rule,
    pub fpirs: Vec<f64>,
    pub ranks: Vec<usize>,
}

impl Asked {
    /// By the rule called `default` unless another is stated.
    pub fn of(args: &Args, default: &'static str) -> Result<Self> {
        Ok(Asked {
            rule: rule(args.text_or(RULE.name, default)?)?,
            fpirs: fpirs(args)?,
            ranks: super::ranks(args, &super::FIRST_RANKS)?,
        })
    }
}

/// The parameter `fpirs`.
fn fpirs(args: &Args) -> Result<Vec<f64>> {
    let fpirs = super::floats(args, FPIRS.name, &[1e-2, 1e-1])?;
    match fpirs.iter().find(|f| !(**f >= 0.0 && **f <= 1.0)) {
        Some(bad) => Err(Error::Usage(format!(
            "`{}`: false positive identification rate {bad} in `fpirs`, want rates from 0 to 1",
            args.of
        ))),
        None => Ok(fpirs),
    }
}

/// `tpir@fpir=1e-2`, with the rank behind it unless it is 1.
pub(super) fn tpir_id(fpir: f64, rank: usize) -> String {
    let id = rate_id("tpir@fpir", fpir);
    match rank {
        1 => id,
        rank => format!("{id}/rank-{rank}"),
    }
}

/// What a gallery answers to a probe.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Answer {
    /// The person is enrolled.
    Known {
        /// The score of the most similar image of the person.
        mate: f64,
        /// Images of others that are at least as similar.
        before: u64,
    },
    /// The person is not enrolled; the highest score of all.
    Unknown { highest: f64 },
}

impl Answer {
    /// What is missed at every rank, or raises no alarm, because it could not be compared.
    pub const MISSED: Answer = Answer::Known {
        mate: f64::NEG_INFINITY,
        before: u64::MAX,
    };
    pub const SILENT: Answer = Answer::Unknown {
        highest: f64::NEG_INFINITY,
    };

    /// From the scores of a probe and of all that is enrolled, with the person of each. A person may
    /// be enrolled more than once.
    pub fn of(person: u32, scores: impl Iterator<Item = (u32, f64)> + Clone) -> Answer {
        let own = |of: &(u32, f64)| of.0 == person;
        let highest =
            |scores: &mut dyn Iterator<Item = (u32, f64)>| scores.map(|s| s.1).reduce(f64::max);
        match highest(&mut scores.clone().filter(own)) {
            None => Answer::Unknown {
                highest: highest(&mut scores.clone()).unwrap_or(f64::NEG_INFINITY),
            },
            Some(mate) => {
                let others = scores.filter(|s| !own(s) && s.1 >= mate);
                let before = others.count() as u64;
                Answer::Known { mate, before }
            }
        }
    }

    /// Whether the person is found among the `rank` most similar, whatever the score.
    pub fn found(&self, rank: usize) -> bool {
        matches!(self, Answer::Known { before, .. } if *before < rank as u64)
    }

    /// Whether the person is enrolled.
    pub fn is_known(&self) -> bool {
        matches!(self, Answer::Known { .. })
    }

    /// As files of evidence have it: the score of the mate and the number of others before it, or the
    /// highest score and the largest number where the person is not enrolled.
    pub(super) fn evidence(&self) -> (f64, u32) {
        match *self {
            Answer::Known { mate, before } => (mate, u32::try_from(before).unwrap_or(u32::MAX - 1)),
            Answer::Unknown { highest } => (highest, u32::MAX),
        }
    }
}

/// A threshold, and the alarms of unknown probes at it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// The rate that was asked for.
    pub fpir: f64,
    pub threshold: f64,
    ties: Ties,
    pub false_alarms: u64,
    pub unknown: u64,
}

impl Point {
    pub fn accepts(&self, score: f64) -> bool {
        self.ties.accept(score, self.threshold)
    }

    /// Whether a known probe is accepted as the person that it is, at that rank.
    pub fn finds(&self, answer: &Answer, rank: usize) -> bool {
        match answer {
            Answer::Known { mate, .. } => answer.found(rank) && self.accepts(*mate),
            Answer::Unknown { .. } => false,
        }
    }

    /// The rate that the threshold has.
    pub fn attained(&self) -> f64 {
        self.false_alarms as f64 / self.unknown as f64
    }

    /// What a reader must know of it; `known` probes of which so many are found at rank 1.
    pub(super) fn note(&self, found: usize, known: usize) -> String {
        format!(
            "{}: at threshold {:.6}, {} of {} unknown probes raise an alarm (FPIR {:.3e}) and {found} \
             of {known} known ones are found at rank 1",
            tpir_id(self.fpir, 1),
            self.threshold,
            self.false_alarms,
            self.unknown,
            self.attained()
        )
    }
}

/// Answers of one gallery to all probes.
#[derive(Clone, Debug, PartialEq)]
pub struct Answers {
    pub all: Vec<Answer>,
    /// The highest scores of the unknown ones, ascending.
    highest: Vec<f64>,
}

impl Answers {
    /// # Errors
    /// [`Error::Data`] without known or without unknown probes, or where none of the unknown could be
    /// compared; [`Error::Compute`] for a score that is no number.
    pub fn new(all: Vec<Answer>) -> Result<Self> {
        let mut highest = Vec::new();
        for (i, answer) in all.iter().enumerate() {
            let score = match *answer {
                Answer::Known { mate, .. } => mate,
                // A zero of either sign is one score.
                Answer::Unknown { highest: score } => {
                    highest.push(if score == 0.0 { 0.0 } else { score });
                    score
                }
            };
            if score.is_nan() || score == f64::INFINITY {
                return Err(Error::Compute(format!("a score of probe {i} is {score}")));
            }
        }
        if highest.len() == all.len() {
            return Err(Error::Data(
                "no probe shows a person who is enrolled, so that there is nobody to find".into(),
            ));
        }
        if highest.is_empty() {
            return Err(Error::Data(format!(
                "the people on all of the {} probes are enrolled; an open-set search needs probes of \
                 people who are not",
                all.len()
            )));
        }
        if highest.iter().all(|s| *s == f64::NEG_INFINITY) {
            return Err(Error::Data(
                "none of the unknown probes could be compared".into(),
            ));
        }
        highest.sort_unstable_by(f64::total_cmp);
        Ok(Answers { all, highest })
    }

    /// The scores of known probes with their mates, in any order, and the highest ones of unknown probes.
    pub(super) fn scores(&self) -> (Vec<f64>, &[f64]) {
        let mates = self.all.iter().filter_map(|answer| match answer {
            Answer::Known { mate, .. } => Some(*mate),
            Answer::Unknown { .. } => None,
        });
        (mates.collect(), &self.highest)
    }

    /// The operating point of a stated FPIR in `[0, 1]`.
    pub fn at(&self, fpir: f64, rule: &Rule) -> Point {
        let mut point = Point {
            fpir,
            threshold: (rule.threshold)(&self.highest, fpir),
            ties: rule.ties,
            false_alarms: 0,
            unknown: self.highest.len() as u64,
        };
        let scores = self.highest.iter().filter(|s| s.is_finite());
        point.false_alarms = scores.filter(|s| point.accepts(**s)).count() as u64;
        point
    }

    /// The number of known probes.
    pub fn known(&self) -> usize {
        self.all.len() - self.highest.len()
    }

    /// The share of known probes that are found at a rank.
    pub fn rank(&self, rank: usize) -> f64 {
        self.count(|a| a.found(rank)) as f64 / self.known() as f64
    }

    /// The share of known probes that are accepted and found at a rank.
    pub fn tpir(&self, point: &Point, rank: usize) -> f64 {
        self.count(|a| point.finds(a, rank)) as f64 / self.known() as f64
    }

    pub(super) fn count(&self, of: impl Fn(&Answer) -> bool) -> usize {
        self.all.iter().filter(|a| of(a)).count()
    }

    /// TPIR at rank 1 over the FPIR that thresholds have, for plots: at most about 200 points.
    pub(super) fn curve(&self, rule: &Rule) -> Vec<(f64, f64)> {
        let unknown = self.highest.len();
        let points = super::operating::log_spaced(unknown, 200)
            .into_iter()
            .map(|n| {
                let point = self.at(n as f64 / unknown as f64, rule);
                (point.attained(), self.tpir(&point, 1))
            });
        let mut points: Vec<(f64, f64)> = points.filter(|p| p.0 > 0.0).collect();
        points.dedup();
        points
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(scores: &[f64]) -> Answers {
        let known = Answer::Known {
            mate: 0.6,
            before: 0,
        };
        let probes = scores.iter().map(|&highest| Answer::Unknown { highest });
        Answers::new(probes.chain([known]).collect()).unwrap()
    }

    #[test]
    fn ties_count_against_the_probe_and_the_best_image_of_a_person_counts() {
        let scores = [(1, 0.5), (2, 0.7), (1, 0.7), (3, 0.9), (4, 0.1)];
        let answer = Answer::of(1, scores.into_iter());
        let (mate, before) = (0.7, 2);
        assert_eq!(answer, Answer::Known { mate, before });
        assert!(!answer.found(2) && answer.found(3));
        let highest = 0.9;
        assert_eq!(
            Answer::of(9, scores.into_iter()),
            Answer::Unknown { highest }
        );
    }

    #[test]
    fn bob_takes_the_smallest_threshold_that_keeps_the_rate() {
        let answers = unknown(&[0.9, 0.6, 0.6, 0.1]);
        let bob = rule("bob").unwrap();
        let at = |fpir: f64| answers.at(fpir, bob);
        assert_eq!(at(0.25).threshold, 0.9);
        // The next score is shared by two.
        assert_eq!(at(0.5).threshold, 0.9);
        assert_eq!((at(0.75).threshold, at(0.75).attained()), (0.6, 0.75));
        assert_eq!(at(0.1).threshold, 0.9f64.next_up());
        assert_eq!(
            (at(1.0).threshold, at(1.0).attained()),
            (0.1f64.next_down(), 1.0)
        );
        // Equal to the threshold is accepted.
        assert_eq!(answers.tpir(&at(0.75), 1), 1.0);
    }

    #[test]
    fn insightface_takes_a_score_and_accepts_what_is_above() {
        let answers = unknown(&[0.9, 0.6, 0.6, 0.1]);
        let rule = rule("insightface").unwrap();
        let at = |fpir: f64| answers.at(fpir, rule);
        assert_eq!((at(0.01).threshold, at(0.01).attained()), (0.9, 0.0));
        assert_eq!((at(0.5).threshold, at(0.5).attained()), (0.6, 0.25));
        assert_eq!(answers.tpir(&at(0.5), 1), 0.0);
        assert_eq!((at(1.0).threshold, at(1.0).attained()), (0.1, 0.75));
    }

    #[test]
    fn what_cannot_be_judged_is_refused() {
        let known = Answer::Known {
            mate: 0.5,
            before: 0,
        };
        let says = |all: &[Answer]| Answers::new(all.to_vec()).unwrap_err().to_string();
        assert!(says(&[known]).contains("needs probes of people who are not"));
        assert!(says(&[Answer::SILENT]).contains("nobody to find"));
        assert!(says(&[known, Answer::SILENT]).contains("none of the unknown"));
        let highest = f64::NAN;
        assert!(says(&[known, Answer::Unknown { highest }]).contains("probe 1 is NaN"));
    }
}
