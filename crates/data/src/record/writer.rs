//! Writes `.rec` with `.idx` (and `property`).

use super::{F32_EXACT, frame};
use frbench_base::files::NewFile;
use frbench_base::{Error, Result};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Which records a file has besides its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordLayout {
    /// Record 0, images from key 1, one record per identity, and a `property` file beside.
    /// Images must come grouped by class, classes ascending from 0 without a gap.
    Insightface,
    /// Images only, from key 0 (MXNet's `im2rec`).
    Plain,
}

/// Writes a record file image by image. Nothing appears under the final names before
/// [`RecWriter::finish`].
pub struct RecWriter {
    path: PathBuf,
    rec: NewFile,
    idx: NewFile,
    layout: RecordLayout,
    next_key: u64,
    offset: u64,
    /// First image key of each identity so far.
    identities: Vec<u64>,
}

/// `IRHeader` followed by its labels if there are several, and the image.
fn payload(labels: &[f32], id: u64, image: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(24 + 4 * labels.len() + image.len());
    let (flag, scalar, array) = match labels {
        [one] => (0, *one, &[][..]),
        many => (many.len() as u32, 0.0, many),
    };
    out.extend(flag.to_le_bytes());
    out.extend(scalar.to_le_bytes());
    out.extend(id.to_le_bytes());
    out.extend(0u64.to_le_bytes());
    out.extend(array.iter().flat_map(|l| l.to_le_bytes()));
    out.extend_from_slice(image);
    out
}

impl RecWriter {
    /// Starts `path` (`.../train.rec`); the folder must exist.
    pub fn create(path: impl AsRef<Path>, layout: RecordLayout) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let mut writer = RecWriter {
            rec: NewFile::create(&path)?,
            idx: NewFile::create(path.with_extension("idx"))?,
            path,
            layout,
            next_key: 0,
            offset: 0,
            identities: Vec::new(),
        };
        if layout == RecordLayout::Insightface {
            // Filled in at the end: the record's size does not depend on its numbers.
            writer.append(&[0.0, 0.0], &[])?;
        }
        Ok(writer)
    }

    fn append(&mut self, labels: &[f32], image: &[u8]) -> Result<()> {
        let body = payload(labels, self.next_key, image);
        let written = frame::write(&mut self.rec, &body).map_err(|e| Error::io(&self.path, e))?;
        writeln!(self.idx, "{}\t{}", self.next_key, self.offset)
            .map_err(|e| Error::io(self.path.with_extension("idx"), e))?;
        self.offset += written;
        self.next_key += 1;
        Ok(())
    }

    fn refuse<T>(&self, what: String) -> Result<T> {
        Err(Error::Data(format!(
            "{}: record {}: {what}",
            self.path.display(),
            self.next_key
        )))
    }

    /// Adds an encoded image of class `label`.
    pub fn push(&mut self, label: u32, image: &[u8]) -> Result<()> {
        if u64::from(label) >= F32_EXACT {
            return self.refuse(format!("class {label} is not exact as an f32 label"));
        }
        self.push_labels(&[label as f32], image)
    }

    /// Adds an encoded image with one or more labels; the first is its class.
    ///
    /// # Errors
    /// No label, no image, or (insightface layout) a class out of order.
    pub fn push_labels(&mut self, labels: &[f32], image: &[u8]) -> Result<()> {
        if labels.is_empty() || image.is_empty() {
            return self.refuse("an image record needs a label and an image".into());
        }
        if self.layout == RecordLayout::Insightface {
            let class = f64::from(labels[0]);
            let known = self.identities.len();
            if class == known as f64 {
                self.identities.push(self.next_key);
            } else if known == 0 || class != (known - 1) as f64 {
                return self.refuse(format!(
                    "class {class} after {known} classes; images come grouped by class, from 0 \
                     upwards without a gap"
                ));
            }
        }
        self.append(labels, image)
    }

    /// Writes what follows the images, and gives the files their names. `side` is the side of
    /// the images in pixels, for `property`.
    pub fn finish(mut self, side: usize) -> Result<()> {
        if self.layout == RecordLayout::Insightface {
            let first = self.next_key;
            let identities = std::mem::take(&mut self.identities);
            for (i, &start) in identities.iter().enumerate() {
                let end = identities.get(i + 1).copied().unwrap_or(first);
                self.append(&[start as f32, end as f32], &[])?;
            }
            let head = payload(&[first as f32, self.next_key as f32], 0, &[]);
            self.rec
                .seek(SeekFrom::Start(0))
                .and_then(|_| frame::write(&mut self.rec, &head))
                .map_err(|e| Error::io(&self.path, e))?;
            let property = self.path.with_file_name("property");
            let mut out = NewFile::create(&property)?;
            writeln!(out, "{},{side},{side}", identities.len())
                .map_err(|e| Error::io(&property, e))?;
            out.publish()?;
        }
        self.idx.publish()?;
        self.rec.publish()
    }
}
