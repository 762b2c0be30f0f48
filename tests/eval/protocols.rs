//! What protocols promise beyond their numbers: the same bits on any number of threads, no
//! score for a collapsed model, clear errors for data that does not fit, and numbers of
//! NumPy and scikit-learn for what the parity cases leave out.

use crate::common::scoring::{faces, metric, npy_f64, npy_u32, run, try_run, write};
use frbench::Error;
use frbench::job::Description;
use frbench::job::description::{IdentificationData, PairData, TemplateData};
use frbench::job::{DataFormat, Views};
use frbench::protocol::{Embeddings, PROTOCOLS, Scored, operating};
use frbench::registry::Params;
use serde_json::json;

/// 600 pairs of 150 persons, 4 images each: images 2i and 2i + 1 of pair i are one person's
/// when i is even.
fn pairs(noise: f64) -> (Vec<f32>, PairData) {
    let faces = faces(600, 4, 16, noise, 5);
    let (mut rows, mut labels) = (Vec::new(), Vec::new());
    let mut persons = Vec::new();
    for i in 0..600 {
        let same = i % 2 == 0;
        let a = (i * 7) % 600;
        let b = if same {
            a ^ 1
        } else {
            (a + 4 + 4 * (i % 50)) % 600
        };
        for image in [a, b] {
            rows.extend_from_slice(&faces[image * 16..(image + 1) * 16]);
        }
        labels.push(same);
        persons.push(((a / 4) as u32, (b / 4) as u32));
    }
    let data = PairData {
        identities: Some(persons),
        ..PairData::packed(labels)
    };
    (rows, data)
}

fn identification(probes: &Embeddings, distractors: &Embeddings, per: usize) -> Scored {
    let data = IdentificationData {
        probe_ids: (0..probes.rows()).map(|i| (i / per) as u32).collect(),
        ..Default::default()
    };
    let parts = [
        ("probes", probes, Views::Sum),
        ("distractors", distractors, Views::Sum),
    ];
    run(
        "identification",
        Params::new(),
        &parts,
        &Description::Identification(data.clone()),
    )
}

fn with_threads<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(work)
}

#[test]
fn threads_do_not_change_a_bit() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, data) = pairs(1.2);
    let images = write(folder.path(), "images", 16, &rows);
    let probes = write(folder.path(), "probes", 33, &faces(150, 5, 33, 1.5, 1));
    let distractors = write(
        folder.path(),
        "distractors",
        33,
        &faces(5000, 1, 33, 0.0, 2),
    );
    let templates = TemplateData {
        template: (0..1200).map(|i| i / 6).collect(),
        media: (0..1200).map(|i| i / 2 % 3).collect(),
        pair_a: (0..190).collect(),
        pair_b: (0..190).map(|i| i + i % 10).collect(),
        same: (0..190).map(|i| i % 10 < 2).collect(),
        subjects: Some((0..200).map(|t| (t, t / 2)).collect()),
        ..Default::default()
    };
    let all = || {
        let unit = Params::from([
            ("norm".into(), json!("unit")),
            ("detector_score".into(), json!(false)),
        ]);
        let images = [("images", &images, Views::Original)];
        [
            run(
                "verification",
                Params::new(),
                &images,
                &Description::Pairs(data.clone()),
            ),
            run(
                "template-verification",
                unit,
                &images,
                &Description::Templates(templates.clone()),
            ),
            identification(&probes, &distractors, 5),
        ]
    };
    let one = with_threads(1, all);
    assert_eq!(one, with_threads(2, all));
    assert_eq!(one, with_threads(5, all));
    for scored in &one {
        let id = &scored.result.protocol;
        assert!(
            scored.result.metrics.iter().any(|m| m.interval.is_some()),
            "{id}"
        );
        assert!(scored.result.series["roc"].len() > 10, "{id}");
    }
}

