//! Golden cases: what another implementation computed, held against what a suite would.
//!
//! A case is one `.safetensors` file with an operation, its parameters, inputs and expected
//! outputs ([`case`]). An operation is `family/name`; each family is a file here with a table
//! of what it can run. A run builds the head, loss, backbone or protocol through the table
//! that a suite is built from: it is no second implementation.

mod backbone;
mod block;
pub mod case;
mod check;
mod distill;
mod heads;
mod open_set;
mod protocol;
mod rates;
mod size;

pub use case::Case;
pub use check::Check;

use frbench_base::{Error, Result, registry};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Runs the cases of one family: the operation without the family's name, and the case.
struct Family {
    name: &'static str,
    /// None for an operation that the family does not have.
    find: fn(&str) -> Option<Run>,
    /// The operations it has, for messages.
    operations: fn() -> Vec<&'static str>,
}

type Run = fn(&Case) -> Result<Vec<Check>>;

/// A line of a family's table, where operations run differently.
type Operation = (&'static str, Run);

static FAMILIES: &[Family] = &[
    heads::FAMILY,
    distill::FAMILY,
    backbone::FAMILY,
    protocol::FAMILY,
    block::FAMILY,
];

/// How a case ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every expected tensor is met.
    Pass,
    /// At least one is not.
    Miss,
    /// The operation or its parameters are none of this build's, or computing failed.
    Failed,
    /// No such operation.
    Unknown,
}

/// What became of one case.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// File name without its extension.
    pub case: String,
    pub op: String,
    /// Where the expected values come from.
    pub source: String,
    pub verdict: Verdict,
    pub checks: Vec<Check>,
    /// Why there are no checks.
    pub reason: Option<String>,
}

/// Runs one case. A case that misses is an [`Outcome`], not an error.
///
/// # Errors
/// [`Error::Data`] for a case that lacks a tensor or holds one of the wrong type;
/// [`Error::Io`] if a temporary file cannot be written.
pub fn run(case: &Case) -> Result<Outcome> {
    let (verdict, checks, reason) = match find(&case.op) {
        Err(why) => (Verdict::Unknown, Vec::new(), Some(why.to_string())),
        Ok(run) => match run(case) {
            Ok(checks) if checks.is_empty() => {
                let why = format!("{}: no tensor `expect.*` to check", case.path.display());
                return Err(Error::Data(why));
            }
            Ok(checks) => {
                let met = checks.iter().all(|c| c.met);
                let verdict = if met { Verdict::Pass } else { Verdict::Miss };
                (verdict, checks, None)
            }
            Err(Error::Data(what)) => return Err(Error::Data(named(case, what))),
            Err(e @ (Error::Io { .. } | Error::Bug(_))) => return Err(e),
            Err(why) => (Verdict::Failed, Vec::new(), Some(why.to_string())),
        },
    };
    Ok(Outcome {
        case: case.name.clone(),
        op: case.op.clone(),
        source: case.source.clone(),
        verdict,
        checks,
        reason,
    })
}

/// Runs the case in a file. What is wrong with one case hides no other: a file that is no case,
/// lacks a tensor or brings out a bug is an [`Outcome`] that has failed.
///
/// # Errors
/// [`Error::Io`] if a temporary file cannot be written.
pub fn run_file(path: &Path) -> Result<Outcome> {
    let failed = |case: Option<&Case>, why: String| Outcome {
        case: match case {
            Some(case) => case.name.clone(),
            None => path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into(),
        },
        op: case.map_or(String::new(), |c| c.op.clone()),
        source: case.map_or(String::new(), |c| c.source.clone()),
        verdict: Verdict::Failed,
        checks: Vec::new(),
        reason: Some(why),
    };
    let case = match Case::load(path) {
        Ok(case) => case,
        Err(Error::Data(why)) => return Ok(failed(None, why)),
        Err(other) => return Err(other),
    };
    match guarded(|| run(&case)) {
        Err(Error::Data(why)) => Ok(failed(Some(&case), why)),
        Err(bug @ Error::Bug(_)) => Ok(failed(Some(&case), bug.to_string())),
        outcome => outcome,
    }
}

/// A panic as the bug that it is: the cases that follow are still run.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    // What the case was computed with is dropped with it.
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    done.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(Error::Bug(text.unwrap_or("a panic").to_string()))
    })
}

/// An error of a case says of which.
fn named(case: &Case, what: String) -> String {
    let path = case.path.display().to_string();
    match what.starts_with(&path) {
        true => what,
        false => format!("{path}: {what}"),
    }
}

fn find(op: &str) -> Result<Run> {
    let (prefix, name) = op.split_once('/').unwrap_or((op, ""));
    let family = registry::named(FAMILIES, |f| f.name, "family of operations", prefix)?;
    (family.find)(name).ok_or_else(|| registry::unknown("operation", name, (family.operations)()))
}

/// The cases in the [`files`] that `paths` name.
///
/// # Errors
/// As [`files`], and [`Error::Data`] for a file that is no case.
pub fn load(paths: &[PathBuf]) -> Result<Vec<Case>> {
    let files = files(paths)?;
    files.iter().map(|file| Case::load(file)).collect()
}

/// The files that `paths` name: files as they are, and of each folder its `.safetensors` files
/// in order of their names.
///
/// # Errors
/// [`Error::Usage`] for a path that is not there, [`Error::NothingSelected`] for a folder
/// without cases.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(cases_in(path)?);
        } else if path.exists() {
            files.push(path.clone());
        } else {
            let path = path.display();
            return Err(Error::Usage(format!("{path}: no such file or folder")));
        }
    }
    Ok(files)
}

fn cases_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let wrong = |e: std::io::Error| Error::Data(format!("{}: {e}", folder.display()));
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(wrong)? {
        let path = entry.map_err(wrong)?.path();
        if path.is_file() && path.extension().is_some_and(|e| e == "safetensors") {
            found.push(path);
        }
    }
    if found.is_empty() {
        return Err(Error::NothingSelected(format!(
            "{}: no `.safetensors` file in this folder",
            folder.display()
        )));
    }
    found.sort();
    Ok(found)
}

/// The line of a family's table with that name.
fn lookup(table: &[Operation], name: &str) -> Option<Run> {
    table.iter().find(|o| o.0 == name).map(|o| o.1)
}
