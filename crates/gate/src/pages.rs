//! Trends over nights, as pages that need no script and nothing from elsewhere: one for each suite
//! and profile that has a history, and an index.

use crate::badge::colour;
use crate::history::{History, Night};
use crate::measured::CellId;
use crate::verdict::Verdict;
use frbench_base::{Error, Result, files};
use frbench_report::escape::html as escape;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

mod steps;

/// Writes the pages of all histories in `folder` into it.
///
/// # Errors
/// [`Error::Data`] with the line of a history that is none; [`Error::Io`].
pub fn write(folder: &Path) -> Result<()> {
    let mut stems = BTreeSet::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io(folder, e))? {
        let name = entry.map_err(|e| Error::io(folder, e))?.file_name();
        let name = name.to_string_lossy().into_owned();
        let stem = name
            .strip_suffix(".nights.jsonl")
            .and_then(|s| s.rsplit_once('-'));
        stems.extend(stem.map(|(stem, _)| stem.to_string()));
    }
    let mut entries = Vec::new();
    for stem in stems {
        let nights = History::of_stem(folder, &stem)?.nights;
        let Some(last) = nights.last() else { continue };
        let page = page(&stem, &suite(&stem, &nights));
        files::write_atomic(&folder.join(format!("{stem}.html")), page.as_bytes())?;
        entries.push((stem, nights.len(), last.clone()));
    }
    files::write_atomic(&folder.join("index.html"), index(&entries).as_bytes())
}

const STYLE: &str = "\
:root{color-scheme:light dark;--ink:#1a1a1a;--soft:#5f5f5f;--line:#1565c0;--band:#1565c033;--rule:#d0d0d0;--paper:#fff}
@media (prefers-color-scheme:dark){:root{--ink:#e6e6e6;--soft:#a8a8a8;--line:#7ab3ef;--band:#7ab3ef33;--rule:#444;--paper:#161616}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);margin:0 auto;max-width:76rem;padding:1rem}
table{border-collapse:collapse}td,th{padding:.2rem .8rem .2rem 0;text-align:left;white-space:nowrap;border-bottom:1px solid var(--rule)}
.scroll{overflow-x:auto}h2{font-size:1.1rem;margin:1.6rem 0 .2rem}p{margin:.2rem 0;color:var(--soft)}
.verdict{display:inline-block;padding:0 .5rem;border-radius:3px;color:#fff}
.charts{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,22rem),1fr));gap:.4rem 1.2rem}
figure{margin:0;break-inside:avoid}figcaption{font-size:.85rem;overflow-wrap:anywhere}
svg{width:100%;height:auto;display:block}svg text{fill:var(--soft);font-size:10px}
a{color:var(--line)}summary{cursor:pointer;margin:1rem 0}";

fn page(title: &str, body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
        escape(title)
    )
}

fn verdict(v: Verdict) -> String {
    format!(
        "<span class=\"verdict\" style=\"background:{}\">{}</span>",
        colour(v),
        v.name()
    )
}

/// The verdict stands beside the name, where a narrow screen shows it.
fn index(entries: &[(String, usize, Night)]) -> String {
    let mut body = String::from(
        "<h1>Nights</h1>\n<div class=\"scroll\"><table>\n<tr><th>suite and profile</th>\
         <th>verdict</th><th>last night</th><th>nights</th><th>commit</th></tr>\n",
    );
    for (stem, nights, last) in entries {
        let (stem, night, commit) = (escape(stem), day(last), commit(last));
        let verdict = verdict(last.verdict);
        let _ = writeln!(
            body,
            "<tr><td><a href=\"{stem}.html\">{stem}</a></td><td>{verdict}</td><td>{night}</td>\
             <td>{nights}</td><td>{commit}</td></tr>"
        );
    }
    body += "</table></div>\n";
    page("Nights", &body)
}

fn day(night: &Night) -> String {
    escape(night.night.get(..10).unwrap_or(&night.night))
}

fn commit(night: &Night) -> String {
    escape(night.commit.get(..12).unwrap_or(&night.commit))
}

