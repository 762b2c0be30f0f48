//! What is planned, and what keys depend on.

use frbench::job::result::{DataResult, JobResult};
use frbench::job::{BalancedSpec, DataSource, Job, JobSpec};
use frbench::key::Key;
use frbench::plan::{Code, Kind, Known, Round, Selection, outlook, plan, select};
use frbench::suite::resolve::Row;
use frbench::suite::source::Source;
use frbench::suite::{Resolved, parse, resolve, validate};
use frbench::{build, embedded};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const TINY: &str = include_str!("../suites/tiny.toml");

/// With the identity of every data set open, whatever happens to be pinned.
/// Whether every job comes after the jobs it needs and none is there twice.
fn is_ordered(jobs: &[Job]) -> bool {
    let mut before = BTreeSet::new();
    jobs.iter()
        .all(|j| j.needs.iter().all(|n| before.contains(n)) && before.insert(&j.key))
}

fn resolved(text: &str, profile: &str) -> Resolved {
    let suite = parse(Source::new("tiny.toml", text)).unwrap();
    let mut suite = resolve(&suite, profile, &embedded::catalogue(None).unwrap()).unwrap();
    for row in &mut suite.rows {
        row.data.identity = None;
        if let DataSource::Noisy(noisy) = &mut row.data.source {
            noisy.base.identity = None;
        }
    }
    suite
        .columns
        .iter_mut()
        .for_each(|c| c.data.identity = None);
    suite
}

fn tiny() -> Resolved {
    resolved(TINY, "demo")
}

fn changed(from: &str, to: &str) -> Resolved {
    assert!(TINY.contains(from), "`{from}` is not in the suite");
    resolved(&TINY.replacen(from, to, 1), "demo")
}

/// Results of all data jobs, each with an identity of its own.
fn data_known(suite: &Resolved, code: &Code) -> Known {
    let jobs = outlook(suite, &Known::default(), code).jobs;
    let results = jobs.into_iter().filter_map(|job| match &job.spec {
        JobSpec::Data(spec) => Some((job.key, data_result(&spec.name, &spec.name))),
        _ => None,
    });
    Known {
        results: results.collect(),
    }
}

fn data_result(name: &str, pixels: &str) -> JobResult {
    JobResult::Data(DataResult {
        name: name.to_string(),
        files: Vec::new(),
        pixels_sha256: Key::of(&pixels).0,
        decoder: String::new(),
        images: 0,
        identities: 0,
        counts: BTreeMap::new(),
        notes: Vec::new(),
    })
}

fn full(suite: &Resolved) -> Round {
    let code = build::code();
    plan(suite, &data_known(suite, &code), &code)
}

fn count(jobs: &[Job], kind: Kind) -> usize {
    jobs.iter()
        .filter(|j| frbench::plan::keys::kind(&j.spec) == kind)
        .count()
}

/// Keys by label. Labels of jobs that several rows share are those of the first row.
fn keys(round: &Round) -> BTreeMap<String, Key> {
    let jobs = round.jobs.iter();
    jobs.map(|j| (j.label.clone(), j.key.clone())).collect()
}

/// Labels of jobs whose key is not among those of `before`.
fn new_jobs(before: &Round, after: &Round) -> BTreeSet<String> {
    let known: BTreeSet<&Key> = before.jobs.iter().map(|j| &j.key).collect();
    let new = after.jobs.iter().filter(|j| !known.contains(&j.key));
    new.map(|j| j.label.clone()).collect()
}

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
    let (suite, code) = (tiny(), build::code());
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
fn pinned_identities_need_no_first_round_and_no_other_key() {
    let (suite, code) = (tiny(), build::code());
    let mut pinned = suite.clone();
    let identity = |name: &str| Some(Key::of(&name).0);
    for row in &mut pinned.rows {
        row.data.identity = identity(&row.data.name);
    }
    for column in &mut pinned.columns {
        column.data.identity = identity(&column.data.name);
    }
    let round = plan(&pinned, &Known::default(), &code);
    assert!(round.finished);
    assert_eq!(keys(&round), keys(&full(&suite)));
}

#[test]
fn plans_are_stable() {
    assert_eq!(full(&tiny()), full(&tiny()));
    // Words change no number.
    let renamed = changed("label = \"FCD\"", "label = \"Feature consistency\"");
    assert_eq!(keys(&full(&renamed)), keys(&full(&tiny())));
}

/// The head of a row of `tiny` after a change.
fn head(from: &str, to: &str, row: &str) -> serde_json::Value {
    let suite = changed(from, to);
    let row = suite.rows.into_iter().find(|r| r.id == row).unwrap();
    serde_json::to_value(row.head.unwrap().params).unwrap()
}

