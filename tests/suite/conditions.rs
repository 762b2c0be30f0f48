//! Entries under conditions: noise in the training set, loss of resolution.

use crate::tiny::*;
use frbench::job::JobSpec;
use frbench::job::result::JobResult;
use frbench::plan::{Known, Round, plan};
use frbench::suite::Resolved;

/// `tiny` under two conditions: one with noise, one with small faces.
fn conditioned() -> Resolved {
    let conditions = "[[condition]]\nid = \"noisy\"\nlabel = \"Noisy\"\n\
                      noise = { closed = 0.3, seed = 4 }\n\n\
                      [[condition]]\nid = \"small\"\nlabel = \"Small\"\n\
                      degrade = { kind = \"bicubic\", factor = 4 }\n\n[protocol.ten-fold]";
    let text = TINY
        .replacen("[protocol.ten-fold]", conditions, 1)
        .replacen(
            "seeds = [1, 2]",
            "seeds = [1, 2]\nconditions = [\"noisy\", \"small\"]",
            1,
        )
        .replacen(
            "[profile.quick]",
            "[profile.demo.override.\"fcd@small\"]\nseeds = [1]\n\n[profile.quick]",
            1,
        )
        .replacen(
            "of = \"coupleface\"",
            "of = \"coupleface\"\nunder = [\"small\"]",
            1,
        );
    resolved(&text, "demo")
}

#[test]
fn entries_run_under_every_condition_and_the_teacher_once() {
    let suite = conditioned();
    let ids: Vec<&str> = suite.rows.iter().map(|r| r.id.as_str()).collect();
    let want = [
        "teacher",
        "student@noisy",
        "fcd@noisy",
        "coupleface@noisy",
        "student@small",
        "fcd@small",
        "coupleface@small",
        "neighbours:k=5@small",
        "neighbours:k=10@small",
        "neighbours:k=20@small",
    ];
    assert_eq!(ids, want);
    let row = |id: &str| suite.rows.iter().find(|r| r.id == id).unwrap();
    assert_eq!(row("teacher").condition, "");
    assert_eq!(
        row("neighbours:k=5@small").of.as_deref(),
        Some("coupleface@small")
    );
    for id in ["fcd@noisy", "fcd@small"] {
        assert_eq!(row(id).teacher, Some(0), "{id}");
    }
    assert_eq!(
        row("fcd@small").seeds,
        [1],
        "overridden under this condition alone"
    );
    assert_eq!(row("fcd@noisy").seeds, [1, 2]);
    // Noise is in the data, the loss of resolution in what the network sees of it.
    assert_eq!(
        row("student@noisy").trained().unwrap().data.name,
        "synth-train-40x6-v1+c30-seed4"
    );
    assert_eq!(row("student@noisy").input.degrade, None);
    assert_eq!(
        row("student@small").trained().unwrap().data.name,
        "synth-train-40x6-v1"
    );
    assert_eq!(row("student@small").input.degrade.unwrap().side, 8);
    assert_eq!(row("teacher").input.degrade, None);
    // A claim is tested within each condition.
    let tested: Vec<_> = suite
        .claims
        .iter()
        .map(|c| (c.better.as_str(), c.than.as_str(), c.column.is_some()))
        .collect();
    let want = [
        ("coupleface@noisy", "fcd@noisy", true),
        ("coupleface@small", "fcd@small", true),
    ];
    assert_eq!(tested, want);
}

#[test]
fn a_noisy_set_is_made_once_its_parts_are_known() {
    let suite = conditioned();
    let code = cpu();
    let data = |round: &Round| -> Vec<String> {
        let jobs = round.jobs.iter();
        let data = jobs.filter(|j| matches!(j.spec, JobSpec::Data(_)));
        data.map(|j| j.label.clone()).collect()
    };
    let first = plan(&suite, &Known::default(), &code);
    assert!(!first.finished);
    assert!(
        !data(&first).iter().any(|l| l.contains("+c")),
        "{:?}",
        data(&first)
    );
    let known = |pixels: &str, round: &Round| Known {
        results: round
            .jobs
            .iter()
            .filter_map(|job| match &job.spec {
                JobSpec::Data(spec) => Some((job.key.clone(), data_result(&spec.name, pixels))),
                _ => None,
            })
            .collect(),
    };
    let second = plan(&suite, &known("a", &first), &code);
    assert!(!second.finished);
    let noisy = |round: &Round| {
        let job = round.jobs.iter().find(|j| j.label.contains("+c"));
        job.expect("no noisy set").clone()
    };
    assert_eq!(noisy(&second).needs.len(), 1);
    assert!(is_ordered(&second.jobs));
    // Other pixels of the base are another noisy set.
    let other = plan(&suite, &known("b", &first), &code);
    assert_ne!(noisy(&second).key, noisy(&other).key);
    // So are other people, where the base says who is shown.
    let mut people = known("a", &first);
    for result in people.results.values_mut() {
        if let JobResult::Data(data) = result {
            data.facts_sha256 = Some("f".repeat(64));
        }
    }
    let other = plan(&suite, &people, &code);
    assert_ne!(noisy(&second).key, noisy(&other).key);
    let third = plan(&suite, &known("a", &second), &code);
    assert!(third.finished);
    assert!(is_ordered(&third.jobs));
    assert_eq!(noisy(&third).key, noisy(&second).key);
}
