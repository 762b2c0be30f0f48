//! Random access to the images of a record file.

use super::{F32_EXACT, frame, parse_index};
use crate::list::Text;
use crate::watch::{Steps, UNWATCHED, Watch};
use crate::{FileBytes, map_file};
use frbench_base::{Error, Result};
use rayon::prelude::*;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

/// One image record.
#[derive(Clone, Debug, PartialEq)]
pub struct RecordRef<'a> {
    /// Element 0 is the class.
    pub labels: Vec<f32>,
    /// The header's `id`; writers put the key there.
    pub id: u64,
    /// The encoded image. Borrowed from the file unless the record was split.
    pub bytes: Cow<'a, [u8]>,
}

/// A memory-mapped `.rec` file. Images are numbered from 0 in key order, whatever the layout.
pub struct RecReader {
    path: PathBuf,
    file: FileBytes,
    /// Key and offset of each image.
    images: Vec<(u64, u64)>,
    /// First label of each image.
    labels: Vec<f32>,
}

/// A record's header (`IRHeader`, 24 bytes, then `flag` further labels), and its image.
fn split(payload: Cow<'_, [u8]>) -> Result<RecordRef<'_>, String> {
    const HEADER: usize = 24;
    let head = payload
        .get(..HEADER)
        .ok_or_else(|| format!("{} bytes are too few for a header", payload.len()))?;
    let u32_at =
        |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let id = u64::from(u32_at(8)) | u64::from(u32_at(12)) << 32;
    let flag = u32_at(0) as usize;
    let label_bytes = flag
        .checked_mul(4)
        .and_then(|n| payload.get(HEADER..HEADER.checked_add(n)?));
    let label_bytes = label_bytes.ok_or_else(|| {
        format!(
            "the header announces {flag} labels, the record has {} bytes after it",
            payload.len() - HEADER
        )
    })?;
    let labels = if flag == 0 {
        vec![f32::from_bits(u32_at(4))]
    } else {
        label_bytes
            .chunks_exact(4)
            .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
            .collect()
    };
    let start = HEADER + 4 * flag;
    let bytes = match payload {
        Cow::Borrowed(all) => Cow::Borrowed(&all[start..]),
        Cow::Owned(mut all) => Cow::Owned(all.split_off(start)),
    };
    Ok(RecordRef { labels, id, bytes })
}

impl RecReader {
    /// Opens `path`. The index beside it (`.idx`) is used where there is one; without it the
    /// file is walked from record to record. Every header is read once, so that a damaged file
    /// is found here and not in the middle of a run.
    ///
    /// # Errors
    /// The file or its index is missing, malformed, or they do not belong together.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_watched(path.as_ref(), UNWATCHED)
    }

    /// The same, until `watch` returns an error.
    pub fn open_watched(path: &Path, watch: Watch) -> Result<Self> {
        let file = map_file(path)?;
        let idx = path.with_extension("idx");
        let index = match std::fs::read(&idx) {
            Ok(text) => Some(parse_index(Text::watched(&text, watch), &idx)?),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => None,
            Err(e) => return Err(Error::io(idx, e)),
        };
        Self::read(file, index, path, watch)
    }

    /// The same from memory, without an index; `path` is for messages.
    pub fn from_bytes(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<Self> {
        Self::read(FileBytes::Owned(bytes), None, path.as_ref(), UNWATCHED)
    }

    fn read(
        file: FileBytes,
        index: Option<Vec<(u64, u64)>>,
        path: &Path,
        watch: Watch,
    ) -> Result<Self> {
        let steps = Steps::new(watch);
        let indexed = index.is_some();
        let entries = match index {
            Some(entries) => entries,
            None => walk(&file, path, &steps)?,
        };
        // Before any record is read, so that work is bounded by the file and not by its product
        // with an index.
        distinct(&entries, path)?;
        let heads: Vec<Head> = entries
            .par_iter()
            .enumerate()
            .map(|(n, &(key, offset))| {
                steps.next()?;
                Head::read(&file, path, n, key, offset)
            })
            .collect::<Result<_>>()?;
        if indexed {
            covers(&file, path, &entries, &heads)?;
        }
        let images_end = first_identity(&entries, &heads);
        let (mut images, mut labels) = (Vec::new(), Vec::new());
        for (n, (&(key, offset), head)) in entries.iter().zip(&heads).enumerate() {
            match head.has_image {
                true => {
                    images.push((key, offset));
                    labels.push(head.label);
                }
                // Headers of a file or an identity have labels and no image.
                false if images_end.is_some_and(|end| key == 0 || key as f32 >= end) => {}
                false => {
                    return Err(Error::Data(format!(
                        "{}: record {n} (key {key}, offset {offset}) of class {} is empty: it \
                         holds no image, and is no header of an identity",
                        path.display(),
                        head.label
                    )));
                }
            }
        }
        Ok(RecReader {
            path: path.to_path_buf(),
            file,
            images,
            labels,
        })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// First label of each image, as stored.
    pub fn labels(&self) -> &[f32] {
        &self.labels
    }

    /// Key and byte offset of image `i`.
    pub fn position(&self, i: usize) -> Option<(u64, u64)> {
        self.images.get(i).copied()
    }

    /// Image `i` with its labels.
    pub fn record(&self, i: usize) -> Result<RecordRef<'_>> {
        let &(key, offset) = self.images.get(i).ok_or_else(|| {
            Error::Bug(format!(
                "{}: image {i} of {}",
                self.path.display(),
                self.len()
            ))
        })?;
        read_at(&self.file, &self.path, i, key, offset)
    }

    /// The class of every image, from the images' own labels.
    ///
    /// # Errors
    /// A label that is not a whole number below 2^24.
    pub fn classes(&self) -> Result<Vec<u32>> {
        self.labels
            .iter()
            .zip(&self.images)
            .enumerate()
            .map(|(i, (&label, (key, offset)))| {
                if label >= 0.0 && label.fract() == 0.0 && f64::from(label) < F32_EXACT as f64 {
                    return Ok(label as u32);
                }
                Err(Error::Data(format!(
                    "{}: image {i} (key {key}, offset {offset}): label {label} is not a class number \
                     (a whole number below 2^24, beyond which f32 labels are not exact)",
                    self.path.display()
                )))
            })
            .collect()
    }
}

fn read_at<'a>(
    file: &'a [u8],
    path: &Path,
    n: usize,
    key: u64,
    offset: u64,
) -> Result<RecordRef<'a>> {
    usize::try_from(offset)
        .map_err(|e| e.to_string())
        .and_then(|at| frame::read(file, at))
        .and_then(|(payload, _)| split(payload))
        .map_err(|what| {
            Error::Data(format!(
                "{}: record {n} (key {key}, offset {offset}): {what}",
                path.display()
            ))
        })
}

