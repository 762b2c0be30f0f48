//! How long the pages of a long history take. They are made anew every night, from summaries alone.
#![allow(clippy::unwrap_used, reason = "tests fail where they panic")]

use frbench_base::rng::Stream;
use frbench_gate::history::{Night, Past, Point};
use frbench_gate::measured::CellId;
use frbench_gate::pages;
use frbench_gate::verdict::Verdict;
use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

const SUITES: usize = 6;
const METHODS: usize = 12;
const PROTOCOLS: usize = 8;
const SEEDS: u64 = 8;
const NIGHTS: usize = 400;

/// A night whose values step in the middle of the history, by a loss for every second method.
fn night(at: usize, stream: &mut Stream) -> Night {
    // Months of 28 days: every date is one.
    let (year, month, day) = (2025 + at / 336, at / 28 % 12 + 1, at % 28 + 1);
    let mut cells = Vec::new();
    for method in 0..METHODS {
        for protocol in 0..PROTOCOLS {
            let lost = at >= NIGHTS / 2 && method % 2 == 0;
            cells.push(Point {
                cell: CellId {
                    row: format!("method-{method}"),
                    column: format!("set-{protocol}/ten-fold"),
                    metric: "accuracy".into(),
                },
                verdict: Verdict::Pass,
                n: SEEDS as usize,
                mean: if lost { 0.83 } else { 0.85 } + 0.003 * stream.normal(),
                sd: Some(0.01),
            });
        }
    }
    let past = Past {
        equal: true,
        screened: None,
        further: None,
    };
    Night {
        night: format!("{year}-{month:02}-{day:02}T02:17:00Z"),
        commit: format!("{at:040x}"),
        code: format!("{at:016x}"),
        baseline: "b".into(),
        verdict: Verdict::Pass,
        seeds: (1..=SEEDS).collect(),
        further: Vec::new(),
        gates: BTreeMap::from([(cells[0].cell.to_string(), past)]),
        cells,
    }
}

fn history(folder: &Path) {
    for suite in 0..SUITES {
        let mut stream = Stream::derive(1, "pages", &[suite as u64]);
        for at in 0..NIGHTS {
            let night = night(at, &mut stream);
            let name = format!("suite-{suite}-nightly-{}.nights.jsonl", &night.night[..4]);
            let mut options = OpenOptions::new();
            let file = options.create(true).append(true).open(folder.join(name));
            let line = serde_json::to_string(&night).unwrap();
            writeln!(file.unwrap(), "{line}").unwrap();
        }
    }
}

#[test]
#[ignore = "for release mode; prints how long pages take"]
fn four_hundred_nights_of_six_suites_take_seconds() {
    let kept = std::env::var_os("FRBENCH_PAGES");
    let own = tempfile::tempdir().unwrap();
    let folder = kept.as_ref().map_or(own.path(), Path::new);
    std::fs::create_dir_all(folder).unwrap();
    history(folder);
    let started = Instant::now();
    pages::write(folder).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    println!("{SUITES} suites, {NIGHTS} nights: {seconds:.2} s");
    let page = std::fs::read_to_string(folder.join("suite-0-nightly.html")).unwrap();
    assert_eq!(page.matches("<svg ").count(), METHODS * PROTOCOLS);
    assert!(page.matches("a step at").count() >= METHODS / 2 * PROTOCOLS);
    assert!(cfg!(debug_assertions) || seconds < 3.0, "{seconds} s");
}
