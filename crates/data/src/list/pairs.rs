//! Lists of pairs, in the forms in which the field gives them out.
//!
//! | form | lines |
//! |---|---|
//! | LFW, RFW | `name i j` (one person), `name i name j` (two); images are `name/name_0001.jpg` |
//! | CALFW, CPLFW | two lines `image label` for a pair; a label that is not 0 is one person |
//! | AgeDB-30 as text | `image image label` and perhaps a fold; label 1 is one person, 0 or -1 two |
//! | table | CSV with the columns `first`, `second`, `same` and perhaps `fold` and `group` |

use super::{Text, bad, bad_table, csv_table, is_image, lines, safe_path};
use crate::watch::Steps;
use frbench_base::{Error, Result};
use std::path::Path;

/// Two images by path, and what the list says of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedPair {
    pub first: String,
    pub second: String,
    pub same: bool,
    /// The people on both, where the list names them.
    pub people: Option<(String, String)>,
    pub fold: Option<u32>,
    /// The group that it is of, where the list names groups.
    pub group: Option<String>,
    /// Where it is listed: `line 3`.
    pub place: String,
}

/// A list, and how many pairs its first line announces, with the number of that line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairList {
    pub pairs: Vec<ListedPair>,
    pub announced: Option<(usize, usize)>,
}

/// The fields of a line: separated by tabs if it holds one, so that names may hold blanks; by
/// blanks else.
fn fields(line: &str) -> Vec<&str> {
    match line.contains('\t') {
        true => line.split('\t').map(str::trim).collect(),
        false => line.split_whitespace().collect(),
    }
}

fn is_number(text: &str) -> bool {
    text.parse::<i64>().is_ok()
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Numbered,
    TwoLines,
    Flat,
}

impl Form {
    /// The form of a list by the fields of one of its lines.
    fn of(fields: &[&str]) -> Option<Form> {
        match fields {
            [_, i, j] if is_number(i) && is_number(j) => Some(Form::Numbered),
            [_, i, _, j] if is_number(i) && is_number(j) && !is_image(fields[0]) => {
                Some(Form::Numbered)
            }
            [a, b, l] | [a, b, l, _] if is_image(a) && is_image(b) && is_number(l) => {
                Some(Form::Flat)
            }
            [image, label] if is_image(image) && is_number(label) => Some(Form::TwoLines),
            _ => None,
        }
    }
}

const FORMS: &str = "want `name i j` or `name i name j` (LFW), two lines `image label` for a pair \
                     (CALFW), or `image image label`; names with blanks need tabs between fields";

/// Reads a list of pairs of any of the three forms of text; the first pair decides which. A first
/// line of one or two numbers announces pairs: of each kind, or folds and pairs of each kind in
/// a fold.
///
/// # Errors
/// `Error::Data` with the line.
pub fn parse_pair_list<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<PairList> {
    let mut list = PairList::default();
    let mut form = None;
    let mut open: Option<(usize, &str, i64)> = None;
    for (n, line) in lines(text.into(), path)?.enumerate() {
        let (line, content) = line?;
        let fields = fields(content);
        if n == 0 && fields.len() <= 2 && fields.iter().all(|f| f.parse::<u32>().is_ok()) {
            let product = fields.iter().filter_map(|f| f.parse::<usize>().ok());
            let product = product.fold(2usize, usize::saturating_mul);
            list.announced = Some((line, product));
            continue;
        }
        let found = Form::of(&fields);
        let form = *form.get_or_insert(found);
        let wrong = |what: String| bad(path, line, what);
        if found.is_none() || found != form {
            let shown: String = content.chars().take(60).collect();
            let fields = fields.len();
            return Err(wrong(format!("`{shown}` has {fields} fields; {FORMS}")));
        }
        let file = |file: &str| match safe_path(file) {
            Ok(()) => Ok(file.to_string()),
            Err(what) => Err(bad(path, line, what)),
        };
        match (form, &fields[..]) {
            (Some(Form::Numbered), fields) => {
                let numbered = |name: &str, number: &str| -> Result<String> {
                    let n: u32 = number.parse().map_err(|_| {
                        bad(path, line, format!("`{number}` is not an image number"))
                    })?;
                    file(&format!("{name}/{name}_{n:04}.jpg"))
                };
                let (a, i, b, j) = match fields {
                    [a, i, j] => (a, i, a, j),
                    [a, i, b, j, ..] => (a, i, b, j),
                    _ => return Err(wrong(FORMS.into())),
                };
                list.pairs.push(ListedPair {
                    first: numbered(a, i)?,
                    second: numbered(b, j)?,
                    same: fields.len() == 3,
                    people: Some((a.to_string(), b.to_string())),
                    fold: None,
                    group: None,
                    place: format!("line {line}"),
                });
            }
            (Some(Form::Flat), [a, b, label, fold @ ..]) => {
                let same = match label.parse::<i64>() {
                    Ok(1) => true,
                    Ok(0 | -1) => false,
                    _ => return Err(wrong(format!("label `{label}`, want 1, 0 or -1"))),
                };
                let fold = fold.first().map(|f| {
                    let wrong = |_| bad(path, line, format!("`{f}` is not a fold's number"));
                    f.parse().map_err(wrong)
                });
                list.pairs.push(ListedPair {
                    first: file(a)?,
                    second: file(b)?,
                    same,
                    people: None,
                    fold: fold.transpose()?,
                    group: None,
                    place: format!("line {line}"),
                });
            }
            (_, [image, label]) => {
                let label: i64 = label
                    .parse()
                    .map_err(|_| bad(path, line, format!("label `{label}` is not a number")))?;
                let Some((start, first, other)) = open.take() else {
                    open = Some((line, image, label));
                    continue;
                };
                if (label != 0) != (other != 0) {
                    return Err(wrong(format!(
                        "label {label}, but line {start}, the other image of the pair, has {other}"
                    )));
                }
                list.pairs.push(ListedPair {
                    first: file(first)?,
                    second: file(image)?,
                    same: label != 0,
                    people: None,
                    fold: None,
                    group: None,
                    place: format!("line {start}"),
                });
            }
            _ => return Err(wrong(FORMS.into())),
        }
    }
    match open {
        Some((line, image, _)) => Err(bad(
            path,
            line,
            format!("`{image}` is half of a pair; the other line is missing"),
        )),
        None => Ok(list),
    }
}

