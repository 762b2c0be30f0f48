//! Text with marks within a line, and addresses that a reader may follow.

use frbench_eval::stats::ClaimVerdict;
use serde::Serialize;

/// Pieces of a line, one after the other.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Text(Vec<Span>);

#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", content = "of", rename_all = "kebab-case")]
pub(crate) enum Span {
    Plain(String),
    Strong(String),
    /// In small print.
    Soft(String),
    Code(String),
    /// The title of a publication.
    Cite(String),
    /// A word about what stands before it.
    Tag(String),
    /// A finding, marked as the verdict of its claim.
    Judged {
        text: String,
        verdict: ClaimVerdict,
    },
    Link {
        text: String,
        to: Address,
    },
    /// To another place of the page: a text on its own, which makes sense without the link.
    Here {
        text: String,
        place: Place,
    },
    /// A pointer to another place of the page, left out where pages have no such places.
    See {
        text: String,
        place: Place,
        /// What is there, on hovering.
        title: String,
    },
}

impl Text {
    pub fn new() -> Self {
        Text::default()
    }

    pub fn spans(&self) -> &[Span] {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing is added for an empty text.
    pub fn plain(self, text: impl Into<String>) -> Self {
        self.with(text.into(), Span::Plain)
    }

    pub fn strong(self, text: impl Into<String>) -> Self {
        self.with(text.into(), Span::Strong)
    }

    pub fn soft(self, text: impl Into<String>) -> Self {
        self.with(text.into(), Span::Soft)
    }

    pub fn code(self, text: impl Into<String>) -> Self {
        self.with(text.into(), Span::Code)
    }

    pub fn cite(self, text: impl Into<String>) -> Self {
        self.with(text.into(), Span::Cite)
    }

    pub fn tag(self, text: impl Into<String>) -> Self {
        self.with(text.into(), Span::Tag)
    }

    pub fn judged(self, text: impl Into<String>, verdict: ClaimVerdict) -> Self {
        self.with(text.into(), |text| Span::Judged { text, verdict })
    }

    /// A link, or only the text where there is no address.
    pub fn link(self, text: impl Into<String>, to: Option<Address>) -> Self {
        match to {
            Some(to) => self.with(text.into(), |text| Span::Link { text, to }),
            None => self.plain(text),
        }
    }

    pub fn here(self, text: impl Into<String>, place: Place) -> Self {
        self.with(text.into(), |text| Span::Here { text, place })
    }

    pub fn see(self, text: impl Into<String>, place: Place, title: impl Into<String>) -> Self {
        let title = title.into();
        self.with(text.into(), |text| Span::See { text, place, title })
    }

    /// Without its marks.
    pub fn words(&self) -> String {
        let words = self.0.iter().map(|span| match span {
            Span::Plain(text) | Span::Strong(text) | Span::Soft(text) | Span::Code(text) => text,
            Span::Cite(text) | Span::Tag(text) => text,
            Span::Judged { text, .. } | Span::Link { text, .. } => text,
            Span::Here { text, .. } | Span::See { text, .. } => text,
        });
        words.map(String::as_str).collect()
    }

    fn with(mut self, text: String, span: impl FnOnce(String) -> Span) -> Self {
        if !text.is_empty() {
            self.0.push(span(text));
        }
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text::new().plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text::new().plain(text)
    }
}

/// An address outside of the page that is safe to follow and to write into HTML and Markdown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Address(String);

impl Address {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An address of the web (`http` or `https`); none for anything else.
    pub fn web(url: &str) -> Option<Self> {
        let lower = url.to_ascii_lowercase();
        let safe = lower.starts_with("https://") || lower.starts_with("http://");
        safe.then(|| Address(percent(url)))
    }

    /// Of the publication `id` in the archive at `base`.
    pub fn publication(base: &'static str, id: &str) -> Self {
        Address(format!("{base}{}", percent(id)))
    }

    /// Of a file beside the page. A name that begins like a scheme does not leave the folder.
    pub fn beside(path: &str) -> Self {
        Address(percent(path).replace(':', "%3A"))
    }
}

/// A place within the page that links lead to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub(crate) struct Place(String);

impl Place {
    /// Any text; what cannot stand in an address becomes `-`.
    pub fn named(name: &str) -> Self {
        let safe = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        Place(
            name.chars()
                .map(|c| if safe(c) { c } else { '-' })
                .collect(),
        )
    }

    /// Of the column with this number, from 0.
    pub fn of_column(c: usize) -> Self {
        Place(format!("m{}", c + 1))
    }
}

/// Percent-encodes what could end an address in HTML or Markdown.
fn percent(url: &str) -> String {
    let mut out = String::with_capacity(url.len());
    for byte in url.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => out.push(byte as char),
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'#' | b'@' | b'!' | b'$' | b'&'
            | b'+' | b',' | b';' | b'=' | b'%' => out.push(byte as char),
            other => out.push_str(&format!("%{other:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_web_addresses_become_links() {
        assert_eq!(Address::web("javascript:alert(1)"), None);
        assert_eq!(Address::web("data:text/html,x"), None);
        let odd = Address::web("https://a.org/b c\"(d)>").unwrap();
        assert_eq!(odd.as_str(), "https://a.org/b%20c%22%28d%29%3E");
        assert_eq!(Address::beside("javascript:x").as_str(), "javascript%3Ax");
        let text = Text::new().link("x", Address::web("javascript:alert(1)"));
        assert_eq!(text, Text::from("x"));
        assert_eq!(Place::named("a \"b\""), Place::named("a--b-"));
    }
}
