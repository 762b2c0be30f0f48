//! `frbench data add`

use super::data::{AddArgs, verify};
use super::output::{note, print};
use crate::data::declarations::{Declarations, propose};
use crate::data::set::misread;
use crate::{Error, Result, files};
use std::path::Path;

/// The folder of declarations.
const DECLARATIONS: &str = "suites/datasets";

/// Writes a declaration of the folder, with the identity that it has now.
pub fn add(args: &AddArgs) -> Result<()> {
    let dir = &args.dir;
    let real = dir.canonicalize().map_err(|e| Error::io(dir, e))?;
    let own = real.file_name().unwrap_or_default().to_string_lossy();
    let name = args.name.clone().unwrap_or_else(|| own.into_owned());
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty() || !name.chars().all(plain) || name.starts_with(['.', '-']) {
        return Err(Error::Usage(format!(
            "`{name}` cannot be the name of a data set: use letters, digits, `-`, `_` and `.`; \
             --name gives it another"
        )));
    }
    let path = Path::new(DECLARATIONS).join(format!("{name}.toml"));
    let known = super::context::catalogue()?;
    if name.starts_with("synth-") || known.datasets.contains_key(&name) {
        return Err(Error::Usage(format!(
            "there is a data set `{name}` already (`frbench list`); --name gives this one another"
        )));
    }
    let Some((looks, text)) = propose(&name, &real) else {
        return Err(Error::Data(format!(
            "{}: no layout that is read; README.md has the table of them, and a declaration of your \
             own says what is what",
            dir.display()
        )));
    };
    if let Some((list, why)) = misread(&real) {
        return Err(Error::Data(format!(
            "{}: it looks like {looks}, but `{list}` in it is a list of pairs by its name, which \
             cannot be read: {why}",
            dir.display()
        )));
    }
    let root = args.data.root();
    let there = root.join(&name);
    let linked = there.canonicalize().ok() != Some(real.clone());
    if linked {
        link(&real, &there)?;
    }
    let checked = || {
        let declared = Declarations::load(&[(&name, &text)], None)?;
        let spec = declared.get(&name).map(|d| d.spec());
        let spec = spec.ok_or_else(|| Error::Bug(format!("`{name}` is not declared")))?;
        verify(&spec, &Declarations::load(&[], None)?, &root)
    };
    let checked = checked();
    if linked && checked.is_err() {
        std::fs::remove_file(&there).map_err(|e| Error::io(&there, e))?;
    }
    let (said, identity) = checked?;
    if linked {
        note(&format!(
            "{} is a link to {}",
            there.display(),
            real.display()
        ));
    }
    let text = format!("{text}identity = \"{identity}\"\n");
    std::fs::create_dir_all(DECLARATIONS).map_err(|e| Error::io(DECLARATIONS, e))?;
    files::write_atomic(&path, text.as_bytes())?;
    print(&format!(
        "{said}{}: `{name}` is {looks}; the file says what it is made of, and pins it as it is now\n",
        path.display()
    ))
}

/// A data set that lies elsewhere has a link in the folder of data sets.
fn link(real: &Path, there: &Path) -> Result<()> {
    if std::fs::symlink_metadata(there).is_ok() {
        return Err(Error::Usage(format!(
            "{} is there already and is not this folder; --name gives this one another",
            there.display()
        )));
    }
    if let Some(root) = there.parent() {
        std::fs::create_dir_all(root).map_err(|e| Error::io(root, e))?;
    }
    #[cfg(unix)]
    return std::os::unix::fs::symlink(real, there).map_err(|e| Error::io(there, e));
    #[cfg(not(unix))]
    Err(Error::Usage(format!(
        "move {} to {}: data sets lie in one folder",
        real.display(),
        there.display()
    )))
}
