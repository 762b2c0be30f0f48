//! Result files to one self-contained folder: HTML, Markdown, CSV and JSON.
//!
//! A [`ReportInput`] holds what was measured, per seed. [`derive()`] computes all that a
//! report says beyond that; the writers lay both out. Equal input gives equal bytes.

pub mod claims;
pub mod collect;
pub mod derive;
mod format;
mod html;
mod labels;
mod markdown;
pub mod model;
mod pictures;
mod plots;
mod prose;
pub mod published;
mod references;
pub mod svg;
mod table;
mod view;
mod words;

pub use derive::{Derived, derive};
pub use model::ReportInput;
pub use pictures::PictureFiles;

use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// The files of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub html: PathBuf,
    pub markdown: PathBuf,
    /// Raw values, one line per row, seed and column.
    pub csv: PathBuf,
    /// The whole input and all that was derived from it, in full precision.
    pub json: PathBuf,
}

/// Writes the report into `dir`, which is created; each file is replaced as a whole. Pictures
/// that are not among `pictures` any more are left out, and the report says so.
///
/// # Errors
/// [`Error::Io`] with the path where the folder cannot be written.
pub fn write(input: &ReportInput, dir: &Path, pictures: &PictureFiles) -> Result<Written> {
    let mut input = input.clone();
    let mut lost = 0;
    for run in input.rows.iter_mut().flat_map(|r| &mut r.runs) {
        run.pictures.retain(|p| {
            let copied = pictures.get(&p.file.sha256).is_some_and(|from| {
                let to = dir.join(pictures::place(p));
                copy(from, &to, &p.file.sha256).is_ok()
            });
            lost += usize::from(!copied);
            copied
        });
    }
    if lost > 0 {
        input.notes.push(format!(
            "{lost} pictures of trainings are not there any more."
        ));
    }
    let input = &input;
    let derived = derive(input);
    let view = view::View::new(input, &derived);
    let text = [
        ("index.html", html::page(&view)?),
        ("report.md", markdown::page(&view)),
        ("results.csv", table::csv(input)?),
        ("results.json", json(input, &derived)?),
    ];
    std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    for (name, text) in &text {
        crate::files::write_atomic(&dir.join(name), text.as_bytes())?;
    }
    Ok(Written {
        html: dir.join("index.html"),
        markdown: dir.join("report.md"),
        csv: dir.join("results.csv"),
        json: dir.join("results.json"),
    })
}

/// A picture into the report, unless it has become another one.
fn copy(from: &Path, to: &Path, sha256: &str) -> Result<()> {
    let bytes = crate::files::read(from)?;
    if crate::key::sha256_hex(&bytes) != sha256 {
        return Err(Error::Data(format!(
            "{}: not the picture it was",
            from.display()
        )));
    }
    if let Some(folder) = to.parent() {
        std::fs::create_dir_all(folder).map_err(|e| Error::io(folder, e))?;
    }
    crate::files::write_atomic(to, &bytes)
}

/// The report as Markdown, for a terminal or a job summary.
pub fn markdown(input: &ReportInput) -> String {
    markdown::page(&view::View::new(input, &derive(input)))
}

fn json(input: &ReportInput, derived: &Derived) -> Result<String> {
    let all = serde_json::json!({ "schema": 1, "input": input, "derived": derived });
    serde_json::to_string_pretty(&all)
        .map(|text| text + "\n")
        .map_err(|e| Error::Bug(format!("results.json: {e}")))
}