fn suite(stem: &str, nights: &[Night]) -> String {
    let mut body = format!(
        "<p><a href=\"index.html\">all suites</a></p>\n<h1>{}</h1>\n",
        escape(stem)
    );
    if let (Some(first), Some(last)) = (nights.first(), nights.last()) {
        let _ = writeln!(
            body,
            "<p>{} nights, {} to {}; the last: {}</p>",
            nights.len(),
            day(first),
            day(last),
            verdict(last.verdict)
        );
    }
    let mut series: BTreeMap<&CellId, Vec<Option<usize>>> = BTreeMap::new();
    for (n, night) in nights.iter().enumerate() {
        for (i, point) in night.cells.iter().enumerate() {
            let line = series
                .entry(&point.cell)
                .or_insert_with(|| vec![None; nights.len()]);
            line[n] = Some(i);
        }
    }
    let watched: BTreeSet<&String> = nights.iter().flat_map(|n| n.gates.keys()).collect();
    let (gates, others): (Vec<_>, Vec<_>) = series
        .iter()
        .partition(|(cell, _)| watched.contains(&cell.to_string()));
    let charts = |body: &mut String, of: &[(&&CellId, &Vec<Option<usize>>)]| {
        *body += "<div class=\"charts\">\n";
        for (cell, line) in of {
            chart(body, cell, nights, line);
        }
        *body += "</div>\n";
    };
    if !gates.is_empty() {
        body += "<h2>Watched values</h2>\n";
        charts(&mut body, &gates);
    }
    if !others.is_empty() {
        let _ = writeln!(
            body,
            "<details><summary>{} other values</summary>",
            others.len()
        );
        charts(&mut body, &others);
        body += "</details>\n";
    }
    body += "<h2>Nights</h2>\n<div class=\"scroll\"><table>\n<tr><th>night</th><th>commit</th>\
             <th>seeds</th><th>verdict</th></tr>\n";
    for night in nights.iter().rev() {
        let seeds = night.seeds.len() + night.further.len();
        let (day, commit, verdict) = (day(night), commit(night), verdict(night.verdict));
        let _ = writeln!(
            body,
            "<tr><td>{day}</td><td>{commit}</td><td>{seeds}</td><td>{verdict}</td></tr>"
        );
    }
    body + "</table></div>\n"
}

const WIDTH: f64 = 360.0;
const HEIGHT: f64 = 120.0;
const LEFT: f64 = 44.0;
const BOTTOM: f64 = 16.0;

