//! Rates that few false accepts support, and trials that are damaged.

use super::{Parts, columns, rows, trials};
use crate::model::{Column, Row};
use frbench_base::key::{Key, sha256_hex};
use frbench_eval::protocol::trials::FILES;
use frbench_harness::plan::layout::{Cell, Layout, LayoutColumn, LayoutRow, SeedRun};
use frbench_harness::plan::recipe::Recipe;
use frbench_harness::run::{Failures, Store};
use frbench_harness::suite::model::Role;
use frbench_harness::suite::resolve::RowInfo;
use frbench_job::result::{FileHash, JobResult, Metric, ScoreResult};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const COLUMN: &str = "ijbb/1-1";
const RATES: [(&str, u64); 3] = [("tar@far=1e-6", 8), ("tar@far=1e-4", 800), ("eer", 9)];

/// One row with two seeds, each scored on the one column.
fn layout() -> Layout {
    let key = |job: &str, seed: u64| Key(format!("{job}-{seed}"));
    let runs = [1, 2].map(|seed| SeedRun {
        seed,
        train: key("train", seed),
        comparison: key("train", seed),
    });
    let cells = [1, 2].map(|seed| Cell {
        row: "student".into(),
        column: COLUMN.into(),
        seed,
        score: key("score", seed),
        comparison: key("score", seed),
    });
    Layout {
        suite: "test".into(),
        title: String::new(),
        analysis: String::new(),
        published: Vec::new(),
        paper: None,
        profile: "demo".into(),
        summary: String::new(),
        data: Vec::new(),
        conditions: BTreeMap::new(),
        rows: vec![LayoutRow {
            info: RowInfo {
                id: "student".into(),
                label: "Student".into(),
                role: Role::Student,
                group: String::new(),
                of: None,
                note: String::new(),
                condition: String::new(),
                published: Vec::new(),
            },
            entry: "student".into(),
            recipe: Recipe::default(),
            runs: runs.into(),
        }],
        columns: vec![LayoutColumn {
            id: COLUMN.into(),
            data: "ijbb".into(),
            family: "ijbb".into(),
            protocol: "1-1".into(),
            kind: "template-verification".into(),
            synthetic: false,
        }],
        cells: cells.into(),
        claims: Vec::new(),
        references: Vec::new(),
    }
}

/// A score whose files are written to its folder; those of the first seed are damaged then.
fn scored(store: &Store, cell: &Cell) -> JobResult {
    let mut table = String::from("metric,false_accepts,trials\n");
    for (id, allowed) in RATES {
        let allowed = if id == "eer" {
            String::new()
        } else {
            allowed.to_string()
        };
        table += &format!("{id},{allowed},2\n");
    }
    let people = npy("<u4", &[1u32, 1, 2, 2].map(u32::to_le_bytes));
    let adds = npy("<f4", &[0.25f32; 2 * RATES.len()].map(f32::to_le_bytes));
    let files = [table.into_bytes(), people, adds];
    std::fs::create_dir_all(store.folder(&cell.score).path()).unwrap();
    let mut evidence = Vec::new();
    for (name, bytes) in FILES.iter().zip(files) {
        evidence.push(FileHash {
            path: name.to_string(),
            bytes: bytes.len() as u64,
            sha256: sha256_hex(&bytes),
        });
        let damaged = cell.seed == 1 && *name == FILES[1];
        let end = bytes.len() - usize::from(damaged);
        std::fs::write(store.folder(&cell.score).file(name), &bytes[..end]).unwrap();
    }
    JobResult::Score(ScoreResult {
        protocol: "template-verification/norm-keep/plain/exact".into(),
        model: None,
        metrics: RATES.map(|(id, _)| metric(id)).into(),
        series: BTreeMap::from([("roc".to_owned(), vec![(1e-6, 0.5), (1.0, 1.0)])]),
        notes: Vec::new(),
        evidence,
    })
}

fn metric(id: &str) -> Metric {
    Metric {
        id: id.into(),
        value: 0.5,
        higher_is_better: true,
        chance: None,
        interval: None,
        folds: Vec::new(),
    }
}

/// An array of one dimension as NumPy writes it.
fn npy(descr: &str, words: &[[u8; 4]]) -> Vec<u8> {
    let shape = words.len();
    let mut header =
        format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape},), }}");
    header += &" ".repeat(63 - (10 + header.len()) % 64);
    header.push('\n');
    let mut out = b"\x93NUMPY\x01\x00".to_vec();
    out.extend((header.len() as u16).to_le_bytes());
    out.extend(header.bytes());
    out.extend(words.iter().flatten());
    out
}

fn assembled(dir: &Path) -> (Vec<Column>, Vec<Row>, BTreeSet<String>) {
    let store = Store::new(dir.join("data"), dir.join("runs"));
    let layout = layout();
    let cells = layout.cells.iter();
    let finished = cells.map(|c| (c.score.clone(), scored(&store, c)));
    let parts = Parts {
        layout: &layout,
        jobs: BTreeMap::new(),
        finished: &finished.collect(),
        failed: &Failures::default(),
    };
    let mut notes = BTreeSet::new();
    let trials = trials::load(&parts, &store, &mut notes);
    let columns = columns::columns(&parts, &trials, dir, &mut notes);
    let rows = rows::rows(&parts, &columns, &trials, &mut notes);
    (columns, rows, notes)
}

#[test]
fn where_the_first_rate_is_unsupported_the_next_speaks_for_the_protocol() {
    let dir = tempfile::tempdir().unwrap();
    let (columns, rows, notes) = assembled(dir.path());
    let headlines: Vec<(&str, bool)> = columns
        .iter()
        .map(|c| (c.metric.as_str(), c.headline))
        .collect();
    assert_eq!(headlines, [("tar@far=1e-4", true), ("eer", false)]);
    let first = &columns[0].id;
    for run in &rows[0].runs {
        assert_eq!(run.roc.keys().collect::<Vec<_>>(), [first]);
    }
    let note = "ijbb/1-1: fewer than 10 false accepts support tar@far=1e-6";
    assert!(notes.iter().any(|n| n.starts_with(note)), "{notes:?}");
}

#[test]
fn damaged_trials_of_one_network_are_named_and_the_others_keep_theirs() {
    let dir = tempfile::tempdir().unwrap();
    let (columns, rows, notes) = assembled(dir.path());
    let told: Vec<&String> = notes.iter().filter(|n| n.contains(FILES[1])).collect();
    assert!(
        told.len() == 1 && told[0].contains("score-1") && told[0].contains("checksum mismatch"),
        "{notes:?}"
    );
    let trials = columns[0].trials.as_ref().unwrap();
    assert_eq!((trials.known, trials.people.trials()), (true, 2));
    let [damaged, whole] = &rows[0].runs[..] else {
        panic!("{rows:?}");
    };
    assert!(damaged.adds.is_empty());
    assert_eq!(whole.adds[&columns[0].id], [0.25; 2]);
}
