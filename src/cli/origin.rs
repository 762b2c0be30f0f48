//! Which suite a report's folder is of. A folder is named after suite and profile, and two files
//! can state the same name: neither may replace the other's report.

use crate::files;
use crate::key::sha256_hex;
use crate::suite::source::Source;
use crate::suite::whole;
use crate::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The file in the folder that says so; no part of the report.
const FILE: &str = ".suite.json";

/// Characters of a file's name in that of a folder.
const STEM: usize = 24;

/// Where a suite was read, and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// Its path from the folder of reports, which stays the same where both move together; or
    /// where the program keeps it.
    suite: String,
    sha256: String,
}

impl Origin {
    /// Of a suite whose reports go to the folder `reports`.
    ///
    /// # Errors
    /// A text that is no suite.
    pub fn of(source: &Source, reports: &Path) -> Result<Origin> {
        let whole = whole(source)?;
        Ok(Origin::new(
            &source.name,
            // What stands in recipes is part of what the suite says.
            &match whole.taken.is_empty() {
                true => source.text.clone(),
                false => whole.text(),
            },
            reports,
        ))
    }

    fn new(name: &str, said: &str, reports: &Path) -> Origin {
        let path = Path::new(name);
        Origin {
            suite: match path.is_file() {
                true => relative(&absolute(path), &absolute(reports)),
                false => format!("program/{name}"),
            },
            sha256: sha256_hex(said.as_bytes()),
        }
    }

    /// The suite whose report is in the folder, if that is another one: it stands elsewhere and
    /// says something else. A file that was edited updates its report, and so does a copy.
    ///
    /// # Errors
    /// A note in the folder that cannot be read.
    pub fn other(&self, folder: &Path) -> Result<Option<String>> {
        let path = folder.join(FILE);
        if !path.is_file() {
            return Ok(None);
        }
        let theirs: Origin = files::read_json(&path)?;
        let same = theirs.suite == self.suite || theirs.sha256 == self.sha256;
        Ok((!same).then_some(theirs.suite))
    }

    /// The folder in `reports` for the report `name`: another suite's is left to it, and this one
    /// has its file's name in that of its own.
    ///
    /// # Errors
    /// [`Error::Usage`] if that is a third suite's.
    pub fn folder(&self, reports: &Path, name: &str) -> Result<PathBuf> {
        let plain = reports.join(name);
        let Some(theirs) = self.other(&plain)? else {
            return Ok(plain);
        };
        let file = Path::new(&self.suite).file_stem().unwrap_or_default();
        let safe = |c: &char| c.is_alphanumeric() || matches!(c, '-' | '_');
        let stem = file.to_string_lossy();
        let stem: String = stem.chars().filter(safe).take(STEM).collect();
        let own = reports.join(format!("{name}-{stem}"));
        match self.other(&own)? {
            None => {
                super::output::note(&format!(
                    "{} is the report of another suite of this name, `{theirs}`; that of `{}` goes \
                     to {}",
                    plain.display(),
                    self.suite,
                    own.display()
                ));
                Ok(own)
            }
            Some(third) => Err(Error::Usage(format!(
                "{} and {} are reports of other suites of this name, `{theirs}` and `{third}`, and \
                 this is `{}` (paths from the folder of reports); give it a `name` of its own, or \
                 name another folder with `--reports`",
                plain.display(),
                own.display(),
                self.suite
            ))),
        }
    }

    /// Says in the folder, which is there, whose report it is.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be written.
    pub fn record(&self, folder: &Path) -> Result<()> {
        files::write_json(&folder.join(FILE), self)
    }
}

/// The path without links, as far as it is there.
fn absolute(path: &Path) -> PathBuf {
    let plain = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    for part in plain.ancestors() {
        if let (Ok(real), Ok(rest)) = (part.canonicalize(), plain.strip_prefix(part)) {
            return real.join(rest);
        }
    }
    plain
}

/// The way from `from` to `to`, with `/` between its steps.
fn relative(to: &Path, from: &Path) -> String {
    let (to, from): (Vec<_>, Vec<_>) = (to.components().collect(), from.components().collect());
    let shared = to.iter().zip(&from).take_while(|(a, b)| a == b).count();
    let up = from[shared..].iter().map(|_| "..".to_string());
    let down = to[shared..].iter();
    let down = down.map(|c| c.as_os_str().to_string_lossy().into_owned());
    up.chain(down).collect::<Vec<_>>().join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_recipes_say_is_said_by_the_suite() {
        let suite = include_str!("../../tests/suites/tiny.toml");
        let base = "[profile.demo]\nbase = \"short\"\n";
        let based = suite.replacen("[profile.demo]\n", base, 1);
        let origin = |suite: &str, recipes: &str| {
            let recipes = Source::new("recipes.toml", recipes);
            let source = Source::new("tiny.toml", suite).with_recipes(vec![recipes]);
            Origin::of(&source, Path::new("reports")).unwrap().sha256
        };
        let (one, other) = (
            "schema = 1\n[recipe.short.training.spare]\nsteps = 1\nbatch = 1\nlr = 0.1\nflip = true\n\
             decay = { kind = \"constant\" }\nmomentum = 0.9\nweight-decay = 0.0\n",
            "schema = 1\n[recipe.short]\n",
        );
        assert_ne!(origin(&based, one), origin(&based, other));
        assert_eq!(origin(suite, one), origin(suite, other));
        assert_eq!(origin(suite, one), sha256_hex(suite.as_bytes()));
    }

    #[test]
    fn an_edited_or_copied_suite_keeps_its_report_and_another_gets_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let reports = dir.path().join("reports");
        let folder = reports.join("tiny-demo");
        std::fs::create_dir_all(&folder).unwrap();
        let origin = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            Origin::new(&path.display().to_string(), text, &reports)
        };
        let first = origin("a/tiny.toml", "one");
        assert_eq!(first.suite, "../a/tiny.toml");
        assert_eq!(first.folder(&reports, "tiny-demo").unwrap(), folder);
        first.record(&folder).unwrap();
        for same in [
            origin("a/tiny.toml", "edited"),
            origin("b/copy.toml", "one"),
        ] {
            assert_eq!(same.folder(&reports, "tiny-demo").unwrap(), folder);
        }
        // The same file name elsewhere, and the program's own suite.
        let other = origin("b/tiny.toml", "two");
        let own = other.folder(&reports, "tiny-demo").unwrap();
        assert_eq!(own, reports.join("tiny-demo-tiny"));
        let program = Origin::new("suites/no-such.toml", "three", &reports);
        let of_program = program.folder(&reports, "tiny-demo").unwrap();
        assert_eq!(of_program, reports.join("tiny-demo-no-such"));
        std::fs::create_dir_all(&own).unwrap();
        other.record(&own).unwrap();
        assert_eq!(other.folder(&reports, "tiny-demo").unwrap(), own);
        let third = origin("c/tiny.toml", "four");
        let error = third.folder(&reports, "tiny-demo").unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        for path in ["../a/tiny.toml", "../b/tiny.toml", "../c/tiny.toml"] {
            assert!(text.contains(path), "{text}");
        }
    }
}
