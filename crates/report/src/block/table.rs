//! Tables. The first cell of a row names it.

use super::Text;
use serde::Serialize;

/// Letters of a name that are shown in any case.
const NAME: usize = 30;

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Table {
    /// What it shows, for readers who do not see it.
    pub label: String,
    /// Headings above several columns, and how many; all columns but the first.
    pub over: Vec<(String, usize)>,
    pub head: Vec<Head>,
    pub groups: Vec<Group>,
    /// For tables that are looked up, not read.
    pub small: bool,
}

impl Table {
    /// A table of rows that are in no groups.
    pub fn new(label: impl Into<String>, head: Vec<Head>, rows: Vec<Row>) -> Self {
        Table {
            label: label.into(),
            head,
            groups: vec![Group {
                rows,
                ..Group::default()
            }],
            ..Table::default()
        }
    }

    pub fn small(mut self) -> Self {
        self.small = true;
        self
    }
}

/// The heading of a column.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Head {
    pub text: Text,
    /// In small print below.
    pub note: String,
    /// On hovering.
    pub title: String,
    pub align: Align,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Align {
    /// Names and words.
    Left,
    /// Words that run over several lines.
    Words,
    /// Numbers.
    Right,
}

impl Head {
    pub fn left(text: impl Into<Text>) -> Self {
        Head::aligned(Align::Left, text)
    }

    pub fn words(text: impl Into<Text>) -> Self {
        Head::aligned(Align::Words, text)
    }

    pub fn right(text: impl Into<Text>) -> Self {
        Head::aligned(Align::Right, text)
    }

    fn aligned(align: Align, text: impl Into<Text>) -> Self {
        Head {
            text: text.into(),
            note: String::new(),
            title: String::new(),
            align,
        }
    }

    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }
}

/// Rows that belong together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Group {
    /// Stands above them, if there is one.
    pub title: String,
    pub note: String,
    pub rows: Vec<Row>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Row {
    /// A class of the style sheet: the role of the row, or nothing.
    pub class: &'static str,
    pub cells: Vec<Cell>,
}

impl Row {
    pub fn new(class: &'static str, cells: Vec<Cell>) -> Self {
        Row { class, cells }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Cell {
    /// Nothing is shown as a dash.
    pub text: Text,
    /// In small print behind it: a spread or an interval.
    pub beside: String,
    /// In small print, each on a line of its own.
    pub below: Vec<String>,
    /// On hovering.
    pub title: String,
    pub tone: Tone,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Tone {
    #[default]
    Plain,
    Best,
    /// There should be a value, and something failed.
    Failed,
    /// There is no value yet.
    Missing,
}

/// How a format of lines writes the parts of a cell.
pub struct CellFormat {
    /// In place of no text.
    pub empty: &'static str,
    pub text: fn(&Text) -> String,
    /// The text of the best in a column.
    pub best: fn(&Text) -> String,
    pub escape: fn(&str) -> String,
}

impl Cell {
    pub fn of(text: impl Into<Text>) -> Self {
        Cell {
            text: text.into(),
            ..Cell::default()
        }
    }

    /// What names a row. A long name is cut, and whole on hovering.
    pub fn name(text: &str) -> Self {
        let long = text.chars().count() > NAME;
        Cell {
            title: if long { text.into() } else { String::new() },
            ..Cell::of(text)
        }
    }

    pub fn code(text: impl Into<String>) -> Self {
        Cell::of(Text::new().code(text))
    }

    pub fn beside(mut self, beside: impl Into<String>) -> Self {
        self.beside = beside.into();
        self
    }

    /// Nothing is added for an empty text.
    pub fn below(mut self, below: impl Into<String>) -> Self {
        self.below
            .extend(Some(below.into()).filter(|b| !b.is_empty()));
        self
    }

    /// For formats of lines: the text, what stands beside it, and in brackets what stands below.
    pub fn line(&self, of: &CellFormat) -> String {
        let mut out = match (self.text.is_empty(), self.tone) {
            (true, _) => of.empty.to_string(),
            (false, Tone::Best) => (of.best)(&self.text),
            (false, _) => (of.text)(&self.text),
        };
        if !self.beside.is_empty() {
            out += &format!(" {}", (of.escape)(&self.beside));
        }
        for below in &self.below {
            out += &format!(" ({})", (of.escape)(below));
        }
        out
    }

    pub fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}
