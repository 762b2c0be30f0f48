//! A data set by its name, or by the path of its folder or file.

use super::context::DataArgs;
use crate::data::declarations::{Declarations, propose};
use crate::data::set::{self, DataSet};
use crate::data::watch::Watch;
use crate::job::{DataFormat, DataSource, DataSpec, Rules};
use crate::{Error, Result};
use std::path::{Path, PathBuf};

/// A set, and the folder that its own lies in.
pub struct Found {
    pub spec: DataSpec,
    pub root: PathBuf,
    /// What its layout is called, where it was recognised by its files.
    pub looks: Option<&'static str>,
}

impl Found {
    /// # Errors
    /// What [`set::open_watched`] refuses, and what `watch` returns.
    pub fn open(&self, watch: Watch) -> Result<DataSet> {
        set::open_watched(&self.spec, &self.root, watch)
    }
}

/// The set that is meant by `name`: a folder or a file of that path, else one that is declared.
///
/// # Errors
/// A usage error for what is neither; [`Error::Data`] for a folder in no layout that is read.
pub fn find(name: &str, data: &DataArgs) -> Result<Found> {
    let known = super::context::catalogue()?;
    let declared = known.datasets.contains_key(name) || name.starts_with("synth-");
    if !declared && Path::new(name).exists() {
        return at_path(Path::new(name));
    }
    Ok(Found {
        spec: known.lookup(name).map_err(Error::Usage)?,
        root: data.root(),
        looks: None,
    })
}

/// The set in a folder or a file, whatever it is called.
///
/// # Errors
/// A usage error for a file that is no set; [`Error::Data`] for a folder in no layout that is read.
pub fn at_path(path: &Path) -> Result<Found> {
    let name = path.display();
    let real = path.canonicalize().map_err(|e| Error::io(path, e))?;
    let (folder, file) = match real.is_dir() {
        true => (real.as_path(), None),
        false => (
            real.parent().unwrap_or(Path::new("/")),
            real.file_name().map(|n| n.to_string_lossy().into_owned()),
        ),
    };
    let root = folder.parent().unwrap_or(Path::new("/")).to_path_buf();
    let own = folder.file_name().unwrap_or_default();
    let own = own.to_string_lossy().into_owned();
    if let Some(file) = file {
        let format = match real.extension().and_then(|e| e.to_str()) {
            Some("bin") => DataFormat::Pairs,
            Some("rec") => DataFormat::Train,
            _ => {
                return Err(Error::Usage(format!(
                    "{name}: no data set; want a folder, a pack (.bin) or records (.rec)"
                )));
            }
        };
        let source = DataSource::Files {
            files: vec![file],
            rules: Rules::default(),
        };
        return Ok(Found {
            spec: DataSpec {
                name: own,
                format,
                source,
                identity: None,
            },
            root,
            looks: None,
        });
    }
    let (looks, text) = propose("proposed", folder).ok_or_else(|| {
        Error::Data(format!(
            "{name}: no layout that is read; README.md has the table of them"
        ))
    })?;
    let declared = Declarations::load(&[("proposed", &text)], None)?;
    let mut spec = declared
        .get("proposed")
        .map(|d| d.spec())
        .ok_or_else(|| Error::Bug(format!("`{name}` is not declared")))?;
    spec.name = own;
    Ok(Found {
        spec,
        root,
        looks: Some(looks),
    })
}
