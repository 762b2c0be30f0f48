//! Rules and options that suites ask for by name, against literal re-statements.

use crate::common::scoring::{faces, metric, npy_f64, npy_u32, run, try_run, write};
use frbench::job::Description;
use frbench::job::Views;
use frbench::job::description::{GalleryData, IdentificationData, PairData};
use frbench::protocol::{Embeddings, Scored};
use frbench::registry::Params;
use frbench::rng::Stream;
use serde_json::json;

const DIM: usize = 6;

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 {
        a.iter()
            .zip(b)
            .map(|(a, b)| f64::from(*a) * f64::from(*b))
            .sum()
    };
    let norm = (dot(a, a) * dot(b, b)).sqrt();
    if norm > 0.0 { dot(a, b) / norm } else { 0.0 }
}

fn rows(flat: &[f32]) -> Vec<&[f32]> {
    flat.chunks(DIM).collect()
}

fn params(list: &[(&str, serde_json::Value)]) -> Params {
    let owned = list.iter().map(|(k, v)| (k.to_string(), v.clone()));
    owned.collect()
}

/// 12 people are searched, of whom the gallery knows 7; some are enrolled more than once, and there
/// are distractors.
#[test]
fn open_sets_are_as_loops_find_them() {
    let folder = tempfile::tempdir().unwrap();
    // Of each person 5 images are searched; 5 are enrolled of those who are known.
    let images = faces(120, 10, DIM, 0.9, 3);
    let take = |of: &[usize]| -> Vec<f32> {
        let rows = of.iter().flat_map(|i| &images[i * DIM..][..DIM]);
        rows.copied().collect()
    };
    let searched: Vec<usize> = (0..120).filter(|i| i % 10 < 5).collect();
    let mut enrolled: Vec<usize> = (0..70).filter(|i| i % 10 >= 5).collect();
    // Some of the strangers are there under another name.
    enrolled.extend([75, 76, 87, 99, 119]);
    let (probes, gallery) = (take(&searched), take(&enrolled));
    let known_as = |i: &usize| if *i < 70 { (i / 10) as u32 } else { 90 };
    let gallery_ids: Vec<u32> = enrolled.iter().map(known_as).collect();
    let distractors = faces(40, 1, DIM, 0.0, 8);
    let e = |name: &str, rows: &[f32]| write(folder.path(), name, DIM, rows);
    let (p, g, d) = (e("p", &probes), e("g", &gallery), e("d", &distractors));
    let probe_ids: Vec<u32> = (0..60).map(|i| i / 5).collect();
    let data = Description::Gallery(GalleryData {
        probe_ids: probe_ids.clone(),
        gallery_ids: gallery_ids.clone(),
        distractors: 40,
        ..Default::default()
    });
    let all: Vec<(u32, &[f32])> = gallery_ids
        .iter()
        .copied()
        .zip(rows(&gallery))
        .chain(rows(&distractors).into_iter().map(|row| (u32::MAX, row)))
        .collect();
    let mut known: Vec<(f64, usize)> = Vec::new();
    let mut unknown: Vec<f64> = Vec::new();
    for (row, person) in rows(&probes).into_iter().zip(&probe_ids) {
        let scores: Vec<(u32, f64)> = all.iter().map(|(id, r)| (*id, cosine(row, r))).collect();
        let own = scores.iter().filter(|s| s.0 == *person).map(|s| s.1);
        match own.reduce(f64::max) {
            Some(best) => {
                let before = scores.iter().filter(|s| s.0 != *person && s.1 >= best);
                known.push((best, before.count()));
            }
            None => unknown.push(scores.iter().map(|s| s.1).fold(-2.0, f64::max)),
        }
    }
    unknown.sort_by(|a, b| b.total_cmp(a));
    let n = unknown.len();
    assert_eq!((known.len(), n), (35, 25));
    for rule in ["bob", "insightface"] {
        let asked = params(&[
            ("rule", json!(rule)),
            ("fpirs", json!([0.04, 0.2, 0.5])),
            ("ranks", json!([1, 3])),
        ]);
        let parts = [
            ("probes", &p, Views::Sum),
            ("gallery", &g, Views::Sum),
            ("distractors", &d, Views::Sum),
        ];
        let scored = run("open-set-identification", asked, &parts, &data);
        for (fpir, id) in [(0.04, "4e-2"), (0.2, "2e-1"), (0.5, "5e-1")] {
            let allowed = (n as f64 * fpir) as usize;
            // Scores differ here, so that a threshold accepts as many as are above its place.
            let threshold = match rule {
                "bob" => unknown[allowed - 1] - 1e-12,
                _ => unknown[allowed.max(1) - 1] + 1e-12,
            };
            for (rank, suffix) in [(1, ""), (3, "/rank-3")] {
                let hits = known
                    .iter()
                    .filter(|k| k.0 > threshold && k.1 < rank)
                    .count();
                let got = metric(&scored, &format!("tpir@fpir={id}{suffix}"));
                assert_eq!(got, hits as f64 / 35.0, "{rule} {fpir} {rank}");
            }
        }
        let found = known.iter().filter(|k| k.1 < 3).count();
        assert_eq!(metric(&scored, "rank-3"), found as f64 / 35.0);
        assert!(scored.result.metrics[0].interval.is_some());
        assert!(scored.result.series["dir"].len() > 3);
    }
}

