//! Small data sets in folders, how they are declared, and what is made of them.

use crate::common::miniatures::{DIM, embedding};
use crate::common::scoring::{run, write};
use frbench::data::manifest::describe;
use frbench::data::set;
use frbench::job::{DataFormat, DataSource, DataSpec, Rules, Views};
use frbench::protocol::Scored;
use frbench::registry::Params;
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

/// Opens the set, less its damaged pictures, embeds each of the others as a perfect network would,
/// and scores it.
pub fn score(
    root: &Path,
    spec: &DataSpec,
    protocol: &str,
    params: &[(&str, serde_json::Value)],
) -> Scored {
    let found = describe(spec, root).unwrap();
    let set = set::open(spec, root).unwrap();
    let set = set.without(&found.damaged, root).unwrap();
    let parts: Vec<_> = set
        .parts
        .iter()
        .map(|(name, source)| {
            let rows: Vec<f32> = (0..source.len())
                .flat_map(|i| embedding(&source.image(i).unwrap()))
                .collect();
            (*name, write(root, &format!("{name}.f32"), DIM, &rows))
        })
        .collect();
    let parts: Vec<_> = parts
        .iter()
        .map(|(name, matrix)| (*name, matrix, Views::Original))
        .collect();
    let params: Params = params
        .iter()
        .map(|(name, value)| (name.to_string(), value.clone()))
        .collect();
    run(protocol, params, &parts, &set.description)
}
