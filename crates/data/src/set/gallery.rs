//! Opening a set of probes, a gallery and distractors.

use super::open::{bad, role};
use super::{Files, GallerySet};
use crate::list;
use crate::source::{FileSource, RecSource};
use frbench_base::Result;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// From `probes.rec`, `gallery.rec` and `distractors.rec`, or from TinyFace's folders `Probe/`,
/// `Gallery_Match/` and `Gallery_Distractor/`, where a file's name up to `_` is the number of
/// the person.
pub(super) fn gallery(files: &Files) -> Result<GallerySet> {
    let set = match files.ending("probes.rec") {
        Some(_) => records(files)?,
        None => folders(files)?,
    };
    // Names that do not say who is shown are easily read as one person, or as people whom the
    // gallery does not know.
    let people: BTreeSet<u32> = set.probe_ids.iter().copied().collect();
    if people.len() < 2 {
        return bad(
            &files.dir,
            format!(
                "its {} probes show {} person; want at least two",
                set.probe_ids.len(),
                people.len()
            ),
        );
    }
    if !set.gallery_ids.iter().any(|id| people.contains(id)) {
        return bad(
            &files.dir,
            "none of the people on the probes is in the gallery",
        );
    }
    Ok(set)
}

fn records(files: &Files) -> Result<GallerySet> {
    let open = |name: &str| RecSource::open(role(files, name, |n| n.ends_with(name))?);
    let (probes, gallery) = (open("probes.rec")?, open("gallery.rec")?);
    Ok(GallerySet {
        probe_ids: probes.classes().to_vec(),
        probes: Arc::new(probes),
        gallery_ids: gallery.classes().to_vec(),
        gallery: Arc::new(gallery),
        distractors: Arc::new(open("distractors.rec")?),
    })
}

fn folders(files: &Files) -> Result<GallerySet> {
    let folder = |name: &str| -> Result<(PathBuf, Vec<String>)> {
        let dir = role(files, &format!("the folder {name}"), |n| n.ends_with(name))?;
        let paths = list::images_below(&dir)?;
        match paths.is_empty() {
            true => bad(&dir, "holds no image (.jpg, .jpeg, .png)"),
            false => Ok((dir, paths)),
        }
    };
    let named = |name: &str| -> Result<(FileSource, Vec<u32>)> {
        let (dir, paths) = folder(name)?;
        let people = paths.iter().map(|p| person(p, &dir));
        let people = people.collect::<Result<Vec<u32>>>()?;
        Ok((FileSource::new(dir, paths, Some(people.clone())), people))
    };
    let (probes, probe_ids) = named("Probe/")?;
    let (gallery, gallery_ids) = named("Gallery_Match/")?;
    let (dir, paths) = folder("Gallery_Distractor/")?;
    Ok(GallerySet {
        probes: Arc::new(probes),
        probe_ids,
        gallery: Arc::new(gallery),
        gallery_ids,
        distractors: Arc::new(FileSource::new(dir, paths, None)),
    })
}

/// The number before the first `_` of a file's name.
fn person(path: &str, dir: &Path) -> Result<u32> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let number = name.split_once('_').map(|(number, _)| number.parse());
    match number {
        Some(Ok(number)) => Ok(number),
        _ => bad(
            &dir.join(path),
            "the name does not start with a person's number and `_`, as `17_2.jpg` does",
        ),
    }
}