fn identification(
    (p, d): (&Embeddings, &Embeddings),
    data: &IdentificationData,
    more: &[(&str, serde_json::Value)],
) -> frbench::Result<Scored> {
    let mut asked = params(&[("fars", json!([0.02, 0.3])), ("ranks", json!([1, 3]))]);
    asked.extend(params(more));
    let parts = [("probes", p, Views::Sum), ("distractors", d, Views::Sum)];
    try_run(
        "identification",
        asked,
        &parts,
        &Description::Identification(data.clone()),
    )
}

/// A vector of length 1.
fn unit(row: &[f32]) -> Vec<f64> {
    let norm = row
        .iter()
        .map(|v| f64::from(*v).powi(2))
        .sum::<f64>()
        .sqrt();
    row.iter().map(|v| f64::from(*v) / norm).collect()
}

/// Noisy probes, noisy distractors and all others as FaceX-Zoo fills them: the sum of the person's
/// other vectors, and zeros.
#[test]
fn treatments_of_noise_are_those_of_their_scorers() {
    let folder = tempfile::tempdir().unwrap();
    let (mut probes, mut distractors) = (faces(40, 5, DIM, 1.1, 3), faces(60, 1, DIM, 0.0, 8));
    let (p, d) = (
        write(folder.path(), "p", DIM, &probes),
        write(folder.path(), "d", DIM, &distractors),
    );
    let data = IdentificationData {
        probe_ids: (0..40).map(|i| i / 5).collect(),
        distractors: 60,
        noisy_probes: vec![3, 12],
        noisy_distractors: vec![0, 7, 30],
        ..Default::default()
    };
    let zoo = identification((&p, &d), &data, &[("noise", json!("facex-zoo"))]).unwrap();
    assert_eq!(
        zoo.result.protocol,
        "identification/megaface/noise-facex-zoo"
    );
    for i in [3usize, 12] {
        let of = i / 5 * 5..i / 5 * 5 + 5;
        let mut sum = [0.0; DIM];
        for j in of.filter(|j| *j != i) {
            let row = unit(rows(&probes)[j]);
            sum.iter_mut().zip(row).for_each(|(s, v)| *s += v);
        }
        probes[i * DIM..][..DIM].copy_from_slice(&sum.map(|v| v as f32));
    }
    for i in [0usize, 7, 30] {
        distractors[i * DIM..][..DIM].fill(0.0);
    }
    let (mut ranks, mut genuine) = (Vec::new(), Vec::new());
    for i in 0..40 {
        for j in (i / 5 * 5..i / 5 * 5 + 5).filter(|j| *j != i) {
            let score = cosine(rows(&probes)[i], rows(&probes)[j]);
            let above = rows(&distractors)
                .into_iter()
                .filter(|d| cosine(rows(&probes)[i], d) > score + 1e-12);
            ranks.push(above.count() as u32);
            genuine.push(score);
        }
    }
    assert_eq!(npy_u32(&zoo, "pair_rank.npy"), ranks);
    let mut impostor: Vec<f64> = rows(&probes)
        .iter()
        .flat_map(|p| {
            rows(&distractors)
                .into_iter()
                .map(|d| cosine(p, d))
                .collect::<Vec<_>>()
        })
        .collect();
    impostor.sort_by(|a, b| b.total_cmp(a));
    for (far, id) in [(0.02, "tar@far=2e-2"), (0.3, "tar@far=3e-1")] {
        let t = impostor[(far * impostor.len() as f64 + 1e-9) as usize];
        let hits = genuine.iter().filter(|g| **g > t + 1e-12).count();
        assert_eq!(metric(&zoo, id), hits as f64 / genuine.len() as f64, "{id}");
    }
    // A rate that reaches down among the zeros.
    let all = identification(
        (&p, &d),
        &data,
        &[("noise", json!("facex-zoo")), ("fars", json!([0.9]))],
    );
    let tail = npy_f64(&all.unwrap(), "impostor_tail.npy");
    assert!(
        tail.iter()
            .zip(&impostor)
            .all(|(a, b)| (a - b).abs() < 1e-9)
    );
    assert_eq!(tail.iter().filter(|s| **s == 0.0).count(), 40 * 3);

    // Under the devkit's scorer a filled distractor never ranks: probes aside, as without it.
    let devkit = identification((&p, &d), &data, &[("noise", json!("insightface"))]).unwrap();
    let again = identification((&p, &d), &data, &[("noise", json!("insightface"))]).unwrap();
    assert_eq!(devkit, again, "the jitter has a seed");
    assert_eq!(npy_u32(&devkit, "pair_rank.npy").len(), 160);
    let clean = IdentificationData {
        noisy_probes: vec![],
        ..data.clone()
    };
    let filled = identification((&p, &d), &clean, &[("noise", json!("cavaface"))]).unwrap();
    let dropped = identification((&p, &d), &clean, &[]).unwrap();
    assert_eq!(
        npy_u32(&filled, "pair_rank.npy"),
        npy_u32(&dropped, "pair_rank.npy")
    );
    assert_eq!(dropped.result.protocol, "identification/megaface");

    let alone = IdentificationData {
        noisy_probes: vec![0, 1, 2, 3, 4],
        ..data
    };
    let message = identification((&p, &d), &alone, &[("noise", json!("cavaface"))]);
    let message = message.unwrap_err().to_string();
    assert!(
        message.contains("no other probe that could stand for it"),
        "{message}"
    );
}

