//! A suite's text, and errors that point into it.

use frbench_base::Error;
use std::fmt::Display;
use std::ops::Range;

/// Bytes of a suite's text that a value came from. Those of its files of recipes follow it, one file
/// after the other, each with one more for its end.
pub type Span = Range<usize>;

/// A suite file: its name as the user knows it, and its text.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub name: String,
    pub text: String,
    /// Files that it may take recipes from. Of two of one name, that of the first file counts.
    pub recipes: Vec<Source>,
}

impl Source {
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        Source {
            name: name.into(),
            text: text.into(),
            recipes: Vec::new(),
        }
    }

    /// The suite with files that it may take recipes from.
    pub fn with_recipes(self, recipes: Vec<Source>) -> Self {
        Source { recipes, ..self }
    }

    /// Its files of recipes, each with the offset that it begins at.
    pub fn files(&self) -> impl Iterator<Item = (usize, &Source)> {
        let starts = self.recipes.iter().scan(self.text.len() + 1, |next, file| {
            let start = *next;
            *next += file.text.len() + 1;
            Some(start)
        });
        starts.zip(&self.recipes)
    }

    /// The file that an offset lies in, and the offset there.
    pub fn place(&self, offset: usize) -> (&Source, usize) {
        let before = self.files().take_while(|(start, _)| *start <= offset);
        match before.last() {
            Some((start, file)) => (file, offset - start),
            None => (self, offset),
        }
    }

    /// 1-based line and column (in characters) of a byte offset of this file.
    pub fn position(&self, offset: usize) -> (usize, usize) {
        let before = &self.text[..self.floor(offset)];
        let line = before.matches('\n').count() + 1;
        let start = before.rfind('\n').map_or(0, |i| i + 1);
        (line, before[start..].chars().count() + 1)
    }

    /// A usage error `file:line:column: message`, with the line and a caret below it.
    pub fn error(&self, span: &Span, message: impl Display) -> Error {
        let (file, start) = self.place(span.start);
        file.error_here(&(start..start + span.len()), message)
    }

    fn error_here(&self, span: &Span, message: impl Display) -> Error {
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
        let (text, before, marked) = excerpt(text, column - 1, marked);
        Error::Usage(format!(
            "{}:{line}:{column}: {message}\n{gutter} |\n{line} | {text}\n{gutter} | {}{}",
            self.name,
            " ".repeat(before),
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

/// What is shown of a line: all of it, or of a long one what stands around the `marked` characters
/// behind the first `before`; and these numbers within what is shown.
fn excerpt(line: &str, before: usize, marked: usize) -> (String, usize, usize) {
    const LETTERS: usize = 200;
    const LEAD: usize = 60;
    let all = line.chars().count();
    if all <= LETTERS {
        return (line.to_string(), before, marked);
    }
    let from = before.saturating_sub(LEAD);
    let mut shown: String = line.chars().skip(from).take(LETTERS).collect();
    let marked = marked.min(LETTERS.saturating_sub(before - from)).max(1);
    if from + LETTERS < all {
        shown.push('…');
    }
    match from {
        0 => (shown, before, marked),
        _ => (format!("…{shown}"), before - from + 1, marked),
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
    fn of_a_long_line_the_place_is_shown() {
        let s = Source::new(
            "a.toml",
            format!("x = [{}7{}]", "1, ".repeat(500), ", 2".repeat(500)),
        );
        let at = s.text.find('7').unwrap();
        let said = s.error(&(at..at + 1), "wrong").to_string();
        let lines: Vec<Vec<char>> = said.lines().map(|l| l.chars().collect()).collect();
        assert!(lines.iter().all(|l| l.len() < 220), "{said}");
        let caret = lines[3].iter().position(|c| *c == '^').unwrap();
        assert_eq!(lines[2][caret], '7', "{said}");
        let said = s.error(&(0..s.text.len()), "wrong").to_string();
        assert!(said.ends_with('^') && said.chars().count() < 500, "{said}");
    }

    #[test]
    fn offsets_behind_the_text_are_of_the_files_of_recipes() {
        let file = |name: &str, text: &str| Source::new(name, text);
        let s =
            file("a.toml", "x\n").with_recipes(vec![file("b.toml", ""), file("c.toml", "y\nz")]);
        let starts: Vec<usize> = s.files().map(|(start, _)| start).collect();
        assert_eq!(starts, [3, 4]);
        for (at, want) in [
            (0, "a.toml:1:1"),
            (2, "a.toml:2:1"),
            (3, "b.toml:1:1"),
            (6, "c.toml:2:1"),
            (99, "c.toml:2:2"),
        ] {
            let said = s.error(&(at..at + 1), "wrong").to_string();
            assert!(said.starts_with(want), "{at}: {said}");
        }
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
