//! What keys depend on: which jobs are new after a change, and which are not.

use crate::tiny::*;
use frbench::job::result::JobResult;
use frbench::job::{BalancedSpec, DataSource, Rules};
use frbench::key::Key;
use frbench::plan::{DeviceKind, Known, Round, plan};
use std::collections::BTreeSet;

#[test]
fn plans_are_stable() {
    assert_eq!(full(&tiny()), full(&tiny()));
    // Words change no number.
    let renamed = changed("label = \"FCD\"", "label = \"Feature consistency\"");
    assert_eq!(keys(&full(&renamed)), keys(&full(&tiny())));
}

#[test]
fn pinned_identities_need_no_first_round_and_no_other_key() {
    let (suite, code) = (tiny(), cpu());
    let mut pinned = suite.clone();
    let identity = |name: &str| Some(Key::of(&name).0);
    for row in &mut pinned.rows {
        row.trained_mut().unwrap().data.identity = identity(&row.trained_mut().unwrap().data.name);
    }
    for column in &mut pinned.columns {
        column.data.identity = identity(&column.data.name);
    }
    let round = plan(&pinned, &Known::default(), &code);
    assert!(round.finished);
    assert_eq!(keys(&round), keys(&full(&suite)));
}

#[test]
fn what_only_some_sets_say_is_part_of_scores_and_trainings() {
    let (suite, code) = (tiny(), cpu());
    let with = |set: &str| {
        let mut known = data_known(&suite, &code);
        for result in known.results.values_mut() {
            if let JobResult::Data(data) = result
                && data.name.starts_with(set)
            {
                data.facts_sha256 = Some(Key::of(&"facts").0);
            }
        }
        new_jobs(&full(&suite), &plan(&suite, &known, &code))
    };
    let scores = with("synth-megaface");
    assert_eq!(scores.len(), 3, "{scores:?}");
    assert!(
        scores
            .iter()
            .all(|l| l.starts_with("score") && l.contains("megaface")),
        "{scores:?}"
    );
    // A network and all that is made of it, but no data.
    let all = keys(&full(&suite)).into_keys();
    let networks = all.filter(|l| !l.starts_with("data")).collect();
    assert_eq!(with("synth-train"), networks);
}

#[test]
fn a_pin_does_not_say_what_else_the_files_of_a_user_say() {
    let mut suite = tiny();
    for column in &mut suite.columns {
        column.data.source = DataSource::Files {
            files: vec!["lfw.bin".into()],
            rules: Rules::default(),
        };
    }
    let known = data_known(&suite, &cpu());
    for row in &mut suite.rows {
        row.trained_mut().unwrap().data.identity =
            Some(Key::of(&row.trained_mut().unwrap().data.name).0);
    }
    for column in &mut suite.columns {
        column.data.identity = Some(Key::of(&column.data.name).0);
    }
    let code = cpu();
    assert!(!plan(&suite, &Known::default(), &code).finished);
    assert!(plan(&suite, &known, &code).finished);
}

#[test]
fn a_changed_ablation_retrains_only_what_depends_on_it() {
    let new = new_jobs(
        &full(&tiny()),
        &full(&changed("k = [5, 10, 20]", "k = [5, 10, 30]")),
    );
    let want = [
        "derive neighbors for neighbours:k=30",
        "embed neighbours:k=30 seed 1 synth-lfw-60-v1 images",
        "embed neighbours:k=30 seed 2 synth-lfw-60-v1 images",
        "score neighbours:k=30 seed 1 synth-lfw-60-v1/ten-fold",
        "score neighbours:k=30 seed 2 synth-lfw-60-v1/ten-fold",
        "train neighbours:k=30 seed 1",
        "train neighbours:k=30 seed 2",
    ];
    assert_eq!(new, want.map(String::from).into());
}

#[test]
fn balanced_batches_are_part_of_the_trainings_that_have_them() {
    let suite = changed(
        "warmup = 0.5",
        "warmup = 0.5\nbalanced = { images = 8, per-identity = 4 }",
    );
    let wanted = BalancedSpec {
        images: 8,
        per_identity: 4,
        unclassified: false,
    };
    assert_eq!(
        suite.rows[0].trained().unwrap().balanced,
        None,
        "the teacher has another recipe"
    );
    assert!(
        suite.rows[1..]
            .iter()
            .all(|r| r.trained().unwrap().balanced == Some(wanted))
    );
    let new = new_jobs(&full(&tiny()), &full(&suite));
    assert_eq!(new.iter().filter(|l| l.starts_with("train")).count(), 5 * 2);
    assert!(!new.iter().any(|l| l.contains("teacher")), "{new:?}");
}

