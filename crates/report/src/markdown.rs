//! `report.md`: the same report for terminals, job summaries and pull requests. Drawings are not
//! shown, only named; what is folded on the page is open here.

use super::block::*;
use super::escape::{markdown as escape, markdown_code as code};
use super::section::Page;

pub(super) fn page(page: &Page) -> String {
    let mut out = format!("# {}\n\n{}\n", escape(&page.title), text(&page.kicker));
    if !page.paper.is_empty() {
        out += &format!("\n{}\n", text(&page.paper));
    }
    for chapter in &page.chapters {
        out += &format!("\n## {}\n", escape(chapter.title));
        out += &blocks(&chapter.blocks);
    }
    out
}

/// Each block after a blank line.
fn blocks(list: &[Block]) -> String {
    list.iter().map(block).collect()
}

fn block(block: &Block) -> String {
    match block {
        Block::Heading(h) => {
            let marks = "#".repeat(h.level.into());
            let note = Some(&h.note).filter(|n| !n.is_empty());
            let note = note.map_or(String::new(), |n| format!(" ({})", escape(n)));
            format!("\n{marks} {}{note}\n", text(&h.text))
        }
        Block::Prose(p) => format!("\n{}\n", paragraph(&text(&p.text))),
        Block::List(items) => list(items.iter().map(text)),
        Block::Facts(facts) => list(
            facts
                .iter()
                .map(|(k, v)| format!("{}: {}", text(k), text(v))),
        ),
        Block::Callouts(callouts) => list(callouts.iter().map(callout)),
        Block::Table(t) => table(t),
        Block::Plots(p) => plots(p),
        Block::Pair(p) => table(&p.table),
        Block::Gallery(g) => g.pictures.iter().map(picture).collect(),
        Block::Details(d) => format!("\n{}\n{}", strong(&d.summary), blocks(&d.blocks)),
        Block::Part(p) => blocks(&p.blocks),
    }
}

fn list(items: impl Iterator<Item = String>) -> String {
    let lines: String = items
        .map(|item| format!("- {}\n", paragraph(&item)))
        .collect();
    format!("\n{lines}")
}

fn callout(c: &Callout) -> String {
    let source = match c.source.is_empty() {
        true => String::new(),
        false => format!(" {}", text(&c.source)),
    };
    format!(
        "**{}**: {} {}{source}",
        c.verdict.name(),
        text(&c.statement),
        text(&c.finding)
    )
}

/// What would begin a list or a rule at the beginning of a line is text there.
fn paragraph(line: &str) -> String {
    let line = line.trim();
    let digits = line.chars().take_while(char::is_ascii_digit).count();
    match line.as_bytes().get(digits) {
        Some(b'.' | b')') if digits > 0 => format!("{}\\{}", &line[..digits], &line[digits..]),
        Some(b'-' | b'+' | b'=') if digits == 0 => format!("\\{line}"),
        _ => line.to_string(),
    }
}

fn text(text: &Text) -> String {
    text.spans().iter().map(span).collect()
}

/// As a heading of what follows, without being one: the parts in between are.
fn strong(text: &Text) -> String {
    let spans = text.spans().iter();
    spans
        .map(|s| match s {
            Span::Plain(text) => span(&Span::Strong(text.clone())),
            other => span(other),
        })
        .collect()
}

fn span(s: &Span) -> String {
    match s {
        Span::Plain(text) | Span::Soft(text) => escape(text),
        Span::Strong(text) => marked("**", text),
        Span::Cite(text) => marked("*", text),
        Span::Code(text) => code(text),
        Span::Tag(text) => format!("({})", escape(text)),
        Span::Judged { text, .. } | Span::Here { text, .. } => escape(text),
        Span::Link { text, to } => format!("[{}]({})", escape(text), to.as_str()),
        Span::See { .. } => String::new(),
    }
}

/// Marks hold words only if they touch them.
fn marked(mark: &str, raw: &str) -> String {
    let text = escape(raw);
    let words = text.trim();
    match text.split_once(words) {
        Some((before, after)) if !words.is_empty() => {
            format!("{before}{mark}{words}{mark}{after}")
        }
        _ => text,
    }
}

fn table(t: &Table) -> String {
    let over = t
        .over
        .iter()
        .flat_map(|(above, n)| std::iter::repeat_n(above.as_str(), *n));
    let over = std::iter::once("").chain(over).chain(std::iter::repeat(""));
    let heads = t.head.iter().zip(over);
    let mut out = format!("\n{}", line(heads.map(|(h, above)| head(h, above))));
    out += &line(t.head.iter().map(|h| match h.align {
        Align::Right => "---:".to_string(),
        Align::Left | Align::Words => "---".to_string(),
    }));
    for group in &t.groups {
        if !group.title.is_empty() {
            let named = marked("**", &group.title);
            let first = format!("{named} {}", escape(&group.note))
                .trim_end()
                .to_string();
            let rest = std::iter::repeat_n(String::new(), t.head.len().saturating_sub(1));
            out += &line(std::iter::once(first).chain(rest));
        }
        for row in &group.rows {
            out += &line(row.cells.iter().map(|c| c.line(&CELL)));
        }
    }
    out
}

fn line(cells: impl Iterator<Item = String>) -> String {
    let cells: Vec<String> = cells.collect();
    format!("| {} |\n", cells.join(" | "))
}

/// With the heading above it.
fn head(h: &Head, above: &str) -> String {
    let above = match above {
        "" => String::new(),
        above => format!("{}: ", escape(above)),
    };
    let head = format!("{above}{} {}", text(&h.text), escape(&h.note));
    head.trim_end().to_string()
}

const CELL: CellFormat = CellFormat {
    empty: "–",
    text,
    best: strong,
    escape,
};

/// What is drawn on the page, in one sentence.
fn plots(p: &Plots) -> String {
    let name = |f: &Figure| match f.caption.as_str() {
        "" => escape(f.drawing.alt()),
        caption => escape(caption),
    };
    let names: Vec<String> = p.figures.iter().map(name).collect();
    format!(
        "\nDrawn in [index.html](index.html): {}.\n",
        names.join("; ")
    )
}

fn picture(p: &Picture) -> String {
    let name = match p.note.as_str() {
        "" => p.caption.clone(),
        note => format!("{}, {note}", p.caption),
    };
    let shown = match &p.file {
        Some(file) => format!("![{}]({})", escape(&p.alt), file.as_str()),
        None => "picture missing".to_string(),
    };
    let said = if p.explained { &*p.alt } else { "" };
    let above = format!("{name}. {said}");
    format!("\n{}\n\n{shown}\n", paragraph(escape(&above).trim()))
}