#[test]
fn without_identities_there_is_no_interval_and_the_reader_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let images = write(folder.path(), "images", 8, &faces(80, 2, 8, 0.4, 5));
    let data = PairData::packed((0..40).map(|i| i % 2 == 0).collect());
    let scored = run(
        "verification",
        Params::from([("folds".into(), json!(4))]),
        &[("images", &images, Views::Original)],
        &Description::Pairs(data.clone()),
    );
    assert_eq!(scored.result.metrics[0].interval, None);
    let notes = &scored.result.notes;
    assert!(
        notes.iter().any(|n| n.starts_with("no interval")),
        "{notes:?}"
    );
}

#[test]
fn intervals_hold_the_value_and_narrow_with_persons() {
    let folder = tempfile::tempdir().unwrap();
    let (rows, data) = pairs(1.2);
    let images = write(folder.path(), "images", 16, &rows);
    let parts = [("images", &images, Views::Original)];
    let scored = run(
        "verification",
        Params::new(),
        &parts,
        &Description::Pairs(data.clone()),
    );
    let accuracy = &scored.result.metrics[0];
    let (low, high) = accuracy.interval.unwrap();
    assert!(
        accuracy.value > 0.7 && accuracy.value < 0.99,
        "{}",
        accuracy.value
    );
    assert!(low < accuracy.value && accuracy.value < high);
    // Independent pairs would give +-1.96 sqrt(p (1 - p) / 600); persons recur in pairs.
    let p = accuracy.value;
    let independent = 2.0 * 1.96 * (p * (1.0 - p) / 600.0).sqrt();
    assert!(
        high - low > independent && high - low < 4.0 * independent,
        "{low} {high}"
    );
}

#[test]
fn a_collapsed_model_is_not_scored() {
    let folder = tempfile::tempdir().unwrap();
    let centre = faces(1, 1, 8, 0.0, 3);
    let nearly: Vec<f32> = (0..40)
        .flat_map(|i| {
            centre
                .iter()
                .map(move |v| v * (1.0 + i as f32) + i as f32 * 1e-6)
        })
        .collect();
    let collapsed = write(folder.path(), "collapsed", 8, &nearly);
    let dead = write(folder.path(), "dead", 8, &[0.0; 320]);
    let good = write(folder.path(), "good", 8, &faces(40, 2, 8, 0.5, 4));
    let pairs = PairData::packed((0..20).map(|i| i % 2 == 0).collect());
    let ids = IdentificationData {
        probe_ids: (0..40).map(|i| i / 2).collect(),
        ..Default::default()
    };
    for bad in [&collapsed, &dead] {
        let views = Views::Sum;
        let cases = [
            (
                "verification",
                vec![("images", bad, views)],
                &Description::Pairs(pairs.clone()),
            ),
            (
                "identification",
                vec![("probes", bad, views), ("distractors", &good, views)],
                &Description::Identification(ids.clone()),
            ),
            (
                "identification",
                vec![("probes", &good, views), ("distractors", bad, views)],
                &Description::Identification(ids.clone()),
            ),
        ];
        for (name, parts, data) in cases {
            let error = try_run(name, Params::new(), &parts, data).unwrap_err();
            assert!(matches!(error, Error::Compute(_)), "{error:?}");
            assert!(error.to_string().contains("collapsed"), "{error}");
        }
    }
}

