//! Probes, a gallery, and perhaps distractors in it: as records, or as TinyFace's folders.

use super::open::{Reader, any_ends, role};
use super::{DataSet, Files, Findings, Images, bad};
use crate::list;
use crate::source::{FileSource, RecSource};
use frbench_base::Result;
use frbench_job::description::GalleryData;
use frbench_job::{DataFormat, Description, Rules};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) static RECORDS: Reader = Reader {
    name: "records of probes and a gallery",
    format: DataFormat::Gallery,
    wants: "probes.rec and gallery.rec, and distractors.rec unless the gallery is a closed set",
    recognises: |names| any_ends(names, "probes.rec") && any_ends(names, "gallery.rec"),
    takes: |n| ["probes.rec", "gallery.rec", "distractors.rec"].contains(&n),
    optional: &[],
    open: records,
};

pub(super) static FOLDERS: Reader = Reader {
    name: "TinyFace",
    format: DataFormat::Gallery,
    wants: "the folders Probe/ and Gallery_Match/, and Gallery_Distractor/ unless the gallery is \
            a closed set; the name of an image up to `_` is the number of the person",
    recognises: |names| any_ends(names, "Probe/") && any_ends(names, "Gallery_Match/"),
    takes: |n| ["Probe/", "Gallery_Match/", "Gallery_Distractor/"].contains(&n),
    optional: &[],
    open: folders,
};

fn records(files: &Files, _: &Rules) -> Result<DataSet> {
    let open = |name: &str| RecSource::open(role(files, name, |n| n.ends_with(name))?);
    let (probes, gallery) = (open("probes.rec")?, open("gallery.rec")?);
    let (probe_ids, gallery_ids) = (probes.classes().to_vec(), gallery.classes().to_vec());
    let distractors: Images = match any_ends(&files.names, "distractors.rec") {
        true => Arc::new(open("distractors.rec")?),
        false => none(files),
    };
    set(
        files,
        (Arc::new(probes), probe_ids),
        (Arc::new(gallery), gallery_ids),
        distractors,
    )
}

fn folders(files: &Files, _: &Rules) -> Result<DataSet> {
    let mut findings = Findings::default();
    let probes = named(files, "Probe/", &mut findings)?;
    let gallery = named(files, "Gallery_Match/", &mut findings)?;
    let distractors: Images = match any_ends(&files.names, "Gallery_Distractor/") {
        true => {
            let (dir, paths) = folder(files, "Gallery_Distractor/", &mut findings)?;
            Arc::new(FileSource::new(dir, paths, None))
        }
        false => none(files),
    };
    Ok(DataSet {
        findings,
        ..set(files, probes, gallery, distractors)?
    })
}

/// The images of a folder.
fn folder(files: &Files, name: &str, findings: &mut Findings) -> Result<(PathBuf, Vec<String>)> {
    let dir = role(files, &format!("the folder {name}"), |n| n.ends_with(name))?;
    let list = list::images_below(&dir)?;
    findings.walked(&dir, list.links, &list.ignored);
    match list.paths.is_empty() {
        true => bad(&dir, "holds no image (.jpg, .jpeg, .png)"),
        false => Ok((dir, list.paths)),
    }
}

/// The images of a folder with the person on each.
fn named(files: &Files, name: &str, findings: &mut Findings) -> Result<(Images, Vec<u32>)> {
    let (dir, paths) = folder(files, name, findings)?;
    let people = paths.iter().map(|p| person(p, &dir));
    let people = people.collect::<Result<Vec<u32>>>()?;
    let source = FileSource::new(dir, paths, Some(people.clone()));
    Ok((Arc::new(source), people))
}

/// The distractors of a closed set.
fn none(files: &Files) -> Images {
    Arc::new(FileSource::new(&files.dir, Vec::new(), None))
}

fn set(
    files: &Files,
    (probes, probe_ids): (Images, Vec<u32>),
    (gallery, gallery_ids): (Images, Vec<u32>),
    distractors: Images,
) -> Result<DataSet> {
    // Names that do not say who is shown are easily read as one person, or as people whom the
    // gallery does not know.
    let people: BTreeSet<u32> = probe_ids.iter().copied().collect();
    if people.len() < 2 {
        return bad(
            &files.dir,
            format!(
                "its {} probes show {} person; want at least two",
                probe_ids.len(),
                people.len()
            ),
        );
    }
    if !gallery_ids.iter().any(|id| people.contains(id)) {
        return bad(
            &files.dir,
            "none of the people on the probes is in the gallery",
        );
    }
    let data = GalleryData {
        probe_ids,
        gallery_ids,
        distractors: distractors.len(),
    };
    Ok(DataSet::new(
        vec![
            ("probes", probes),
            ("gallery", gallery),
            ("distractors", distractors),
        ],
        Description::Gallery(data),
    ))
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
