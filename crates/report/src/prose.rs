//! A suite's prose, cut into paragraphs, lists and code.

use super::block::{Block, Text};

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
                Some(Block::List(items)) if list => items.push(spans(&text)),
                _ if list => blocks.push(Block::List(vec![spans(&text)])),
                _ => blocks.push(Block::prose(spans(&text))),
            }
        }
    }
    blocks
}

/// Splits at back quotes; one without a partner is an ordinary character.
fn spans(text: &str) -> Text {
    let pieces: Vec<&str> = text.split('`').collect();
    let last = pieces.len() - 1;
    let pieces = pieces.into_iter().enumerate();
    pieces.fold(Text::new(), |all, (i, piece)| match i % 2 == 1 {
        true if i == last => all.plain(format!("`{piece}")),
        true => all.code(piece),
        false => all.plain(piece),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_lists_and_code() {
        let found = blocks("one\ntwo\n\nthree:\n- a\n  b\n- `c`\n\n\n");
        let want = [
            Block::prose("one two"),
            Block::prose("three:"),
            Block::List(vec!["a b".into(), Text::new().code("c")]),
        ];
        assert_eq!(found, want);
        assert_eq!(spans("a ` b"), Text::from("a ").plain("` b"));
        assert!(blocks(" \n \n\n").is_empty());
    }
}
