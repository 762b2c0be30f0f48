//! Random access to encoded and decoded images, wherever they are kept.

use super::align::{ALIGNED, Landmarks, warp_to_template};
use super::bin::BinReader;
use super::decode::decode;
use super::image::Image;
use super::list::read;
use super::record::RecReader;
use super::watch::{Steps, Watch};
use frbench_base::{Error, Result};
use rayon::prelude::*;
use std::borrow::Cow;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// A numbered collection of images.
pub trait ImageSource: Send + Sync {
    fn len(&self) -> usize;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The encoded image `i < len()`.
    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>>;

    /// The class of image `i`, if the collection knows classes.
    fn label(&self, i: usize) -> Option<u32>;

    /// Where image `i` is kept, for messages.
    fn describe(&self, i: usize) -> String;

    /// Whether image `i` is kept under another name than the one it is listed by.
    fn is_renamed(&self, _: usize) -> bool {
        false
    }

    /// Image `i`, decoded (and aligned, if the collection holds loose crops).
    fn image(&self, i: usize) -> Result<Image> {
        self.decoded(i, &self.bytes(i)?)
    }

    /// The same from its bytes, which were read before.
    fn decoded(&self, i: usize, bytes: &[u8]) -> Result<Image> {
        decode(bytes).map_err(|e| at(self.describe(i), e))
    }
}

/// Puts the place before a data error.
fn at(place: String, error: Error) -> Error {
    match error {
        Error::Data(what) => Error::Data(format!("{place}: {what}")),
        other => other,
    }
}

/// Encoded pictures in memory, for tests.
#[cfg(test)]
pub(crate) struct Pictures(pub Vec<Vec<u8>>);

#[cfg(test)]
impl ImageSource for Pictures {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        Ok(Cow::Borrowed(&self.0[i]))
    }
    fn label(&self, _: usize) -> Option<u32> {
        None
    }
    fn describe(&self, i: usize) -> String {
        format!("picture {i}")
    }
}

/// The images of a `.rec` file.
pub struct RecSource {
    reader: RecReader,
    classes: Vec<u32>,
}

impl RecSource {
    /// # Errors
    /// What [`RecReader::open`] refuses, labels that are no classes, and what `watch` returns.
    pub fn open(path: &Path, watch: Watch) -> Result<Self> {
        let reader = RecReader::open_watched(path, watch)?;
        let classes = reader.classes()?;
        Ok(RecSource { reader, classes })
    }

    /// The class of every image.
    pub fn classes(&self) -> &[u32] {
        &self.classes
    }
}

impl ImageSource for RecSource {
    fn len(&self) -> usize {
        self.reader.len()
    }

    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        Ok(self.reader.record(i)?.bytes)
    }

    fn label(&self, i: usize) -> Option<u32> {
        self.classes.get(i).copied()
    }

    fn describe(&self, i: usize) -> String {
        let path = self.reader.path().display();
        match self.reader.position(i) {
            Some((key, offset)) => format!("{path}: image {i} (key {key}, offset {offset})"),
            None => format!("{path}: image {i}"),
        }
    }
}

impl ImageSource for BinReader {
    fn len(&self) -> usize {
        BinReader::len(self)
    }

    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        self.encoded(i)
            .map(Cow::Borrowed)
            .ok_or_else(|| Error::Bug(format!("{} of {}", self.describe(i), self.len())))
    }

    fn label(&self, _: usize) -> Option<u32> {
        None
    }

    fn describe(&self, i: usize) -> String {
        format!("{}: image {i} (pair {})", self.path().display(), i / 2)
    }
}

/// Image files under a folder.
pub struct FileSource {
    root: PathBuf,
    paths: Vec<String>,
    labels: Option<Vec<u32>>,
}

impl FileSource {
    /// `paths` are relative to `root` and, like `labels`, one per image.
    pub fn new(root: impl AsRef<Path>, paths: Vec<String>, labels: Option<Vec<u32>>) -> Self {
        FileSource {
            root: root.as_ref().to_path_buf(),
            paths,
            labels,
        }
    }

    /// Images whose file is not there, ascending.
    ///
    /// # Errors
    /// What `watch` returns.
    pub fn missing(&self, watch: Watch) -> Result<Vec<u32>> {
        let steps = Steps::new(watch);
        let look = |i: usize| match steps.next() {
            Ok(()) => self.found(i).is_none().then_some(Ok(i as u32)),
            Err(stop) => Some(Err(stop)),
        };
        let images = (0..self.paths.len()).into_par_iter();
        images.filter_map(look).collect()
    }

    /// # Errors
    /// `Error::Data` with the images of `list` that are not there: how many, and the first ones.
    /// What `watch` returns.
    pub fn refuse_missing(&self, list: &Path, watch: Watch) -> Result<()> {
        let missing = self.missing(watch)?;
        let first = missing.iter().take(5);
        let first: Vec<String> = first.map(|&i| self.describe(i as usize)).collect();
        match missing.len() {
            0 => Ok(()),
            n => Err(Error::Data(format!(
                "{}: {n} of the {} images that it names are missing:\n    {}{}",
                list.display(),
                self.paths.len(),
                first.join("\n    "),
                if n > first.len() { "\n    ..." } else { "" }
            ))),
        }
    }

