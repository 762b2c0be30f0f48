//! How a name or path on the command line becomes a suite.

use super::source::Source;
use frbench_base::registry::did_you_mean;
use frbench_base::{Error, Result};
use std::path::Path;

/// What the program carries, by name and text.
#[derive(Clone, Copy)]
pub struct Embedded<'a> {
    pub suites: &'a [(&'a str, &'a str)],
    pub recipes: &'a str,
}

/// The name of a file of recipes, which lies beside the suites that use it.
pub const RECIPES: &str = "recipes.toml";

impl Embedded<'_> {
    /// A suite that takes recipes from those that are embedded.
    pub fn source(self, name: impl Into<String>, text: impl Into<String>) -> Source {
        Source::new(name, text).with_recipes(vec![self.recipes()])
    }

    /// The embedded recipes. In messages their name tells them from a file of the user's.
    fn recipes(self) -> Source {
        Source::new(format!("<frbench>/suites/{RECIPES}"), self.recipes)
    }

    /// The suite called `wanted`: a path to a file, `./suites/NAME.toml` where there is one, or an
    /// embedded one. A file wins over the embedded suite of the same name, and the recipes beside
    /// it over embedded ones of the same name.
    ///
    /// # Errors
    /// A usage error: there is no such suite, or a file cannot be read.
    pub fn find(self, wanted: &str) -> Result<Source> {
        let is_path = wanted.ends_with(".toml") || wanted.contains(['/', '\\']);
        let local = format!("suites/{wanted}.toml");
        let path = Path::new(if is_path { wanted } else { &local });
        if is_path || path.is_file() {
            let suite = read(path, "suite")?;
            let beside = path.with_file_name(RECIPES);
            let mut recipes = Vec::new();
            if beside.is_file() {
                recipes.push(read(&beside, "file of recipes")?);
            }
            recipes.push(self.recipes());
            return Ok(suite.with_recipes(recipes));
        }
        match self.suites.iter().find(|(name, _)| *name == wanted) {
            Some((name, text)) => Ok(self.source(format!("suites/{name}.toml"), *text)),
            None => {
                let names = self.suites.iter().map(|(name, _)| *name);
                let hint = match did_you_mean(wanted, names) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`frbench list` shows the suites; a path names a file".to_string(),
                };
                Err(Error::Usage(format!("unknown suite `{wanted}`; {hint}")))
            }
        }
    }
}

fn read(path: &Path, what: &str) -> Result<Source> {
    let name = path.display();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Source::new(name.to_string(), text)),
        Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
            Err(Error::Usage(format!("{name}: a {what} is UTF-8 text")))
        }
        Err(e) => Err(Error::Usage(format!("{name}: cannot read the {what}: {e}"))),
    }
}
