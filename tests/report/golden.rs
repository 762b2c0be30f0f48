//! Numbers of a report against those of `reference.py`, which computes them with NumPy and SciPy.

use crate::fixture;
use frbench::report::derive;
use frbench::report::model::*;
use frbench::stats::{ClaimVerdict, People};
use std::sync::Arc;

const PEOPLE: u32 = 40;
const ROWS: [(&str, u32); 4] = [
    ("teacher", 62),
    ("student", 45),
    ("fcd", 54),
    ("coupleface", 58),
];

fn mix(parts: &[u32]) -> u32 {
    let mut h = 17u32;
    for p in parts {
        h = h
            .wrapping_mul(31)
            .wrapping_add(*p)
            .wrapping_mul(2_654_435_761);
        h ^= h >> 15;
    }
    h % 100
}

fn trials() -> Vec<[u32; 2]> {
    let alone = (0..PEOPLE).map(|i| [i, i]);
    alone
        .chain((0..PEOPLE).map(|i| [i, (7 * i + 1) % PEOPLE]))
        .collect()
}

/// Accuracy, and what each trial adds to it.
fn scored(row: &str, rate: u32, seed: u32) -> (f64, Vec<f32>) {
    let trials = trials();
    let right: Vec<bool> = (0..trials.len() as u32)
        .map(|t| {
            let (hard, own) = (mix(&[1, t]), mix(&[2, row.len() as u32, seed, t]));
            f64::from(2 * hard + own) / 3.0 < f64::from(rate + 3 * seed)
        })
        .collect();
    let n = trials.len() as f64;
    let mean = |same: bool| {
        let of = (0..trials.len()).filter(|&t| (trials[t][0] == trials[t][1]) == same);
        let hits = of.clone().filter(|&t| right[t]).count();
        hits as f64 / of.count() as f64
    };
    let (genuine, impostor) = (mean(true), mean(false));
    let adds = right.iter().zip(&trials).map(|(right, [a, b])| {
        let mean = if a == b { genuine } else { impostor };
        ((f64::from(u8::from(*right)) - mean) / n) as f32
    });
    let hits = right.iter().filter(|r| **r).count();
    (hits as f64 / n, adds.collect())
}

fn input() -> ReportInput {
    let mut input = fixture::input();
    let column = input.columns[0].id.clone();
    input.columns.truncate(1);
    input.columns[0].trials = Some(Trials {
        people: Arc::new(People::new(&trials())),
        known: true,
    });
    input.rows.retain(|row| ROWS.iter().any(|r| r.0 == row.id));
    for (row, (id, rate)) in input.rows.iter_mut().zip(ROWS) {
        assert_eq!(row.id, id);
        for run in &mut row.runs {
            let (value, adds) = scored(id, rate, run.seed as u32);
            run.metrics.get_mut(&column).unwrap().value = value;
            run.adds.insert(column.clone(), adds);
        }
    }
    input.claims.truncate(2);
    let [question, looked] = &mut input.claims[..] else {
        panic!("two claims")
    };
    (question.question, question.margin) = (true, 0.2);
    (looked.better, looked.than) = ("fcd".into(), "student".into());
    (looked.on, looked.primary, looked.margin) = (column, false, 0.05);
    input
}

#[track_caller]
fn close(got: f64, want: f64) {
    assert!((got - want).abs() < 1e-7, "{got}, want {want}");
}

#[track_caller]
fn ends(got: Option<(f64, f64)>, low: f64, high: f64) {
    let got = got.unwrap();
    close(got.0, low);
    close(got.1, high);
}

#[test]
fn numbers_of_a_report_are_those_of_scipy() {
    let input = input();
    let found = derive(&input);
    let fcd = &found.rows[2].cells[0];
    close(fcd.mean.unwrap(), 0.6916666666666668);
    ends(fcd.interval, 0.5871484660455047, 0.7796547785817228);

    let [question, looked] = &found.claims[..] else {
        panic!("two claims")
    };
    let difference = question.difference.unwrap();
    assert_eq!((difference.seeds, difference.people), (3, Some(40)));
    close(difference.mean, 0.04583333333333336);
    close(difference.error.unwrap().seeds, 0.001267361111111113);
    close(difference.error.unwrap().people, 0.0003060897459384483);
    let judged = &question.judgement;
    ends(judged.interval, -0.10724550668177926, 0.198912173348446);
    close(judged.p.unwrap(), 0.35096544801378754);
    close(judged.p_equivalent.unwrap(), 0.024653859444181744);
    assert_eq!(question.verdict, ClaimVerdict::Equivalent);

    let difference = looked.difference.unwrap();
    close(difference.mean, 0.10416666666666667);
    close(difference.error.unwrap().people, 0.0007454594219407979);
    let judged = &looked.judgement;
    ends(judged.interval, 0.04087946866708064, 0.1674538646662527);
    close(judged.p.unwrap(), 0.006752923899788963);
    assert_eq!(looked.verdict, ClaimVerdict::Reproduced);

    let gap = &found.yardsticks[0].gaps[0];
    let teacher = gap.difference.unwrap();
    assert!(gap.teacher_fixed && gap.clear);
    close(teacher.mean, 0.13749999999999998);
    ends(teacher.interval, 0.05780778373861924, 0.21719221626138074);
    let share = fcd.gap_closed.unwrap();
    close(share.value, 0.7575757575757577);
    ends(Some(share.interval), 0.2694696438035877, 2.0286697878671323);
}

#[test]
fn claims_stand_in_a_file_of_their_own() {
    let input = input();
    let dir = tempfile::tempdir().unwrap();
    let report = frbench::report::Report::new(input, &|_, _| Default::default());
    let files = report.write(dir.path()).unwrap();
    let text = std::fs::read_to_string(files.claims).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    let of = |r: usize, name: &str| {
        let i = header.iter().position(|h| h == name).unwrap();
        records[r][i].to_string()
    };
    assert_eq!(
        (of(0, "verdict"), of(1, "verdict")),
        ("equivalent".into(), "reproduced".into())
    );
    assert_eq!(
        (of(0, "family"), of(1, "family")),
        ("question".into(), "exploratory".into())
    );
    assert_eq!(
        (of(0, "people"), of(0, "margin")),
        ("40".into(), "0.200000".into())
    );
    assert_eq!(of(0, "margin_source"), "half of the 0.2 points of Table 2");
    assert_eq!(of(1, "p"), "6.75292e-3");
    // The report itself says all of that, too.
    let text = report.markdown();
    for said in [
        "**equivalent**",
        "over 3 seeds and 40 people",
        "Margin: 20.00 points, half of the 0.2 points of Table 2.",
        "Column: The paper's protocol is closest to it.",
    ] {
        assert!(text.contains(said), "{said}: {text}");
    }
}
