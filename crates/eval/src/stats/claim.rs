//! Claims of a paper ("coupleface beats fcd on X"), judged together on our own runs.
//!
//! Primary claims are tested in two families, one after the other: first the question of the
//! paper, then the others, and these only if every claim of the first family was decided (serial
//! gatekeeping: Westfall & Krishen, J. Stat. Plan. Inference 99, 2001). Within a family Holm's
//! procedure holds the chance of any wrong decision (Scand. J. Stat. 6, 1979). Exploratory claims
//! are tested each by itself, and said to be.

use super::Estimate;
use super::proportion::holm;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimVerdict {
    /// Better, beyond chance, and by at least the margin.
    Reproduced,
    /// Worse, beyond chance.
    Contradicted,
    /// The difference, if there is any, is smaller than the margin.
    Equivalent,
    /// None of these is shown.
    Undecided,
}

impl ClaimVerdict {
    /// All of them, in the order in which they are looked for.
    pub const ALL: [ClaimVerdict; 4] = [
        ClaimVerdict::Reproduced,
        ClaimVerdict::Contradicted,
        ClaimVerdict::Equivalent,
        ClaimVerdict::Undecided,
    ];

    /// As files and readers have it.
    pub fn name(self) -> &'static str {
        match self {
            ClaimVerdict::Reproduced => "reproduced",
            ClaimVerdict::Contradicted => "contradicted",
            ClaimVerdict::Equivalent => "equivalent",
            ClaimVerdict::Undecided => "undecided",
        }
    }
}

/// Which claims are corrected together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// What the paper asks: tested first.
    Question,
    /// Tested if all questions were decided.
    Primary,
    /// Not corrected.
    Exploratory,
}

impl Family {
    /// Of a claim that is the question of its paper, or primary, or neither.
    pub fn of(question: bool, primary: bool) -> Family {
        match (question, primary) {
            (true, _) => Family::Question,
            (false, true) => Family::Primary,
            (false, false) => Family::Exploratory,
        }
    }

    /// As files have it.
    pub fn name(self) -> &'static str {
        match self {
            Family::Question => "question",
            Family::Primary => "primary",
            Family::Exploratory => "exploratory",
        }
    }

    /// As readers have it.
    pub fn words(self) -> &'static str {
        match self {
            Family::Question => "the paper’s question",
            other => other.name(),
        }
    }
}

/// What is to be judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tested {
    /// Of the difference, positive where the claim holds; none without a common seed.
    pub difference: Option<Estimate>,
    /// The smallest difference that matters, in the metric's unit; 0: any does.
    pub margin: f64,
    pub family: Family,
}

/// A judged claim.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    pub verdict: ClaimVerdict,
    /// Two-sided p of a difference, alone.
    pub p: Option<f64>,
    /// The same, corrected: below 1 - confidence where the difference is decided.
    pub p_adjusted: Option<f64>,
    /// The larger p of the two one-sided tests against the margin; none without a margin.
    pub p_equivalent: Option<f64>,
    /// The level at which the difference was tested, and its interval at this level.
    pub confidence: f64,
    pub interval: Option<(f64, f64)>,
    /// Not tested, as a question that comes first is not decided.
    pub closed: bool,
}

/// Judges claims together; `confidence` is 0.95 for an error of 5 % in all primary claims
/// together, and for one of 5 % in `equivalent`.
pub fn judge(claims: &[Tested], confidence: f64) -> Vec<Judgement> {
    let error = 1.0 - confidence;
    let mut out: Vec<Judgement> = claims.iter().map(|c| alone(c, confidence)).collect();
    // What the families before have left open: p of their least decided claim.
    let mut gate: f64 = 0.0;
    for family in [Family::Question, Family::Primary] {
        let members: Vec<usize> = (0..claims.len())
            .filter(|&i| claims[i].family == family)
            .collect();
        let tested: Vec<usize> = members
            .iter()
            .copied()
            .filter(|&i| out[i].p.is_some())
            .collect();
        let p: Vec<f64> = tested.iter().filter_map(|&i| out[i].p).collect();
        let levels = levels(&p, error);
        let own = holm(&p);
        let closed = gate >= error;
        for (k, &i) in tested.iter().enumerate() {
            out[i].confidence = 1.0 - levels[k];
            out[i].p_adjusted = Some(own[k].max(gate));
            out[i].closed = closed;
        }
        gate = match members.len() > tested.len() {
            // A question without an answer decides nothing.
            true => 1.0,
            false => own.iter().copied().fold(gate, f64::max),
        };
    }
    for (claim, judged) in claims.iter().zip(&mut out) {
        if let Some(difference) = &claim.difference {
            judged.interval = difference.interval(judged.confidence);
            judged.verdict = verdict(claim, judged, error);
        }
    }
    out
}

fn alone(claim: &Tested, confidence: f64) -> Judgement {
    let difference = claim.difference.as_ref();
    let p = difference.and_then(Estimate::p);
    let margin = (claim.margin > 0.0).then_some(claim.margin);
    Judgement {
        verdict: ClaimVerdict::Undecided,
        p,
        p_adjusted: p,
        p_equivalent: difference.zip(margin).and_then(|(d, m)| d.p_within(m)),
        confidence,
        interval: None,
        closed: false,
    }
}

