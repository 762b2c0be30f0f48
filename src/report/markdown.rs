//! `report.md`: the same report for terminals, job summaries and pull requests.

use super::prose::{Block, Span};
use super::view::*;
use std::fmt::Write;

pub(super) fn page(view: &View) -> String {
    let mut out = String::new();
    head(&mut out, view);
    claims(&mut out, view);
    results(&mut out, view);
    gaps(&mut out, view);
    ablations(&mut out, view);
    labels(&mut out, view);
    looks(&mut out, view);
    published(&mut out, view);
    analysis(&mut out, view);
    data(&mut out, view);
    runs(&mut out, view);
    out
}

fn head(out: &mut String, view: &View) {
    let _ = writeln!(out, "# {}\n", text(&view.title));
    let paper = [&view.paper.title, &view.paper.authors, &view.paper.venue];
    let mut paper: Vec<String> = paper
        .into_iter()
        .filter(|t| !t.is_empty())
        .map(|t| text(t))
        .collect();
    paper.extend(view.links.iter().map(|l| link(&l.text, &l.url)));
    let _ = writeln!(
        out,
        "Suite {}, profile {}. {}\n",
        code(&view.name),
        code(&view.profile),
        paper.join(", ")
    );
    for q in &view.questions {
        let _ = writeln!(
            out,
            "{} **{}**: {}\n",
            text(&q.text),
            q.verdict,
            text(&q.sentence)
        );
    }
    for paragraph in [&view.answer, &view.caveats] {
        let sentences: Vec<String> = paragraph.iter().map(|s| text(s)).collect();
        if !sentences.is_empty() {
            let _ = writeln!(out, "{}\n", sentences.join(" "));
        }
    }
    for note in &view.notes {
        let _ = writeln!(out, "- Note: {}", text(note));
    }
    if !view.notes.is_empty() {
        out.push('\n');
    }
}

fn claims(out: &mut String, view: &View) {
    if view.claims.is_empty() {
        return;
    }
    out.push_str("## Claims\n\n");
    let rows = view.claims.iter().map(|c| {
        vec![
            text(&c.text),
            format!("**{}**", c.verdict),
            text(&c.sentence),
        ]
    });
    table(out, &["claim", "verdict", "what was found"], 3, rows);
}

fn results(out: &mut String, view: &View) {
    out.push_str("## Results\n\n");
    let mut head: Vec<String> = ["", "role"].map(String::from).to_vec();
    head.extend(
        view.columns
            .iter()
            .map(|c| text(format!("{} {} {}", c.label, c.unit, c.arrow).trim())),
    );
    head.extend(["parameters", "MACs", "backbone"].map(String::from));
    let rows = view.rows.iter().map(|r| {
        let mut line = vec![text(&r.label), r.role.to_string()];
        line.extend(r.cells.iter().map(cell));
        line.extend([r.parameters.clone(), r.macs.clone(), text(&r.backbone)]);
        line
    });
    table(out, &head, 2, rows);
    out.push_str(
        "± is the sample standard deviation over training seeds, shown from 3 seeds on. Bold: best mean of the rows with all their seeds, teacher aside.\n\n",
    );
}

fn gaps(out: &mut String, view: &View) {
    for p in &view.protocols {
        let title = format!("{} ({}, {})", p.column.label, p.protocol, p.column.metric);
        let _ = writeln!(out, "### {}\n", text(&title));
        if !p.facts.is_empty() {
            let _ = writeln!(out, "{}\n", text(&p.facts));
        }
        let rows = p.rows.iter().map(|r| {
            vec![
                text(&r.label),
                cell(&r.cell),
                r.interval.clone(),
                two(&r.over_student),
                two(&r.gap),
            ]
        });
        let head = ["", "mean", "95 % interval", "over student", "gap closed"];
        table(out, &head, 1, rows);
    }
}

