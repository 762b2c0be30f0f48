//! Probes, a gallery, and perhaps distractors in it: as records, or as TinyFace's folders.

use super::absent::absent;
use super::open::{Reader, any_ends, role};
use super::{DISTRACTOR_NAMES, GALLERY_NAMES, PROBE_NAMES};
use super::{DataSet, Files, Findings, Images, bad};
use crate::list::{self, Text};
use crate::source::{FileSource, ImageSource, RecSource};
use crate::watch::Watch;
use frbench_base::Result;
use frbench_job::description::GalleryData;
use frbench_job::{DataFormat, Description, Missing, Rules};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
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
            a closed set; the name of an image up to `_` is the number of the person; and probes.txt, \
            gallery.txt and distractors.txt, which name the images of each, where they exist",
    recognises: |names| any_ends(names, "Probe/") && any_ends(names, "Gallery_Match/"),
    takes: |n| ["Probe/", "Gallery_Match/", "Gallery_Distractor/"].contains(&n),
    optional: &[PROBE_NAMES, GALLERY_NAMES, DISTRACTOR_NAMES],
    open: folders,
};

fn records(files: &Files, _: &Rules, watch: Watch) -> Result<DataSet> {
    let open = |name: &str| RecSource::open(&role(files, name, |n| n.ends_with(name))?, watch);
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

fn folders(files: &Files, rules: &Rules, watch: Watch) -> Result<DataSet> {
    let mut reader = Folders {
        files,
        rules,
        watch,
        findings: Findings::default(),
        gone: BTreeMap::new(),
    };
    let probes = reader.named(&PROBES)?;
    let gallery = reader.named(&GALLERY)?;
    let distractors: Images = match any_ends(&files.names, DISTRACTORS.folder) {
        true => Arc::new(reader.open(&DISTRACTORS)?),
        false => none(files),
    };
    let Folders { findings, gone, .. } = reader;
    let set = set(files, probes, gallery, distractors)?;
    set.found(findings).without(&gone, &files.dir)
}

/// A folder of TinyFace.
struct Folder {
    folder: &'static str,
    /// The part that it is.
    part: &'static str,
    /// The file that names its images.
    names: &'static str,
}

const PROBES: Folder = Folder {
    folder: "Probe/",
    part: "probes",
    names: PROBE_NAMES,
};
const GALLERY: Folder = Folder {
    folder: "Gallery_Match/",
    part: "gallery",
    names: GALLERY_NAMES,
};
const DISTRACTORS: Folder = Folder {
    folder: "Gallery_Distractor/",
    part: "distractors",
    names: DISTRACTOR_NAMES,
};

/// Reads folders.
struct Folders<'a> {
    files: &'a Files,
    rules: &'a Rules,
    watch: Watch<'a>,
    findings: Findings,
    /// Images that are missing, by part.
    gone: BTreeMap<String, Vec<u32>>,
}

impl Folders<'_> {
    /// The images of a folder: those that it should hold where a file says so, else those that
    /// are in it.
    fn open(&mut self, of: &Folder) -> Result<FileSource> {
        let what = format!("the folder {}", of.folder);
        let dir = role(self.files, &what, |n| n.ends_with(of.folder))?;
        let found = list::images_below(&dir, self.watch)?;
        self.findings.walked(&dir, found.links, &found.ignored);
        let Some(path) = self.files.find(|n| n == of.names) else {
            if self.rules.missing == Missing::Miss {
                self.findings.say(format!(
                    "{}: what is missing is not known, since no {} says what it should hold",
                    dir.display(),
                    of.names
                ));
            }
            return match found.paths.is_empty() {
                true => bad(&dir, "holds no image (.jpg, .jpeg, .png)"),
                false => Ok(FileSource::new(dir, found.paths, None)),
            };
        };
        let text = list::read(&path)?;
        let names = list::parse_image_names(Text::watched(&text, self.watch), &path)?;
        if names.is_empty() {
            return bad(&path, "names no image");
        }
        let more = found.paths.into_iter().filter(|p| !names.contains(p));
        let what = format!("images are in no line of {} and left out", path.display());
        self.findings.note(&what, more);
        let source = FileSource::new(dir, names.into_iter().collect(), None);
        let (rules, findings) = (self.rules, &mut self.findings);
        let part = (DataFormat::Gallery, of.part);
        let gone = absent(&source, &path, part, rules, findings, self.watch)?;
        self.gone.insert(of.part.into(), gone);
        Ok(source)
    }

    /// The same with the person on each.
    fn named(&mut self, of: &Folder) -> Result<(Images, Vec<u32>)> {
        let source = self.open(of)?;
        let person = |i| person(source.listed(i), &source.describe(i));
        let people = (0..source.len()).map(person);
        let people = people.collect::<Result<Vec<u32>>>()?;
        Ok((Arc::new(source.labelled(people.clone())), people))
    }
}

/// The distractors of a gallery without any.
pub(super) fn none(files: &Files) -> Images {
    Arc::new(FileSource::new(&files.dir, Vec::new(), None))
}

pub(super) fn set(
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
        ..GalleryData::default()
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

/// The number before the first `_` of a file's name; `place` is for messages.
fn person(path: &str, place: &str) -> Result<u32> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let number = name.split_once('_').map(|(number, _)| number.parse());
    match number {
        Some(Ok(number)) => Ok(number),
        _ => bad(
            Path::new(place),
            "the name does not start with a person's number and `_`, as `17_2.jpg` does",
        ),
    }
}