#[test]
fn a_preset_stands_for_its_constants() {
    let stated = "{ name = \"arcface\", s = 64.0, m = 0.5 }";
    // Whatever constants are called, equal ones are one job.
    for same in [
        "{ name = \"arcface\", preset = \"paper\" }",
        "{ name = \"arcface\", preset = \"boundaryface\", s = 64.0 }",
        "{ name = \"arcface\", s = 64.0, preset = \"boundaryface\" }",
    ] {
        assert_eq!(
            keys(&full(&changed(stated, same))),
            keys(&full(&tiny())),
            "{same}"
        );
    }
    let other = changed(stated, "{ name = \"arcface\", preset = \"boundaryface\" }");
    assert!(!new_jobs(&full(&tiny()), &full(&other)).is_empty());

    let overridden = |head: &str| {
        format!("[profile.demo.override.student]\n{head}\n\n[profile.demo.network.large]")
    };
    let over = |base: &str, over: &str| {
        let text = TINY.replace(stated, base);
        let text = text.replacen("[profile.demo.network.large]", &overridden(over), 1);
        let row = resolved(&text, "demo").rows.remove(1);
        serde_json::to_value(row.head.unwrap().params).unwrap()
    };
    // A preset replaces all that was stated before; a constant replaces itself.
    let easy = "{ name = \"arcface\", preset = \"sv-x-softmax\" }";
    assert_eq!(
        over(easy, "head = { preset = \"paper\" }"),
        json!({"s": 64, "m": 0.5})
    );
    assert_eq!(
        over(stated, "head = { preset = \"sv-x-softmax\", m = 0.4 }"),
        json!({"s": 32, "m": 0.4, "easy_margin": true})
    );
    assert_eq!(
        over(easy, "head = { m = 0.3 }"),
        json!({"s": 32, "m": 0.3, "easy_margin": true})
    );
    assert_eq!(
        head(
            stated,
            "{ name = \"adaface\", preset = \"recipe\", h = 0.2 }",
            "teacher"
        ),
        json!({"s": 64, "m": 0.4, "h": 0.2, "t_alpha": 0.01})
    );
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

#[test]
fn the_heads_suite_drops_and_retrains() {
    let (_, text) = embedded::SUITES
        .iter()
        .find(|(n, _)| *n == "heads")
        .unwrap();
    let full = resolved(text, "full");
    let kept = full.rows.iter().find(|r| r.keep.is_some()).unwrap();
    let keep = kept.keep.unwrap();
    let judge = &full.rows[keep.by];
    assert_eq!(keep.degrees, 75.0);
    assert_eq!(judge.head.as_ref().unwrap().name, "subcenter-arcface");
    // The paper's second training has one centre per class and the same margin.
    let head = kept.head.as_ref().unwrap();
    assert_eq!(head.name, "arcface");
    for constant in ["s", "m"] {
        let of = |row: &Row| row.head.as_ref().unwrap().params[constant].as_f64();
        assert_eq!(of(kept), of(judge), "{constant}");
    }
    assert_eq!(
        (&kept.schedule, &kept.backbone),
        (&judge.schedule, &judge.backbone)
    );
    assert_eq!(kept.seeds, judge.seeds);
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
    };
    assert_eq!(
        suite.rows[0].balanced, None,
        "the teacher has another recipe"
    );
    assert!(suite.rows[1..].iter().all(|r| r.balanced == Some(wanted)));
    let new = new_jobs(&full(&tiny()), &full(&suite));
    assert_eq!(new.iter().filter(|l| l.starts_with("train")).count(), 5 * 2);
    assert!(!new.iter().any(|l| l.contains("teacher")), "{new:?}");
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
    let (suite, code) = (tiny(), build::code());
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
    newer.kinds.get_mut(&Kind::Data).unwrap().sources = "new".into();
    let after = plan(&suite, &data_known(&suite, &newer), &newer);
    let new = new_jobs(&before, &after);
    assert_eq!(new.len(), 3, "{new:?}");
    assert!(new.iter().all(|l| l.starts_with("data ")));
}

#[test]
fn code_is_in_the_cache_key_of_its_kind_and_in_no_comparison_key() {
    let (suite, code) = (tiny(), build::code());
    let known = data_known(&suite, &code);
    let before = plan(&suite, &known, &code);
    let changed = |kind: Kind| {
        let mut code = code.clone();
        code.kinds.get_mut(&kind).unwrap().sources = "changed".into();
        plan(&suite, &known, &code)
    };
    let after = changed(Kind::Score);
    let new = new_jobs(&before, &after);
    assert_eq!(new.len(), 14);
    assert!(new.iter().all(|l| l.starts_with("score ")), "{new:?}");
    let after = changed(Kind::Train);
    assert_eq!(new_jobs(&before, &after).len(), before.jobs.len() - 3);
    let comparison =
        |round: &Round| -> Vec<Key> { round.jobs.iter().map(|j| j.comparison.clone()).collect() };
    assert_eq!(comparison(&before), comparison(&after));
    let distinct: BTreeSet<Key> = comparison(&before).into_iter().collect();
    assert_eq!(distinct.len(), before.jobs.len());
}

