//! The protocols against slow, literal re-statements of their definitions, on small random
//! cases with many ties.

use crate::common::scoring::{metric, npy_f64, npy_u32, run, write};
use frbench::job::Views;

use frbench::job::Description;
use frbench::job::description::{IdentificationData, PairData, TemplateData};
use frbench::registry::Params;
use proptest::prelude::*;
use serde_json::json;

const DIM: usize = 3;

/// Rows of small whole numbers: equal and parallel vectors, hence ties, are frequent.
fn rows(
    count: impl Into<proptest::collection::SizeRange>,
) -> impl Strategy<Value = Vec<[i8; DIM]>> {
    // The first coordinate keeps rows away from zero, the second keeps them apart.
    proptest::collection::vec([1i8..4, -2i8..3, -2i8..3], count)
}

fn flat(rows: &[[i8; DIM]]) -> Vec<f32> {
    rows.iter().flatten().map(|&v| f32::from(v)).collect()
}

fn alike(rows: &[[i8; DIM]]) -> bool {
    let unit = |r: &[i8; DIM]| {
        let n = r.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
        r.map(|v| f64::from(v) / n)
    };
    rows.iter()
        .all(|r| (0..DIM).all(|k| (unit(r)[k] - unit(&rows[0])[k]).abs() < 1e-9))
}

/// The cosine as the definition states it, from f32 inputs in f64.
fn cosine(a: &[i8; DIM], b: &[i8; DIM]) -> f64 {
    let dot = |a: &[i8; DIM], b: &[i8; DIM]| {
        (0..DIM)
            .map(|k| f64::from(a[k]) * f64::from(b[k]))
            .sum::<f64>()
    };
    dot(a, b) * ((1.0 / dot(a, a).sqrt()) * (1.0 / dot(b, b).sqrt()))
}

