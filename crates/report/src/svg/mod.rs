//! Plots as SVG text. Colours and fonts come from the page's style sheet through classes, so
//! that one plot serves light, dark and print; coordinates are written with one decimal, so
//! that equal input gives equal bytes.

mod axis;
mod dots;
mod lines;

pub use axis::{Axis, Scale};
pub use dots::{DotGroup, DotRow, dots};
pub use lines::{LineChart, Series, lines};

use super::escape::html as escape;
use serde::Serialize;
use std::fmt::Write;

/// A finished plot.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Drawing {
    svg: String,
    alt: String,
}

impl Drawing {
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// What is shown, for readers who do not see it.
    pub fn alt(&self) -> &str {
        &self.alt
    }
}

/// An SVG under construction, `width` by `height` units.
struct Canvas {
    body: String,
    width: f64,
    height: f64,
}

impl Canvas {
    fn new(width: f64, height: f64) -> Self {
        Canvas {
            body: String::new(),
            width,
            height,
        }
    }

    fn line(&mut self, class: &str, (x1, y1): (f64, f64), (x2, y2): (f64, f64)) {
        let _ = write!(
            self.body,
            r#"<line class="{class}" x1="{x1:.1}" y1="{y1:.1}" x2="{x2:.1}" y2="{y2:.1}"/>"#
        );
    }

    /// A circle with a text that browsers show on hovering.
    fn dot(&mut self, class: &str, (x, y): (f64, f64), r: f64, title: &str) {
        let title = escape(title);
        let _ = write!(
            self.body,
            r#"<circle class="{class}" cx="{x:.1}" cy="{y:.1}" r="{r:.1}"><title>{title}</title></circle>"#
        );
    }

    fn path(&mut self, class: &str, points: &[(f64, f64)], title: &str) {
        let title = escape(title);
        let _ = write!(self.body, r#"<path class="{class}" d=""#);
        for (i, (x, y)) in points.iter().enumerate() {
            let _ = write!(self.body, "{}{x:.1} {y:.1}", if i == 0 { 'M' } else { 'L' });
        }
        let _ = write!(self.body, r#""><title>{title}</title></path>"#);
    }

    fn text(&mut self, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
        let text = escape(text);
        let _ = write!(
            self.body,
            r#"<text class="{class}" x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{text}</text>"#
        );
    }

    /// Text on one or two lines around a height, ending at `x`; browsers show `title` on hovering.
    fn name(&mut self, (x, y): (f64, f64), lines: &[String], title: &str) {
        let first = y + 4.0 - 6.5 * (lines.len() as f64 - 1.0);
        let _ = write!(self.body, r#"<text class="name" text-anchor="end">"#);
        for (i, line) in lines.iter().enumerate() {
            let (y, line) = (first + 13.0 * i as f64, escape(line));
            let _ = write!(self.body, r#"<tspan x="{x:.1}" y="{y:.1}">{line}</tspan>"#);
        }
        let _ = write!(self.body, "<title>{}</title></text>", escape(title));
    }

    fn finish(self, label: &str) -> Drawing {
        let svg = format!(
            r#"<svg class="plot" viewBox="0 0 {:.0} {:.0}" role="img" aria-label="{}">{}</svg>"#,
            self.width,
            self.height,
            escape(label),
            self.body
        );
        Drawing {
            svg,
            alt: label.to_string(),
        }
    }
}

/// Text on two lines of at most `max` characters, broken between words where that is possible;
/// what does not fit is cut off.
fn wrap(text: &str, max: usize) -> Vec<String> {
    if text.chars().count() <= max {
        return vec![text.to_string()];
    }
    let mut first = String::new();
    for word in text.split_inclusive(' ') {
        if first.chars().count() + word.trim_end().chars().count() > max {
            break;
        }
        first.push_str(word);
    }
    let rest = text[first.len()..].trim_start();
    match first.trim_end() {
        "" => vec![shorten(text, max)],
        first => vec![first.to_string(), shorten(rest, max)],
    }
}

/// At most `max` characters, the last of which says that more followed.
fn shorten(text: &str, max: usize) -> String {
    if text.chars().count() <= max {
        return text.to_string();
    }
    let mut out: String = text.chars().take(max - 1).collect();
    out.push('…');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_text_is_cut() {
        assert_eq!(shorten("abcdef", 4), "abc…");
        assert_eq!(shorten("äöü", 3), "äöü");
        assert_eq!(wrap("ab cd", 5), ["ab cd"]);
        assert_eq!(wrap("ab cd efgh", 5), ["ab cd", "efgh"]);
        assert_eq!(wrap("äb cdefghijk", 5), ["äb", "cdef…"]);
        assert_eq!(wrap("äbcdefg hi", 5), ["äbcd…"]);
    }
}
