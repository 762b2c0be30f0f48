//! Text files that say what images are: pairs, labels, templates, probes.

mod cfp;
mod files;
mod ijb;
mod labels;
mod megaface;
mod pairs;

pub use cfp::{parse_number_pairs, parse_numbered};
pub use files::{FolderList, ImageList, image_folder, images_below, safe_path};
pub use ijb::{
    Detection, Member, TemplatePair, parse_detections, parse_landmarks, parse_members, parse_pairs,
    parse_subjects,
};
pub use labels::parse_labels;
pub use megaface::{Names, Noise, parse_names};
pub use pairs::{ListedPair, PairList, parse_pair_list, parse_pair_table};

use files::is_image;

use crate::walk;
use frbench_base::{Error, Result};
use std::path::Path;

fn bad(path: &Path, line: usize, what: impl std::fmt::Display) -> Error {
    Error::Data(format!("{}:{line}: {what}", path.display()))
}

/// Lines that hold something, numbered from 1. A file that is not UTF-8 is an error.
fn lines<'a>(text: &'a [u8], path: &Path) -> Result<impl Iterator<Item = (usize, &'a str)>> {
    let text = std::str::from_utf8(text).map_err(|e| {
        let line = text[..e.valid_up_to()]
            .iter()
            .filter(|b| **b == b'\n')
            .count()
            + 1;
        bad(path, line, "not UTF-8 text")
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    Ok(text
        .lines()
        .enumerate()
        .map(|(n, l)| (n + 1, l.trim_end()))
        .filter(|(_, l)| !l.trim().is_empty()))
}

/// A whole file.
///
/// # Errors
/// [`Error::Data`] with the path for what is not there or is no file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    walk::regular(path)?;
    std::fs::read(path).map_err(|e| walk::unreadable(path, e))
}

/// The person on each image: one number a line, one line an image.
///
/// # Errors
/// `Error::Data` with the line, or with both counts.
pub fn parse_identities(path: &Path, images: usize) -> Result<Vec<u64>> {
    let text = read(path)?;
    let ids = lines(&text, path)?
        .map(|(line, text)| {
            text.trim()
                .parse()
                .map_err(|_| bad(path, line, "not a whole number"))
        })
        .collect::<Result<Vec<u64>>>()?;
    if ids.len() != images {
        return Err(Error::Data(format!(
            "{}: {} lines for {images} images",
            path.display(),
            ids.len()
        )));
    }
    Ok(ids)
}
