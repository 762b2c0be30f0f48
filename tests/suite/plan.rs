//! What is planned: the jobs of a suite, of its profiles and of a selection.

use crate::tiny::*;
use frbench::embedded;
use frbench::key::Key;
use frbench::plan::{Kind, Known, Selection, outlook, plan, select};
use frbench::suite::source::Source;
use frbench::suite::{parse, validate};
use std::collections::BTreeSet;

#[test]
fn a_plan_has_each_job_once_and_in_order() {
    let round = full(&tiny());
    assert!(round.finished);
    assert!(is_ordered(&round.jobs));
    // The training set, the pairs, the probes.
    assert_eq!(count(&round.jobs, Kind::Data), 3);
    // The teacher once; student, FCD, CoupleFace, k = 5 and k = 20 at two seeds each; k = 10 is
    // CoupleFace itself.
    assert_eq!(count(&round.jobs, Kind::Train), 1 + 5 * 2);
    // Embeddings, prototypes, and neighbours for each k; shared by all methods and seeds.
    assert_eq!(count(&round.jobs, Kind::Derive), 2 + 3);
    // All on the pairs; teacher and FCD on probes and distractors, too.
    assert_eq!(count(&round.jobs, Kind::Score), 11 + 3);
    assert_eq!(count(&round.jobs, Kind::Embed), 11 + 2 * 3);
}

#[test]
fn the_layout_names_a_job_for_every_cell() {
    let round = full(&tiny());
    let known: BTreeSet<&Key> = round.jobs.iter().map(|j| &j.key).collect();
    let layout = &round.layout;
    assert_eq!(
        layout
            .rows
            .iter()
            .map(|r| r.id.as_str())
            .collect::<Vec<_>>(),
        [
            "teacher",
            "student",
            "fcd",
            "coupleface",
            "neighbours:k=5",
            "neighbours:k=10",
            "neighbours:k=20"
        ]
    );
    assert_eq!(layout.rows[5].label, "k = 10");
    assert_eq!(layout.rows[3].runs, layout.rows[5].runs);
    // Pairs: the teacher once, six rows twice. Probes: the teacher once, FCD twice.
    assert_eq!(layout.cells.len(), 1 + 6 * 2 + 1 + 2);
    assert!(layout.cells.iter().all(|c| known.contains(&c.score)));
    assert_eq!(layout.claims.len(), 1);
    let json = serde_json::to_string(layout).unwrap();
    assert_eq!(
        &serde_json::from_str::<frbench::plan::Layout>(&json).unwrap(),
        layout
    );
}

#[test]
fn a_round_stops_where_identities_are_open() {
    let (suite, code) = (tiny(), cpu());
    let first = plan(&suite, &Known::default(), &code);
    assert!(!first.finished);
    assert_eq!(first.jobs.len(), 3);
    assert_eq!(count(&first.jobs, Kind::Data), 3);
    let mut known = data_known(&suite, &code);
    assert!(plan(&suite, &known, &code).finished);
    known.results.pop_first();
    assert!(!plan(&suite, &known, &code).finished);
}

#[test]
fn a_selection_keeps_teachers_and_keys() {
    let all = full(&tiny());
    let selection = Selection {
        only: vec!["fcd".into()],
        seeds: vec![2],
    };
    let some = full(&select(tiny(), &selection).unwrap());
    assert!(new_jobs(&all, &some).is_empty());
    let trained = some.jobs.iter().filter(|j| j.label.starts_with("train"));
    let trained: Vec<&str> = trained.map(|j| j.label.as_str()).collect();
    assert_eq!(trained, ["train teacher seed 7", "train fcd seed 2"]);
    assert_eq!(some.layout.rows.len(), 1);

    let nothing = |only: &str, seed: u64| {
        let selection = Selection {
            only: vec![only.into()],
            seeds: vec![seed],
        };
        select(tiny(), &selection).unwrap_err()
    };
    assert_eq!(nothing("fdc", 1).exit_code(), 3);
    assert!(nothing("fdc", 1).to_string().contains("did you mean `fcd`"));
    assert_eq!(nothing("fcd", 9).exit_code(), 3);
}

#[test]
fn a_profile_that_extends_another_states_only_what_differs() {
    let quick = resolved(TINY, "quick");
    assert_eq!(quick.rows.len(), 2);
    assert_eq!(quick.columns.len(), 1);
    // The claim needs CoupleFace, which this profile does not run.
    assert_eq!(quick.claims[0].column, None);
    let (quick, demo) = (full(&quick), full(&tiny()));
    let new = new_jobs(&demo, &quick);
    assert!(!new.iter().any(|l| l.starts_with("train")), "{new:?}");
}

#[test]
fn a_loss_that_is_declared_and_empty_has_a_row_and_no_jobs() {
    let loss = "{ name = \"horkd\" }";
    let fcd = "{ name = \"fcd\", normalize = true }";
    let empty = format!("{{ name = \"distill\", losses = [{loss}] }}");
    let text = TINY.replacen(fcd, &empty, 1);
    assert!(text.contains(loss));
    let suite = resolved(&text, "demo");
    let row = suite.rows.iter().find(|r| r.entry == "fcd").unwrap();
    let reason = frbench::distill::declared("horkd").unwrap().reason;
    let note = &row.note;
    assert!(note.contains(reason), "{note}");
    let selected = select(suite.clone(), &Selection::default()).unwrap();
    let round = outlook(&selected, &Known::default(), &cpu());
    assert!(round.jobs.iter().all(|j| !j.label.contains("fcd")));
    let shown = round.layout.rows.iter().find(|r| r.id == "fcd").unwrap();
    assert!(shown.runs.is_empty() && shown.note == row.note);
    // Alone there is nothing to run, and parameters of it are not known.
    let alone = Selection {
        only: vec!["fcd".into()],
        ..Selection::default()
    };
    let error = select(suite, &alone).unwrap_err().to_string();
    assert!(error.contains("declared and empty"), "{error}");
    let text = text.replacen("\"horkd\"", "\"horkd\", order = 2", 1);
    let suite = parse(Source::new("tiny.toml", &text)).unwrap();
    let known = embedded::catalogue(None).unwrap();
    let error = validate(&suite, &known).unwrap_err().to_string();
    assert!(error.contains("it has no `order`"), "{error}");
}

/// Where the class weights of a teacher take the place of the student's, they have to fit.
#[test]
fn a_teacher_whose_class_weights_are_taken_has_one_centre_a_class_and_the_students_size() {
    let fcd = "{ name = \"fcd\", normalize = true }";
    let loss = "{ name = \"distill\", losses = [{ name = \"margin-distillation\" }] }";
    let taught = TINY.replacen(fcd, loss, 1);
    let known = embedded::catalogue(None).unwrap();
    let checked = |from: &str, to: &str| {
        let text = taught.replacen(from, to, 1);
        validate(&parse(Source::new("tiny.toml", &text)).unwrap(), &known)
    };
    checked("", "").unwrap();
    let several = "{ name = \"subcenter-arcface\", s = 64.0, m = 0.5, k = 3 }";
    let error = checked("{ name = \"arcface\", s = 64.0, m = 0.5 }", several).unwrap_err();
    assert!(
        error.to_string().contains("3 centres of each class"),
        "{error}"
    );
    let error = checked("embedding = 32", "embedding = 48").unwrap_err();
    assert!(error.to_string().contains("its are of 48"), "{error}");
}
