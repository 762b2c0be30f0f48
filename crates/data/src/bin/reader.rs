//! Reading a verification pack.

use super::numpy::{Numpy, numbers, payload};
use crate::{FileBytes, map_file};
use frbench_base::{Error, Result};
use frbench_pickle::{Payload, read};
use std::path::{Path, PathBuf};

/// A memory-mapped pack.
pub struct BinReader {
    path: PathBuf,
    file: FileBytes,
    images: Vec<Payload>,
    same: Vec<bool>,
}

impl BinReader {
    /// Opens and checks a pack of any of the field's forms: Python 2 strings, Python 3 bytes,
    /// NumPy u8 arrays.
    ///
    /// # Errors
    /// Not a pack, with the byte offset; or images and labels that do not fit each other.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::read(map_file(path)?, path)
    }

    /// The same from memory; `path` is for messages.
    pub fn from_bytes(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<Self> {
        Self::read(FileBytes::Owned(bytes), path.as_ref())
    }

    fn read(file: FileBytes, path: &Path) -> Result<Self> {
        let (images, same) =
            parse(&file).map_err(|what| Error::Data(format!("{}: {what}", path.display())))?;
        Ok(BinReader {
            path: path.to_path_buf(),
            file,
            images,
            same,
        })
    }

    /// Number of images, twice the number of pairs.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The encoded image `i`, or None beyond the end.
    pub fn encoded(&self, i: usize) -> Option<&[u8]> {
        match self.images.get(i)? {
            Payload::Range(range) => self.file.get(range.clone()),
            Payload::Owned(bytes) => Some(bytes),
        }
    }

    /// For each pair, whether both images show one person.
    pub fn same(&self) -> &[bool] {
        &self.same
    }
}

/// The images and labels of a pickled pack; errors name the byte.
fn parse(file: &[u8]) -> Result<(Vec<Payload>, Vec<bool>), String> {
    let pack = read(file, 0, &Numpy).map_err(|fault| fault.to_string())?;
    let heap = &pack.heap;
    let parts = heap.sequence(&pack.value).filter(|t| t.len() == 2);
    let parts = parts.and_then(|t| Some((heap.sequence(&t[0])?, numbers(heap, &t[1])?)));
    let (images, same) = parts.ok_or("not a pair (list of images, list of booleans)")?;
    if images.len() != 2 * same.len() {
        return Err(format!(
            "{} images and {} pair labels; there must be two images for each label",
            images.len(),
            same.len()
        ));
    }
    let images = images
        .iter()
        .enumerate()
        .map(|(i, v)| payload(heap, v).ok_or_else(|| format!("image {i} is not bytes")))
        .collect::<Result<_, _>>()?;
    let same = same
        .iter()
        .enumerate()
        .map(|(i, v)| match v {
            Some(n @ (0 | 1)) => Ok(*n == 1),
            _ => Err(format!("the label of pair {i} is not a boolean")),
        })
        .collect::<Result<_, _>>()?;
    Ok((images, same))
}
