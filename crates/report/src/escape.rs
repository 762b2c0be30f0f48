//! Text that stays text in HTML, in Markdown and in LaTeX.

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
pub fn markdown(text: &str) -> String {
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
pub fn markdown_code(text: &str) -> String {
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

/// For one line of LaTeX, within tables, too. Signs that reports are made with become commands, as
/// not every engine has them; other letters stay.
pub fn latex(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\textbackslash{}"),
            '~' => out.push_str("\\textasciitilde{}"),
            '^' => out.push_str("\\textasciicircum{}"),
            '`' => out.push_str("\\textasciigrave{}"),
            '<' => out.push_str("\\textless{}"),
            '>' => out.push_str("\\textgreater{}"),
            '|' => out.push_str("\\textbar{}"),
            '"' => out.push_str("''"),
            '{' | '}' | '$' | '&' | '#' | '_' | '%' => {
                out.push('\\');
                out.push(c);
            }
            // At the beginning of a row these would be options of the end of the last.
            '[' | ']' | '*' => out.extend(['{', c, '}']),
            // Two of these are another sign.
            '-' | '\'' | ',' if out.ends_with(c) => out.extend(['{', '}', c]),
            '–' => out.push_str("--"),
            '−' => out.push_str("$-$"),
            '±' => out.push_str("$\\pm$"),
            '×' => out.push_str("$\\times$"),
            '·' => out.push_str("$\\cdot$"),
            '≤' => out.push_str("$\\leq$"),
            '≥' => out.push_str("$\\geq$"),
            '↑' => out.push_str("$\\uparrow$"),
            '↓' => out.push_str("$\\downarrow$"),
            '→' => out.push_str("$\\to$"),
            '…' => out.push_str("\\ldots{}"),
            c if obeyed(c) => out.push(' '),
            c => out.push(c),
        }
    }
    out
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
        assert_eq!(
            latex("a_b & c% {d} [1, 2]* \\x ~^$#\n−0.1 ± 2"),
            "a\\_b \\& c\\% \\{d\\} {[}1, 2{]}{*} \\textbackslash{}x \
             \\textasciitilde{}\\textasciicircum{}\\$\\# $-$0.1 $\\pm$ 2"
        );
        assert_eq!(
            latex("a--b \"<x>\" `"),
            "a-{}-b ''\\textless{}x\\textgreater{}'' \\textasciigrave{}"
        );
    }
}