    /// The same with the class of each image.
    pub fn labelled(self, labels: Vec<u32>) -> Self {
        let labels = Some(labels);
        FileSource { labels, ..self }
    }

    /// The path by which image `i` is listed.
    pub fn listed(&self, i: usize) -> &str {
        &self.paths[i]
    }

    /// The file that image `i` is read from; where there is none, the one that is listed.
    pub fn path(&self, i: usize) -> PathBuf {
        let found = self.found(i);
        found.unwrap_or_else(|| self.root.join(&self.paths[i]))
    }

    /// The file of image `i`, if there is one. Lists and folders of MegaFace disagree on extensions
    /// and on blanks in names: a path that does not exist as it stands is tried in its variants.
    fn found(&self, i: usize) -> Option<PathBuf> {
        let exact = self.root.join(&self.paths[i]);
        if exact.exists() {
            return Some(exact);
        }
        let underscored = self.root.join(self.paths[i].replace(' ', "_"));
        let mut variants = [&exact, &underscored]
            .into_iter()
            .flat_map(|p| ["jpg", "png", "jpeg"].map(|e| p.with_extension(e)));
        variants.find(|p| p.exists())
    }
}

impl ImageSource for FileSource {
    fn len(&self) -> usize {
        self.paths.len()
    }

    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        read(&self.path(i)).map(Cow::Owned)
    }

    fn label(&self, i: usize) -> Option<u32> {
        self.labels.as_ref()?.get(i).copied()
    }

    fn describe(&self, i: usize) -> String {
        self.root.join(&self.paths[i]).display().to_string()
    }

    fn is_renamed(&self, i: usize) -> bool {
        !self.root.join(&self.paths[i]).exists()
    }
}

/// Some images of another collection, in this order: `indices` are below its length.
pub struct Selected<S, I> {
    pub source: S,
    pub indices: I,
}

impl<S, I> Selected<S, I>
where
    I: AsRef<[u32]>,
{
    fn at(&self, i: usize) -> usize {
        self.indices.as_ref()[i] as usize
    }
}

impl<S, I> ImageSource for Selected<S, I>
where
    S: Deref<Target = dyn ImageSource> + Send + Sync,
    I: AsRef<[u32]> + Send + Sync,
{
    fn len(&self) -> usize {
        self.indices.as_ref().len()
    }

    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        self.source.bytes(self.at(i))
    }

    fn label(&self, i: usize) -> Option<u32> {
        self.source.label(self.at(i))
    }

    fn describe(&self, i: usize) -> String {
        self.source.describe(self.at(i))
    }

    fn is_renamed(&self, i: usize) -> bool {
        self.source.is_renamed(self.at(i))
    }

    fn image(&self, i: usize) -> Result<Image> {
        self.source.image(self.at(i))
    }

    fn decoded(&self, i: usize, bytes: &[u8]) -> Result<Image> {
        self.source.decoded(self.at(i), bytes)
    }
}

/// Another collection, of which no image is decoded any more once `watch` returns an error.
pub struct Watched<'a> {
    pub source: &'a dyn ImageSource,
    pub watch: Watch<'a>,
}

impl ImageSource for Watched<'_> {
    fn len(&self) -> usize {
        self.source.len()
    }

    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        self.source.bytes(i)
    }

    fn label(&self, i: usize) -> Option<u32> {
        self.source.label(i)
    }

    fn describe(&self, i: usize) -> String {
        self.source.describe(i)
    }

    fn is_renamed(&self, i: usize) -> bool {
        self.source.is_renamed(i)
    }

    fn image(&self, i: usize) -> Result<Image> {
        (self.watch)(0, 0, "")?;
        self.source.image(i)
    }

    fn decoded(&self, i: usize, bytes: &[u8]) -> Result<Image> {
        (self.watch)(0, 0, "")?;
        self.source.decoded(i, bytes)
    }
}

/// Loose crops, aligned to the template by their landmarks.
pub struct AlignedSource {
    files: FileSource,
    points: Vec<Landmarks>,
}

impl AlignedSource {
    /// Of 112 x 112 pixels; `points` are one per image of `files`, in its pixels.
    pub fn new(files: FileSource, points: Vec<Landmarks>) -> Self {
        AlignedSource { files, points }
    }
}

impl ImageSource for AlignedSource {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn bytes(&self, i: usize) -> Result<Cow<'_, [u8]>> {
        self.files.bytes(i)
    }

    fn label(&self, i: usize) -> Option<u32> {
        self.files.label(i)
    }

    fn describe(&self, i: usize) -> String {
        self.files.describe(i)
    }

    fn is_renamed(&self, i: usize) -> bool {
        self.files.is_renamed(i)
    }

    fn decoded(&self, i: usize, bytes: &[u8]) -> Result<Image> {
        let loose = self.files.decoded(i, bytes)?;
        warp_to_template(&loose, &self.points[i], ALIGNED).ok_or_else(|| {
            Error::Data(format!(
                "{}: its five landmarks coincide, so it cannot be aligned",
                self.describe(i)
            ))
        })
    }
}
