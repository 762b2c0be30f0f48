//! What a report is made of. A section yields blocks; [`html`](super::html) and
//! [`markdown`](super::markdown) each render a block in one way. All text in blocks is plain: the
//! renderers escape it, so no section can forget to.

#[cfg(test)]
pub(crate) mod samples;
mod table;
mod text;

pub(crate) use table::{Align, Cell, CellFormat, Group, Head, Row, Table, Tone};
pub(crate) use text::{Address, Place, Span, Text};

use super::svg::Drawing;
use frbench_eval::stats::ClaimVerdict;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "of", rename_all = "kebab-case")]
pub(crate) enum Block {
    Heading(Heading),
    Prose(Prose),
    List(Vec<Text>),
    Facts(Vec<(Text, Text)>),
    Callouts(Vec<Callout>),
    Table(Table),
    Plots(Plots),
    Pair(Pair),
    Gallery(Gallery),
    Details(Details),
    Part(Part),
}

impl Block {
    pub fn heading(level: u8, text: impl Into<Text>, note: impl Into<String>) -> Block {
        Block::Heading(Heading {
            level,
            text: text.into(),
            note: note.into(),
        })
    }

    pub fn prose(text: impl Into<Text>) -> Block {
        Block::voiced(Voice::Plain, text)
    }

    /// Explanations and limits, in small print.
    pub fn fine(text: impl Into<Text>) -> Block {
        Block::voiced(Voice::Fine, text)
    }

    pub fn voiced(voice: Voice, text: impl Into<Text>) -> Block {
        Block::Prose(Prose {
            voice,
            text: text.into(),
        })
    }

    /// Folded, until a reader opens it.
    pub fn details(summary: impl Into<Text>, blocks: Vec<Block>) -> Block {
        Block::Details(Details {
            summary: summary.into(),
            open: false,
            blocks,
        })
    }
}

/// A heading within a section; sections have level 2.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Heading {
    /// 3 or 4.
    pub level: u8,
    pub text: Text,
    /// In small print behind it.
    pub note: String,
}

/// One paragraph.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Prose {
    pub voice: Voice,
    pub text: Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Voice {
    Plain,
    /// The first thing to be read.
    Lead,
    Fine,
    /// Why something is not as a reader may expect it.
    Reason,
}

/// A statement and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Callout {
    pub place: Place,
    pub verdict: ClaimVerdict,
    pub statement: Text,
    /// Where the statement comes from; may be empty.
    pub source: Text,
    pub finding: Text,
}

/// A drawing, its caption and what its lines are.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Figure {
    pub caption: String,
    pub drawing: Drawing,
    pub legend: Vec<Key>,
    /// In small print below.
    pub note: String,
}

/// An entry of a legend: a name, and the class of its line in the style sheet.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Key {
    pub name: String,
    pub class: String,
}

/// Figures side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Plots {
    /// Two beside each other instead of three.
    pub wide: bool,
    pub figures: Vec<Figure>,
}

/// A figure beside the table of its numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Pair {
    pub figure: Figure,
    pub table: Table,
}

/// Pictures side by side.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Gallery {
    pub wide: bool,
    pub pictures: Vec<Picture>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Picture {
    pub caption: String,
    /// In small print behind the caption.
    pub note: String,
    /// None where the picture is missing.
    pub file: Option<Address>,
    /// What is to be seen, for readers who do not see it.
    pub alt: String,
    /// Whether that stands below the picture, too.
    pub explained: bool,
    /// In pixels.
    pub width: u32,
    pub height: u32,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Details {
    pub summary: Text,
    pub open: bool,
    pub blocks: Vec<Block>,
}

/// Blocks that belong together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Part {
    /// What links within the page lead to.
    pub place: Option<Place>,
    /// Set back: there for comparison only.
    pub quiet: bool,
    pub blocks: Vec<Block>,
}
