//! Data sets: images and what is known about them, opened from a folder.
//!
//! A layout of files is a line of [`READERS`]; its reader makes the images and the
//! [`Description`] that protocols and trainings see.

mod absent;
mod cfp;
mod enrolled;
mod files;
mod findings;
mod gallery;
mod grouped;
pub mod listed;
mod megaface;
mod open;
mod pairs;
mod templates;
mod train;
mod without;

pub(crate) use absent::becomes;
pub(crate) use files::is_there;
pub use files::{Files, locate, missing, names};
pub use findings::Findings;
pub use open::{READERS, Reader, misread, open, open_located, open_watched, reader, recognise};

use super::source::ImageSource;
use frbench_base::{Error, Result};
use frbench_job::Description;
use frbench_job::description::TrainData;
use std::path::Path;
use std::sync::Arc;

/// The file of the person on each image, a number a line, in the order of the images.
const IDENTITIES: &str = "identities.txt";

/// The file of the group of each pair of a pack, a name a line.
const GROUPS: &str = "groups.txt";

/// The file of five points of a face for each image that a list of pairs names.
const LANDMARKS: &str = "landmarks.txt";

/// The file that says how many classes a training set has.
const PROPERTY: &str = "property";

/// Images that MegaFace's users leave out.
const PROBE_NOISE: &str = "facescrub_noises.txt";
const DISTRACTOR_NOISE: &str = "megaface_noises.txt";

/// The images that each folder of a gallery should hold, a name a line: of what is missing in a
/// folder, nothing else tells.
const PROBE_NAMES: &str = "probes.txt";
const GALLERY_NAMES: &str = "gallery.txt";
const DISTRACTOR_NAMES: &str = "distractors.txt";

/// Images of any kind of set.
pub type Images = Arc<dyn ImageSource>;

/// A set of any format.
#[derive(Clone)]
pub struct DataSet {
    /// The collections of images in the set, by the name an embedding job uses.
    pub parts: Vec<(&'static str, Images)>,
    pub description: Description,
    /// What a reader of results must know about the files.
    pub findings: Findings,
    /// Whether pictures of another size than 112 x 112 are refused: the layout is one in which
    /// sets are distributed unaligned, and nothing says how to align these.
    pub wants_aligned: bool,
    /// The files on which it depends which images there are and what they show, as far as they lie
    /// in the folder of the set; none where other sets are part of it.
    pub made_from: Option<Vec<String>>,
}

/// Images to learn from.
#[derive(Clone)]
pub struct TrainSet {
    pub source: Images,
    pub data: TrainData,
    pub findings: Findings,
}

impl DataSet {
    /// A set whose pictures are taken as they are.
    pub fn new(parts: Vec<(&'static str, Images)>, description: Description) -> Self {
        DataSet {
            parts,
            description,
            findings: Findings::default(),
            wants_aligned: false,
            made_from: None,
        }
    }

    /// The same with what a reader of results must know.
    fn found(self, findings: Findings) -> Self {
        DataSet { findings, ..self }
    }

    /// The class or person of image `i` of a part, where the set states it: what is scored, which
    /// is not always what a source says of itself.
    pub(crate) fn label(&self, part: &str, source: &dyn ImageSource, i: usize) -> Option<u32> {
        let stated = match (&self.description, part) {
            (Description::Train(d), _) => &d.labels,
            (Description::Identification(d), "probes") => &d.probe_ids,
            (Description::Gallery(d), "probes") => &d.probe_ids,
            (Description::Gallery(d), "gallery") => &d.gallery_ids,
            _ => return source.label(i),
        };
        stated.get(i).copied()
    }

    /// The collection called `name`.
    pub fn part(&self, name: &str) -> Result<&Images> {
        let known: Vec<&str> = self.parts.iter().map(|p| p.0).collect();
        let found = self.parts.iter().find(|p| p.0 == name).map(|p| &p.1);
        found.ok_or_else(|| {
            Error::Usage(format!(
                "this data set has no part `{name}`; it has {}",
                known.join(", ")
            ))
        })
    }

    /// The same as a training set; none if it is of another format.
    pub fn train(self) -> Option<TrainSet> {
        let Description::Train(data) = self.description else {
            return None;
        };
        let source = self.parts.into_iter().next()?.1;
        Some(TrainSet {
            source,
            data,
            findings: self.findings,
        })
    }
}

impl From<TrainSet> for DataSet {
    fn from(set: TrainSet) -> Self {
        DataSet {
            findings: set.findings,
            ..DataSet::new(vec![("images", set.source)], Description::Train(set.data))
        }
    }
}

fn bad<T>(path: &Path, what: impl std::fmt::Display) -> Result<T> {
    Err(Error::Data(format!("{}: {what}", path.display())))
}
