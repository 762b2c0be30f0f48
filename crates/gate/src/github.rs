//! A night for GitHub Actions: annotations at lines of suites, and a summary in Markdown.

use crate::findings::{CellFinding, Findings, percent};
use crate::junit::points;
use crate::places::{Place, Places};
use crate::verdict::Verdict;
use frbench_report::escape::markdown as escape;

/// Workflow commands, one a line, of what is not a pass.
pub fn annotations(night: &Findings, places: &Places) -> String {
    let mut out = String::new();
    let mut add = |level: &str, place: &Place, title: &str, text: &str| {
        out += &format!(
            "::{level} file={},line={},title={}::{}\n",
            property(&place.file),
            place.line,
            property(title),
            data(text)
        );
    };
    for problem in &night.problems {
        let title = format!("{}: failed", night.suite);
        add(
            "error",
            &places.suite,
            &title,
            &format!("{}: {}", problem.what, problem.reason),
        );
    }
    if let Some(text) = night.other_bits() {
        add(
            "error",
            &places.suite,
            &format!("{}: other bits", night.suite),
            &text,
        );
    }
    for c in &night.cells {
        let Some(level) = level(c.verdict, c.gate.is_some()) else {
            continue;
        };
        let title = format!("{}: {} {}", night.suite, c.cell, c.verdict.name());
        let values = described(c);
        let text = match values.is_empty() {
            true => c.reason.clone(),
            false => format!("{}. {values}", c.reason),
        };
        add(level, places.cell(c), &title, &text);
    }
    for c in &night.claims {
        let Some(level) = level(c.verdict, true) else {
            continue;
        };
        let title = format!("{}: claim {} {}", night.suite, c.id, c.verdict.name());
        let interval = c
            .interval
            .map_or(String::new(), |i| format!(" ({})", points(i)));
        add(
            level,
            places.claim(c),
            &title,
            &format!("{}{interval}", c.reason),
        );
    }
    out
}

fn level(verdict: Verdict, watched: bool) -> Option<&'static str> {
    match verdict {
        Verdict::Pass => None,
        Verdict::Improved => watched.then_some("notice"),
        Verdict::Undecided | Verdict::Missing => Some("warning"),
        Verdict::Incomparable | Verdict::Regressed | Verdict::Failed => Some("error"),
    }
}

/// The values of a cell in words.
fn described(c: &CellFinding) -> String {
    let mut parts = Vec::new();
    if let Some(mean) = c.mean {
        parts.push(format!(
            "now {} over {} seeds",
            percent(mean),
            c.values.len()
        ));
    }
    if let Some(e) = c.expected {
        parts.push(format!("baseline {e} over {}", e.n));
    }
    if let Some(interval) = c.interval {
        parts.push(format!("change {} (95 %)", points(interval)));
    }
    parts.join(", ")
}

/// As GitHub wants the text of a command.
fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// As it wants the value of a property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// The night in Markdown, for a job's summary.
pub fn markdown(nights: &[Findings]) -> String {
    let mut out = String::from("# Nightly\n");
    for night in nights {
        let counts: Vec<String> = night
            .counts()
            .iter()
            .map(|(name, n)| format!("{n} {name}"))
            .collect();
        out += &format!(
            "\n## {}, profile {}: {}\n\n{}. Seeds {}{}{}.\n",
            escape(&night.suite),
            escape(&night.profile),
            night.verdict().name(),
            match counts.is_empty() {
                true => "nothing was measured".to_string(),
                false => counts.join(", "),
            },
            list(&night.seeds),
            match night.further.is_empty() {
                true => String::new(),
                false => format!(", further {}", list(&night.further)),
            },
            match night.repeated {
                true => "; this code was measured before",
                false => "",
            },
        );
        for problem in &night.problems {
            out += &format!(
                "\n- failed: {}: {}\n",
                escape(&problem.what),
                escape(&problem.reason)
            );
        }
        if let Some(bits) = night.other_bits() {
            out += &format!("\n- {}\n", escape(&bits));
        }
        if !night.sources.is_empty() {
            let shown: Vec<String> = night.sources.iter().take(12).map(|s| escape(s)).collect();
            let more = match night.sources.len().saturating_sub(12) {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            out += &format!(
                "\nOther than in the baseline: {}{more}.\n",
                shown.join(", ")
            );
        }
        for note in &night.notes {
            out += &format!("\n{}\n", escape(note));
        }
        let told = |c: &&CellFinding| c.gate.is_some() || c.verdict != Verdict::Pass;
        let cells: Vec<&CellFinding> = night.cells.iter().filter(told).collect();
        if !cells.is_empty() {
            out += "\n| value | now | baseline | change, 95 % | verdict | why |\n|---|---|---|---|---|---|\n";
        }
        for c in cells {
            let expected = c.expected.map_or(String::new(), |e| e.to_string());
            out += &format!(
                "| {} | {} | {expected} | {} | {} | {} |\n",
                escape(&c.cell.to_string()),
                c.mean.map_or(String::new(), percent),
                c.interval.map_or(String::new(), points),
                c.verdict.name(),
                escape(&c.reason)
            );
        }
        for c in night.claims.iter().filter(|c| c.verdict != Verdict::Pass) {
            out += &format!(
                "\n- claim {}: {}; {}\n",
                escape(&c.id),
                c.verdict.name(),
                escape(&c.reason)
            );
        }
    }
    out
}

fn list(seeds: &[u64]) -> String {
    match seeds {
        [] => "none".into(),
        seeds => {
            let seeds: Vec<String> = seeds.iter().map(u64::to_string).collect();
            seeds.join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_escaped() {
        assert_eq!(data("50 %\nx"), "50 %25%0Ax");
        assert_eq!(property("a: b, c"), "a%3A b%2C c");
    }
}
