//! The suites that are part of the binary, and how a name or path on the command line
//! becomes a suite.

use super::source::Source;
use crate::registry::did_you_mean;
use crate::{Error, Result};
use std::path::Path;

include!(concat!(env!("OUT_DIR"), "/suites.rs"));

/// The suite called `wanted`: a path to a file, `./suites/NAME.toml` where there is one, or
/// an embedded suite. A file wins over the embedded suite of the same name.
pub fn find(wanted: &str) -> Result<Source> {
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
    match SUITES.iter().find(|(name, _)| *name == wanted) {
        Some((name, text)) => Ok(Source::new(format!("suites/{name}.toml"), *text)),
        None => {
            let names = SUITES.iter().map(|(name, _)| *name);
            let hint = match did_you_mean(wanted, names) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`frbench list` shows the suites; a path names a file".to_string(),
            };
            Err(Error::Usage(format!("unknown suite `{wanted}`; {hint}")))
        }
    }
}
