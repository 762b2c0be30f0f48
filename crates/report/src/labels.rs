//! What is counted of wrong labels, as shares.

use frbench_job::result::{Corrections, Fitted, LabelEpoch};

/// A share of nothing is none.
pub(super) fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

pub(super) fn to_label(fitted: &Fitted) -> Option<f64> {
    share(fitted.to_label, fitted.images)
}

pub(super) fn to_truth(fitted: &Fitted) -> Option<f64> {
    share(fitted.to_truth, fitted.images)
}

/// All labels that were rewritten.
pub(super) fn corrected(c: &Corrections) -> u64 {
    c.clean + c.flipped + c.outliers
}

/// Of the labels that were corrected, how many were wrong.
pub(super) fn precision(epoch: &LabelEpoch) -> Option<f64> {
    let c = epoch.corrections.as_ref()?;
    share(c.flipped + c.outliers, corrected(c))
}

/// Of the labels of another class, how many were corrected.
pub(super) fn recall(epoch: &LabelEpoch) -> Option<f64> {
    share(epoch.corrections.as_ref()?.flipped, epoch.flipped.images)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outliers_count_for_precision_and_not_for_recall() {
        let epoch = LabelEpoch {
            flipped: Fitted {
                images: 50,
                ..Fitted::default()
            },
            corrections: Some(Corrections {
                clean: 5,
                flipped: 20,
                outliers: 15,
                to_truth: 10,
            }),
            ..LabelEpoch::default()
        };
        assert_eq!(precision(&epoch), Some(35.0 / 40.0));
        assert_eq!(recall(&epoch), Some(20.0 / 50.0));
        let idle = LabelEpoch {
            corrections: Some(Corrections::default()),
            ..epoch
        };
        assert_eq!((precision(&idle), recall(&idle)), (None, Some(0.0)));
        assert_eq!(precision(&LabelEpoch::default()), None);
    }
}
