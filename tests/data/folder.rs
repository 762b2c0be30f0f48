//! Small data sets in folders, and how they are declared.

use frbench::job::{DataFormat, DataSource, DataSpec, Rules};
use std::path::Path;

/// Writes a file and the folders that it lies in.
pub fn put(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    std::fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The set of these files in the folder `name` of the data root.
pub fn declared(name: &str, format: DataFormat, files: &[&str], rules: Rules) -> DataSpec {
    DataSpec {
        name: name.into(),
        format,
        source: DataSource::Files {
            files: files.iter().map(|f| f.to_string()).collect(),
            rules,
        },
        identity: None,
    }
}
