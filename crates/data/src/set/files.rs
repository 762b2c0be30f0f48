//! Which files make up a data set.

use super::{DISTRACTOR_NAMES, DISTRACTOR_NOISE, GALLERY_NAMES, GROUPS, IDENTITIES};
use super::{LANDMARKS, PROBE_NAMES, PROBE_NOISE, PROPERTY};
use crate::noise;
use crate::walk::regular;
use crate::watch::Watch;
use frbench_base::{Error, Result};
use frbench_job::{DataFormat, DataSource, DataSpec};
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

/// Files that some layouts read where they exist, beside the indices of records. In another
/// layout they are named as what is not used.
pub(super) const OPTIONAL: &[&str] = &[
    PROPERTY,
    IDENTITIES,
    GROUPS,
    LANDMARKS,
    PROBE_NOISE,
    DISTRACTOR_NOISE,
    PROBE_NAMES,
    GALLERY_NAMES,
    DISTRACTOR_NAMES,
];

/// Those of them on which it does not depend which images there are and what they show.
pub(super) const SAYING_MORE: &[&str] =
    &[PROPERTY, IDENTITIES, GROUPS, PROBE_NOISE, DISTRACTOR_NOISE];

/// Those of a generated set.
fn generated(format: DataFormat) -> &'static [&'static str] {
    match format {
        DataFormat::Train => &[PROPERTY, IDENTITIES],
        DataFormat::Pairs => &[IDENTITIES, GROUPS],
        DataFormat::Identification | DataFormat::Templates | DataFormat::Gallery => &[],
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
        DataFormat::Gallery => {
            // A generated set whose size says nothing of distractors has none.
            let without = match &spec.source {
                DataSource::Synth(synth) => !synth.size.contains_key("distractors"),
                _ => false,
            };
            let all = ["probes.rec", "gallery.rec", "distractors.rec"];
            let all = all.into_iter().take(if without { 2 } else { 3 });
            all.map(String::from).collect()
        }
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

/// Whether anything is at this place in the folder of a set, be it a link that leads nowhere.
pub(crate) fn is_there(dir: &Path, name: &str) -> bool {
    dir.join(name).symlink_metadata().is_ok()
}

/// Files of the set that are not there, in the order in which they are declared.
pub fn missing(spec: &DataSpec, root: &Path) -> Vec<String> {
    let dir = root.join(&spec.name);
    let mut names = required(spec, &dir);
    names.retain(|name| !is_there(&dir, name));
    names
}

/// The files of a set that must be there, and those of the others that are.
///
/// # Errors
/// [`Error::Data`] for an optional file that is not a file; what `watch` returns.
pub fn names(spec: &DataSpec, root: &Path, watch: Watch) -> Result<(Vec<String>, Vec<String>)> {
    let dir = root.join(&spec.name);
    let mut required = required(spec, &dir);
    if spec.format == DataFormat::Train {
        let listed = super::train::listed_below(&dir, &required, watch)?;
        required.extend(listed);
    }
    if matches!(spec.source, DataSource::Noisy(_)) {
        return Ok((required, Vec::new()));
    }
    // Readers of records take the index that lies beside.
    let records = required.iter().filter_map(|n| n.strip_suffix(".rec"));
    let mut extra: Vec<String> = records.map(|stem| format!("{stem}.idx")).collect();
    let optional = match spec.source {
        DataSource::Files { .. } => OPTIONAL,
        _ => generated(spec.format),
    };
    extra.extend(optional.iter().map(|n| n.to_string()));
    if spec.format == DataFormat::Templates {
        extra.extend(with_suffix(&dir, "meta/", ".csv"));
    }
    extra.retain(|name| !required.contains(name) && is_there(&dir, name));
    for name in &extra {
        regular(&dir.join(name))?;
    }
    Ok((required, extra))
}

/// Finds the files of `spec` under the data root.
///
/// # Errors
/// `Error::Data` that lists every missing file and where it should be, or names what is not a
/// file, or not a folder, and should be. What `watch` returns.
pub fn locate(spec: &DataSpec, root: &Path, watch: Watch) -> Result<Files> {
    let absent = missing(spec, root);
    if !absent.is_empty() {
        return Err(Error::Data(crate::declarations::describe_missing(
            None, spec, root, &absent,
        )));
    }
    let dir = root.join(&spec.name);
    let (mut names, optional) = names(spec, root, watch)?;
    for name in names.iter().filter(|n| !n.ends_with('/')) {
        regular(&dir.join(name))?;
    }
    names.extend(optional);
    Ok(Files { dir, names })
}

impl Files {
    /// The first file that `test` accepts.
    pub fn find(&self, test: impl Fn(&str) -> bool) -> Option<PathBuf> {
        self.names
            .iter()
            .find(|n| test(n))
            .map(|n| self.dir.join(n))
    }

    /// Refuses images that a list names outside of what the set declares: of those, a change
    /// would not be noticed. Paths are relative to the folder of the set.
    ///
    /// # Errors
    /// [`Error::Data`] with the list and the first such image.
    pub fn hold(&self, images: &[String], list: &Path) -> Result<()> {
        // Without the `.` of `./a.jpg`.
        let plain = |path: &str| -> PathBuf {
            let parts = Path::new(path).components();
            parts.filter(|c| *c != Component::CurDir).collect()
        };
        let (folders, files): (Vec<&String>, _) = self.names.iter().partition(|n| n.ends_with('/'));
        let folders: Vec<PathBuf> = folders.iter().map(|n| plain(n)).collect();
        let files: BTreeSet<PathBuf> = files.iter().map(|n| plain(n)).collect();
        let outside = |image: &&String| {
            let image = plain(image);
            !files.contains(&image) && !folders.iter().any(|f| image.starts_with(f))
        };
        match images.iter().find(outside) {
            None => Ok(()),
            Some(image) => Err(Error::Data(format!(
                "{}: `{image}` lies in no folder that the set declares ({}); declare its folder, \
                 so that changes in it are noticed",
                list.display(),
                self.names.join(", ")
            ))),
        }
    }
}
