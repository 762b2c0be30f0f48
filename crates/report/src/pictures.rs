//! Pictures that trainings left in their folders, copied beside the page under names that
//! follow from their content.

use super::block::{self, Address};
use super::model::*;
use frbench_base::files;
use frbench_base::key::sha256_hex;
use frbench_base::{Error, Result};
use frbench_job::result::{Picture, PictureKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The folder in that of the report.
const FOLDER: &str = "pictures";
const KINDS: [PictureKind; 2] = [PictureKind::Attention, PictureKind::Corrections];

/// Where a file of a training job lies: its cache key and the file's name.
pub type Locate<'a> = &'a dyn Fn(&str, &str) -> PathBuf;

/// The pictures of a report, by key of the training job and name of the file.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    found: BTreeMap<(String, String), Found>,
    notes: Vec<String>,
}

#[derive(Debug)]
struct Found {
    /// Of the file in the report's folder of pictures.
    name: String,
    bytes: Vec<u8>,
}

impl Pictures {
    /// Reads what will be shown. What cannot be had, or is not what was recorded, is a note.
    pub fn load(input: &ReportInput, locate: Locate) -> Self {
        let mut out = Pictures::default();
        for kind in KINDS {
            for row in &input.rows {
                for (run, picture) in shown(row, kind) {
                    match read(run, picture, locate) {
                        Ok(found) => {
                            out.found.insert(address(run, picture), found);
                        }
                        Err(why) => out.notes.push(format!(
                            "{} (seed {}): the picture `{}` {why}.",
                            input.name(row),
                            run.seed,
                            picture.file.path
                        )),
                    }
                }
            }
        }
        out
    }

    /// Which pictures are missing.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The pictures of one kind that a row shows.
    pub fn of(&self, row: &Row, kind: PictureKind) -> Vec<block::Picture> {
        shown(row, kind)
            .into_iter()
            .map(|(run, picture)| {
                let found = self.found.get(&address(run, picture));
                block::Picture {
                    caption: row.label.clone(),
                    note: format!("seed {}", run.seed),
                    file: found.map(|f| Address::beside(&format!("{FOLDER}/{}", f.name))),
                    alt: picture.caption.clone(),
                    explained: true,
                    width: picture.size.0,
                    height: picture.size.1,
                }
            })
            .collect()
    }

    /// Writes them below the report's folder `dir`.
    ///
    /// # Errors
    /// [`Error::Io`] with the path where the folder cannot be written.
    pub fn write(&self, dir: &Path) -> Result<()> {
        for found in self.found.values() {
            files::write_atomic(&dir.join(FOLDER).join(&found.name), &found.bytes)?;
        }
        Ok(())
    }

    /// Removes those of an earlier report.
    ///
    /// # Errors
    /// [`Error::Io`] with the path of what cannot be removed.
    pub fn prune(&self, dir: &Path) -> Result<()> {
        let folder = dir.join(FOLDER);
        let Ok(there) = std::fs::read_dir(&folder) else {
            return Ok(());
        };
        for entry in there.flatten() {
            let name = entry.file_name();
            let ours = name.to_str().is_some_and(is_ours);
            if ours && self.found.values().all(|f| *f.name != *name) {
                let path = entry.path();
                std::fs::remove_file(&path).map_err(|e| Error::io(&path, e))?;
            }
        }
        if self.found.is_empty() {
            // Stays where somebody else has put something in it.
            let _ = std::fs::remove_dir(&folder);
        }
        Ok(())
    }
}

/// Whether a report gave a picture this name.
fn is_ours(name: &str) -> bool {
    let stem = name.strip_suffix(".jpg");
    stem.is_some_and(|s| s.len() == 16 && s.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// Does a row have pictures of this kind?
pub(super) fn any(row: &Row, kind: PictureKind) -> bool {
    !shown(row, kind).is_empty()
}

/// The pictures of one kind, of the first seed that has any.
fn shown(row: &Row, kind: PictureKind) -> Vec<(&SeedRun, &Picture)> {
    let of = |run: &'_ SeedRun| run.pictures.iter().any(|p| p.kind == kind);
    let Some(run) = row.runs.iter().filter(|r| of(r)).min_by_key(|r| r.seed) else {
        return Vec::new();
    };
    let pictures = run.pictures.iter().filter(|p| p.kind == kind);
    pictures.map(|p| (run, p)).collect()
}

fn address(run: &SeedRun, picture: &Picture) -> (String, String) {
    (run.train_key.clone(), picture.file.path.clone())
}

/// The file, if it is in the folder of the job and what was recorded; else why it is not.
fn read(run: &SeedRun, picture: &Picture, locate: Locate) -> Result<Found, &'static str> {
    let name = picture.file.path.as_str();
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\', ':']) {
        return Err("is not a file of its job");
    }
    let path = locate(&run.train_key, name);
    let bytes = std::fs::read(path).map_err(|_| "cannot be read")?;
    let hash = sha256_hex(&bytes);
    if hash != picture.file.sha256 {
        return Err("is not the one that was recorded");
    }
    Ok(Found {
        name: format!("{}.jpg", &hash[..16]),
        bytes,
    })
}