#[test]
fn the_device_is_part_of_what_is_computed() {
    let (suite, code) = (tiny(), build::code());
    let known = data_known(&suite, &code);
    let mut cuda = code.clone();
    cuda.device = "cuda";
    let (a, b) = (plan(&suite, &known, &code), plan(&suite, &known, &cuda));
    assert_eq!(new_jobs(&a, &b).len(), a.jobs.len() - 3);
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
fn every_embedded_suite_is_valid_in_every_profile() {
    let known = embedded::catalogue(None).unwrap();
    for (name, text) in embedded::SUITES {
        let suite = parse(Source::new(*name, *text)).unwrap();
        validate(&suite, &known).unwrap();
        assert_eq!(suite.name, *name);
        for profile in &suite.profiles {
            let round = outlook(
                &resolve(&suite, &profile.id, &known).unwrap(),
                &Known::default(),
                &build::code(),
            );
            assert!(is_ordered(&round.jobs), "{name} {}", profile.id.value);
        }
    }
}

#[test]
fn coupleface_demo_trains_what_it_promises() {
    let (_, text) = embedded::SUITES
        .iter()
        .find(|(n, _)| *n == "coupleface")
        .unwrap();
    let suite = parse(Source::new("coupleface.toml", *text)).unwrap();
    let demo = resolve(&suite, "demo", &embedded::catalogue(None).unwrap()).unwrap();
    let rows: Vec<(&str, usize)> = demo
        .rows
        .iter()
        .map(|r| (r.id.as_str(), r.seeds.len()))
        .collect();
    assert_eq!(
        rows,
        [
            ("teacher", 1),
            ("student", 3),
            ("fcd", 3),
            ("coupleface", 3),
            ("coupleface-plus", 3)
        ]
    );
    let students = || demo.rows.iter().skip(1);
    // Compared methods train the same network on the same images in the same batches; those
    // that learn from the teacher, at the same rates, too.
    let material = |r: &Row| {
        (
            r.backbone.clone(),
            r.input.clone(),
            r.schedule.length,
            r.schedule.decay.clone(),
            r.batch,
            r.flip,
        )
    };
    assert!(students().all(|r| material(r) == material(&demo.rows[1])));
    let distilled = || students().skip(1);
    assert!(distilled().all(|r| {
        let first = &demo.rows[2];
        (&r.schedule, &r.optimizer) == (&first.schedule, &first.optimizer)
    }));
    assert!(students().all(|r| r.backbone.embedding == demo.rows[0].backbone.embedding));
}

/// What both demos have in common is one job: whoever ran one has most of the other.
#[test]
fn the_distillation_demo_shares_its_networks_with_coupleface() {
    let known = embedded::catalogue(None).unwrap();
    let jobs = |suite: &str| -> BTreeMap<String, Key> {
        let (_, text) = embedded::SUITES.iter().find(|(n, _)| *n == suite).unwrap();
        let suite = parse(Source::new(suite, *text)).unwrap();
        let demo = resolve(&suite, "demo", &known).unwrap();
        let jobs = outlook(&demo, &Known::default(), &build::code()).jobs;
        jobs.into_iter().map(|j| (j.label, j.key)).collect()
    };
    let (theirs, ours) = (jobs("coupleface"), jobs("distillation"));
    for row in ["teacher", "student", "fcd", "coupleface"] {
        let of_row = |label: &&String| label.contains(&format!(" {row} seed"));
        let shared: Vec<&String> = theirs.keys().filter(of_row).collect();
        assert!(shared.iter().any(|l| l.starts_with("train")), "{row}");
        assert!(shared.iter().any(|l| l.starts_with("score")), "{row}");
        for label in shared {
            assert_eq!(theirs.get(label), ours.get(label), "{label}");
        }
    }
    let trained = |jobs: &BTreeMap<String, Key>| -> usize {
        jobs.keys().filter(|l| l.starts_with("train")).count()
    };
    // The teacher, and six students of three seeds.
    assert_eq!(trained(&ours), 1 + 6 * 3);
}

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
    assert_eq!(row("teacher").condition, None);
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
        row("student@noisy").data.name,
        "synth-train-40x6-v1+c30-seed4"
    );
    assert_eq!(row("student@noisy").input.degrade, None);
    assert_eq!(row("student@small").data.name, "synth-train-40x6-v1");
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
fn a_loss_that_is_declared_and_empty_has_a_row_and_no_jobs() {
    let loss = "{ name = \"horkd\" }";
    let fcd = "{ name = \"fcd\", normalize = true }";
    let empty = format!("{{ name = \"distill\", losses = [{loss}] }}");
    let text = TINY.replacen(fcd, &empty, 1);
    assert!(text.contains(loss));
    let suite = resolved(&text, "demo");
    let row = suite.rows.iter().find(|r| r.entry == "fcd").unwrap();
    let reason = frbench::distill::declared("horkd").unwrap().reason;
    let note = row.note.as_deref().unwrap();
    assert!(note.contains(reason), "{note}");
    let selected = select(suite.clone(), &Selection::default()).unwrap();
    let round = outlook(&selected, &Known::default(), &build::code());
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

#[test]
fn a_noisy_set_is_made_once_its_parts_are_known() {
    let suite = conditioned();
    let code = build::code();
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
    let third = plan(&suite, &known("a", &second), &code);
    assert!(third.finished);
    assert!(is_ordered(&third.jobs));
    assert_eq!(noisy(&third).key, noisy(&second).key);
}