#[test]
fn data_that_does_not_fit_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let e = write(folder.path(), "e", 8, &faces(80, 2, 8, 0.5, 4));
    let same: Vec<bool> = (0..40).map(|i| i % 2 == 0).collect();
    let good = PairData::packed(same.clone());
    let none = Params::new();
    let params = |name: &str, value| Params::from([(name.to_owned(), value)]);
    let by_class = PairData::packed((0..40).map(|i| i < 20).collect());
    let fold = PairData {
        folds: Some((0..40).map(|i| i / 4 + 1).collect()),
        ..good.clone()
    };
    let person = PairData {
        identities: Some(vec![(1, 1); 40]),
        ..good.clone()
    };
    let short = PairData::packed(same[..39].to_vec());
    for (data, params, words) in [
        (
            &by_class,
            none.clone(),
            "fold 0 of 10 holds 4 genuine and 0 impostor pairs",
        ),
        (
            &fold,
            none.clone(),
            "pair 36 is in fold 10, but there are 10 folds",
        ),
        (
            &person,
            none.clone(),
            "pair 1 is of persons 1 and 1, but is marked different",
        ),
        (
            &short,
            none.clone(),
            "80 embeddings of `images`, but the data set has 78 images",
        ),
        (&good, params("folds", json!(0)), "0 folds"),
        (
            &good,
            params("folds", json!(30)),
            "40 pairs are too few for 30 folds",
        ),
        (
            &good,
            params("rule", json!("insigtface")),
            "unknown rule of verification `insigtface`; did you mean `insightface`?",
        ),
        (&good, params("fars", json!([2])), "false accept rate 2"),
        (
            &good,
            params("fars", json!("x")),
            "must be a list of numbers",
        ),
    ] {
        let parts = [("images", &e, Views::Original)];
        let error = try_run(
            "verification",
            params,
            &parts,
            &Description::Pairs(data.clone()),
        );
        let message = error.unwrap_err().to_string();
        assert!(message.contains(words), "`{message}` lacks `{words}`");
    }
    let parts = [("images", &e, Views::Original)];
    let ids = IdentificationData::default();
    let wrong = try_run(
        "verification",
        none,
        &parts,
        &Description::Identification(ids.clone()),
    );
    assert!(matches!(wrong, Err(Error::Data(_))));
    let unknown = try_run(
        "verificaton",
        Params::new(),
        &parts,
        &Description::Pairs(good.clone()),
    );
    let message = unknown.unwrap_err().to_string();
    assert!(
        message.contains("did you mean `verification`?"),
        "{message}"
    );
}

#[test]
fn noisy_rows_are_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let (dim, probes) = (8, faces(20, 4, 8, 0.3, 6));
    let mut distractors = faces(50, 1, dim, 0.0, 7);
    // A distractor that is probe 0 itself: nothing can rank above it.
    distractors[..dim].copy_from_slice(&probes[..dim]);
    let p = write(folder.path(), "p", dim, &probes);
    let d = write(folder.path(), "d", dim, &distractors);
    let score = |noisy: Vec<usize>| {
        let data = IdentificationData {
            probe_ids: (0..20).map(|i| i / 4).collect(),
            distractors: d.rows(),
            noisy_probes: vec![],
            noisy_distractors: noisy,
            ..Default::default()
        };
        let parts = [("probes", &p, Views::Sum), ("distractors", &d, Views::Sum)];
        run(
            "identification",
            Params::new(),
            &parts,
            &Description::Identification(data.clone()),
        )
    };
    let (with, without) = (score(vec![]), score(vec![0]));
    assert!(metric(&with, "rank-1") <= metric(&without, "rank-1") - 3.0 / 60.0);
    assert!(
        without
            .result
            .notes
            .iter()
            .any(|n| n.contains("1 noisy distractors"))
    );
}

#[test]
fn a_tie_favours_the_genuine_pair_and_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    // Distractor 0 equals gallery image 1 bit for bit.
    let p = write(folder.path(), "p", 3, &[0.3, 0.7, 0.1, 0.2, 0.9, 0.4]);
    let d = write(folder.path(), "d", 3, &[0.2, 0.9, 0.4, -1.0, 0.5, 0.1]);
    let scored = identification(&p, &d, 2);
    let pair = scored.result.metrics[0].value;
    // Probe 0 -> gallery 1 ties: rank 0. Probe 1 -> gallery 0 loses to its own copy.
    assert_eq!(pair, 0.5);
    assert!(
        scored
            .result
            .notes
            .iter()
            .any(|n| n.starts_with("1 distractor scores equal"))
    );
}

#[test]
fn the_table_is_sound() {
    for entry in PROTOCOLS {
        assert!(!entry.parts.is_empty() && !entry.info.source.is_empty());
        assert_ne!(entry.format, DataFormat::Train);
        for param in entry.info.params {
            assert!(!param.doc.is_empty());
        }
    }
}

