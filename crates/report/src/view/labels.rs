//! Wrong labels: what heads made of them, where it is known which they are.

use super::super::model::*;
use super::super::pictures::{self, Figure, Pictures};
use super::super::plots;
use super::cells::{Measured, measured};
use super::{Plot, blocks};
use frbench_job::result::{Corrections, Fitted, LabelEpoch, PictureKind};
use serde::Serialize;

/// The rows of one condition.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LabelBlock {
    pub condition: String,
    pub note: String,
    pub rows: Vec<LabelRow>,
    /// What was learned, one plot per row.
    pub fits: Vec<Plot>,
    /// Precision and recall, one plot per row that corrects.
    pub corrections: Vec<Plot>,
    pub gallery: Vec<Figure>,
}

/// The last epoch of a row, mean over seeds. What does not apply is empty.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LabelRow {
    pub label: String,
    /// With its condition, where there are several.
    pub name: String,
    pub role: &'static str,
    /// Shares of images nearest to the class of their label: right labels, wrong ones, outliers.
    pub clean: Measured,
    pub flipped: Measured,
    pub outliers: Measured,
    /// Share of images with wrong labels nearest to the class of their person.
    pub truth: Measured,
    /// Labels that were rewritten in the epoch.
    pub corrected: Measured,
    pub precision: Measured,
    pub recall: Measured,
    /// Share of the wrong labels that were corrected which were given their true class.
    pub landed: Measured,
    /// Right labels that were rewritten, and their share of all right ones.
    pub damaged: Measured,
    pub damaged_share: Measured,
}

pub(super) fn view(input: &ReportInput, pictures: &Pictures) -> Vec<LabelBlock> {
    let kind = PictureKind::Corrections;
    let known = |r: &Row| r.runs.iter().any(|run| !run.labels.is_empty());
    let of = |condition: &str| {
        let here = input.rows.iter().filter(move |r| r.condition == condition);
        here.collect::<Vec<&Row>>()
    };
    blocks(input, |r| known(r) || pictures::any(r, kind), |i| i)
        .into_iter()
        .map(|block| {
            let rows = of(&block.condition);
            // Ablations stand in the table; their curves would hide the others'.
            let main = || rows.iter().filter(|r| r.role != Role::Ablation);
            LabelBlock {
                rows: rows
                    .iter()
                    .filter(|r| known(r))
                    .map(|r| row(input, r))
                    .collect(),
                fits: main().filter_map(|r| plots::fits(r)).collect(),
                corrections: main().filter_map(|r| plots::corrections(r)).collect(),
                gallery: rows.iter().flat_map(|r| pictures.of(r, kind)).collect(),
                condition: block.condition,
                note: block.note,
            }
        })
        .collect()
}

fn row(input: &ReportInput, row: &Row) -> LabelRow {
    let last = || row.runs.iter().filter_map(|run| run.labels.last());
    let over = |value: &dyn Fn(&LabelEpoch) -> Option<f64>, factor, digits, unit| {
        measured(
            &last().filter_map(value).collect::<Vec<f64>>(),
            factor,
            digits,
            unit,
        )
    };
    let percent = |value: &dyn Fn(&LabelEpoch) -> Option<f64>| over(value, 100.0, 1, "%");
    let images = |value: fn(&Corrections) -> u64| {
        over(&|e| Some(value(e.corrections.as_ref()?) as f64), 1.0, 0, "")
    };
    LabelRow {
        label: row.label.clone(),
        name: input.name(row),
        role: row.role.name(),
        clean: percent(&|e| to_label(&e.clean)),
        flipped: percent(&|e| to_label(&e.flipped)),
        outliers: percent(&|e| to_label(&e.outliers)),
        truth: percent(&|e| to_truth(&e.flipped)),
        corrected: images(all),
        precision: percent(&precision),
        recall: percent(&recall),
        landed: percent(&|e| {
            let c = e.corrections.as_ref()?;
            share(c.to_truth, c.flipped)
        }),
        damaged: images(|c| c.clean),
        damaged_share: over(
            &|e| share(e.corrections.as_ref()?.clean, e.clean.images),
            100.0,
            2,
            "%",
        ),
    }
}

/// A share of nothing is none.
fn share(part: u64, of: u64) -> Option<f64> {
    (of > 0).then(|| part as f64 / of as f64)
}

pub(crate) fn to_label(fitted: &Fitted) -> Option<f64> {
    share(fitted.to_label, fitted.images)
}

pub(crate) fn to_truth(fitted: &Fitted) -> Option<f64> {
    share(fitted.to_truth, fitted.images)
}

fn all(c: &Corrections) -> u64 {
    c.clean + c.flipped + c.outliers
}

/// Of the labels that were corrected, how many were wrong.
pub(crate) fn precision(epoch: &LabelEpoch) -> Option<f64> {
    let c = epoch.corrections.as_ref()?;
    share(c.flipped + c.outliers, all(c))
}

/// Of the labels of another class, how many were corrected.
pub(crate) fn recall(epoch: &LabelEpoch) -> Option<f64> {
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
