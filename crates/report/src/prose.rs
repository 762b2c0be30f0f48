//! A suite's prose, cut into paragraphs, lists and code. The pieces stay plain text and are
//! escaped by whoever writes them out.

use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Block {
    /// A list has one entry per item, a paragraph has one.
    pub list: bool,
    pub items: Vec<Vec<Span>>,
}

#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Span {
    pub text: String,
    pub code: bool,
}

pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    for part in text.replace("\r\n", "\n").split("\n\n") {
        let mut lines: Vec<(bool, String)> = Vec::new();
        for line in part.lines().map(str::trim).filter(|l| !l.is_empty()) {
            match (line.strip_prefix("- "), lines.last_mut()) {
                (Some(item), _) => lines.push((true, item.to_string())),
                (None, Some((_, open))) => {
                    open.push(' ');
                    open.push_str(line);
                }
                (None, None) => lines.push((false, line.to_string())),
            }
        }
        for (list, text) in lines {
            match blocks.last_mut() {
                Some(Block { list: true, items }) if list => items.push(spans(&text)),
                _ => blocks.push(Block {
                    list,
                    items: vec![spans(&text)],
                }),
            }
        }
    }
    blocks
}

/// Splits at back quotes; one without a partner is an ordinary character.
fn spans(text: &str) -> Vec<Span> {
    let pieces: Vec<&str> = text.split('`').collect();
    let mut spans = Vec::new();
    let last = pieces.len() - 1;
    for (i, piece) in pieces.iter().enumerate() {
        let unpaired = i % 2 == 1 && i == last;
        let (text, code) = if unpaired {
            (format!("`{piece}"), false)
        } else {
            (piece.to_string(), i % 2 == 1)
        };
        if !text.is_empty() {
            spans.push(Span { text, code });
        }
    }
    spans
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> Vec<Span> {
        vec![Span {
            text: text.into(),
            code: false,
        }]
    }

    #[test]
    fn paragraphs_lists_and_code() {
        let found = blocks("one\ntwo\n\nthree:\n- a\n  b\n- `c`\n\n\n");
        let want = [
            (false, vec![plain("one two")]),
            (false, vec![plain("three:")]),
            (
                true,
                vec![
                    plain("a b"),
                    vec![Span {
                        text: "c".into(),
                        code: true,
                    }],
                ],
            ),
        ];
        let found: Vec<_> = found.into_iter().map(|b| (b.list, b.items)).collect();
        assert_eq!(found, want);
        assert_eq!(spans("a ` b"), [plain("a "), plain("` b")].concat());
        assert!(blocks(" \n \n\n").is_empty());
    }
}