/// TAR@FAR: threshold = the (floor(far n) + 1)-th highest impostor, accept strictly above.
fn tar(genuine: &[f64], impostor: &[f64], far: f64) -> f64 {
    let mut sorted = impostor.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let t = sorted[(far * impostor.len() as f64 + 1e-9).floor() as usize];
    genuine.iter().filter(|&&g| g > t).count() as f64 / genuine.len() as f64
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn identification(probes in rows(4..14), distractors in rows(2..60), seed in 0u32..100) {
        prop_assume!(!alike(&probes) && !alike(&distractors));
        let ids: Vec<u32> = (0..probes.len() as u32).map(|i| 7 + (i * 31 + seed) % 3).collect();
        let noisy = vec![seed as usize % distractors.len()];
        let folder = tempfile::tempdir().unwrap();
        let p = write(folder.path(), "p", DIM, &flat(&probes));
        let d = write(folder.path(), "d", DIM, &flat(&distractors));
        let data = IdentificationData {
            probe_ids: ids.clone(),
            distractors: 0,
            noisy_probes: vec![],
            noisy_distractors: noisy.clone(),
            ..Default::default()
        };
        let params = Params::from([("fars".into(), json!([0.01, 0.1, 0.5]))]);
        let scored = run(
            "identification",
            params,
            &[("probes", &p, Views::Sum), ("distractors", &d, Views::Sum)],
            &Description::Identification(data.clone()),
        );

        let kept: Vec<_> = (0..distractors.len()).filter(|i| !noisy.contains(i)).collect();
        let (mut ranks, mut genuine, mut impostor) = (vec![], vec![], vec![]);
        for i in 0..probes.len() {
            impostor.extend(kept.iter().map(|&k| cosine(&probes[i], &distractors[k])));
            for j in (0..probes.len()).filter(|&j| j != i && ids[i] == ids[j]) {
                let g = cosine(&probes[i], &probes[j]);
                let above = |&&k: &&usize| cosine(&probes[i], &distractors[k]) > g;
                ranks.push(kept.iter().filter(above).count() as u32);
                genuine.push(g);
            }
        }
        prop_assert_eq!(npy_u32(&scored, "pair_rank.npy"), ranks.clone());
        for n in [1u32, 5, 10] {
            let share = ranks.iter().filter(|&&r| r < n).count() as f64 / ranks.len() as f64;
            prop_assert_eq!(metric(&scored, &format!("rank-{n}")), share);
        }
        for far in [0.01, 0.1, 0.5] {
            let id = format!("tar@far={far:e}");
            prop_assert_eq!(metric(&scored, &id), tar(&genuine, &impostor, far), "{}", id);
        }
        impostor.sort_by(|a, b| b.total_cmp(a));
        let tail = npy_f64(&scored, "impostor_tail.npy");
        prop_assert_eq!(&tail[..], &impostor[..tail.len()]);
    }

    #[test]
    fn verification(images in rows(44..=44), flips in rows(44..=44), seed in 0usize..50) {
        prop_assume!(!alike(&images));
        let same: Vec<bool> = (0..22).map(|i| (i + seed) % 2 == 0).collect();
        let both: Vec<f32> = images.iter().zip(&flips)
            .flat_map(|(a, b)| [a.map(f32::from), b.map(f32::from)].concat())
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let e = write(folder.path(), "e", 2 * DIM, &both);
        let data = PairData::packed(same.clone());
        let params = Params::from([("folds".into(), json!(5)), ("fars".into(), json!([0.1]))]);
        let scored = run("verification", params, &[("images", &e, Views::Both)], &Description::Pairs(data.clone()));

        let unit = |i: usize| {
            let sum: Vec<f64> = (0..DIM).map(|k| f64::from(images[i][k] + flips[i][k])).collect();
            let n = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
            sum.iter().map(|v| v / n).collect::<Vec<f64>>()
        };
        let d: Vec<f64> = (0..22)
            .map(|i| unit(2 * i).iter().zip(&unit(2 * i + 1)).map(|(a, b)| (a - b) * (a - b)).sum())
            .collect();
        // scikit-learn's KFold on 22 pairs in 5 folds: 5, 5, 4, 4, 4.
        let bounds = [0, 5, 10, 14, 18, 22];
        for f in 0..5 {
            let test = bounds[f]..bounds[f + 1];
            let hits = |t: f64, i: &usize| (d[*i] < t) == same[*i];
            let train: Vec<usize> = (0..22).filter(|i| !test.contains(i)).collect();
            let correct = |k: usize| train.iter().filter(|i| hits(k as f64 * 0.01, i)).count();
            let best = (0..400).rev().max_by_key(|&k| correct(k)).unwrap();
            let right = test.clone().filter(|i| hits(best as f64 * 0.01, i)).count();
            let got = scored.result.metrics[0].folds[f];
            prop_assert_eq!(got, right as f64 / test.len() as f64, "fold {}", f);

            // VAL at FAR 1e-3: between the first grid point that reaches it and the one before.
            let rate = |pairs: &[usize], class: bool, t: f64| {
                let of: Vec<_> = pairs.iter().filter(|&&i| same[i] == class).collect();
                of.iter().filter(|&&&i| d[i] < t).count() as f64 / of.len() as f64
            };
            let far = |k: usize| rate(&train, false, k as f64 * 0.001);
            let t = (1..4000).find(|&k| far(k) >= 1e-3).map_or(0.0, |hi| {
                let part = (1e-3 - far(hi - 1)) / (far(hi) - far(hi - 1));
                (hi - 1) as f64 * 0.001 + part * 0.001
            });
            let val = scored.result.metrics.last().unwrap();
            prop_assert_eq!(&val.id, "val@far=1e-3");
            let held: Vec<usize> = test.collect();
            prop_assert_eq!(val.folds[f], rate(&held, true, t), "val of fold {}", f);
        }
        let of = |class: bool| (0..22).filter(|&i| same[i] == class).map(|i| -d[i]).collect::<Vec<f64>>();
        prop_assert_eq!(metric(&scored, "tar@far=1e-1"), tar(&of(true), &of(false), 0.1));
    }

    #[test]
    fn templates(images in rows(20..=20), seed in 0u32..50) {
        prop_assume!(!alike(&images));
        let template: Vec<u32> = (0..20).map(|i| 100 + (i * 7 + seed) % 6).collect();
        let media: Vec<u32> = (0..20).map(|i| (i / 3 + seed) % 4).collect();
        let det: Vec<f32> = (0..20u8).map(|i| 0.5 + f32::from(i) / 64.0).collect();
        let mut pairs = vec![];
        for a in 100..106 { for b in a + 1..106 { pairs.push((a, b)); } }
        let data = TemplateData {
            template: template.clone(),
            media: media.clone(),
            detector: Some(det.clone()),
            pair_a: pairs.iter().map(|p| p.0).collect(),
            pair_b: pairs.iter().map(|p| p.1).collect(),
            same: pairs.iter().map(|p| (p.0 + p.1 + seed) % 3 == 0).collect(),
            subjects: None,
            ..Default::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let e = write(folder.path(), "e", DIM, &flat(&images));
        for norm in ["keep", "unit"] {
            let params = Params::from([
                ("norm".into(), json!(norm)),
                ("detector_score".into(), json!(true)),
                ("far_selection".into(), json!("exact")),
                ("fars".into(), json!([0.1, 0.3])),
            ]);
            let scored = run("template-verification", params, &[("images", &e, Views::Original)], &Description::Templates(data.clone()));
            let vector = |t: u32| {
                let mut sum = [0.0; DIM];
                for m in 0..4 {
                    let of: Vec<usize> = (0..20).filter(|&i| template[i] == t && media[i] == m).collect();
                    for &i in &of {
                        let n = images[i].iter().map(|&v| f64::from(v).powi(2)).sum::<f64>().sqrt();
                        let n = if norm == "unit" { n } else { 1.0 };
                        for k in 0..DIM {
                            sum[k] += f64::from(images[i][k]) / n * f64::from(det[i]) / of.len() as f64;
                        }
                    }
                }
                let n = sum.iter().map(|v| v * v).sum::<f64>().sqrt();
                sum.map(|v| v / n)
            };
            let got = npy_f64(&scored, "pair_scores.npy");
            for (got, &(a, b)) in got.iter().zip(&pairs) {
                let want: f64 = vector(a).iter().zip(vector(b)).map(|(x, y)| x * y).sum();
                prop_assert!((got - want).abs() < 1e-12);
            }
            let of = |class: bool| got.iter().zip(&data.same).filter(|p| *p.1 == class).map(|p| *p.0).collect::<Vec<f64>>();
            prop_assert_eq!(metric(&scored, "tar@far=1e-1"), tar(&of(true), &of(false), 0.1));
        }
    }
}
