//! A suite's text, and errors that point into it.

use frbench_base::Error;
use std::fmt::Display;
use std::ops::Range;

/// Bytes of a suite's text that a value came from.
pub type Span = Range<usize>;

/// A suite file: its name as the user knows it, and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub name: String,
    pub text: String,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Source {
            name: name.into(),
            text: text.into(),
        }
    }

    /// 1-based line and column (in characters) of a byte offset.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.floor(offset)];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        (line, before[start..].chars().count() + 1)
    }

    /// A usage error `file:line:column: message`, with the line and a caret below it.
    pub fn error(&self, span: &Span, message: impl Display) -> Error {
        let (line, column) = self.position(span.start);
        let text = self.text.lines().nth(line - 1).unwrap_or("");
        let rest = text.chars().count().saturating_sub(column - 1).max(1);
        let end = self.floor(span.end).max(self.floor(span.start));
        let marked = self.text[self.floor(span.start)..end]
            .lines()
            .next()
            .map_or(1, |l| l.chars().count())
            .clamp(1, rest);
        let gutter = " ".repeat(line.to_string().len());
        Error::Usage(format!(
            "{}:{line}:{column}: {message}\n{gutter} |\n{line} | {text}\n{gutter} | {}{}",
            self.name,
            " ".repeat(column - 1),
            "^".repeat(marked),
        ))
    }

    /// The nearest character boundary at or below `offset`.
    fn floor(&self, offset: usize) -> usize {
        let mut i = offset.min(self.text.len());
        while !self.text.is_char_boundary(i) {
            i -= 1;
        }
        i
    }
}

/// A value with the place it was read from.
#[derive(Clone, Debug, PartialEq)]
pub struct At<T> {
    pub value: T,
    pub span: Span,
}

impl<T> At<T> {
    pub fn new(value: T, span: Span) -> Self {
        At { value, span }
    }
}

impl<T> std::ops::Deref for At<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_marks_the_value() {
        let s = Source::new("a.toml", "x = 1\ny = \"ä\" # no\n");
        let at = s.text.find("\"ä").unwrap();
        assert_eq!(
            s.error(&(at..at + 4), "wrong").to_string(),
            "a.toml:2:5: wrong\n  |\n2 | y = \"ä\" # no\n  |     ^^^"
        );
    }

    #[test]
    fn offsets_beyond_the_text_do_not_panic() {
        let s = Source::new("a.toml", "");
        assert!(
            s.error(&(7..9), "end")
                .to_string()
                .starts_with("a.toml:1:1")
        );
    }
}
