//! Reports as a reader gets them: snapshots of the text, and what must never be in them.

use crate::fixture::input;
use crate::skeleton::skeleton;
use frbench::report::model::*;
use frbench::report::{Report, Written, derive};
use frbench::stats::ClaimVerdict;
use std::path::{Path, PathBuf};

/// Nothing here has pictures.
fn nowhere(_: &str, _: &str) -> PathBuf {
    PathBuf::new()
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

fn report(input: &ReportInput) -> Report {
    Report::new(input.clone(), &nowhere)
}

fn written(input: &ReportInput) -> (tempfile::TempDir, Written) {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("new/coupleface-demo");
    let written = report(input).write(&folder).unwrap();
    (dir, written)
}

fn html(input: &ReportInput) -> String {
    report(input).html().unwrap()
}

#[test]
fn markdown_reads_well() {
    let (_dir, files) = written(&input());
    insta::assert_snapshot!("markdown", read(&files.markdown));
}

#[test]
fn csv_holds_every_raw_value() {
    let input = input();
    let (_dir, files) = written(&input);
    let text = read(&files.csv);
    insta::assert_snapshot!("csv", text.lines().take(14).collect::<Vec<_>>().join("\n"));
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let at = |name: &str| header.iter().position(|h| h == name).unwrap();
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let runs: usize = input.rows.iter().map(|r| r.runs.len()).sum();
    assert_eq!(records.len(), runs * input.columns.len());
    for record in &records {
        let row = input
            .rows
            .iter()
            .find(|r| r.id == record[at("row")])
            .unwrap();
        let seed: u64 = record[at("seed")].parse().unwrap();
        let run = row.runs.iter().find(|r| r.seed == seed).unwrap();
        match run.metrics.get(&record[at("column")]) {
            Some(metric) => {
                let value: f64 = record[at("value")].parse().unwrap();
                assert!((value - metric.value).abs() <= 5e-7);
                assert_eq!(&record[at("status")], "done");
            }
            None => assert!(record[at("value")].is_empty() && &record[at("status")] != "done"),
        }
    }
}

#[test]
fn latex_holds_the_tables_and_their_text_is_text() {
    let mut input = input();
    input.rows[0].info.label = "50% & $x_1$ {a} \\b [#]".into();
    let files = report(&input).latex();
    let results = files.iter().find(|(name, _)| name == "results.tex");
    insta::assert_snapshot!("latex", results.unwrap().1);
    for (name, text) in &files {
        let count = |what: &str| text.matches(what).count();
        assert_eq!(count("\\begin{tabular}"), count("\\end{tabular}"), "{name}");
        assert_eq!(count("\\toprule"), count("\\bottomrule"), "{name}");
        assert!(!text.contains("50% &"), "{name}");
    }
}

#[test]
fn page_says_what_was_found() {
    insta::assert_snapshot!("page", skeleton(&html(&input())));
}

#[test]
fn json_has_the_input_in_full_precision() {
    let input = input();
    let (_dir, files) = written(&input);
    let all: serde_json::Value = serde_json::from_str(&read(&files.json)).unwrap();
    let back: ReportInput = serde_json::from_value(all["input"].clone()).unwrap();
    assert_eq!(back.rows.len(), input.rows.len());
    let text = read(&files.json);
    for metric in input
        .rows
        .iter()
        .flat_map(|r| &r.runs)
        .flat_map(|r| r.metrics.values())
    {
        assert!(text.contains(&format!("\"value\": {:?}\n", metric.value)));
    }
    assert_eq!(all["derived"]["claims"][0]["verdict"], "reproduced");
}

#[test]
fn equal_input_gives_equal_bytes() {
    let (_a, first) = written(&input());
    let (_b, second) = written(&input());
    for (a, b) in [
        (&first.html, &second.html),
        (&first.markdown, &second.markdown),
        (&first.csv, &second.csv),
        (&first.claims, &second.claims),
        (&first.json, &second.json),
    ] {
        assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    }
    // A second report replaces the first, and leaves nothing else behind.
    let folder = first.html.parent().unwrap();
    report(&input()).write(folder).unwrap();
    assert_eq!(std::fs::read_dir(folder).unwrap().count(), 5);
}

#[test]
fn verdicts_and_statistics_are_those_of_the_seeds() {
    let found = derive(&input());
    let verdicts: Vec<_> = found.claims.iter().map(|c| c.verdict).collect();
    use ClaimVerdict::*;
    assert_eq!(
        verdicts,
        [Reproduced, Undecided, Undecided, Undecided, Undecided]
    );
    // The same difference with every seed, of trials that are not known, is no certainty.
    let same = &found.claims[2];
    assert!(same.difference.unwrap().mean < -0.06 && same.judgement.p.is_none());
    assert!(same.sentence.ends_with(
        "but it is the same with all 3 seeds, and without trials nothing shows its error."
    ));
    // By hand: differences 0.0073, 0.0063, 0.0071; mean 0.0069, sd 0.000529150,
    // t(2, 0.975) = 4.302653, half width 0.001314484. The trials are not known.
    let lfw = found.claims[0].difference.unwrap();
    let (low, high) = lfw.interval.unwrap();
    assert!((lfw.mean - 0.0069).abs() < 1e-12);
    assert!((low - 0.005585516).abs() < 1e-8 && (high - 0.008214484).abs() < 1e-8);
    // Student alone on synth-lfw: 0.8912 with offsets 0.0021, -0.0008, -0.0017.
    let student = &found.rows[1].cells[0];
    assert!((student.mean.unwrap() - 0.891_066_666_7).abs() < 1e-9);
    assert!((student.sd.unwrap() - 0.001_985_782).abs() < 1e-8);
    // FCD is 0.0190 above the student for every seed; the teacher has seed 1 only.
    let share = found.rows[2].cells[0].gap_closed.unwrap().value;
    assert!((share - 0.0190 / (0.9412 - 0.891_066_666_7)).abs() < 1e-6);
}

#[test]
fn two_seeds_show_no_spread_and_prove_nothing() {
    let mut input = input();
    for row in &mut input.rows {
        row.runs.retain(|r| r.seed < 3);
    }
    let found = derive(&input);
    assert!(
        found
            .rows
            .iter()
            .flat_map(|r| &r.cells)
            .all(|c| c.sd.is_none() && c.interval.is_none())
    );
    assert!(
        found
            .claims
            .iter()
            .all(|c| c.verdict == ClaimVerdict::Undecided)
    );
    let (_dir, files) = written(&input);
    let table = read(&files.markdown);
    assert!(
        !table
            .lines()
            .any(|l| l.starts_with("| ") && l.contains('±'))
    );
}

#[test]
fn holes_are_named() {
    let mut input = input();
    for run in &mut input.rows[3].runs {
        run.status = RunStatus::Failed("out of memory".into());
        run.metrics.clear();
    }
    input.rows[2].runs[0]
        .metrics
        .values_mut()
        .for_each(|m| m.value = f64::NAN);
    let page = html(&input);
    assert!(page.contains(r#"title="seed 1: out of memory; seed 2: out of memory; seed 3: out of memory"><span class="hole failed">failed: out of memory</span>"#));
    assert!(page.contains(r#"title="seed 1: the value is not a number"><span class="value">"#));
    let (_dir, files) = written(&input);
    assert!(!read(&files.csv).contains("NaN,"));
    assert!(read(&files.csv).contains(",failed,not a number,"));
}

#[test]
fn generated_is_said_of_what_is_scored() {
    let mut input = input();
    let says = |input: &ReportInput| report(input).markdown();
    assert!(says(&input).contains("The data are generated"));
    let real = input.columns.len() - 1;
    let set = input.columns[0].dataset.clone();
    for column in &mut input.columns[1..] {
        column.dataset = "LFW".into();
        column.generated = false;
    }
    assert!(real > 0);
    let said = says(&input);
    assert!(
        said.contains(&format!("The images of {set} are generated")),
        "{said}"
    );
    input.columns[0].generated = false;
    let said = says(&input);
    assert!(
        said.contains("Networks were trained on generated images"),
        "{said}"
    );
    assert!(!said.contains("are generated:"), "{said}");
}

#[test]
fn a_column_that_cannot_be_scored_says_why() {
    let mut input = input();
    let column = input.columns[0].id.clone();
    let why = "fold 0 of 10 holds 6 genuine and 0 impostor pairs: the list is ordered by class";
    for run in &mut input.rows[2].runs {
        run.metrics.remove(&column);
        run.failed.insert(column.clone(), why.into());
    }
    let said = report(&input).markdown();
    assert!(
        said.contains("failed: fold 0 of 10 holds 6 genuine and 0 impostor"),
        "{said}"
    );
    assert!(html(&input).contains(why));
    let (_dir, files) = written(&input);
    assert!(read(&files.csv).contains(why));
}

#[test]
fn an_empty_suite_is_a_report_too() {
    let mut input = input();
    input.rows.clear();
    input.columns.clear();
    input.claims.clear();
    input.published.clear();
    input.data.clear();
    assert!(html(&input).contains("</html>"));
}

#[test]
fn error_rates_count_downwards() {
    let mut input = input();
    for column in &mut input.columns {
        column.higher_is_better = false;
    }
    for metric in input
        .rows
        .iter_mut()
        .flat_map(|r| &mut r.runs)
        .flat_map(|r| r.metrics.values_mut())
    {
        metric.value = 1.0 - metric.value;
        metric.higher_is_better = false;
    }
    let (down, up) = (derive(&input), derive(&crate::fixture::input()));
    for (a, b) in down.claims.iter().zip(&up.claims) {
        assert_eq!(a.verdict, b.verdict, "{}", a.id);
    }
    for (a, b) in down.rows.iter().zip(&up.rows) {
        for (a, b) in a.cells.iter().zip(&b.cells) {
            assert_eq!(a.best, b.best);
            if let (Some(a), Some(b)) = (a.gap_closed, b.gap_closed) {
                assert!((a.value - b.value).abs() < 1e-9);
            }
        }
    }
    assert!(down.rows[3].cells[0].best && down.yardsticks[0].gaps[0].clear);
}

/// The section of a page with this address.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let start = page.find(&format!("<section id=\"{id}\">")).unwrap();
    let end = page[start..].find("</section>").unwrap();
    &page[start..start + end]
}

#[test]
fn secondary_metrics_are_folded_away() {
    let mut input = input();
    let (of, metric) = (input.columns[0].clone(), "tar@far=1e-3");
    for run in input.rows.iter_mut().flat_map(|r| &mut r.runs) {
        if let Some(mut value) = run.metrics.get(&of.id).cloned() {
            value.value -= 0.2;
            run.metrics
                .insert(format!("{}/{metric}", of.dataset), value);
        }
    }
    input.columns.push(Column {
        id: format!("{}/{metric}", of.dataset),
        metric: metric.into(),
        label: format!("{} {metric}", of.label),
        headline: false,
        ..of
    });
    let page = html(&input);
    for id in ["results", "protocols", "ablations", "runs"] {
        let (main, folded) = section(&page, id).split_once("<details>").unwrap();
        assert!(!main.contains(metric), "{id}");
        let (summary, table) = folded.split_once("</summary>").unwrap();
        assert!(summary.contains(metric) && table.contains(metric), "{id}");
        assert!(table.contains("71.70") || id == "runs", "{id}");
    }
    // Links lead into what is folded.
    assert!(page.contains("href=\"#m5\"") && page.contains("<article id=\"m5\">"));
    let text = report(&input).markdown();
    assert!(
        text.contains("**Secondary metrics** tar@far=1e-3, not corrected\n"),
        "{text}"
    );
}

#[test]
fn claims_say_where_they_come_from() {
    let mut input = input();
    input.claims[1].source = "https://example.org/a paper".into();
    input.claims[2].source = "javascript:alert(1)".into();
    let page = html(&input);
    let claims = section(&page, "claims");
    assert!(
        claims.contains(
            "<p class=\"fine\">Source: CoupleFace, abstract. Margin: 0.10 points, half of"
        )
    );
    assert!(claims.contains(
        "Source: <a href=\"https://example.org/a%20paper\">https://example.org/a paper</a>"
    ));
    assert!(claims.contains("Source: javascript:alert(1). Margin:"));
    let json = report(&input).json().unwrap();
    assert!(json.contains("\"source\": \"CoupleFace, abstract\""));
    assert!(json.contains("\"margin_source\": \"half of the 0.2 points of Table 2\""));
}

#[test]
fn a_long_name_is_whole_on_hovering() {
    let mut input = input();
    let long = "An unreasonably verbose description of a model";
    input.rows[2].info.label = long.into();
    let title = format!("<th scope=\"row\" title=\"{long}\">");
    assert!(section(&html(&input), "results").contains(&title));
}

/// Everything that would make a browser fetch something.
#[test]
fn nothing_is_loaded_from_elsewhere() {
    let page = html(&input());
    for forbidden in [
        "<script", "<link", "<img", "<iframe", "<object", "url(", "@import", " src=", "srcset",
    ] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    // Addresses stand in citations only.
    for (i, _) in page.match_indices("http") {
        assert!(
            page[..i].ends_with("<a href=\""),
            "{}",
            &page[i - 20..i + 30]
        );
    }
}

#[test]
fn hostile_text_stays_text() {
    let hostile =
        "<script>alert('x')</script>\"><img src=x onerror=y>|`*_[a](javascript:b)\n# {{ 7 }}";
    let mut input = input();
    let bad = || hostile.to_string();
    input.suite = SuiteInfo {
        name: bad(),
        title: bad(),
        profile: bad(),
        paper: Paper {
            title: bad(),
            authors: vec![bad()],
            venue: Some(bad()),
            arxiv: Some(bad()),
            doi: Some(bad()),
            ..Paper::default()
        },
        analysis: format!("{hostile}\n\n- {hostile}"),
    };
    for row in &mut input.rows {
        row.info.label = format!("{hostile} {}", row.id);
        (row.info.group, row.info.note, row.backbone) = (bad(), bad(), bad());
        for run in &mut row.runs {
            (run.train_key, run.checkpoint_sha256) = (bad(), bad());
            if let RunStatus::Failed(reason) = &mut run.status {
                *reason = bad();
            }
        }
    }
    for c in &mut input.columns {
        (c.label, c.dataset, c.protocol, c.metric, c.unit) = (bad(), bad(), bad(), bad(), bad());
        c.context.checkpoint = bad();
    }
    for c in &mut input.claims {
        (c.text, c.source) = (bad(), bad());
        if c.id == "lfw" {
            c.on = bad();
        }
    }
    for p in &mut input.published {
        (p.paper, p.table, p.method, p.dataset, p.metric) = (bad(), bad(), bad(), bad(), bad());
        p.source = "javascript:alert(1)".into();
    }
    for d in &mut input.data {
        (d.result.name, d.result.decoder, d.result.pixels_sha256) = (bad(), bad(), bad());
        d.result.files[0].path = bad();
    }
    input.environment.insert(bad(), bad());
    (input.command, input.started, input.finished) = (bad(), bad(), bad());
    input.notes = vec![bad()];

    let (_dir, files) = written(&input);
    let page = read(&files.html);
    for forbidden in ["<script", "<img", "\"><img", "href=\"javascript"] {
        assert!(!page.contains(forbidden), "{forbidden}");
    }
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)") && page.contains("{{ 7 }}"));
    let text = read(&files.markdown);
    assert!(text.contains("&lt;script&gt;"));
    for line in text.lines() {
        let outside: String = line.replace("\\`", "").split('`').step_by(2).collect();
        assert!(
            !outside.contains("<script") && !outside.contains("[a]("),
            "{line}"
        );
        assert!(!line.starts_with("# {{"), "{line}");
    }
    // Every table line has as many bars as its head.
    let bars = |line: &str| line.matches('|').count() - line.matches("\\|").count();
    for pair in text.lines().collect::<Vec<_>>().windows(2) {
        if pair[0].starts_with("| ") && pair[1].starts_with('|') {
            assert_eq!(bars(pair[0]), bars(pair[1]), "{}\n{}", pair[0], pair[1]);
        }
    }
    let mut reader = csv::Reader::from_reader(std::fs::File::open(&files.csv).unwrap());
    assert!(reader.records().all(|r| &r.unwrap()[0] == hostile));
}

/// Leaves a page under `target/tmp` for looking at it in a browser.
#[test]
fn page_for_looking_at() {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    assert!(report(&input()).write(&dir).unwrap().html.is_file());
}
