//! What a kernel for a GPU says.

/// The tokens of a source in CUDA C++, one space between each two: no comments, no lines.
pub fn says(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        let end = match chars[at] {
            c if c.is_whitespace() => {
                // A directive ends with its line.
                if c == '\n' && !out.ends_with('\n') && directive(&out) {
                    out.push('\n');
                }
                at += 1;
                continue;
            }
            // A line that is continued.
            '\\' if chars.get(at + 1) == Some(&'\n') => {
                at += 2;
                continue;
            }
            '/' if chars.get(at + 1) == Some(&'/') => {
                at += chars[at..].iter().take_while(|c| **c != '\n').count();
                continue;
            }
            '/' if chars.get(at + 1) == Some(&'*') => {
                let close = chars[at + 2..].windows(2).position(|w| w == ['*', '/']);
                at = close.map_or(chars.len(), |n| at + 2 + n + 2);
                continue;
            }
            quote @ ('"' | '\'') => literal(&chars, at, quote),
            c if c.is_alphanumeric() || c == '_' => {
                let word = |c: &&char| c.is_alphanumeric() || **c == '_' || **c == '.';
                at + chars[at..].iter().take_while(word).count()
            }
            _ => at + 1,
        };
        if !out.is_empty() && !out.ends_with('\n') {
            out.push(' ');
        }
        out.extend(&chars[at..end]);
        at = end;
    }
    out
}

/// Whether the last line of tokens is one for the preprocessor.
fn directive(out: &str) -> bool {
    out.rsplit('\n').next().is_some_and(|l| l.starts_with('#'))
}

/// The end of a literal in quotes.
fn literal(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += 1 + usize::from(chars[at] == '\\');
    }
    (at + 1).min(chars.len())
}

#[cfg(test)]
mod tests {
    use super::says;

    #[test]
    fn comments_and_lines_say_nothing_and_numbers_do() {
        let plain = says("#define N 4\nfloat f(float x) {\n  return x / N;\n}\n");
        let other =
            "// of x\n#define N \\\n  4 /* four */\nfloat f(float x) { return x\n/ N; } // \"\n";
        assert_eq!(says(other), plain);
        for changed in [
            "#define N 5\nfloat f(float x) { return x / N; }",
            "#define N 4\nfloat f(float x) { return x * N; }",
            "#define N 4 float f(float x) { return x / N; }",
            "#define N 4\nfloat f(float x) { return \"//\"; }",
        ] {
            assert_ne!(says(changed), plain, "{changed}");
        }
    }
}
