//! Trainings on the images that another network keeps.

use crate::tiny::*;
use frbench::job::JobSpec;
use frbench::plan::{Kind, Selection, select};
use frbench::suite::Resolved;

/// `tiny` with a student that is trained on what the teacher's kind of network keeps.
fn keeping(degrees: &str) -> Resolved {
    changed(
        "training = \"short\"\n\n[[baseline]]",
        &format!(
            "training = \"short\"\nkeep = {{ by = \"teacher\", degrees = {degrees} }}\n\n[[baseline]]"
        ),
    )
}

#[test]
fn a_training_on_kept_images_builds_on_the_network_that_keeps_them() {
    let suite = keeping("75.0");
    let keep = suite.rows[1].keep.unwrap();
    assert_eq!((keep.by, keep.degrees), (0, 75.0));
    let round = full(&suite);
    assert!(is_ordered(&round.jobs));
    // The judge is trained with the seed of the student, whatever its own seeds are.
    let student = new_jobs(&full(&tiny()), &round);
    let of_seed = |seed: u64| -> Vec<String> {
        let all = student
            .iter()
            .filter(|l| l.contains(&format!("seed {seed}")));
        all.cloned().collect()
    };
    for seed in [1, 2] {
        let want = [
            format!("derive kept-images by teacher seed {seed}"),
            format!("embed student seed {seed} synth-lfw-60-v1 images"),
            format!("embed teacher seed {seed} synth-train-40x6-v1 images"),
            format!("score student seed {seed} synth-lfw-60-v1/ten-fold"),
            format!("train student seed {seed}"),
            format!("train teacher seed {seed}"),
        ];
        assert_eq!(of_seed(seed), want);
    }
    assert_eq!(student.len(), 12);
    let job = |label: &str| round.jobs.iter().find(|j| j.label == label).unwrap();
    let JobSpec::Train(train) = &job("train student seed 2").spec else {
        panic!("no training");
    };
    let kept = &job("derive kept-images by teacher seed 2").key;
    assert_eq!(train.derived.get("kept-images"), Some(kept));

    // Another angle judges anew, with the same network; the same angle is the same job.
    let other = new_jobs(&round, &full(&keeping("60.0")));
    assert_eq!(other.len(), 2 * 4);
    assert!(
        !other.iter().any(|l| l.starts_with("train teacher")),
        "{other:?}"
    );
    assert!(new_jobs(&round, &full(&keeping("75"))).is_empty());

    // Alone, it brings the judge along, unscored.
    let selection = Selection {
        only: vec!["student".into()],
        seeds: vec![2],
    };
    let some = full(&select(suite, &selection).unwrap());
    assert!(new_jobs(&round, &some).is_empty());
    assert_eq!(count(&some.jobs, Kind::Train), 2);
    assert_eq!(count(&some.jobs, Kind::Score), 1);
}