#[test]
fn the_curve_of_the_devkit_is_read_as_it_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let (probes, distractors) = (faces(130, 5, DIM, 1.0, 3), faces(80, 1, DIM, 0.0, 8));
    let (p, d) = (
        write(folder.path(), "p", DIM, &probes),
        write(folder.path(), "d", DIM, &distractors),
    );
    let data = IdentificationData {
        probe_ids: (0..130).map(|i| i / 5).collect(),
        distractors: 80,
        ..Default::default()
    };
    let scored = identification((&p, &d), &data, &[("devkit", json!(true))]).unwrap();
    // All scores with their labels, genuine before impostor where they are equal.
    let mut all: Vec<(f64, u8)> = Vec::new();
    for i in 0..130 {
        for j in i + 1..i / 5 * 5 + 5 {
            all.push((cosine(rows(&probes)[i], rows(&probes)[j]), 1));
        }
    }
    let pairs = all.len() as f64;
    for probe in &rows(&probes)[..100] {
        all.extend(rows(&distractors).iter().map(|d| (cosine(probe, d), 0)));
    }
    all.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
    let mut points = vec![(0.0, 0.0)];
    let (mut tar, mut far, mut last) = (0.0, 0.0, 0.0);
    for (_, label) in &all {
        match label {
            1 => tar += 1.0,
            _ => far += 1.0,
        }
        if tar / pairs - last > 0.01 {
            points.push((far / 8000.0, tar / pairs));
            last = tar / pairs;
        }
    }
    points.push((1.0, 1.0));
    for (far, id) in [(0.02, "devkit/tar@far=2e-2"), (0.3, "devkit/tar@far=3e-1")] {
        let next = points.iter().position(|p| p.0 > far).unwrap();
        let (a, b) = (points[next - 1], points[next]);
        let want = a.1 + (far - a.0) * (b.1 - a.1) / (b.0 - a.0);
        let got = metric(&scored, id);
        assert!((got - want).abs() < 1e-9, "{id}: {got}, want {want}");
        let exact = metric(&scored, id.strip_prefix("devkit/").unwrap());
        assert!((got - exact).abs() < 0.1 && got != exact);
    }
}