fn verdict(claim: &Tested, judged: &Judgement, error: f64) -> ClaimVerdict {
    let mean = claim.difference.map_or(0.0, |d| d.mean);
    let decided = judged.p_adjusted.is_some_and(|p| p < error);
    let within = judged.p_equivalent.is_some_and(|p| p < error);
    match (decided, within) {
        (true, _) if mean >= claim.margin && mean > 0.0 => ClaimVerdict::Reproduced,
        (true, _) if mean < 0.0 => ClaimVerdict::Contradicted,
        (_, true) => ClaimVerdict::Equivalent,
        _ => ClaimVerdict::Undecided,
    }
}

/// The level at which Holm's procedure tests each p: from `error / m` for the smallest of m on,
/// one less each time, until one is not rejected; those that are left share its level.
fn levels(p: &[f64], error: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    let mut out = vec![0.0; p.len()];
    let mut stopped = None;
    for (rank, &i) in order.iter().enumerate() {
        let level = stopped.unwrap_or(error / (p.len() - rank) as f64);
        out[i] = level;
        if stopped.is_none() && p[i] >= level {
            stopped = Some(level);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::Sampling;
    use super::*;
    use ClaimVerdict::*;

    /// A difference with a standard error of 1 point over nine seeds, in points.
    fn claim(points: f64, margin: f64, family: Family) -> Tested {
        let error = Sampling {
            seeds: 1e-4,
            people: 0.0,
            both: 0.0,
            df: (8, 1),
        };
        Tested {
            difference: Some(Estimate {
                seeds: 9,
                mean: points / 100.0,
                error: Some(error),
            }),
            margin: margin / 100.0,
            family,
        }
    }

    fn verdicts(claims: &[Tested]) -> Vec<ClaimVerdict> {
        judge(claims, 0.95).iter().map(|j| j.verdict).collect()
    }

    #[test]
    fn four_outcomes_in_their_order() {
        let one = |points, margin| verdicts(&[claim(points, margin, Family::Question)])[0];
        assert_eq!(one(5.0, 2.0), Reproduced);
        assert_eq!(one(-5.0, 2.0), Contradicted);
        // A loss that is real is one, even where it is small beside the margin.
        assert_eq!(one(-3.0, 20.0), Contradicted);
        assert_eq!(one(0.1, 2.0), Equivalent);
        // Real, and smaller than the margin: within it where that is shown.
        assert_eq!(one(3.0, 6.0), Equivalent);
        assert_eq!(one(3.0, 4.0), Undecided);
        assert_eq!(one(1.0, 2.0), Undecided);
        // Without a margin nothing can be excluded.
        assert_eq!(one(0.0, 0.0), Undecided);
        assert_eq!(one(5.0, 0.0), Reproduced);
    }

    #[test]
    fn nothing_is_decided_without_an_error() {
        let mut bare = claim(5.0, 1.0, Family::Question);
        bare.difference.as_mut().unwrap().error = None;
        let judged = judge(&[bare, claim(9.0, 1.0, Family::Primary)], 0.95);
        assert_eq!((judged[0].verdict, judged[0].p), (Undecided, None));
        assert_eq!((judged[1].verdict, judged[1].closed), (Undecided, true));
    }

    #[test]
    fn the_paper_s_question_comes_first() {
        use Family::*;
        let clear = claim(9.0, 1.0, Primary);
        assert_eq!(
            verdicts(&[
                clear,
                claim(1.0, 1.0, Question),
                claim(9.0, 1.0, Exploratory)
            ]),
            [Undecided, Undecided, Reproduced]
        );
        assert_eq!(
            verdicts(&[clear, claim(-4.0, 1.0, Question)]),
            [Reproduced, Contradicted]
        );
    }

    #[test]
    fn interval_level_and_p_say_the_same() {
        // Alone p is 0.03 for 2.6 standard errors: too much among four.
        let points = [2.6, 2.4, 9.0, 0.5];
        for n in 1..=points.len() {
            let claims: Vec<Tested> = points[..n]
                .iter()
                .map(|p| claim(*p, 0.0, Family::Primary))
                .collect();
            for judged in judge(&claims, 0.95) {
                let (low, _) = judged.interval.unwrap();
                let decided = judged.verdict == Reproduced;
                assert_eq!(decided, low > 0.0, "{n}: {judged:?}");
                assert_eq!(decided, judged.p_adjusted.unwrap() < 0.05, "{n}");
            }
        }
        let four: Vec<Tested> = points
            .iter()
            .map(|p| claim(*p, 0.0, Family::Primary))
            .collect();
        let judged = judge(&four, 0.95);
        assert_eq!(judged[0].verdict, Undecided);
        assert!((judged[2].confidence - 0.9875).abs() < 1e-12);
        assert!((judged[0].confidence - (1.0 - 0.05 / 3.0)).abs() < 1e-12);
        assert!((judged[1].confidence - judged[0].confidence).abs() < 1e-12);
        let alone = judge(&[claim(2.6, 0.0, Family::Exploratory)], 0.95);
        assert_eq!((alone[0].verdict, alone[0].confidence), (Reproduced, 0.95));
    }
}
