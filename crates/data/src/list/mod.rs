//! Text files that say what images are: pairs, labels, templates, probes.

mod cfp;
mod enrolment;
mod files;
mod ijb;
mod labels;
mod landmarks;
mod megaface;
mod pairs;

pub use cfp::{parse_number_pairs, parse_numbered};
pub use enrolment::{Enrolled, parse_enrolled, parse_templates};
pub use files::{FolderList, ImageList, image_folder, images_below, safe_path};
pub use ijb::{
    Detection, Member, TemplatePair, parse_detections, parse_landmarks, parse_members, parse_pairs,
};
pub use labels::parse_labels;
pub use landmarks::{Marked, parse_marked};
pub use megaface::{Hits, Names, Noise, parse_names};
pub use pairs::{ListedPair, PairList, PairTable, parse_pair_list, parse_pair_table};

use files::is_image;

use crate::walk;
use crate::watch::{Steps, UNWATCHED, Watch};
use frbench_base::{Error, Result};
use std::collections::BTreeSet;
use std::path::Path;

fn bad(path: &Path, line: usize, what: impl std::fmt::Display) -> Error {
    Error::Data(format!("{}:{line}: {what}", path.display()))
}

/// The bytes of a list, and what is asked while they are read whether to go on: of bytes alone,
/// nothing.
#[derive(Clone, Copy)]
pub struct Text<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) watch: Watch<'a>,
}

impl<'a> Text<'a> {
    pub fn watched(bytes: &'a [u8], watch: Watch<'a>) -> Self {
        Text { bytes, watch }
    }
}

impl<'a, B: AsRef<[u8]> + ?Sized> From<&'a B> for Text<'a> {
    fn from(bytes: &'a B) -> Self {
        Text::watched(bytes.as_ref(), UNWATCHED)
    }
}

/// A table of comma-separated values, with or without a byte order mark, blanks around its values
/// aside.
fn csv_table(bytes: &[u8]) -> csv::Reader<&[u8]> {
    csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes))
}

/// What is wrong with a table, with its line.
fn bad_table(path: &Path, e: csv::Error) -> Error {
    let line = e.position().map_or(1, |p| p.line() as usize);
    bad(path, line, e)
}

/// Lines that hold something, numbered from 1. A file that is not UTF-8 is an error.
fn lines<'a>(
    Text { bytes, watch }: Text<'a>,
    path: &Path,
) -> Result<impl Iterator<Item = Result<(usize, &'a str)>> + use<'a>> {
    let text = std::str::from_utf8(bytes).map_err(|e| {
        let line = bytes[..e.valid_up_to()]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1;
        bad(path, line, "not UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let steps = Steps::new(watch);
    let line = move |(n, line): (usize, &'a str)| match steps.next() {
        Ok(()) if line.trim().is_empty() => None,
        Ok(()) => Some(Ok((n + 1, line.trim_end()))),
        Err(stop) => Some(Err(stop)),
    };
    Ok(text.lines().enumerate().filter_map(line))
}

/// A whole file.
///
/// # Errors
/// [`Error::Data`] with the path for what is not there or is no file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    walk::regular(path)?;
    std::fs::read(path).map_err(|e| walk::unreadable(path, e))
}

/// Names of images, one a line.
///
/// # Errors
/// `Error::Data` with the line: a path that leaves its folder, or one that was named before.
pub fn parse_image_names<'a>(text: impl Into<Text<'a>>, path: &Path) -> Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    for line in lines(text.into(), path)? {
        let (line, name) = line?;
        let name = name.trim();
        safe_path(name).map_err(|e| bad(path, line, e))?;
        if !names.insert(name.to_string()) {
            return Err(bad(path, line, format!("`{name}` is listed twice")));
        }
    }
    Ok(names)
}

/// The person on each image: one number a line, one line an image.
///
/// # Errors
/// `Error::Data` with the line, or with both counts.
pub fn parse_identities(path: &Path, images: usize, watch: Watch) -> Result<Vec<u64>> {
    let text = read(path)?;
    let ids = lines(Text::watched(&text, watch), path)?
        .map(|line| {
            let (line, text) = line?;
            text.trim()
                .parse()
                .map_err(|_| bad(path, line, "not a whole number"))
        })
        .collect::<Result<Vec<u64>>>()?;
    one_each(path, ids.len(), images, "images")?;
    Ok(ids)
}

/// Reads the group of each pair, a name a line.
///
/// # Errors
/// As [`parse_identities`], of pairs.
pub fn parse_groups(path: &Path, pairs: usize, watch: Watch) -> Result<Vec<String>> {
    let text = read(path)?;
    let names = lines(Text::watched(&text, watch), path)?
        .map(|line| line.map(|(_, name)| name.trim().to_owned()))
        .collect::<Result<Vec<String>>>()?;
    one_each(path, names.len(), pairs, "pairs")?;
    Ok(names)
}

fn one_each(path: &Path, lines: usize, wanted: usize, what: &str) -> Result<()> {
    match lines == wanted {
        true => Ok(()),
        false => Err(Error::Data(format!(
            "{}: {lines} lines for {wanted} {what}",
            path.display()
        ))),
    }
}