/// Rates of errors of pairs against loops over all thresholds, with ties.
#[test]
fn rates_of_errors_are_as_loops_find_them() {
    let folder = tempfile::tempdir().unwrap();
    let mut draw = Stream::derive(4, "grid", &[]);
    // Few directions, so that cosines are often equal.
    let images: Vec<f32> = (0..400)
        .flat_map(|i| {
            let own = if i % 2 == 0 { 1.0 } else { 2.0 };
            [
                own,
                draw.below(4) as f32,
                draw.below(4) as f32,
                1.0,
                0.0,
                0.0,
            ]
        })
        .collect();
    let e = write(folder.path(), "e", DIM, &images);
    let same: Vec<bool> = (0..200).map(|i| i % 4 == 0).collect();
    let data = Description::Pairs(PairData {
        identities: Some(
            same.iter()
                .zip(0..)
                .map(|(s, i)| (i, if *s { i } else { 1000 + i }))
                .collect(),
        ),
        ..PairData::packed(same.clone())
    });
    let asked = params(&[
        ("folds", json!(5)),
        ("fmrs", json!([0.05, 0.3])),
        ("fmr_rule", json!("nearest")),
        ("eer", json!("bob")),
        ("resamples", json!(200)),
    ]);
    let scored = run(
        "verification",
        asked,
        &[("images", &e, Views::Original)],
        &data,
    );
    // Of 150 impostor pairs; the EER has no trials.
    let trials = scored.evidence.iter().find(|e| e.0 == "trials.csv");
    let trials = String::from_utf8(trials.unwrap().1.clone()).unwrap();
    let ends = "fnmr@fmr=5e-2,7,200\nfnmr@fmr=3e-1,45,200\n";
    assert!(trials.ends_with(ends), "{trials}");
    let similarity = npy_f64(&scored, "pair_similarity.npy");
    let of = |class: bool| -> Vec<f64> {
        let pairs = similarity.iter().zip(&same).filter(|p| *p.1 == class);
        pairs.map(|p| *p.0).collect()
    };
    let (genuine, impostor) = (of(true), of(false));
    let mut thresholds = similarity.clone();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    assert!(
        thresholds.len() < 190,
        "{} distinct scores",
        thresholds.len()
    );
    let share = |s: &[f64], of: &dyn Fn(f64) -> bool| {
        s.iter().filter(|s| of(**s)).count() as f64 / s.len() as f64
    };
    let fmr = |t: f64| share(&impostor, &|s| s >= t);
    let fnmr = |t: f64| share(&genuine, &|s| s < t);
    for (target, id) in [(0.05, "fnmr@fmr=5e-2"), (0.3, "fnmr@fmr=3e-1")] {
        let mut best = thresholds[0];
        for &t in &thresholds {
            if (fmr(t) - target).abs() < (fmr(best) - target).abs() {
                best = t;
            }
        }
        assert_eq!(metric(&scored, id), fnmr(best), "{id}");
    }
    let middles = thresholds.windows(2).map(|w| (w[0] + w[1]) / 2.0);
    let gaps = [thresholds[0]].into_iter().chain(middles);
    let least = gaps.map(|t| (fmr(t) - fnmr(t)).abs()).fold(2.0, f64::min);
    let eer = scored.result.metrics.last().unwrap();
    assert_eq!(eer.id, "eer");
    let half = thresholds
        .windows(2)
        .map(|w| (w[0] + w[1]) / 2.0)
        .filter(|t| ((fmr(*t) - fnmr(*t)).abs() - least).abs() < 1e-12)
        .map(|t| (fmr(t) + fnmr(t)) / 2.0);
    let candidates: Vec<f64> = half.collect();
    assert!(
        candidates.iter().any(|h| (h - eer.value).abs() < 1e-12),
        "{candidates:?} {}",
        eer.value
    );
    let (low, high) = eer.interval.unwrap();
    assert!(low < eer.value && eer.value < high);
}
