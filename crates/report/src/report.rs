//! A report: what was measured, what follows from it, and the files it is written to.

use super::block::{Group, Row};
use super::derive::{Derived, derive};
use super::model::{self, ReportInput};
use super::pictures::{Locate, Pictures};
use super::section::Page;
use super::{claims_file, csv_file, html, latex, markdown, measures, tensorboard};
use frbench_base::{Error, Result};
use std::path::{Path, PathBuf};

/// One suite under one profile, as far as its jobs have been run.
#[derive(Debug)]
pub struct Report {
    pub input: ReportInput,
    pub derived: Derived,
    pub standing: Standing,
    pub(super) pictures: Pictures,
}

/// How much of the plan a report was assembled from; nothing for a report of another origin.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Jobs of the plan, and how many of them are done.
    pub jobs: usize,
    pub finished: usize,
    /// What in the run folders is not as it was written, a sentence each.
    pub damaged: Vec<String>,
}

/// The files of a report; pictures lie in the folder `pictures` beside them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub html: PathBuf,
    pub markdown: PathBuf,
    /// Raw values, one line per row, seed and column.
    pub csv: PathBuf,
    /// Claims with their margins and verdicts, one line each.
    pub claims: PathBuf,
    /// The whole input and all that was derived from it, in full precision.
    pub json: PathBuf,
}

impl Report {
    /// Derives what follows from `input`. `locate` says where the files of trainings lie: pictures
    /// are read there, and one that is missing is a note in the report.
    pub fn new(input: ReportInput, locate: Locate) -> Self {
        Report {
            derived: derive(&input),
            standing: Standing::default(),
            pictures: Pictures::load(&input, locate),
            input,
        }
    }

    /// The page, which holds everything but the pictures.
    ///
    /// # Errors
    /// [`Error::Bug`] where a template is wrong.
    pub fn html(&self) -> Result<String> {
        html::page(&Page::of(self))
    }

    /// The same for terminals, job summaries and pull requests.
    pub fn markdown(&self) -> String {
        markdown::page(&Page::of(self))
    }

    /// Raw values, one line per row, seed and column.
    ///
    /// # Errors
    /// [`Error::Bug`] where they cannot be written.
    pub fn csv(&self) -> Result<String> {
        csv_file::csv(&self.input)
    }

    /// Claims with their margins and verdicts, one line each.
    ///
    /// # Errors
    /// [`Error::Bug`] where they cannot be written.
    pub fn claims_csv(&self) -> Result<String> {
        claims_file::csv(&self.input, &self.derived)
    }

    /// The tables of each chapter as LaTeX with booktabs: names of files, and what is in them.
    pub fn latex(&self) -> Vec<(String, String)> {
        latex::files(&Page::of(self))
    }

    /// Writes the curves and scores of each network for TensorBoard, into `DIR/ROW/seed-N/`.
    ///
    /// # Errors
    /// [`Error::Io`] for a log that cannot be read, or a folder that cannot be written.
    pub fn tensorboard(&self, locate: Locate, dir: &Path) -> Result<tensorboard::Written> {
        tensorboard::write(self, locate, dir)
    }

    /// The whole input and all that was derived from it, in full precision.
    ///
    /// # Errors
    /// [`Error::Bug`] where it cannot be written.
    pub fn json(&self) -> Result<String> {
        let (input, derived) = (&self.input, &self.derived);
        let all = serde_json::json!({ "schema": 2, "input": input, "derived": derived });
        serde_json::to_string_pretty(&all)
            .map(|text| text + "\n")
            .map_err(|e| Error::Bug(format!("results.json: {e}")))
    }

    /// Writes the report into `dir`, which is created; each file is replaced as a whole.
    ///
    /// # Errors
    /// [`Error::Io`] with the path where the folder cannot be written.
    pub fn write(&self, dir: &Path) -> Result<Written> {
        let text = [
            ("index.html", self.html()?),
            ("report.md", self.markdown()),
            ("results.csv", self.csv()?),
            ("claims.csv", self.claims_csv()?),
            ("results.json", self.json()?),
        ];
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        frbench_base::files::sweep(dir);
        self.pictures.write(dir)?;
        for (name, text) in &text {
            frbench_base::files::write_atomic(&dir.join(name), text.as_bytes())?;
        }
        self.pictures.prune(dir)?;
        Ok(Written {
            html: dir.join("index.html"),
            markdown: dir.join("report.md"),
            csv: dir.join("results.csv"),
            claims: dir.join("claims.csv"),
            json: dir.join("results.json"),
        })
    }

    /// The columns that stand in the main tables, by number.
    pub fn main_columns(&self) -> Vec<usize> {
        measures::main(&self.input.columns)
    }

    /// Things a reader must know.
    pub(super) fn notes(&self) -> impl Iterator<Item = &str> {
        let notes = self.input.notes.iter().chain(self.pictures.notes());
        notes.map(String::as_str)
    }

    /// What the suite says about a condition.
    pub(super) fn note(&self, condition: &str) -> &str {
        self.input.conditions.get(condition).map_or("", |n| n)
    }

    /// Rows of a table for the rows that `chosen` picks, condition by condition.
    pub(super) fn groups(
        &self,
        chosen: impl Fn(&model::Row) -> bool,
        row: impl Fn(usize) -> Row,
    ) -> Vec<Group> {
        let groups = self.input.groups(chosen).into_iter();
        groups
            .map(|(condition, rows)| Group {
                title: condition.to_string(),
                note: self.note(condition).to_string(),
                rows: rows.into_iter().map(&row).collect(),
            })
            .collect()
    }
}
