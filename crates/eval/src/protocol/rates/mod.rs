//! Errors of verification at a threshold: false match rate (FMR) and false non-match rate (FNMR),
//! the threshold at a stated FMR, and the equal error rate (EER).
//!
//! No rule interpolates: rates are those that a threshold really has. What is made of a score that
//! equals the threshold is part of each rule of an FMR ([`Ties`]); at the EER it is a match. A score of
//! minus infinity stands for a pair that could not be compared. It is a non-match at every threshold
//! and stays in the denominator.

mod above;
mod at_most;
mod eer_bob;
mod eer_fvc;
mod nearest;
mod options;

pub(super) use options::{EER_RULE, FMR_RULE, FMRS, Held, Options, fmrs, metrics, stated_rule};

use super::pairs;
use frbench_base::registry::named;
use frbench_base::{Error, Result};

/// What a score that equals the threshold is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ties {
    /// Accepted: a match is a score that is at least the threshold.
    Match,
    /// Not accepted: a match is a score above the threshold.
    NonMatch,
}

impl Ties {
    /// Whether a score is accepted. What could not be compared never is.
    pub fn accept(self, score: f64, threshold: f64) -> bool {
        match self {
            Ties::Match => score >= threshold && score > f64::NEG_INFINITY,
            Ties::NonMatch => score > threshold,
        }
    }
}

/// How the threshold of a stated FMR is chosen, and what it accepts.
pub struct FmrRule {
    pub name: &'static str,
    pub ties: Ties,
    threshold: fn(&Scores, f64) -> f64,
}

/// How the threshold of the EER is chosen.
pub struct EerRule {
    pub name: &'static str,
    threshold: fn(&Scores) -> Result<f64>,
}

/// Those that a suite may name.
pub static FMR_RULES: &[FmrRule] = &[at_most::RULE, nearest::RULE];

/// That of TAR at a FAR, for a threshold that is chosen on one set and judged on others.
pub static ABOVE: &FmrRule = &above::RULE;

pub static EER_RULES: &[EerRule] = &[eer_bob::RULE, eer_fvc::RULE];

/// The rule called `name`.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub fn fmr_rule(name: &str) -> Result<&'static FmrRule> {
    named(FMR_RULES, |r| r.name, "rule of FMR", name)
}

/// The same of the EER.
///
/// # Errors
/// [`Error::Usage`] for an unknown name.
pub fn eer_rule(name: &str) -> Result<&'static EerRule> {
    named(EER_RULES, |r| r.name, "rule of EER", name)
}

/// Genuine and impostor scores, each from low to high.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    genuine: Vec<f64>,
    impostor: Vec<f64>,
}

/// The errors at one threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ErrorRates {
    pub threshold: f64,
    pub false_matches: u64,
    pub impostors: u64,
    pub false_non_matches: u64,
    pub genuine: u64,
}

impl ErrorRates {
    pub fn fmr(&self) -> f64 {
        self.false_matches as f64 / self.impostors as f64
    }

    pub fn fnmr(&self) -> f64 {
        self.false_non_matches as f64 / self.genuine as f64
    }

    /// Half the sum of both rates: the EER, at its threshold.
    pub fn half_total(&self) -> f64 {
        (self.fmr() + self.fnmr()) / 2.0
    }
}

/// Numbers of errors, for notes.
impl std::fmt::Display for ErrorRates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "at threshold {:.6}, {} of {} impostor pairs are accepted and {} of {} genuine pairs rejected",
            self.threshold,
            self.false_matches,
            self.impostors,
            self.false_non_matches,
            self.genuine
        )
    }
}

impl Scores {
    /// In any order.
    ///
    /// # Errors
    /// [`Error::Data`] where one of the two is empty, or none of it could be compared;
    /// [`Error::Compute`] for a score that is NaN or infinite.
    pub fn new(mut genuine: Vec<f64>, mut impostor: Vec<f64>) -> Result<Self> {
        for (scores, kind) in [(&mut genuine, "genuine"), (&mut impostor, "impostor")] {
            if let Some(i) = scores
                .iter()
                .position(|s| s.is_nan() || *s == f64::INFINITY)
            {
                return Err(Error::Compute(format!("{kind} score {i} is {}", scores[i])));
            }
            if scores.iter().all(|s| *s == f64::NEG_INFINITY) {
                let what = match scores.is_empty() {
                    true => "there are none",
                    false => "none of them could be compared",
                };
                return Err(Error::Data(format!(
                    "rates of errors need {kind} scores; {what}"
                )));
            }
            // Zeros of both signs are one score.
            scores
                .iter_mut()
                .filter(|s| **s == 0.0)
                .for_each(|s| *s = 0.0);
            scores.sort_unstable_by(f64::total_cmp);
        }
        Ok(Scores { genuine, impostor })
    }