/// The means of a value over nights, with the 95 % band of each, and where they step.
fn chart(out: &mut String, cell: &CellId, nights: &[Night], line: &[Option<usize>]) {
    let points: Vec<(usize, f64, f64)> = line
        .iter()
        .enumerate()
        .filter_map(|(n, i)| {
            let point = &nights[n].cells[(*i)?];
            // Normal: a band for the eye, not for a verdict.
            let half = point
                .sd
                .map_or(0.0, |sd| 1.96 * sd / (point.n.max(1) as f64).sqrt());
            point.mean.is_finite().then_some((n, point.mean, half))
        })
        .collect();
    let Some(&(_, last, _)) = points.last() else {
        return;
    };
    let low = points
        .iter()
        .map(|p| p.1 - p.2)
        .fold(f64::INFINITY, f64::min);
    let high = points
        .iter()
        .map(|p| p.1 + p.2)
        .fold(f64::NEG_INFINITY, f64::max);
    let span = (high - low).max(1e-6);
    let last_night = (nights.len().max(2) - 1) as f64;
    let x = |n: usize| LEFT + (WIDTH - LEFT - 4.0) * n as f64 / last_night;
    let y = |v: f64| 4.0 + (HEIGHT - BOTTOM - 4.0) * (high - v) / span;
    let _ = writeln!(
        out,
        "<figure><figcaption>{}: {:.2} %</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" \
         role=\"img\" aria-label=\"{} over {} nights, last {:.2} %\">",
        escape(&cell.to_string()),
        100.0 * last,
        escape(&cell.to_string()),
        points.len(),
        100.0 * last
    );
    let top = points
        .iter()
        .map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1 + p.2)));
    let foot = points
        .iter()
        .rev()
        .map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1 - p.2)));
    let band: Vec<String> = top.chain(foot).collect();
    let mean: Vec<String> = points
        .iter()
        .map(|p| format!("{:.1},{:.1}", x(p.0), y(p.1)))
        .collect();
    let _ = write!(
        out,
        "<polygon points=\"{}\" fill=\"var(--band)\"/>\n<polyline points=\"{}\" fill=\"none\" \
         stroke=\"var(--line)\" stroke-width=\"1.5\"/>\n",
        band.join(" "),
        mean.join(" ")
    );
    if let [(n, v, _)] = points[..] {
        let _ = writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"2.5\" fill=\"var(--line)\"/>",
            x(n),
            y(v)
        );
    }
    let values: Vec<f64> = points.iter().map(|p| p.1).collect();
    for step in steps::steps(&values) {
        let n = points[step].0;
        let _ = writeln!(
            out,
            "<g><title>a step at {}, {}</title><line x1=\"{:.1}\" x2=\"{:.1}\" y1=\"4\" y2=\"{:.1}\" \
             stroke=\"var(--soft)\" stroke-dasharray=\"3 2\"/><text x=\"{:.1}\" y=\"12\">{}</text></g>",
            day(&nights[n]),
            commit(&nights[n]),
            x(n),
            x(n),
            HEIGHT - BOTTOM,
            (x(n) + 3.0).min(WIDTH - 50.0),
            escape(&nights[n].commit.chars().take(7).collect::<String>())
        );
    }
    let _ = writeln!(
        out,
        "<text x=\"0\" y=\"12\">{:.1} %</text><text x=\"0\" y=\"{:.1}\">{:.1} %</text>\
         <text x=\"{LEFT}\" y=\"{HEIGHT}\">{}</text>\
         <text x=\"{WIDTH}\" y=\"{HEIGHT}\" text-anchor=\"end\">{}</text>\n</svg></figure>",
        100.0 * high,
        HEIGHT - BOTTOM,
        100.0 * low,
        nights.first().map_or(String::new(), day),
        nights.last().map_or(String::new(), day)
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Point;
    use crate::history::tests::night;

    fn nights() -> Vec<Night> {
        let of = |i: usize| {
            let mut night = night(&format!("<{i}>"), 1.0);
            night.night = format!("2026-11-{:02}T00:00:00Z", i + 1);
            let cell = |row: &str| Point {
                cell: CellId {
                    row: row.into(),
                    column: "d/p".into(),
                    metric: "accuracy".into(),
                },
                verdict: Verdict::Pass,
                n: 3,
                mean: if i < 10 { 0.9 } else { 0.8 } + 0.001 * (i % 3) as f64,
                sd: Some(0.01),
            };
            night.gates = BTreeMap::from([("m on d/p accuracy".into(), night.gates["c"])]);
            night.cells = vec![cell("m"), cell("other")];
            night
        };
        (0..20).map(of).collect()
    }

    #[test]
    fn a_page_shows_values_and_steps_and_needs_nothing_else() {
        let page = page("x-nightly", &suite("x-nightly", &nights()));
        assert_eq!(page.matches("<svg ").count(), 2);
        assert_eq!(page.matches("a step at 2026-11-11").count(), 2);
        assert!(page.contains("1 other values"));
        assert!(!page.contains("http") && !page.contains("<script"));
        assert!(!page.contains("<10>"), "names are escaped");
    }

    #[test]
    fn the_index_names_every_history() {
        let dir = tempfile::tempdir().unwrap();
        let lines: String = nights()
            .iter()
            .map(|n| serde_json::to_string(n).unwrap() + "\n")
            .collect();
        for name in ["a-nightly-2025", "a-nightly-2026", "b-smoke-2026"] {
            std::fs::write(dir.path().join(format!("{name}.nights.jsonl")), &lines).unwrap();
        }
        write(dir.path()).unwrap();
        let index = std::fs::read_to_string(dir.path().join("index.html")).unwrap();
        assert!(index.contains("href=\"a-nightly.html\"") && index.contains("<td>40</td>"));
        assert!(dir.path().join("b-smoke.html").exists());
    }
}
