//! Text files that say what images are: pairs, labels, templates, probes.

mod files;
mod ijb;
mod megaface;
mod pairs;

pub use files::{FolderList, image_folder, images_below, parse_labels, safe_path};
pub use ijb::{
    Detection, Member, TemplatePair, parse_detections, parse_members, parse_pairs, parse_subjects,
};
pub use megaface::{Names, Noise, parse_names};
pub use pairs::{FilePair, parse_lfw};

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
pub fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => {
            Error::Data(format!("{}: the file is missing", path.display()))
        }
        _ => Error::io(path, e),
    })
}