fn labels(out: &mut String, view: &View) {
    let Some(labels) = &view.labels else {
        return;
    };
    out.push_str("## Right and wrong labels\n\n");
    let head = [
        "in the last epoch, %",
        "right labels at their class",
        "wrong labels at the label's class",
        "wrong labels at the person's class",
        "outliers at the label's class",
        "corrected images",
        "precision",
        "recall",
        "landed",
        "damaged",
    ];
    let rows = labels.rows.iter().map(|r| {
        let cells = [
            &r.clean,
            &r.flipped,
            &r.truth,
            &r.outliers,
            &r.corrected,
            &r.precision,
            &r.recall,
            &r.landed,
            &r.damaged,
        ];
        let cells = cells.into_iter().cloned();
        std::iter::once(text(&r.label)).chain(cells).collect()
    });
    table(out, &head, 1, rows);
}

fn looks(out: &mut String, view: &View) {
    let Some(first) = view.looks.first() else {
        return;
    };
    out.push_str("## Where networks look\n\nAttention on the landmarks, as a multiple of what indifference would have there.\n\n");
    let mut head = vec![String::new()];
    head.extend((1..=first.stages.len()).map(|s| format!("stage {s}")));
    let rows = view.looks.iter().map(|l| {
        let stages = l.stages.iter().cloned();
        std::iter::once(text(&l.row)).chain(stages).collect()
    });
    table(out, &head, 1, rows);
}

fn ablations(out: &mut String, view: &View) {
    if view.ablations.is_empty() {
        return;
    }
    out.push_str("## Ablations\n\n");
    for a in &view.ablations {
        let _ = writeln!(out, "### {}\n", text(&a.group));
        let mut head = vec![String::new()];
        head.extend(view.columns.iter().map(|c| text(&c.label)));
        let rows = a.rows.iter().map(|r| {
            let mut line = vec![text(&r.label)];
            line.extend(
                r.cells
                    .iter()
                    .map(|(value, over)| match over.value.as_str() {
                        "" => cell(value),
                        _ => format!("{} ({})", cell(value), two(over)),
                    }),
            );
            line
        });
        table(out, &head, 1, rows);
        let _ = writeln!(
            out,
            "In brackets: difference to {}, paired by seed, with its 95 % interval.\n",
            text(&a.reference)
        );
    }
}

fn published(out: &mut String, view: &View) {
    if view.compared.is_empty() && view.sources.is_empty() {
        return;
    }
    out.push_str("## Published numbers\n\n");
    if !view.compared.is_empty() {
        let rows = view.compared.iter().map(|c| {
            vec![
                text(&c.method),
                text(&c.column),
                c.published.clone(),
                c.measured.clone(),
                c.difference.clone(),
                format!("{} {}", link(&c.paper, &c.url), text(&c.table)),
            ]
        });
        let head = ["method", "on", "published", "here", "difference", "source"];
        table(out, &head, 2, rows);
    }
    for s in &view.sources {
        let _ = writeln!(
            out,
            "### {}, {}\n\nNot compared: {}. Context: {}.\n",
            link(&s.paper, &s.url),
            text(&s.table),
            text(&s.reason),
            text(&s.context)
        );
        let mut head = vec![String::new()];
        head.extend(s.columns.iter().map(|(d, m)| text(&format!("{d} {m}"))));
        let rows = s.rows.iter().map(|r| {
            let mut line = vec![text(&r.method)];
            line.extend(r.cells.iter().map(|c| text(c)));
            line
        });
        table(out, &head, 1, rows);
    }
}

fn analysis(out: &mut String, view: &View) {
    if view.analysis.is_empty() {
        return;
    }
    out.push_str("## Analysis\n\n");
    for Block { list, items } in &view.analysis {
        for item in items {
            let spans: String = item
                .iter()
                .map(|Span { text: t, code: c }| if *c { code(t) } else { text(t) })
                .collect();
            let _ = writeln!(out, "{}{spans}", if *list { "- " } else { "" });
        }
        out.push('\n');
    }
}

