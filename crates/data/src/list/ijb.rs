//! The files under `meta/` of IJB-B and IJB-C, as insightface distributes them.

use super::{Text, bad, lines, safe_path};
use crate::align::Landmarks;
use frbench_base::Result;
use std::path::Path;
use std::str::FromStr;

/// `*_face_tid_mid.txt`: an image with its template and media.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    pub file: String,
    pub template: u32,
    pub media: u32,
}

/// `*_template_pair_label.txt`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemplatePair {
    pub first: u32,
    pub second: u32,
    pub same: bool,
}

/// `*_name_5pts_score.txt`: landmarks in the loose crop and the detector's score.
#[derive(Clone, Debug, PartialEq)]
pub struct Detection {
    pub file: String,
    pub points: Landmarks,
    pub score: f32,
}

/// The fields of a line, taken one by one.
struct Fields<'a> {
    path: &'a Path,
    line: usize,
    rest: std::str::SplitWhitespace<'a>,
    want: &'static str,
}

impl<'a> Fields<'a> {
    fn text(&mut self) -> Result<&'a str> {
        self.rest
            .next()
            .ok_or_else(|| bad(self.path, self.line, format!("want `{}`", self.want)))
    }

    fn number<T: FromStr>(&mut self) -> Result<T> {
        let text = self.text()?;
        text.parse().map_err(|_| {
            bad(
                self.path,
                self.line,
                format!("`{text}` is not a number that fits; want `{}`", self.want),
            )
        })
    }

    fn file(&mut self) -> Result<String> {
        let file = self.text()?;
        safe_path(file).map_err(|e| bad(self.path, self.line, e))?;
        Ok(file.to_string())
    }

    fn end(mut self) -> Result<()> {
        match self.rest.next() {
            None => Ok(()),
            Some(more) => Err(bad(
                self.path,
                self.line,
                format!("`{more}` is too much; want `{}`", self.want),
            )),
        }
    }
}

fn table<T>(
    text: Text,
    path: &Path,
    want: &'static str,
    row: impl Fn(&mut Fields) -> Result<T>,
) -> Result<Vec<T>> {
    lines(text, path)?
        .map(|line| {
            let (line, content) = line?;
            let rest = content.split_whitespace();
            let mut fields = Fields {
                path,
                line,
                rest,
                want,
            };
            let value = row(&mut fields)?;
            fields.end()?;
            Ok(value)
        })
        .collect()
}

/// Reads `file template media` lines.
pub fn parse_members<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<Vec<Member>> {
    table(text.into(), path, "file template media", |f| {
        Ok(Member {
            file: f.file()?,
            template: f.number()?,
            media: f.number()?,
        })
    })
}

/// Reads `template template 0|1` lines.
pub fn parse_pairs<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<Vec<TemplatePair>> {
    table(text.into(), path, "template template 0|1", |f| {
        let (first, second) = (f.number()?, f.number()?);
        let same = match f.number::<u8>()? {
            n @ (0 | 1) => n == 1,
            n => return Err(bad(f.path, f.line, format!("label {n}, want 0 or 1"))),
        };
        Ok(TemplatePair {
            first,
            second,
            same,
        })
    })
}

/// Reads `file x1 y1 ... x5 y5 score` lines.
pub fn parse_detections<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<Vec<Detection>> {
    table(
        text.into(),
        path,
        "file x1 y1 x2 y2 x3 y3 x4 y4 x5 y5 score",
        |f| {
            let file = f.file()?;
            let mut points: Landmarks = [[0.0; 2]; 5];
            for value in points.iter_mut().flatten() {
                *value = f.number()?;
            }
            let score: f32 = f.number()?;
            if !score.is_finite() || points.iter().flatten().any(|v| !v.is_finite()) {
                return Err(bad(f.path, f.line, "a landmark or score is not finite"));
            }
            Ok(Detection {
                file,
                points,
                score,
            })
        },
    )
}

/// Reads `file x1 y1 ... x5 y5` lines: the five points of a face in the pixels of its picture.
/// Names with blanks need tabs between fields.
pub fn parse_landmarks<'a>(
    text: impl Into<Text<'a>>,
    path: &Path,
) -> Result<Vec<(String, Landmarks)>> {
    const WANT: &str = "file x1 y1 x2 y2 x3 y3 x4 y4 x5 y5";
    lines(text.into(), path)?
        .map(|line| {
            let (line, content) = line?;
            let wrong = || bad(path, line, format!("want `{WANT}`"));
            let (file, rest) = match content.split_once('\t') {
                Some((file, rest)) => (file.trim(), rest),
                None => content.split_once(' ').ok_or_else(wrong)?,
            };
            safe_path(file).map_err(|e| bad(path, line, e))?;
            let numbers: Vec<f64> = rest
                .split_whitespace()
                .map(|v| v.parse().ok().filter(|v: &f64| v.is_finite()))
                .collect::<Option<_>>()
                .ok_or_else(wrong)?;
            let mut points: Landmarks = [[0.0; 2]; 5];
            if numbers.len() != 10 {
                return Err(wrong());
            }
            points
                .iter_mut()
                .flatten()
                .zip(numbers)
                .for_each(|(point, number)| *point = number);
            Ok((file.to_string(), points))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_files_are_read() {
        let p = Path::new("m");
        let members = parse_members(b"1.jpg 7 69544\n2.jpg 7 3\n", p).unwrap();
        assert_eq!((members[0].template, members[0].media), (7, 69544));
        let pairs = parse_pairs(b"1 11065 1\n1 2 0\n", p).unwrap();
        assert!(pairs[0].same && !pairs[1].same && pairs[0].second == 11065);
        let d = parse_detections(
            b"1.jpg 46.1 54.7 88.8 53.8 72.3 76.1 54.1 98.2 82.9 97.2 0.9996\n",
            p,
        );
        let d = d.unwrap();
        assert_eq!((d[0].points[2], d[0].score), ([72.3, 76.1], 0.9996));
    }

    #[test]
    fn errors_name_line_and_form() {
        let p = Path::new("m");
        let message = parse_members(b"1.jpg 7 1\n2.jpg 7\n", p)
            .unwrap_err()
            .to_string();
        assert_eq!(message, "m:2: want `file template media`");
        assert!(parse_pairs(b"1 2 3\n", p).is_err());
        assert!(parse_pairs(b"1 2 1 9\n", p).is_err());
        assert!(parse_detections(b"a 1 2 3 4 5 6 7 8 9 nan 1\n", p).is_err());
        assert!(parse_members(b"../a 7 1\n", p).is_err());
    }
}
