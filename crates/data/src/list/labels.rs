//! Lists of images with their classes, in the layouts in which the field writes them.
//!
//! | layout | line | written by |
//! |---|---|---|
//! | plain | `path label` | A-SKD, FaceX-Zoo |
//! | `im2rec` | `number<TAB>label<TAB>path` | MXNet's im2rec |
//! | `face2rec2` | `aligned<TAB>path<TAB>label` | insightface's face2rec2 |
//! | MagFace | `path 0 label 0` | MagFace |

use super::{Text, bad, is_image, lines, safe_path};
use crate::watch::Steps;
use frbench_base::{Error, Result};
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Layout {
    Plain,
    Im2rec,
    Face2rec2,
    MagFace,
}

/// Every layout, the more particular first; the name and the line of each.
const LAYOUTS: [(Layout, &str); 4] = [
    (Layout::Im2rec, "`number<TAB>label<TAB>path` (im2rec)"),
    (Layout::Face2rec2, "`1<TAB>path<TAB>label` (face2rec2)"),
    (Layout::MagFace, "`path 0 label 0` (MagFace)"),
    (Layout::Plain, "`path label`"),
];

/// Path and label of a line in this layout.
fn split(layout: Layout, line: &str) -> Option<(&str, &str)> {
    let (path, label) = match layout {
        Layout::Plain => {
            let (path, label) = line.rsplit_once(char::is_whitespace)?;
            (path.trim(), label)
        }
        Layout::Im2rec => {
            let mut fields = line.splitn(3, '\t');
            let (number, label, path) = (fields.next()?, fields.next()?, fields.next()?);
            number.trim().parse::<u64>().ok()?;
            is_image(path.trim()).then_some((path.trim(), label.trim()))?
        }
        Layout::Face2rec2 => {
            let mut fields = line.splitn(3, '\t');
            let (aligned, path, label) = (fields.next()?, fields.next()?, fields.next()?);
            matches!(aligned.trim(), "0" | "1").then_some(())?;
            is_image(path.trim()).then_some((path.trim(), label.trim()))?
        }
        Layout::MagFace => {
            let rest = line.strip_suffix('0')?.trim_end();
            let (rest, label) = rest.rsplit_once(char::is_whitespace)?;
            let path = rest.trim_end().strip_suffix('0')?;
            path.ends_with(char::is_whitespace)
                .then_some((path.trim(), label))?
        }
    };
    class(label).map(|_| (path, label))
}

/// A class number; im2rec writes `3.000000`.
fn class(label: &str) -> Option<u32> {
    let whole = label.split_once('.').map_or(label, |(whole, zeros)| {
        match !zeros.is_empty() && zeros.bytes().all(|b| b == b'0') {
            true => whole,
            false => label,
        }
    });
    whole.parse().ok()
}

/// Reads a list; the layout is the first one that fits all of its lines.
///
/// # Errors
/// `Error::Data` with the line that the likeliest layout does not fit, or with an image that
/// face2rec2 should align, which is not done here.
pub fn parse_labels<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<Vec<(String, u32)>> {
    let text = text.into();
    let all: Vec<(usize, &str)> = lines(text, path)?.collect::<Result<_>>()?;
    let steps = Steps::new(text.watch);
    let fits = |layout: Layout| -> Result<usize> {
        for (at, (_, line)) in all.iter().enumerate() {
            steps.next()?;
            if split(layout, line).is_none() {
                return Ok(at);
            }
        }
        Ok(all.len())
    };
    let mut best = (LAYOUTS[3], fits(Layout::Plain)?);
    for candidate in LAYOUTS {
        let count = fits(candidate.0)?;
        if count > best.1 || (count > 0 && count == best.1 && best.0.0 == Layout::Plain) {
            best = (candidate, count);
        }
    }
    let ((layout, form), count) = best;
    if let Some((line, content)) = all.get(count) {
        let shown: String = content.chars().take(60).collect();
        return Err(match count {
            0 => {
                let known = LAYOUTS.map(|l| l.1).join(", ");
                bad(path, *line, format!("`{shown}` is none of {known}"))
            }
            _ => bad(
                path,
                *line,
                format!("`{shown}` is not {form}, which the lines before it are"),
            ),
        });
    }
    let read = all.iter().map(|(line, content)| {
        steps.next()?;
        let wrong = |what: String| -> Error { bad(path, *line, what) };
        let (file, label) = split(layout, content).ok_or_else(|| wrong(format!("want {form}")))?;
        if layout == Layout::Face2rec2 && content.starts_with('0') {
            return Err(wrong(
                "the first field is 0: the image is not aligned yet; align it, or list it with 1"
                    .into(),
            ));
        }
        safe_path(file).map_err(wrong)?;
        let label = class(label).ok_or_else(|| wrong(format!("label `{label}`")))?;
        Ok((file.to_string(), label))
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(String, u32)> {
        parse_labels(text.as_bytes(), Path::new("l")).unwrap()
    }

    #[test]
    fn every_layout_is_told_by_its_lines() {
        let want = [("im/a b.jpg".to_string(), 7), ("im/c.png".to_string(), 0)];
        for text in [
            "im/a b.jpg  7\nim/c.png 0\n",
            "0\t7.000000\tim/a b.jpg\n1\t0.000000\tim/c.png\n",
            "1\tim/a b.jpg\t7\n1\tim/c.png\t0\n",
            "im/a b.jpg 0 7 0\nim/c.png 0 0 0\n",
        ] {
            assert_eq!(read(text), want, "{text}");
        }
        // Of one class only, under paths that end in 0.
        assert_eq!(read("a/0 0\nb/0 0\n").len(), 2);
    }

    #[test]
    fn errors_name_line_and_layout() {
        for (text, want) in [
            (
                "a.jpg\n",
                "l:1: `a.jpg` is none of `number<TAB>label<TAB>path`",
            ),
            (
                "1\ta.jpg\t0\nb.jpg x\n",
                "l:2: `b.jpg x` is not `1<TAB>path<TAB>label`",
            ),
            ("0\ta.jpg\t0\n", "l:1: the first field is 0"),
            ("0\t0.5\ta.jpg\n", "l:1: "),
            ("../a.jpg 0\n", "l:1: "),
        ] {
            let message = parse_labels(text.as_bytes(), Path::new("l"));
            let message = message.unwrap_err().to_string();
            assert!(message.contains(want), "{message}");
        }
        let broken = parse_labels(b"a 1\n\xff 1", Path::new("l")).unwrap_err();
        assert!(broken.to_string().contains("l:2"));
    }
}
