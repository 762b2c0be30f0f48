//! Which files make up a data set.

use crate::noise;
use frbench_base::{Error, Result};
use frbench_job::{DataFormat, DataSource, DataSpec};
use std::path::{Path, PathBuf};

/// Files that are part of a set where they exist.
fn optional(format: DataFormat) -> &'static [&'static str] {
    match format {
        DataFormat::Train => &["train.idx", "property", "identities.txt"],
        DataFormat::Pairs => &["identities.txt", "landmarks.txt"],
        DataFormat::Identification => &[
            "probes.idx",
            "distractors.idx",
            "facescrub_noises.txt",
            "megaface_noises.txt",
        ],
        DataFormat::Templates => &[],
        DataFormat::Gallery => &["probes.idx", "gallery.idx", "distractors.idx"],
    }
}

/// The files that must be there, relative to the set's folder; folders end in `/`.
fn required(spec: &DataSpec, dir: &Path) -> Vec<String> {
    let named = match &spec.source {
        DataSource::Files { files, .. } if !files.is_empty() => return files.clone(),
        DataSource::Files { .. } => &spec.name,
        DataSource::Synth(synth) => &synth.twin,
        DataSource::Noisy(_) => return vec![noise::LIST.into()],
    };
    match spec.format {
        DataFormat::Train => vec!["train.rec".into()],
        // A pack may have any name, as long as it is the only one.
        DataFormat::Pairs => match &with_suffix(dir, "", ".bin")[..] {
            [one] => vec![one.clone()],
            _ => vec![format!("{named}.bin")],
        },
        DataFormat::Identification => vec!["probes.rec".into(), "distractors.rec".into()],
        DataFormat::Gallery => ["probes.rec", "gallery.rec", "distractors.rec"]
            .map(String::from)
            .into(),
        DataFormat::Templates => ["face_tid_mid", "template_pair_label", "name_5pts_score"]
            .into_iter()
            .map(
                |what| match &with_suffix(dir, "meta/", &format!("_{what}.txt"))[..] {
                    [one] => one.clone(),
                    _ => format!("meta/{named}_{what}.txt"),
                },
            )
            .chain(["loose_crop/".to_string()])
            .collect(),
    }
}

/// Names in `dir/below` that end in `suffix`, as paths relative to `dir`, bytewise order.
fn with_suffix(dir: &Path, below: &str, suffix: &str) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join(below))
        .into_iter()
        .flatten()
        .flatten();
    let mut names: Vec<String> = entries
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|n| n.ends_with(suffix))
        .map(|n| format!("{below}{n}"))
        .collect();
    names.sort_unstable();
    names
}

/// The folder of a set and the files in it that belong to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Files {
    pub dir: PathBuf,
    /// Relative to `dir`; folders end in `/`.
    pub names: Vec<String>,
}

/// Files of the set that are not there, in the order in which they are declared.
pub fn missing(spec: &DataSpec, root: &Path) -> Vec<String> {
    let dir = root.join(&spec.name);
    let mut names = required(spec, &dir);
    names.retain(|name| {
        let path = dir.join(name);
        !(if name.ends_with('/') {
            path.is_dir()
        } else {
            path.is_file()
        })
    });
    names
}

/// Finds the files of `spec` under the data root.
///
/// # Errors
/// `Error::Data` that lists every missing file and where it should be.
pub fn locate(spec: &DataSpec, root: &Path) -> Result<Files> {
    let absent = missing(spec, root);
    if !absent.is_empty() {
        return Err(Error::Data(crate::declarations::describe_missing(
            None, spec, root, &absent,
        )));
    }
    let dir = root.join(&spec.name);
    let mut names = required(spec, &dir);
    let mut extra: Vec<String> = optional(spec.format)
        .iter()
        .map(|n| n.to_string())
        .collect();
    if spec.format == DataFormat::Templates {
        extra.extend(with_suffix(&dir, "meta/", ".csv"));
    }
    for name in extra {
        if !names.contains(&name) && dir.join(&name).is_file() {
            names.push(name);
        }
    }
    Ok(Files { dir, names })
}

impl Files {
    /// The first file whose name ends in `suffix`.
    pub fn ending(&self, suffix: &str) -> Option<PathBuf> {
        self.find(|n| n.ends_with(suffix))
    }

    /// The first file that `test` accepts.
    pub fn find(&self, test: impl Fn(&str) -> bool) -> Option<PathBuf> {
        self.names
            .iter()
            .find(|n| test(n))
            .map(|n| self.dir.join(n))
    }
}