/// What the head of a record says.
struct Head {
    label: f32,
    /// The second label of the head of a file: where its images end.
    second: Option<f32>,
    has_image: bool,
    /// Where the next record starts.
    next: usize,
}

impl Head {
    fn read(file: &[u8], path: &Path, n: usize, key: u64, offset: u64) -> Result<Self> {
        let place = |what: String| {
            Error::Data(format!(
                "{}: record {n} (key {key}, offset {offset}): {what}",
                path.display()
            ))
        };
        let at = usize::try_from(offset).map_err(|e| place(e.to_string()))?;
        let (payload, next) = frame::read(file, at).map_err(place)?;
        let record = split(payload).map_err(place)?;
        Ok(Head {
            label: record.labels[0],
            second: record.labels.get(1).copied(),
            has_image: !record.bytes.is_empty(),
            next,
        })
    }
}

/// In insightface's layout the key of the first record of an identity, rounded as f32 rounds it:
/// record 0 has no image and two labels, the first of which is that key.
fn first_identity(entries: &[(u64, u64)], heads: &[Head]) -> Option<f32> {
    let (&(key, _), head) = entries.first().zip(heads.first())?;
    let header = key == 0 && !head.has_image && head.second.is_some();
    (header && head.label >= 1.0).then_some(head.label)
}

/// # Errors
/// `Error::Data` with two keys of one offset.
fn distinct(entries: &[(u64, u64)], path: &Path) -> Result<()> {
    let mut by_offset: Vec<(u64, u64)> = entries.iter().map(|&(k, o)| (o, k)).collect();
    by_offset.sort_unstable();
    match by_offset.windows(2).find(|w| w[0].0 == w[1].0) {
        None => Ok(()),
        Some(w) => Err(Error::Data(format!(
            "{}: keys {} and {} both point at offset {}; make the index again, or move it away: \
             without one the file is read from record to record",
            path.with_extension("idx").display(),
            w[0].1,
            w[1].1,
            w[0].0
        ))),
    }
}

/// Holds an index against its file: every record in it is named, and named once.
fn covers(file: &[u8], path: &Path, entries: &[(u64, u64)], heads: &[Head]) -> Result<()> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_unstable_by_key(|&n| entries[n].1);
    let idx = path.with_extension("idx");
    let wrong = |what: String| {
        Err(Error::Data(format!(
            "{}: {what}; make the index again, or move it away: without one the file is read \
             from record to record",
            idx.display()
        )))
    };
    let mut at = 0;
    for n in order {
        let (key, offset) = entries[n];
        if offset < at {
            return wrong(format!(
                "key {key} points at offset {offset}, which is inside another record"
            ));
        }
        if offset > at {
            let (count, _) = walk_to(file, path, at, offset)?;
            return wrong(format!(
                "{count} records of {} from offset {at} on have no key, before key {key}",
                path.display()
            ));
        }
        at = heads[n].next as u64;
    }
    if at < file.len() as u64 {
        let (count, _) = walk_to(file, path, at, file.len() as u64)?;
        return wrong(format!(
            "names {} records; the {count} records of {} from offset {at} on have no key",
            entries.len(),
            path.display()
        ));
    }
    Ok(())
}

/// Number of records between two offsets.
fn walk_to(file: &[u8], path: &Path, from: u64, to: u64) -> Result<(usize, u64)> {
    let (mut count, mut at) = (0, from);
    while at < to {
        let next = usize::try_from(at).map_err(|e| e.to_string());
        let next = next.and_then(|at| frame::read(file, at));
        let (_, next) =
            next.map_err(|what| Error::Data(format!("{}: offset {at}: {what}", path.display())))?;
        at = next as u64;
        count += 1;
    }
    Ok((count, at))
}

/// Offsets of all records in file order; keys are their numbers.
fn walk(map: &[u8], path: &Path, steps: &Steps) -> Result<Vec<(u64, u64)>> {
    let mut entries = Vec::new();
    let mut at = 0;
    while at < map.len() {
        steps.next()?;
        let (_, next) = frame::read(map, at).map_err(|what| {
            Error::Data(format!(
                "{}: record {} (offset {at}): {what}",
                path.display(),
                entries.len()
            ))
        })?;
        entries.push((entries.len() as u64, at as u64));
        at = next;
    }
    Ok(entries)
}