fn data(out: &mut String, view: &View) {
    out.push_str("## Data\n\n");
    let rows = view.data.iter().map(|d| {
        vec![
            text(&d.name),
            text(&d.size),
            if d.pinned { "pinned" } else { "not pinned" }.to_string(),
            code(&d.pixels),
            text(&d.decoder),
        ]
    });
    let head = [
        "data set",
        "size",
        "hash",
        "sha256 of pixels and labels",
        "decoder",
    ];
    table(out, &head, 5, rows);
}

fn runs(out: &mut String, view: &View) {
    out.push_str("## Runs\n\n");
    let mut head: Vec<String> = ["row", "seed", "status"].map(String::from).to_vec();
    head.extend(view.columns.iter().map(|c| text(&c.label)));
    head.extend(["training", "images/s", "key", "checkpoint"].map(String::from));
    let rows = view.runs.iter().map(|r| {
        let status = match r.reason.as_str() {
            "" => r.status.to_string(),
            reason => format!("{}: {}", r.status, text(reason)),
        };
        let mut line = vec![text(&r.row), r.seed.to_string(), status];
        line.extend(r.values.iter().cloned());
        line.extend([
            r.time.clone(),
            r.speed.clone(),
            code(&r.key),
            code(&r.checkpoint),
        ]);
        line
    });
    table(out, &head, 1, rows);
    let _ = writeln!(out, "Seeds: {}.\n", view.seeds);
    for (name, value) in &view.environment {
        let _ = writeln!(out, "- {}: {}", text(name), text(value));
    }
    let _ = writeln!(
        out,
        "- command: {}\n- started {}, finished {}",
        code(&view.command),
        text(&view.started),
        text(&view.finished)
    );
}

fn cell(cell: &CellView) -> String {
    let mut line = if cell.best {
        format!("**{}**", cell.text)
    } else {
        cell.text.clone()
    };
    for part in [&cell.spread, &cell.seeds] {
        if !part.is_empty() {
            line.push(' ');
            line.push_str(part);
        }
    }
    line
}

fn two(two: &Two) -> String {
    match (two.value.as_str(), two.interval.as_str()) {
        ("", _) => "–".into(),
        (value, "") => value.into(),
        (value, interval) => format!("{value} [{interval}]"),
    }
}

/// The first `left` columns are set left, the others right.
fn table<H: AsRef<str>>(
    out: &mut String,
    head: &[H],
    left: usize,
    rows: impl Iterator<Item = Vec<String>>,
) {
    let names: Vec<&str> = head.iter().map(AsRef::as_ref).collect();
    let _ = writeln!(out, "| {} |", names.join(" | "));
    let align = |i| if i < left { "---|" } else { "---:|" };
    let _ = writeln!(out, "|{}", (0..head.len()).map(align).collect::<String>());
    for row in rows {
        let _ = writeln!(out, "| {} |", row.join(" | "));
    }
    out.push('\n');
}

/// Text that Markdown must not take for markup, on one line.
fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len());
    for c in raw.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' | '~' => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A code span; back quotes and bars cannot be escaped within one.
fn code(raw: &str) -> String {
    let plain: String = raw
        .chars()
        .map(|c| match c {
            '`' => '\'',
            '|' => '¦',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect();
    if plain.trim().is_empty() {
        "–".into()
    } else {
        format!("`{plain}`")
    }
}

fn link(label: &str, url: &str) -> String {
    match url {
        "" => text(label),
        url => format!("[{}]({url})", text(label)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suite_text_stays_text() {
        assert_eq!(
            text("a|b <script> *x* [y](z)\nq"),
            "a\\|b &lt;script&gt; \\*x\\* \\[y\\](z) q"
        );
        assert_eq!(code("a`b|c\n"), "`a'b¦c `");
        assert_eq!(code(""), "–");
    }
}
