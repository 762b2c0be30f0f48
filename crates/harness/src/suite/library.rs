//! How a name or path on the command line becomes a suite.

use super::source::Source;
use frbench_base::registry::did_you_mean;
use frbench_base::{Error, Result};
use std::path::Path;

/// The suite called `wanted`: a path to a file, `./suites/NAME.toml` where there is one, or
/// one of the `embedded`, given by name and text. A file wins over the embedded suite of the
/// same name.
pub fn find(wanted: &str, embedded: &[(&str, &str)]) -> Result<Source> {
    let is_path = wanted.ends_with(".toml") || wanted.contains(['/', '\\']);
    let local = format!("suites/{wanted}.toml");
    let path = if is_path { wanted } else { local.as_str() };
    if is_path || Path::new(path).is_file() {
        return match std::fs::read_to_string(path) {
            Ok(text) => Ok(Source::new(path, text)),
            Err(e) if e.kind() == std::io::ErrorKind::InvalidData => {
                Err(Error::Usage(format!("{path}: a suite is UTF-8 text")))
            }
            Err(e) => Err(Error::Usage(format!("{path}: cannot read the suite: {e}"))),
        };
    }
    match embedded.iter().find(|(name, _)| *name == wanted) {
        Some((name, text)) => Ok(Source::new(format!("suites/{name}.toml"), *text)),
        None => {
            let names = embedded.iter().map(|(name, _)| *name);
            let hint = match did_you_mean(wanted, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`frbench list` shows the suites; a path names a file".to_string(),
            };
            Err(Error::Usage(format!("unknown suite `{wanted}`; {hint}")))
        }
    }
}