/// What a recipe need not state is part of a key where it is stated, and nowhere else.
#[test]
fn options_of_a_recipe_are_part_of_the_trainings_that_have_them() {
    for stated in ["keep-last = true", "decay-norms = false"] {
        let suite = changed("warmup = 0.5", &format!("warmup = 0.5\n{stated}"));
        let new = new_jobs(&full(&tiny()), &full(&suite));
        let trained = new.iter().filter(|l| l.starts_with("train"));
        assert_eq!(trained.count(), 5 * 2, "{stated}");
        assert!(!new.iter().any(|l| l.contains("teacher")), "{new:?}");
    }
    for default in ["keep-last = false", "decay-norms = true"] {
        let suite = changed("warmup = 0.5", &format!("warmup = 0.5\n{default}"));
        assert_eq!(keys(&full(&suite)), keys(&full(&tiny())), "{default}");
    }
}

#[test]
fn a_changed_protocol_retrains_nothing() {
    let new = new_jobs(&full(&tiny()), &full(&changed("folds = 10", "folds = 5")));
    assert_eq!(new.len(), 11);
    assert!(new.iter().all(|l| l.starts_with("score ")), "{new:?}");
}

#[test]
fn a_new_seed_keeps_the_others() {
    let new = new_jobs(
        &full(&tiny()),
        &full(&changed("seeds = [1, 2]", "seeds = [1, 2, 3]")),
    );
    assert!(new.iter().all(|l| l.contains("seed 3")), "{new:?}");
    assert_eq!(new.iter().filter(|l| l.starts_with("train")).count(), 5);
}

#[test]
fn a_changed_teacher_retrains_its_students_and_nothing_else() {
    let new = new_jobs(&full(&tiny()), &full(&changed("steps = 20", "steps = 21")));
    let trained = new.iter().filter(|l| l.starts_with("train"));
    let trained: Vec<&str> = trained.map(String::as_str).collect();
    assert_eq!(trained.len(), 1 + 4 * 2);
    assert!(
        !trained.iter().any(|l| l.contains("student")),
        "{trained:?}"
    );
}

#[test]
fn different_pixels_are_different_jobs_and_a_different_path_to_them_is_not() {
    let (suite, code) = (tiny(), cpu());
    let mut known = data_known(&suite, &code);
    let before = plan(&suite, &known, &code);
    let train = before.jobs[0].key.clone();
    known
        .results
        .insert(train, data_result("synth-train-40x6-v1", "other pixels"));
    let after = plan(&suite, &known, &code);
    assert_eq!(new_jobs(&before, &after).len(), before.jobs.len() - 3);

    // A generator whose code changed, making the same pixels.
    let mut newer = code.clone();
    newer.sources.insert("synth/camera.rs".into(), "new".into());
    let after = plan(&suite, &data_known(&suite, &newer), &newer);
    let new = new_jobs(&before, &after);
    assert_eq!(new.len(), 3, "{new:?}");
    assert!(new.iter().all(|l| l.starts_with("data ")));
}

#[test]
fn code_is_in_the_cache_key_of_its_kind_and_in_no_comparison_key() {
    let (suite, code) = (tiny(), cpu());
    let known = data_known(&suite, &code);
    let before = plan(&suite, &known, &code);
    let changed = |source: &str| {
        let mut code = code.clone();
        let hash = code.sources.get_mut(source).unwrap();
        *hash = "changed".into();
        plan(&suite, &known, &code)
    };
    let after = changed("harness/run/score.rs");
    let new = new_jobs(&before, &after);
    assert_eq!(new.len(), 14);
    assert!(new.iter().all(|l| l.starts_with("score ")), "{new:?}");
    let after = changed("harness/train/trainer.rs");
    assert_eq!(new_jobs(&before, &after).len(), before.jobs.len() - 3);
    let comparison =
        |round: &Round| -> Vec<Key> { round.jobs.iter().map(|j| j.comparison.clone()).collect() };
    assert_eq!(comparison(&before), comparison(&after));
    let distinct: BTreeSet<Key> = comparison(&before).into_iter().collect();
    assert_eq!(distinct.len(), before.jobs.len());
}

#[test]
fn the_device_is_part_of_what_is_computed() {
    let (suite, code) = (tiny(), cpu());
    let known = data_known(&suite, &code);
    let mut cuda = code.clone();
    cuda.device = DeviceKind::Cuda;
    let (a, b) = (plan(&suite, &known, &code), plan(&suite, &known, &cuda));
    assert_eq!(new_jobs(&a, &b).len(), a.jobs.len() - 3);
}
