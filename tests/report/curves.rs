//! Curves of searches and of errors: one plot a set, a line for each row.

use crate::fixture::input;
use frbench::report::Report;
use frbench::report::model::{Column, ReportInput, Role};
use std::path::PathBuf;

fn page(input: &ReportInput) -> String {
    let nowhere = |_: &str, _: &str| PathBuf::new();
    Report::new(input.clone(), &nowhere).html().unwrap()
}

#[test]
fn sections_of_searches_and_errors_are_there_where_something_is() {
    let mut input = input();
    let plain = page(&input);
    for id in ["det", "search"] {
        assert!(!plain.contains(&format!("<section id=\"{id}\">")), "{id}");
    }
    let search = input.columns[3].clone();
    for run in input.rows.iter_mut().flat_map(|r| &mut r.runs) {
        let cmc = vec![(1.0, 0.5), (10.0, 0.8), (100.0, 1.0)];
        run.cmc.insert(search.id.clone(), cmc);
        run.dir
            .insert(search.id.clone(), vec![(0.01, 0.2), (0.1, 0.4)]);
    }
    // Rates of errors are asked for on the first set alone.
    let first = input.columns[0].clone();
    input.columns.push(Column {
        id: format!("{}/eer", first.dataset),
        metric: "eer".into(),
        label: format!("{} eer", first.dataset),
        headline: false,
        higher_is_better: false,
        ..first
    });
    let page = page(&input);
    let section = |id: &str| {
        let start = page.find(&format!("<section id=\"{id}\">")).unwrap();
        let end = page[start..].find("</section>").unwrap();
        page[start..start + end].to_string()
    };
    let drawn = |role: Role, runs: usize| role != Role::Ablation && runs > 0;
    let rows = input
        .rows
        .iter()
        .filter(|r| drawn(r.role, r.runs.len()))
        .count();
    let det = section("det");
    assert_eq!(det.matches("<svg class=\"plot\"").count(), 1);
    // A line of each row, and its key.
    assert_eq!(det.matches("<path class=\"line").count(), 2 * rows);
    assert!(det.contains("false match rate") && det.contains("FNMR"));
    let search = section("search");
    assert_eq!(search.matches("<svg class=\"plot\"").count(), 2);
    assert_eq!(search.matches("<path class=\"line").count(), 4 * rows);
    assert!(search.contains("TPIR") && search.contains("rank"));
}
