//! Numbers in prose that look as if they had been measured.

/// A document without code and without the addresses of links.
pub fn only(text: &str) -> String {
    let mut out = String::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            // Every other piece between backticks is code.
            let words = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
            out += &without_addresses(&words);
            out.push('\n');
        }
    }
    out
}

fn without_addresses(line: &str) -> String {
    let mut pieces = line.split("](");
    let mut out = pieces.next().unwrap_or_default().to_string();
    for piece in pieces {
        out += "]";
        out += piece.split_once(')').map_or("", |(_address, rest)| rest);
    }
    out
}

/// Of what a number is one that was measured, as a rule.
const UNITS: [&str; 16] = [
    "%", "‰", "×", "points", "px", "ms", "s", "seconds", "minutes", "minute", "hours", "hour",
    "MiB", "GiB", "images/s", "times",
];
/// Times in words.
const TIMES: [&str; 4] = ["minute", "minutes", "hour", "hours"];

/// The numbers with decimals or a unit and the times in words that lie in none of the phrases, each
/// with the words around it.
pub fn numbers(text: &str, allowed: &[&str]) -> Vec<String> {
    let covered: Vec<(usize, usize)> = allowed
        .iter()
        .flat_map(|phrase| text.match_indices(phrase))
        .map(|(at, phrase)| (at, at + phrase.len()))
        .collect();
    let looks = looks_measured(text).into_iter();
    looks
        .filter(|(from, to)| !covered.iter().any(|(a, b)| a <= from && to <= b))
        .map(|(from, to)| around(text, from, to))
        .collect()
}

/// Where such numbers begin and end, in bytes.
fn looks_measured(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut end = 0;
    for (at, c) in text.char_indices() {
        if at < end {
            continue;
        }
        let rest = &text[at..];
        let before = text[..at].chars().next_back().unwrap_or(' ');
        // Within a name, such as `IR-50` or `v1.2`.
        let within = before.is_alphanumeric() || c.is_ascii_digit() && "_-/".contains(before);
        let length = match c {
            '0'..='9' => number(rest),
            _ => Some(word(rest)).filter(|w| TIMES.contains(w)).map(str::len),
        };
        let length = length.filter(|_| !within);
        found.extend(length.map(|length| (at, at + length)));
        end = at + length.unwrap_or(digits(rest).len().max(c.len_utf8()));
    }
    found
}

fn word(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_alphabetic() && c != '/');
    &text[..end.unwrap_or(text.len())]
}

/// Digits, with points and commas between them.
fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',');
    text[..end.unwrap_or(text.len())].trim_end_matches(['.', ','])
}

/// How long the number is that a text begins with, if it looks measured.
fn number(text: &str) -> Option<usize> {
    let digits = digits(text);
    let rest = &text[digits.len()..];
    let decimals = digits.matches('.').count() == 1;
    // `1e-4`.
    let exponent = rest.strip_prefix("e-").map_or(0, |e| self::digits(e).len());
    if exponent > 0 {
        return Some(digits.len() + "e-".len() + exponent);
    }
    let power = [" · 10", ""].into_iter().find(|power| {
        let exponent = rest
            .strip_prefix(power)
            .filter(|_| !power.is_empty() || digits == "10");
        exponent.is_some_and(|e| e.starts_with('⁻'))
    });
    let space = rest.len() - rest.trim_start_matches(' ').len();
    let after = &rest[space..];
    let unit = match after.chars().next() {
        Some(c @ ('%' | '‰' | '×')) => Some(c.len_utf8()),
        Some(c) if c.is_alphabetic() => {
            let word = word(after);
            UNITS.contains(&word).then_some(word.len())
        }
        _ => None,
    };
    // A multiple, not the sides of a picture or the size of a filter.
    let sides = after
        .strip_prefix('×')
        .is_some_and(|r| r.trim_start().starts_with(|c: char| c.is_ascii_digit()));
    match unit {
        Some(_) if sides => None,
        Some(length) => Some(digits.len() + space + length),
        None => power
            .map(|power| digits.len() + power.len())
            .or(decimals.then_some(digits.len())),
    }
}

fn around(text: &str, from: usize, to: usize) -> String {
    let before: String = text[..from].chars().rev().take(40).collect();
    let before: String = before.chars().rev().collect();
    let after: String = text[to..].chars().take(40).collect();
    format!("…{before}[{}]{after}…", &text[from..to]).replace('\n', " ")
}

#[test]
fn what_looks_measured_is_found() {
    let text = "It scores 73.5 % in 12 minutes, 2× faster, at 112 × 112 pixels over 3 seeds: \
                10⁻⁶, 3 · 10⁻⁵ (\"IR-50\", v1.2.3), a quarter of an hour, 0.5. [x](y/1.5) `0.7` 95 % 1e-4";
    let text = only(text);
    let found = looks_measured(&text).into_iter();
    let found: Vec<&str> = found.map(|(from, to)| &text[from..to]).collect();
    assert_eq!(
        found,
        [
            "73.5 %",
            "12 minutes",
            "2×",
            "10",
            "3 · 10",
            "hour",
            "0.5",
            "95 %",
            "1e-4"
        ]
    );
    assert_eq!(numbers("at 95 %, 95 %", &["at 95 %"]).len(), 1);
}