#[test]
fn order_statistics() {
    let genuine = [0.9, 0.8, 0.5, 0.5, 0.1];
    let impostor = [0.7, 0.5, 0.5, 0.2, 0.2, 0.1, 0.0, 0.0, 0.0, 0.0];
    // Two may be accepted; the third highest is 0.5, tied with the second.
    let p = operating::at_far(0.2, &genuine, &impostor, 10).unwrap();
    assert_eq!((p.threshold, p.true_accepts, p.false_accepts), (0.5, 2, 1));
    assert_eq!((p.tied_genuine, p.tied_impostors), (2, 2));
    assert!(p.note().unwrap().contains("exactly at the threshold"));
    // None may: the highest impostor is the threshold, and the reader is told.
    let p = operating::at_far(0.01, &genuine, &impostor, 10).unwrap();
    assert_eq!((p.threshold, p.true_accepts, p.false_accepts), (0.7, 2, 0));
    assert!(p.note().unwrap().contains("cannot resolve"));
    assert_eq!(operating::allowed(1e-5, 100_000), 1);
    assert_eq!(operating::allowed(0.29, 100), 29);
    assert_eq!(operating::allowed(0.299, 100), 29);
    assert!(operating::at_far(0.1, &[], &impostor, 10).is_err());
    assert!(operating::at_far(0.1, &genuine, &[], 0).is_err());
}

#[test]
fn the_nearest_point_is_that_of_scikit_learn() {
    // scikit-learn 1.9.1: roc_curve(same, score) reversed, then insightface's nearest point.
    let score = |i: u32| {
        let lift = if i.is_multiple_of(5) {
            f64::from(i * 13 % 32) / 64.0
        } else {
            0.0
        };
        f64::from((i * 37 + 11) % 64) / 64.0 * 0.5 + lift
    };
    let of = |genuine: bool| {
        let mut v: Vec<f64> = (0..400)
            .filter(|i| (i % 5 == 0) == genuine)
            .map(score)
            .collect();
        operating::sort_descending(&mut v);
        v
    };
    let fars = [1e-3, 3e-3, 0.01, 0.05, 0.1, 0.25];
    let want = [(37, 0), (37, 0), (38, 5), (40, 14), (44, 30), (54, 80)];
    let got = operating::at_nearest_far(&of(true), &of(false), &fars).unwrap();
    for (got, want) in got.iter().zip(want) {
        assert_eq!((got.true_accepts, got.false_accepts), want);
    }
    assert!(operating::at_nearest_far(&[], &[0.1], &fars).is_err());
}

#[test]
fn a_sweep_in_many_batches_is_exact() {
    const DIM: usize = 33;
    let folder = tempfile::tempdir().unwrap();
    let (probes, distractors) = (faces(150, 5, DIM, 1.5, 1), faces(5000, 1, DIM, 0.0, 2));
    let p = write(folder.path(), "p", DIM, &probes);
    let d = write(folder.path(), "d", DIM, &distractors);
    let scored = identification(&p, &d, 5);

    let dot = |a: &[f32], b: &[f32]| {
        let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
        products.fold(0.0, |sum, v| sum + v)
    };
    let norms =
        |rows: &[f32]| -> Vec<f64> { rows.chunks(DIM).map(|r| 1.0 / dot(r, r).sqrt()).collect() };
    let (pn, dn) = (norms(&probes), norms(&distractors));
    let mut impostors = Vec::with_capacity(150 * 5000);
    let mut ranks = Vec::new();
    for (i, a) in probes.chunks(DIM).enumerate() {
        let row: Vec<f64> = distractors
            .chunks(DIM)
            .zip(&dn)
            .map(|(b, n)| dot(a, b) * (pn[i] * n))
            .collect();
        for (j, b) in probes.chunks(DIM).enumerate() {
            if i != j && i / 5 == j / 5 {
                let genuine = dot(a, b) * (pn[i] * pn[j]);
                ranks.push(row.iter().filter(|&&s| s > genuine).count() as u32);
            }
        }
        impostors.extend(row);
    }
    impostors.sort_by(|a, b| b.total_cmp(a));
    assert_eq!(npy_u32(&scored, "pair_rank.npy"), ranks);
    // The largest of the default rates is 1e-3: 750 false accepts and the threshold.
    assert_eq!(npy_f64(&scored, "impostor_tail.npy"), impostors[..751]);
    assert!(ranks.contains(&0) && ranks.iter().any(|&r| r > 100));
}
