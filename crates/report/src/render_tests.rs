//! What holds of every kind of block in both renderers.

use super::block::samples::{every, kind};
use super::block::{Block, Text};
use super::section::{Chapter, Page};
use super::{html, markdown};

/// A page of these blocks and with this text around them.
fn page(blocks: Vec<Block>, text: &str) -> Page {
    Page {
        title: text.into(),
        profile: text.into(),
        kicker: Text::new().strong(text),
        paper: Text::new().cite(text),
        chapters: vec![Chapter {
            id: "here",
            short: "Here",
            title: "Here",
            blocks,
        }],
    }
}

fn page_of(text: &str) -> Page {
    page(every(text), text)
}

/// Texts with what means something in HTML, Markdown or a terminal, and each with a text of as many
/// words that means nothing.
fn hostile() -> Vec<(String, String)> {
    let mut texts = vec![
        "<script>alert('x')</script>\"><img src=x onerror=y>|`*_[a](javascript:b)\n# {{ 7 }}"
            .into(),
        "--> ]]> {% raw %} &amp; </style></svg> \u{1b}[31m \u{202e}abc".to_string(),
        "![x](http://evil/x.png) <iframe src=//evil> $a$ ~~b~~".to_string(),
    ];
    for c in (0..128u8).map(char::from).chain(['\u{85}', '\u{2066}']) {
        texts.push(format!("{c}x{c}{c}y{c}"));
        texts.push(format!("{c} x"));
        texts.push(format!("1{c} x"));
    }
    let tame = |text: &String| vec!["w"; text.split(' ').count()].join(" ");
    texts.into_iter().map(|t| (t.clone(), tame(&t))).collect()
}

#[test]
fn every_kind_of_block_is_rendered_by_both() {
    for block in every("needle") {
        let kind = kind(&block);
        let page = page(vec![block], "title");
        let both = [html::page(&page).unwrap(), markdown::page(&page)];
        assert!(both.iter().all(|text| text.contains("needle")), "{kind}");
    }
}

/// The tags of a page with the names of their attributes.
fn tags(html: &str) -> Vec<String> {
    let (mut tags, mut rest) = (Vec::new(), html);
    while let Some(start) = rest.find('<') {
        let mut quoted = false;
        let tag: String = rest[start..]
            .chars()
            .take_while(|&c| {
                quoted ^= c == '"';
                quoted || c != '>'
            })
            .collect();
        rest = &rest[start + tag.len()..];
        // Names in a drawing stand on as many lines as they are long.
        if !tag.contains("tspan") {
            tags.push(tag.split('"').step_by(2).collect());
        }
    }
    tags
}

#[test]
fn no_text_becomes_markup_of_the_page() {
    for (text, tame) in hostile() {
        let (page, plain) = (html::page(&page_of(&text)), html::page(&page_of(&tame)));
        let (page, plain) = (page.unwrap(), plain.unwrap());
        assert_eq!(tags(&page).len(), tags(&plain).len(), "{text:?}");
        for (a, b) in tags(&page).iter().zip(tags(&plain)) {
            // Whether a name is long enough for a title depends on the text.
            assert_eq!(
                a.replace(" title=", ""),
                b.replace(" title=", ""),
                "{text:?}"
            );
        }
        assert!(
            !page.contains(['\u{1b}', '\u{202e}', '\u{2066}']),
            "{text:?}"
        );
        assert!(!page.contains("href=\"javascript"), "{text:?}");
    }
}

/// The line without what is escaped or in code.
fn markup(line: &str) -> String {
    let mut chars = line.chars();
    let mut outside = String::new();
    while let Some(c) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            '`' => assert!(chars.any(|c| c == '`'), "open code: {line}"),
            c => outside.push(c),
        }
    }
    outside
}

#[test]
fn no_text_becomes_markup_of_markdown() {
    for (text, tame) in hostile() {
        let (page, plain) = (
            markdown::page(&page_of(&text)),
            markdown::page(&page_of(&tame)),
        );
        let marks = |line: &str| {
            let count = |c| markup(line).matches(c).count();
            ["|", "*", "[", "]", "](", "<"].map(count)
        };
        let lines = |page: &str| page.lines().map(marks).collect::<Vec<_>>();
        if text.trim().is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            // What is blank is not marked.
            assert_eq!(page.lines().count(), plain.lines().count(), "{text:?}");
        } else {
            assert_eq!(lines(&page), lines(&plain), "{text:?}");
        }
        assert!(
            !page.contains(['\u{1b}', '\u{202e}', '\u{2066}']),
            "{text:?}"
        );
        for line in page.lines() {
            assert!(!markup(line).contains('<'), "{text:?}: {line}");
            let begins = |what: &str| line.starts_with(what);
            let odd = ["+ ", "* ", "1. ", "1) ", "    ", "\t", "=", "--"];
            assert!(!odd.iter().any(|o| begins(o)), "{text:?}: {line}");
            let item = line.strip_prefix("- ").unwrap_or("x");
            assert!(!item.starts_with(['-', '+', '#', ' ']), "{text:?}: {line}");
        }
    }
}
