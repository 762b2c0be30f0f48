//! Text that stays text in HTML and in Markdown.

/// Whether a browser or a terminal obeys the character instead of showing it: control characters,
/// and those that turn the direction of what follows.
fn obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// For the content of elements and quoted attributes, of SVG, too.
pub fn html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' => out.push(c),
            c if obeyed(c) => {}
            c => out.push(c),
        }
    }
    out
}

/// For one line of Markdown, within tables, too.
pub(super) fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c if obeyed(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// A code span of Markdown; back quotes and bars cannot be escaped within one.
pub(super) fn markdown_code(text: &str) -> String {
    let plain: String = text
        .chars()
        .map(|c| match c {
            '`' => '\'',
            '|' => '¦',
            c if obeyed(c) => ' ',
            c => c,
        })
        .collect();
    match plain.trim() {
        "" => "–".into(),
        _ => format!("`{plain}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_leave_its_place() {
        assert_eq!(
            html("<a b='c' d=\"e\">&\u{0}\u{1b}\u{202e}"),
            "&lt;a b=&#39;c&#39; d=&quot;e&quot;&gt;&amp;"
        );
        assert_eq!(
            markdown("a|b <script> *x* [y](z)\nq\u{1b}"),
            "a\\|b &lt;script&gt; \\*x\\* \\[y\\](z) q "
        );
        assert_eq!(markdown_code("a`b|c\n"), "`a'b¦c `");
        assert_eq!(markdown_code(""), "–");
    }
}
