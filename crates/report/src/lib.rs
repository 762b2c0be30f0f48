//! Result files to one self-contained folder: HTML, Markdown, CSV and JSON.
//!
//! A [`ReportInput`] holds what was measured, per seed. [`derive()`] computes all that a
//! report says beyond that; the writers lay both out. Equal input gives equal bytes.

pub mod claims;
pub mod collect;
pub mod derive;
mod finding;
mod format;
mod html;
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
pub use pictures::Locate;

use frbench_base::{Error, Result};
use pictures::Pictures;
use std::path::{Path, PathBuf};

/// The files of a report; pictures lie in the folder `pictures` beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub html: PathBuf,
    pub markdown: PathBuf,
    /// Raw values, one line per row, seed and column.
    pub csv: PathBuf,
    /// The whole input and all that was derived from it, in full precision.
    pub json: PathBuf,
}

/// Writes the report into `dir`, which is created; each file is replaced as a whole. `locate`
/// says where the files of trainings lie: pictures are copied from there, and one that is
/// missing is a note in the report.
///
/// # Errors
/// [`Error::Io`] with the path where the folder cannot be written.
pub fn write(input: &ReportInput, dir: &Path, locate: Locate) -> Result<Written> {
    let derived = derive(input);
    let pictures = Pictures::load(input, locate);
    let view = view::View::new(input, &derived, &pictures);
    let text = [
        ("index.html", html::page(&view)?),
        ("report.md", markdown::page(&view)),
        ("results.csv", table::csv(input)?),
        ("results.json", json(input, &derived)?),
    ];
    std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    frbench_base::files::sweep(dir);
    pictures.write(dir)?;
    for (name, text) in &text {
        frbench_base::files::write_atomic(&dir.join(name), text.as_bytes())?;
    }
    pictures.prune(dir)?;
    Ok(Written {
        html: dir.join("index.html"),
        markdown: dir.join("report.md"),
        csv: dir.join("results.csv"),
        json: dir.join("results.json"),
    })
}

/// The report as Markdown, without pictures, for a terminal or a job summary.
pub fn markdown(input: &ReportInput) -> String {
    let view = view::View::new(input, &derive(input), &Pictures::default());
    markdown::page(&view)
}

fn json(input: &ReportInput, derived: &Derived) -> Result<String> {
    let all = serde_json::json!({ "schema": 1, "input": input, "derived": derived });
    serde_json::to_string_pretty(&all)
        .map(|text| text + "\n")
        .map_err(|e| Error::Bug(format!("results.json: {e}")))
}
