//! What a reader of a page reads.

/// The text of a page, one element a line, without style and plots.
pub fn skeleton(html: &str) -> String {
    let body = &html[html.find("<body>").unwrap()..];
    let mut out = String::new();
    let mut rest = body;
    while let Some(start) = rest.find('<') {
        let text = rest[..start]
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        if !text.is_empty() {
            out.push_str(&text);
            out.push('\n');
        }
        rest = &rest[start..];
        let end = match rest.starts_with("<svg") {
            true => rest.find("</svg>").unwrap() + "</svg>".len(),
            false => rest.find('>').unwrap() + 1,
        };
        rest = &rest[end..];
    }
    out
}
