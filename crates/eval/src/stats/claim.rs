//! Claims of a paper ("coupleface beats fcd on X"), judged on our own runs.

use super::{BySeed, Difference, MIN_SEEDS, holm, paired};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClaimVerdict {
    /// Better by more than the margin, beyond chance.
    Reproduced,
    /// Worse by more than the margin, beyond chance.
    Contradicted,
    Inconclusive,
}

/// When a difference counts.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClaimRule {
    /// The smallest difference that matters in practice, in the metric's unit; at least 0.
    pub margin: f64,
    /// 0.95 for 95 % intervals.
    pub confidence: f64,
}

/// A judged claim. Differences are positive where the claim holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Claim {
    pub verdict: ClaimVerdict,
    /// None without a common seed.
    pub difference: Option<Difference>,
    /// Two-sided p of a difference beyond the margin.
    pub p: Option<f64>,
    /// The same, corrected for the claims judged together.
    pub p_adjusted: Option<f64>,
    /// One sentence for a reader.
    pub reason: String,
}

/// Judges "`better` beats `worse`" on runs paired by seed: the interval of the difference
/// must be clear of the margin on one side. Fewer than [`MIN_SEEDS`] common seeds prove
/// nothing.
pub fn judge(better: &BySeed, worse: &BySeed, higher_is_better: bool, rule: ClaimRule) -> Claim {
    let difference = paired(better, worse, rule.confidence)
        .map(|d| if higher_is_better { d } else { d.reversed() });
    let seeds = difference.map_or(0, |d| d.n);
    let p = difference.and_then(|d| d.p_beyond(rule.margin));
    let (verdict, reason) = match difference.and_then(|d| d.interval) {
        None => (
            ClaimVerdict::Inconclusive,
            format!("{seeds} common seeds; at least {MIN_SEEDS} are needed"),
        ),
        Some((low, _)) if low > rule.margin => (
            ClaimVerdict::Reproduced,
            "the whole interval lies above the margin".into(),
        ),
        Some((_, high)) if high < -rule.margin => (
            ClaimVerdict::Contradicted,
            "the whole interval lies below the margin, on the other side".into(),
        ),
        Some((low, high)) if low >= -rule.margin && high <= rule.margin => (
            ClaimVerdict::Inconclusive,
            "no difference that matters: the whole interval lies within the margin".into(),
        ),
        Some(_) => (
            ClaimVerdict::Inconclusive,
            "the interval reaches into the margin: the difference may be chance or too small to matter".into(),
        ),
    };
    Claim {
        verdict,
        difference,
        p,
        p_adjusted: p,
        reason,
    }
}

/// Corrects claims that are judged together (Holm): the more claims, the stronger the
/// evidence each needs. Verdicts that do not survive become inconclusive.
pub fn judge_family(claims: &mut [Claim], confidence: f64) {
    let tested: Vec<usize> = (0..claims.len())
        .filter(|&i| claims[i].p.is_some())
        .collect();
    let p: Vec<f64> = tested.iter().filter_map(|&i| claims[i].p).collect();
    for (&i, adjusted) in tested.iter().zip(holm(&p)) {
        let claim = &mut claims[i];
        claim.p_adjusted = Some(adjusted);
        if claim.verdict != ClaimVerdict::Inconclusive && adjusted >= 1.0 - confidence {
            claim.verdict = ClaimVerdict::Inconclusive;
            claim.reason = format!(
                "clear of the margin alone, but not after correction for {} claims (Holm)",
                p.len()
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: ClaimRule = ClaimRule {
        margin: 0.001,
        confidence: 0.95,
    };

    fn by_seed(values: &[f64]) -> BySeed {
        (1..).zip(values.iter().copied()).collect()
    }

    #[test]
    fn verdicts() {
        let base = by_seed(&[0.80, 0.81, 0.82]);
        let verdict = |values: &[f64], higher| judge(&by_seed(values), &base, higher, RULE).verdict;
        let clear = [0.820, 0.831, 0.839];
        assert_eq!(verdict(&clear, true), ClaimVerdict::Reproduced);
        assert_eq!(verdict(&clear, false), ClaimVerdict::Contradicted);
        // Noisy: differences 0.04, -0.01, 0.02.
        assert_eq!(
            verdict(&[0.84, 0.80, 0.84], true),
            ClaimVerdict::Inconclusive
        );
        // Certain but smaller than what matters.
        assert_eq!(
            verdict(&[0.8005, 0.8105, 0.8205], true),
            ClaimVerdict::Inconclusive
        );
        // Large, but two seeds.
        let two = judge(&by_seed(&clear[..2]), &base, true, RULE);
        assert_eq!(two.verdict, ClaimVerdict::Inconclusive);
        assert!(two.reason.contains("2 common seeds"), "{}", two.reason);
        assert_eq!(two.difference.unwrap().interval, None);
    }

    #[test]
    fn interval_and_p_agree() {
        let base = by_seed(&[0.0; 4]);
        for step in 0..40 {
            let shift = f64::from(step) * 0.001;
            let values = [shift + 0.004, shift - 0.003, shift + 0.001, shift];
            let claim = judge(&by_seed(&values), &base, true, RULE);
            let reproduced = claim.verdict == ClaimVerdict::Reproduced;
            assert_eq!(reproduced, claim.p.unwrap() < 0.05, "{shift}");
        }
    }

    #[test]
    fn many_claims_need_more_evidence() {
        let base = by_seed(&[0.0; 4]);
        // p is about 0.03 for this one, so it stands alone but not among five.
        let marginal = judge(&by_seed(&[0.006, 0.012, 0.009, 0.004]), &base, true, RULE);
        assert_eq!(marginal.verdict, ClaimVerdict::Reproduced);
        let strong = judge(&by_seed(&[0.5, 0.51, 0.49, 0.5]), &base, true, RULE);
        let mut alone = [marginal.clone()];
        judge_family(&mut alone, 0.95);
        assert_eq!(alone[0].verdict, ClaimVerdict::Reproduced);
        let mut family = [&marginal, &marginal, &marginal, &marginal, &strong].map(Clone::clone);
        judge_family(&mut family, 0.95);
        assert_eq!(family[0].verdict, ClaimVerdict::Inconclusive);
        assert_eq!(family[4].verdict, ClaimVerdict::Reproduced);
        assert!(family[0].p_adjusted > family[0].p);
    }
}
