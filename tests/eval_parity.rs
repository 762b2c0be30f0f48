//! The protocols against the numbers of the published evaluation code, through the same
//! table and files that a suite uses.

mod common;

use common::parity::Case;
use common::scoring::{metric, npy_f64, run, write};
use frbench::plan::spec::Views;
use frbench::protocol::{Description, IdentificationData, PairData, TemplateData};
use frbench::registry::Params;
use serde_json::json;
use std::collections::BTreeMap;

const TOLERANCE: f64 = 1e-9;

fn close(got: f64, want: f64, what: &str) {
    assert!(
        (got - want).abs() <= TOLERANCE,
        "{what}: {got}, want {want}"
    );
}

#[test]
fn insightface_ten_fold_verification() {
    let case = Case::load("a-verification");
    assert_eq!(case.op, "eval/verification");
    let folder = tempfile::tempdir().unwrap();
    let embeddings = write(folder.path(), "images", 24, &case.f32("input.embeddings"));
    let data = PairData {
        same: case.i64("input.issame").iter().map(|&v| v == 1).collect(),
        ..Default::default()
    };
    let params = Params::from([("folds".into(), case.params["folds"].clone())]);
    let scored = run(
        "verification",
        params,
        &[("images", &embeddings, Views::Original)],
        Description::Pairs(&data),
    );
    assert_eq!(scored.result.protocol, "verification/insightface");
    let accuracy = &scored.result.metrics[0];
    assert_eq!(accuracy.id, "accuracy");
    close(accuracy.value, case.f64("expect.accuracy_mean")[0], "mean");
    let sd = frbench::stats::population_sd(&accuracy.folds);
    close(sd, case.f64("expect.accuracy_std")[0], "population sd");
    for (got, want) in accuracy.folds.iter().zip(case.f64("expect.fold_accuracy")) {
        close(*got, want, "fold");
    }
    // Without identities there is no interval, and the reader is told.
    assert_eq!(accuracy.interval, None);
    assert!(
        scored
            .result
            .notes
            .iter()
            .any(|n| n.starts_with("no interval"))
    );
}

#[test]
fn ijb_template_verification() {
    let case = Case::load("a-ijb");
    assert_eq!(case.op, "eval/template-verification");
    let (features, flipped) = (case.f32("input.features"), case.f32("input.features_flip"));
    let both: Vec<f32> = features
        .chunks(24)
        .zip(flipped.chunks(24))
        .flat_map(|(a, b)| [a, b].concat())
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let embeddings = write(folder.path(), "images", 48, &both);
    let ids = |name: &str| {
        case.i64(name)
            .iter()
            .map(|&v| v as u32)
            .collect::<Vec<u32>>()
    };
    let data = TemplateData {
        template: ids("input.template"),
        media: ids("input.media"),
        pair_a: ids("input.pair_a"),
        pair_b: ids("input.pair_b"),
        same: case.i64("input.label").iter().map(|&v| v == 1).collect(),
        ..Default::default()
    };
    let norm = if case.params["norm_score"] == json!(true) {
        "keep"
    } else {
        "unit"
    };
    let params = Params::from([
        ("norm".into(), json!(norm)),
        (
            "detector_score".into(),
            case.params["detector_score"].clone(),
        ),
        ("far_selection".into(), case.params["far_selection"].clone()),
        ("fars".into(), case.params["fars"].clone()),
    ]);
    let scored = run(
        "template-verification",
        params,
        &[("images", &embeddings, Views::Both)],
        Description::Templates(&data),
    );
    for (metric, want) in scored.result.metrics.iter().zip(case.f64("expect.tar")) {
        close(metric.value, want, &metric.id);
    }
    let scores = npy_f64(&scored, "pair_scores.npy");
    assert_eq!(scores.len(), 1770);
    for (got, want) in scores.iter().zip(case.f64("expect.scores")) {
        close(*got, want, "score");
    }
}

#[test]
fn megaface_identification() {
    let case = Case::load("a-megaface");
    assert_eq!(case.op, "eval/identification");
    let folder = tempfile::tempdir().unwrap();
    let probes = write(folder.path(), "probes", 24, &case.f32("input.probe"));
    let distractors = write(
        folder.path(),
        "distractors",
        24,
        &case.f32("input.distractor"),
    );
    let data = IdentificationData {
        probe_ids: case
            .i64("input.probe_id")
            .iter()
            .map(|&v| v as u32)
            .collect(),
        ..Default::default()
    };
    let params: BTreeMap<_, _> = ["fars", "ranks"]
        .map(|name| (name.to_owned(), case.params[name].clone()))
        .into();
    let scored = run(
        "identification",
        params,
        &[
            ("probes", &probes, Views::Sum),
            ("distractors", &distractors, Views::Sum),
        ],
        Description::Identification(&data),
    );
    for (n, want) in [1, 5, 10].into_iter().zip(case.f64("expect.rank")) {
        close(metric(&scored, &format!("rank-{n}")), want, "rank");
    }
    for (far, want) in ["1e-5", "1e-4", "1e-3"].iter().zip(case.f64("expect.tar")) {
        close(metric(&scored, &format!("tar@far={far}")), want, far);
    }
    let rank1 = scored.result.metrics[0]
        .interval
        .expect("identities are known");
    assert!(rank1.0 < scored.result.metrics[0].value && scored.result.metrics[0].value < rank1.1);
}
