//! Published numbers held against measured ones.

use super::fixture::input;
use frbench::report::derive;
use frbench::report::held::{Comparison, SHIPPED};
use frbench::report::model::{Origin, PublishedRow, ReportInput, Status, Trials};
use frbench::stats::{People, t_quantile};
use std::sync::Arc;

/// FCD in the fixture: 0.9102 with the mean offset of its seeds.
const FCD: f64 = 0.9102 - 0.000_133_333;

/// The fixture as if its data were photographs.
fn photographs() -> ReportInput {
    let mut input = input();
    for column in &mut input.columns {
        column.context.synthetic = false;
    }
    input
}

fn row() -> PublishedRow {
    PublishedRow {
        paper: "P".into(),
        table: "Table 1".into(),
        method: "fcd".into(),
        dataset: "synth-LFW-1200".into(),
        protocol: "verification/insightface".into(),
        metric: "accuracy".into(),
        value: Some(91.0),
        unit: "%".into(),
        training_data: "synth-train-1000".into(),
        backbone: "MobileNetV2 0.5x".into(),
        checkpoint: "last".into(),
        runs: "single".into(),
        source: "https://example.org/p".into(),
        status: Status::Verified,
    }
}

fn found(input: &mut ReportInput, row: PublishedRow) -> Comparison {
    input.published = vec![row];
    derive(input).published.remove(0)
}

fn reason(change: impl FnOnce(&mut PublishedRow)) -> String {
    let mut row = row();
    change(&mut row);
    let found = found(&mut photographs(), row);
    assert_eq!((found.measured, found.difference), (None, None));
    found.reason.unwrap()
}

#[test]
fn numbers_of_one_context_are_compared_in_their_units() {
    for (value, unit) in [(91.0, "%"), (0.91, "fraction")] {
        let mut row = row();
        (row.value, row.unit) = (Some(value), unit.into());
        let found = found(&mut photographs(), row);
        assert_eq!((found.reason, found.column), (None, Some(0)));
        assert!((found.difference.unwrap() - (FCD - 0.91)).abs() < 1e-6);
    }
}

#[test]
fn the_first_thing_that_differs_is_said() {
    let cases = [
        (
            reason(|r| r.protocol = "verification/face-pytorch".into()),
            "another protocol: published verification/face-pytorch, here verification/insightface",
        ),
        (
            reason(|r| r.protocol = "verification".into()),
            "the source does not state which rule of verification",
        ),
        (
            reason(|r| r.protocol = String::new()),
            "the source does not state its protocol",
        ),
        (
            reason(|r| r.training_data = "ms1mv2".into()),
            "another training data: published ms1mv2, here synth-train-1000",
        ),
        (
            reason(|r| r.training_data = String::new()),
            "the source does not state its training data",
        ),
        (
            reason(|r| r.checkpoint = "best on the test set".into()),
            "another checkpoint rule: published best on the test set, here last",
        ),
        (
            reason(|r| r.backbone = "ir-50".into()),
            "another backbone: published ir-50, here MobileNetV2 0.5x",
        ),
        (
            reason(|r| r.dataset = "CALFW".into()),
            "no column here is accuracy of CALFW",
        ),
        (
            reason(|r| r.metric = "tar@far=1e-4".into()),
            "no column here is tar@far=1e-4 of synth-LFW-1200",
        ),
        (
            reason(|r| r.method = "RKD".into()),
            "context only: nothing in this suite measures the same",
        ),
        (
            reason(|r| r.checkpoint = SHIPPED.into()),
            "it is of the network that its source distributes; this one was trained here",
        ),
        (
            reason(|r| r.status = Status::Secondary),
            "read in another account of the paper, not checked against it",
        ),
        (
            reason(|r| (r.value, r.status) = (None, Status::Unavailable)),
            "declared, but the source could not be read: the value stays empty",
        ),
    ];
    for (reason, wanted) in cases {
        assert_eq!(reason, wanted);
    }
    let mut generated = input();
    let reason = found(&mut generated, row()).reason.unwrap();
    assert!(reason.contains("generated data"), "{reason}");
}

#[test]
fn a_retraining_may_be_as_far_off_as_a_further_run() {
    let mut input = photographs();
    let allowed = found(&mut input, row()).allowed.unwrap();
    // The offsets of the fixture's seeds.
    let values = [0.0021, -0.0008, -0.0017];
    let mean = values.iter().sum::<f64>() / 3.0;
    let squares: f64 = values.iter().map(|v| (v - mean).powi(2)).sum();
    let bound = t_quantile(2, 0.95) * (squares / 2.0).sqrt() * (1.0f64 / 3.0 + 1.0).sqrt();
    assert!((allowed.difference - bound).abs() < 1e-9, "{allowed:?}");
    assert!(allowed.holds, "{allowed:?}");
    let mut far = row();
    far.value = Some(95.0);
    assert!(!found(&mut input, far).allowed.unwrap().holds);
    // A mean is nearer than a single run.
    let mut mean = row();
    mean.runs = "mean of 5".into();
    let narrower = found(&mut input, mean).allowed.unwrap();
    assert!(narrower.difference < bound && narrower.rule.contains("mean of 5"));
}

#[test]
fn a_network_from_a_file_is_held_to_three_pairs() {
    let mut input = photographs();
    let pairs: Vec<[u32; 2]> = (0..6000).map(|i| [i, i + 6000]).collect();
    input.columns[0].trials = Some(Trials {
        people: Arc::new(People::new(&pairs)),
        known: true,
    });
    for row in &mut input.rows {
        row.origin = Some(Origin::File);
    }
    let mut shipped = row();
    shipped.checkpoint = SHIPPED.into();
    // Its training need not be stated.
    shipped.training_data = String::new();
    for (pairs, holds) in [(2.9, true), (3.1, false)] {
        shipped.value = Some((FCD + pairs / 6000.0) * 100.0);
        let allowed = found(&mut input, shipped.clone()).allowed.unwrap();
        assert_eq!((allowed.difference, allowed.holds), (3.0 / 6000.0, holds));
        assert_eq!(allowed.rule, "the same network: 3 of 6000 pairs");
    }
    assert_eq!(
        found(&mut input, row()).reason.unwrap(),
        "its source does not distribute the network, and this one is read from a file"
    );
}