    /// The same of pairs, of which `same` says which are genuine.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn of(scores: &[f64], same: &[bool]) -> Result<Self> {
        let (genuine, impostor) = pairs::split(scores, same);
        Scores::new(genuine, impostor)
    }

    /// The errors at a threshold.
    pub fn at(&self, threshold: f64, ties: Ties) -> ErrorRates {
        let rejected = |scores: &[f64]| {
            let rejected = |score: &f64| !ties.accept(*score, threshold);
            scores.partition_point(rejected) as u64
        };
        let (genuine, impostors) = (self.genuine.len() as u64, self.impostor.len() as u64);
        ErrorRates {
            threshold,
            false_matches: impostors - rejected(&self.impostor),
            impostors,
            false_non_matches: rejected(&self.genuine),
            genuine,
        }
    }

    /// The errors at the threshold of a stated FMR in `[0, 1]`.
    pub fn at_fmr(&self, fmr: f64, rule: &FmrRule) -> ErrorRates {
        self.at((rule.threshold)(self, fmr), rule.ties)
    }

    /// The errors at the threshold of the EER, where ties match.
    ///
    /// # Errors
    /// [`Error::Data`] where the rule finds none.
    pub fn at_eer(&self, rule: &EerRule) -> Result<ErrorRates> {
        Ok(self.at((rule.threshold)(self)?, Ties::Match))
    }

    /// Every distinct score from low to high, and how many genuine and impostor scores are below.
    fn steps(&self) -> impl Iterator<Item = Step> {
        let (g, i) = (&self.genuine, &self.impostor);
        let mut at = (finite_from(g), finite_from(i));
        std::iter::from_fn(move || {
            let next = |s: &[f64], k: usize| s.get(k).copied().unwrap_or(f64::INFINITY);
            let score = next(g, at.0).min(next(i, at.1));
            let step = Step {
                score,
                genuine_below: at.0 as u64,
                impostor_below: at.1 as u64,
            };
            if score == f64::INFINITY {
                return None;
            }
            at.0 += g[at.0..].iter().take_while(|&&s| s == score).count();
            at.1 += i[at.1..].iter().take_while(|&&s| s == score).count();
            Some(step)
        })
    }
}

/// A distinct score.
#[derive(Clone, Copy, Debug)]
struct Step {
    score: f64,
    genuine_below: u64,
    impostor_below: u64,
}

impl Step {
    /// FMR and FNMR of the threshold at this score.
    fn rates(&self, of: &Scores) -> (f64, f64) {
        let impostors = of.impostor.len() as u64;
        (
            (impostors - self.impostor_below) as f64 / impostors as f64,
            self.genuine_below as f64 / of.genuine.len() as f64,
        )
    }
}

/// Where the scores begin that could be compared.
fn finite_from(ascending: &[f64]) -> usize {
    ascending.partition_point(|&s| s == f64::NEG_INFINITY)
}

