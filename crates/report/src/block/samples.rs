//! One block of every kind, for the tests of renderers.

use super::*;
use crate::svg::{DotGroup, DotRow, dots};

/// Blocks with `text` wherever a section can put text.
pub(crate) fn every(text: &str) -> Vec<Block> {
    let figure = || Figure {
        caption: text.into(),
        drawing: dots(text, text, &[group(text)], &[], None),
        legend: vec![Key {
            name: text.into(),
            class: "s0".into(),
        }],
        note: text.into(),
    };
    let marked = marked(text);
    let blocks = vec![
        Block::heading(3, marked.clone(), text),
        Block::voiced(Voice::Lead, marked.clone()),
        Block::List(vec![marked.clone()]),
        Block::Facts(vec![(marked.clone(), marked.clone())]),
        Block::Callouts(vec![Callout {
            place: Place::named(text),
            verdict: ClaimVerdict::Reproduced,
            statement: marked.clone(),
            source: marked.clone(),
            finding: marked.clone(),
        }]),
        Block::Table(table(text)),
        Block::Plots(Plots {
            wide: true,
            figures: vec![figure()],
        }),
        Block::Pair(Pair {
            figure: figure(),
            table: table(text),
        }),
        Block::Gallery(Gallery {
            wide: true,
            pictures: vec![picture(text, true), picture(text, false)],
        }),
        Block::details(marked.clone(), vec![Block::prose(text)]),
        Block::Part(Part {
            place: Some(Place::named(text)),
            quiet: true,
            blocks: vec![Block::fine(text)],
        }),
    ];
    let kinds: std::collections::BTreeSet<&str> = blocks.iter().map(kind).collect();
    assert_eq!(kinds.len(), blocks.len());
    blocks
}

/// A new kind is told of here, and needs a block above.
pub(crate) fn kind(block: &Block) -> &'static str {
    match block {
        Block::Heading(_) => "heading",
        Block::Prose(_) => "prose",
        Block::List(_) => "list",
        Block::Facts(_) => "facts",
        Block::Callouts(_) => "callouts",
        Block::Table(_) => "table",
        Block::Plots(_) => "plots",
        Block::Pair(_) => "pair",
        Block::Gallery(_) => "gallery",
        Block::Details(_) => "details",
        Block::Part(_) => "part",
    }
}

/// Every mark.
fn marked(text: &str) -> Text {
    Text::from(text)
        .strong(text)
        .soft(text)
        .code(text)
        .cite(text)
        .tag(text)
        .judged(text, ClaimVerdict::Contradicted)
        .link(text, Address::web(&format!("https://a.org/{text}")))
        .link(text, Address::web(&format!("javascript:{text}")))
        .link(text, Some(Address::publication("https://doi.org/", text)))
        .here(text, Place::named(text))
        .see(text, Place::named(text), text)
}

fn table(text: &str) -> Table {
    let cell = |tone| {
        let mut cell = Cell::of(marked(text)).beside(text).below(text).tone(tone);
        cell.title = text.into();
        cell
    };
    let row = Row::new(
        "method",
        vec![
            Cell::name(text),
            cell(Tone::Best),
            cell(Tone::Failed),
            Cell::default(),
        ],
    );
    let head = |head: Head| head.note(text).title(text);
    let head = vec![
        head(Head::left(text)),
        head(Head::right(marked(text))),
        head(Head::words(text)),
        head(Head::words(text)),
    ];
    let mut table = Table::new(text, head, vec![row]);
    table.over = vec![(text.into(), 2), (text.into(), 1)];
    table.groups[0].title = text.into();
    table.groups[0].note = text.into();
    table
}

fn picture(text: &str, there: bool) -> Picture {
    Picture {
        caption: text.into(),
        note: text.into(),
        file: there.then(|| Address::beside(text)),
        alt: text.into(),
        explained: true,
        width: 4,
        height: 3,
    }
}

fn group(text: &str) -> DotGroup {
    DotGroup {
        label: text.into(),
        rows: vec![DotRow {
            label: text.into(),
            class: "method",
            values: Vec::new(),
            mean: None,
            interval: None,
            hole: text.into(),
        }],
        guides: Vec::new(),
    }
}