/// What the columns of a table of pairs are called: by this program first.
const COLUMNS: [&[&str]; 5] = [
    &["first", "a", "left", "path1", "image1", "img1", "file1"],
    &["second", "b", "right", "path2", "image2", "img2", "file2"],
    &["same", "issame", "is_same", "label"],
    &["fold", "split"],
    &["group"],
];

/// A table of pairs, and the columns of it that say nothing of pairs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairTable {
    pub pairs: Vec<ListedPair>,
    pub unread: Vec<String>,
}

/// Reads a CSV with the columns `first`, `second` (paths), `same` (1 or true, 0, -1 or false)
/// and perhaps `fold` and `group`, in any order; `a`, `b`, `label` and the like are known, too. Further columns
/// are named.
///
/// # Errors
/// `Error::Data` with the line.
pub fn parse_pair_table<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<PairTable> {
    let Text { bytes, watch } = text.into();
    let steps = Steps::new(watch);
    let mut reader = csv_table(bytes);
    let failed = |e| bad_table(path, e);
    let header = reader.headers().map_err(failed)?.clone();
    let is = |names: &[&str], h: &str| names.contains(&h.to_ascii_lowercase().as_str());
    for names in COLUMNS {
        let mut several = header.iter().filter(|h| is(names, h));
        if let (Some(one), Some(two)) = (several.next(), several.next()) {
            let what = format!("columns `{one}` and `{two}` say the same; keep one of them");
            return Err(bad(path, 1, what));
        }
    }
    let at = COLUMNS.map(|names| header.iter().position(|h| is(names, h)));
    let [Some(first), Some(second), Some(same), fold, group] = at else {
        let found: Vec<&str> = header.iter().collect();
        let want = format!(
            "want the columns `first,second,same` and perhaps `fold` and `group`, found `{}`",
            found.join(",")
        );
        return Err(bad(path, 1, want));
    };
    let unread = header
        .iter()
        .filter(|h| !COLUMNS.iter().any(|names| is(names, h)));
    let unread = unread.map(String::from).collect();
    let mut pairs = Vec::new();
    for record in reader.records() {
        steps.next()?;
        let record = record.map_err(failed)?;
        let line = record.position().map_or(0, |p| p.line() as usize);
        let wrong = |what: String| -> Error { bad(path, line, what) };
        let file = |i: usize| match safe_path(&record[i]) {
            Ok(()) => Ok(record[i].to_string()),
            Err(what) => Err(wrong(what)),
        };
        let label = record[same].to_ascii_lowercase();
        pairs.push(ListedPair {
            first: file(first)?,
            second: file(second)?,
            same: match label.as_str() {
                "1" | "true" => true,
                "0" | "-1" | "false" => false,
                other => {
                    let what = format!("`same` is `{other}`, want 1 or true, 0, -1 or false");
                    return Err(wrong(what));
                }
            },
            people: None,
            fold: match fold.map(|i| &record[i]) {
                None | Some("") => None,
                Some(text) => Some(
                    text.parse()
                        .map_err(|_| wrong(format!("`{text}` is not a fold's number")))?,
                ),
            },
            group: match group.map(|i| &record[i]) {
                None | Some("") => None,
                Some(name) => Some(name.to_string()),
            },
            place: format!("line {line}"),
        });
    }
    Ok(PairTable { pairs, unread })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> PairList {
        parse_pair_list(text.as_bytes(), Path::new("p")).unwrap()
    }

    #[test]
    fn both_kinds_of_lines_are_read() {
        let text = "10\t300\nAbel_Pacheco\t1\t4\nAbdel_Madi_Shabneh\t1\tDean_Barker\t12\n";
        let read = list(text);
        assert_eq!(read.announced, Some((1, 6000)));
        let pairs = read.pairs;
        assert_eq!(pairs.len(), 2);
        assert_eq!(pairs[0].second, "Abel_Pacheco/Abel_Pacheco_0004.jpg");
        assert!(pairs[0].same && !pairs[1].same);
        assert_eq!(pairs[1].second, "Dean_Barker/Dean_Barker_0012.jpg");
        assert_eq!(
            pairs[1].people,
            Some(("Abdel_Madi_Shabneh".into(), "Dean_Barker".into()))
        );
        // RFW has no first line.
        let rfw = list(&text[7..]);
        assert_eq!((rfw.pairs.len(), rfw.announced), (2, None));
    }

    #[test]
    fn names_may_hold_blanks_between_tabs() {
        let read = list("Cia Dorn\t1\t2\nCia Dorn\t1\tBob Ray\t3\n");
        assert_eq!(read.pairs[0].first, "Cia Dorn/Cia Dorn_0001.jpg");
        assert_eq!(read.pairs[1].second, "Bob Ray/Bob Ray_0003.jpg");
    }

    #[test]
    fn two_lines_and_flat_lines_are_read() {
        let read = list("A_1.jpg 3\nA_2.jpg 3\nB_1.jpg 0\nC_1.jpg 0\n");
        let same: Vec<bool> = read.pairs.iter().map(|p| p.same).collect();
        assert_eq!(same, [true, false]);
        assert_eq!(read.pairs[1].place, "line 3");
        let read = list("x/a.jpg x/b.jpg 1\nx/a.jpg y/c.png -1\n");
        let same: Vec<bool> = read.pairs.iter().map(|p| p.same).collect();
        assert_eq!(same, [true, false]);
        assert_eq!(list("a.jpg b.jpg 0 3\n").pairs[0].fold, Some(3));
    }

    #[test]
    fn a_table_names_its_columns() {
        let text = "second, first, fold, same\nb.jpg, a.jpg, 2, True\nd e.jpg, c.jpg, 1, 0\n";
        let read = |text: &str| parse_pair_table(text.as_bytes(), Path::new("p.csv"));
        let pairs = read(text).unwrap().pairs;
        assert_eq!((pairs[0].first.as_str(), pairs[0].fold), ("a.jpg", Some(2)));
        assert!(pairs[0].same && !pairs[1].same && pairs[1].second == "d e.jpg");
        let others = read("A,B,Label,cosine\na.jpg,b.jpg,1,0.5\n").unwrap();
        assert_eq!(
            (others.pairs.len(), others.unread),
            (1, vec!["cosine".into()])
        );
        for (text, want) in [
            ("a,b\n", "p.csv:1: want the columns"),
            ("a,first,b,same\n", "p.csv:1: columns `a` and `first`"),
            ("first,second,same\na,b,7\n", "p.csv:2: `same` is `7`"),
            ("first,second,same\n../a,b,1\n", "p.csv:2: "),
            ("first,second,same\na,b\n", "p.csv:2: "),
        ] {
            let message = read(text).unwrap_err().to_string();
            assert!(message.contains(want), "{message}");
        }
    }

    #[test]
    fn errors_name_the_line() {
        for (text, want) in [
            ("1\nA 1 x\n", "p:2: `A 1 x` has 3 fields"),
            ("A 1 2\nA 1\n", "p:2: `A 1` has 2 fields"),
            ("A 1 -2\n", "p:1: `-2` is not an image number"),
            ("../A 1 2\n", "p:1: "),
            ("a.jpg 1\nb.jpg 0\n", "p:2: label 0, but line 1"),
            ("a.jpg 1\nb.jpg 1\nc.jpg 0\n", "p:3: `c.jpg` is half"),
            ("a.jpg b.jpg 7\n", "p:1: label `7`"),
            ("Cia Dorn 1 2\n", "p:1: `Cia Dorn 1 2` has 4 fields"),
        ] {
            let message = parse_pair_list(text.as_bytes(), Path::new("p"));
            let message = message.unwrap_err().to_string();
            assert!(message.contains(want), "{message}");
        }
    }
}