pub(super) use at_most::threshold as threshold_at_most;

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(genuine: &[f64], impostor: &[f64]) -> Scores {
        Scores::new(genuine.to_vec(), impostor.to_vec()).unwrap()
    }

    #[test]
    fn ties_are_as_stated_and_what_could_not_be_compared_never_matches() {
        let lost = f64::NEG_INFINITY;
        let s = scores(&[0.5, 0.7, lost], &[0.5, 0.1, lost, 0.5]);
        let at = s.at(0.5, Ties::Match);
        assert_eq!((at.false_matches, at.false_non_matches), (2, 1));
        let at = s.at(0.5, Ties::NonMatch);
        assert_eq!((at.false_matches, at.false_non_matches), (0, 2));
        for ties in [Ties::Match, Ties::NonMatch] {
            let all = s.at(f64::NEG_INFINITY, ties);
            assert_eq!((all.false_matches, all.false_non_matches), (3, 1));
        }
        // All that can be accepted are.
        let rule = fmr_rule("at-most").unwrap();
        assert_eq!(s.at_fmr(0.75, rule).false_matches, 3);
        assert_eq!(
            s.at_fmr(0.75, fmr_rule("nearest").unwrap()).false_matches,
            3
        );
    }

    #[test]
    fn rules_of_fmr_are_those_of_bob_and_pyeer() {
        let s = scores(&[0.9, 0.8, 0.3], &[0.8, 0.8, 0.5, 0.2]);
        let (most, near) = (fmr_rule("at-most").unwrap(), fmr_rule("nearest").unwrap());
        // Two impostors share the highest score: 0.4 admits neither, the nearest point is 0.5.
        let at = s.at_fmr(0.4, most);
        assert_eq!((at.threshold, at.fmr()), (0.8f64.next_up(), 0.0));
        assert_eq!(at.false_non_matches, 2);
        let at = s.at_fmr(0.4, near);
        assert_eq!(
            (at.threshold, at.fmr(), at.false_non_matches),
            (0.8, 0.5, 1)
        );
        assert_eq!(s.at_fmr(0.5, most).threshold, 0.8);
        assert_eq!(s.at_fmr(0.75, most).threshold, 0.5);
        // Genuine scores are thresholds of the second rule as well; of equal distance the lowest.
        assert_eq!(s.at_fmr(0.7, near).threshold, 0.3);
        assert_eq!(s.at_fmr(1.0, most).threshold, 0.2f64.next_down());
        // 0.1 of 30 is 3, whatever the product rounds to.
        let many: Vec<f64> = (0..30).map(f64::from).collect();
        let s = scores(&[40.0], &many);
        assert_eq!(s.at_fmr(0.1, most).false_matches, 3);
    }

    #[test]
    fn a_threshold_of_one_set_judges_another() {
        let chosen = scores(&[0.9, 0.8, 0.5], &[0.7, 0.4, 0.3, 0.2, 0.1]);
        // One false match of five is allowed: strictly above the second highest.
        let here = chosen.at_fmr(0.2, ABOVE);
        assert_eq!((here.threshold, here.fmr(), here.fnmr()), (0.4, 0.2, 0.0));
        let other = [0.45, 0.4, f64::NEG_INFINITY, 0.5, 0.45, 0.41, 0.1];
        let same = [true, true, true, false, false, false, false];
        let other = Scores::of(&other, &same).unwrap();
        let there = other.at(here.threshold, ABOVE.ties);
        assert_eq!((there.false_matches, there.impostors), (3, 4));
        assert_eq!((there.false_non_matches, there.genuine), (2, 3));
    }

    #[test]
    fn rules_of_the_eer_are_those_of_bob_and_pyeer() {
        let (bob, fvc) = (eer_rule("bob").unwrap(), eer_rule("fvc").unwrap());
        let apart = scores(&[0.8, 0.9], &[0.1, 0.2]);
        assert_eq!(apart.at_eer(bob).unwrap().half_total(), 0.0);
        assert_eq!(apart.at_eer(bob).unwrap().threshold, 0.5);
        assert_eq!(apart.at_eer(fvc).unwrap().threshold, 0.8);
        // Upside down: everything is wrong.
        let wrong = scores(&[0.1, 0.2], &[0.8, 0.9]);
        assert_eq!(wrong.at_eer(bob).unwrap().half_total(), 1.0);
        let mixed = scores(&[0.2, 0.6, 0.8, 0.9], &[0.1, 0.3, 0.5, 0.7]);
        let at = mixed.at_eer(bob).unwrap();
        assert_eq!((at.fmr(), at.fnmr()), (0.25, 0.25));
        assert!((at.threshold - 0.55).abs() < 1e-12);
        let at = mixed.at_eer(fvc).unwrap();
        assert_eq!((at.threshold, at.half_total()), (0.6, 0.25));
        // One score only: accepting is the only threshold there is.
        assert!(scores(&[1.0], &[1.0]).at_eer(fvc).is_err());
    }

    #[test]
    fn odd_scores_are_refused() {
        assert!(Scores::new(vec![], vec![1.0]).is_err());
        assert!(Scores::new(vec![1.0], vec![f64::NAN]).is_err());
        assert!(Scores::new(vec![1.0], vec![f64::NEG_INFINITY]).is_err());
        assert!(
            fmr_rule("atmost")
                .err()
                .unwrap()
                .to_string()
                .contains("did you mean `at-most`?")
        );
    }
}
