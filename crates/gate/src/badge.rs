//! A badge of a night, as SVG.

use crate::verdict::Verdict;

/// Colours of verdicts that are told from each other by their words, too.
pub fn colour(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "#2e7d32",
        Verdict::Improved => "#1565c0",
        Verdict::Undecided => "#8d6e00",
        Verdict::Missing | Verdict::Incomparable => "#616161",
        Verdict::Regressed | Verdict::Failed => "#b71c1c",
    }
}

/// `nightly | pass` in the manner of shields.io; letters are as wide as they are guessed to be.
pub fn badge(verdict: Verdict) -> String {
    let (left, right) = ("nightly", verdict.name());
    let width = |text: &str| 7 * text.len() + 10;
    let (l, r) = (width(left), width(right));
    let all = l + r;
    format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" width="{all}" height="20" role="img" aria-label="{left}: {right}">
<title>{left}: {right}</title>
<rect width="{all}" height="20" rx="3" fill="#444"/>
<path d="M{l} 0h{}a3 3 0 0 1 3 3v14a3 3 0 0 1-3 3h-{}z" fill="{}"/>
<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="{}" y="14">{left}</text>
<text x="{}" y="14">{right}</text>
</g>
</svg>
"##,
        r - 3,
        r - 3,
        colour(verdict),
        l / 2,
        l + r / 2,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_badge_says_its_verdict_in_words() {
        let svg = badge(Verdict::Regressed);
        assert!(svg.contains("aria-label=\"nightly: regressed\""));
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
    }
}
