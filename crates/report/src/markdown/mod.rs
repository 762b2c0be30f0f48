//! `report.md`: the same report for terminals, job summaries and pull requests.

mod findings;
mod markup;

use super::prose::{Block, Span};
use super::view::*;
use findings::{attention, labels};
use markup::*;
use std::fmt::Write;

pub(super) fn page(view: &View) -> String {
    let mut out = String::new();
    head(&mut out, view);
    claims(&mut out, view);
    results(&mut out, view);
    gaps(&mut out, view);
    ablations(&mut out, view);
    labels(&mut out, view);
    attention(&mut out, view);
    published(&mut out, view);
    analysis(&mut out, view);
    data(&mut out, view);
    recipes(&mut out, view);
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
    let questions: Vec<String> = view.questions.iter().map(|q| q.answer.clone()).collect();
    for paragraph in [&questions, &view.answer, &view.caveats] {
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
    for b in view.blocks.iter().filter(|b| !b.condition.is_empty()) {
        let note = match b.note.as_str() {
            "" => String::new(),
            note => format!(": {}", text(note)),
        };
        let _ = writeln!(out, "- Condition {}{note}", text(&b.condition));
    }
    if view.conditional {
        out.push('\n');
    }
    let mut head: Vec<String> = ["", "role"].map(String::from).to_vec();
    head.extend(
        view.columns
            .iter()
            .map(|c| text(format!("{} {} {}", c.label, c.unit, c.arrow).trim())),
    );
    head.extend(["parameters", "MACs", "backbone"].map(String::from));
    let rows = view.blocks.iter().flat_map(|b| &b.rows).map(|r| {
        let mut line = vec![text(&r.name), r.role.to_string()];
        line.extend(r.cells.iter().map(cell));
        line.extend([r.parameters.clone(), r.macs.clone(), text(&r.backbone)]);
        line
    });
    table(out, &head, 2, rows);
    let of = if view.conditional {
        "of one condition "
    } else {
        ""
    };
    let _ = writeln!(
        out,
        "± is the sample standard deviation over training seeds, shown from 3 seeds on. Bold: best mean of the rows {of}with all their seeds, teacher aside.\n"
    );
}

fn gaps(out: &mut String, view: &View) {
    let columns = if view.against_student { 5 } else { 3 };
    for p in &view.protocols {
        let title = format!("{} ({}, {})", p.column.label, p.protocol, p.column.metric);
        let _ = writeln!(out, "### {}\n", text(&title));
        let of_conditions = p.blocks.iter().filter(|b| !b.note.is_empty());
        let mut facts: Vec<String> = vec![text(&p.facts)];
        facts.extend(of_conditions.map(|b| text(&format!("{}: {}", b.condition, b.note))));
        facts.retain(|fact| !fact.is_empty());
        if !facts.is_empty() {
            let _ = writeln!(out, "{}\n", facts.join(" "));
        }
        let rows = p.blocks.iter().flat_map(|b| &b.rows).map(|r| {
            let mark = if r.foreign { " †" } else { "" };
            let mut line = vec![
                text(&r.name),
                cell(&r.cell),
                r.interval.clone(),
                two(&r.over_student) + mark,
                two(&r.gap),
            ];
            line.truncate(columns);
            line
        });
        let head = ["", "mean", "95 % interval", "over student", "gap closed"];
        table(out, &head[..columns], 1, rows);
    }
    if !view.foreign.is_empty() {
        let _ = writeln!(out, "{}\n", text(&view.foreign));
    }
}

fn ablations(out: &mut String, view: &View) {
    if view.ablations.is_empty() {
        return;
    }
    out.push_str("## Ablations\n\n");
    for a in &view.ablations {
        let _ = writeln!(out, "### {}\n", text(&a.title));
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
    for d in view.data.iter().filter(|d| !d.notes.is_empty()) {
        let _ = writeln!(out, "- {}: {}", text(&d.name), text(&d.notes.join("; ")));
    }
    if view.data.iter().any(|d| !d.notes.is_empty()) {
        out.push('\n');
    }
}

fn recipes(out: &mut String, view: &View) {
    if view.recipes.is_empty() {
        return;
    }
    out.push_str("## Recipes\n\n");
    let rows = view.recipes.iter();
    let rows = rows.map(|r| vec![text(&r.row), text(&r.loss), text(&r.training)]);
    table(out, &["row", "method and head", "training"], 3, rows);
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
