//! Lists of data sets to evaluate on, by name: `suites/presets/NAME.toml`.

use frbench_base::registry::did_you_mean;
use frbench_base::{Error, Result};
use serde::Deserialize;
use std::path::Path;

/// What a list says.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sets {
    pub summary: String,
    pub sets: Vec<String>,
    /// The rules that pairs are scored by; without any, insightface's.
    #[serde(default)]
    pub rules: Vec<String>,
}

/// Reads the text of the list `name`.
///
/// # Errors
/// A usage error with the place of what is wrong.
pub fn parse(name: &str, text: &str) -> Result<Sets> {
    let wrong = |what: &dyn std::fmt::Display| Error::Usage(format!("{name}: {what}"));
    let sets: Sets = toml::from_str(text).map_err(|e| wrong(&e))?;
    match sets.sets.is_empty() {
        true => Err(wrong(&"`sets` names no data set")),
        false => Ok(sets),
    }
}

/// The list called `name`: the file in `folder`, else one of those that are `embedded`.
///
/// # Errors
/// A usage error: there is no such list, or it is none.
pub fn find(name: &str, embedded: &[(&str, &str)], folder: &Path) -> Result<Sets> {
    let path = folder.join(format!("{name}.toml"));
    if path.is_file() {
        let text = std::fs::read_to_string(&path).map_err(|e| Error::io(&path, e))?;
        return parse(&path.display().to_string(), &text);
    }
    match embedded.iter().find(|(known, _)| *known == name) {
        Some((name, text)) => parse(&format!("suites/presets/{name}.toml"), text),
        None => {
            let names = || embedded.iter().map(|(name, _)| *name);
            let hint = match did_you_mean(name, names()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", names().collect::<Vec<_>>().join(", ")),
            };
            Err(Error::Usage(format!(
                "unknown list of data sets `{name}`; {hint}"
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_over_what_is_embedded_and_typos_are_explained() {
        let dir = tempfile::tempdir().unwrap();
        let embedded = [("faces", "summary = \"Faces\"\nsets = [\"lfw\"]\n")];
        let found = find("faces", &embedded, dir.path()).unwrap();
        assert_eq!((found.sets, found.rules), (vec!["lfw".into()], vec![]));
        let error = find("face", &embedded, dir.path()).unwrap_err().to_string();
        assert!(error.contains("did you mean `faces`"), "{error}");
        for (text, what) in [
            ("summary = \"Mine\"\nsets = []\n", "names no data set"),
            ("summary = \"Mine\"\nset = [\"a\"]\n", "unknown field `set`"),
        ] {
            std::fs::write(dir.path().join("faces.toml"), text).unwrap();
            let error = find("faces", &embedded, dir.path()).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(what), "{error}");
        }
    }
}
