//! Writing a verification pack.

use frbench_base::files::NewFile;
use frbench_base::{Error, Result};
use frbench_job::description::PairData;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

/// The order in which pairs of these folds go into a pack, whose readers take ten contiguous blocks
/// for folds ([`PairData::blocks`]); none where the folds are of other sizes.
pub fn in_blocks(folds: &[u32]) -> Option<Vec<usize>> {
    let mut of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (pair, fold) in folds.iter().enumerate() {
        of.entry(*fold).or_default().push(pair);
    }
    let mut of: Vec<Vec<usize>> = of.into_values().collect();
    // The larger blocks come first.
    of.sort_by_key(|pairs| std::cmp::Reverse(pairs.len()));
    let numbers = of
        .iter()
        .zip(0..)
        .flat_map(|(pairs, k)| std::iter::repeat_n(k, pairs.len()));
    let fits = numbers.eq(PairData::blocks(folds.len(), 10));
    fits.then(|| of.concat())
}

/// How images are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Protocol 2 with Python 2 strings, as in the packs that come with `faces_emore`.
    /// Python 3 reads them with `encoding="bytes"`.
    Python2,
    /// Protocol 3 with bytes.
    Python3,
    /// Protocol 4 with bytes.
    Python34,
}

/// Writes a pack pair by pair. The file appears under its name with [`BinWriter::finish`].
pub struct BinWriter {
    path: PathBuf,
    out: NewFile,
    protocol: Protocol,
    same: Vec<bool>,
}

impl BinWriter {
    pub fn create(path: impl AsRef<Path>, protocol: Protocol) -> Result<Self> {
        let path = path.as_ref().to_path_buf();
        let version = match protocol {
            Protocol::Python2 => 2,
            Protocol::Python3 => 3,
            Protocol::Python34 => 4,
        };
        let mut writer = BinWriter {
            out: NewFile::create(&path)?,
            path,
            protocol,
            same: Vec::new(),
        };
        // PROTO, then the list of images opens: EMPTY_LIST, MARK.
        writer.put(&[0x80, version, b']', b'('])?;
        Ok(writer)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.out
            .write_all(bytes)
            .map_err(|e| Error::io(&self.path, e))
    }

    fn image(&mut self, bytes: &[u8]) -> Result<()> {
        let (short, long) = match self.protocol {
            Protocol::Python2 => (b'U', b'T'),
            Protocol::Python3 | Protocol::Python34 => (b'C', b'B'),
        };
        let len = i32::try_from(bytes.len()).map_err(|_| {
            Error::Data(format!(
                "{}: an image of {} bytes",
                self.path.display(),
                bytes.len()
            ))
        })?;
        match u8::try_from(len) {
            Ok(len) => self.put(&[short, len])?,
            Err(_) => {
                self.put(&[long])?;
                self.put(&len.to_le_bytes())?;
            }
        }
        self.put(bytes)
    }

    /// Adds two encoded images and whether they show one person.
    pub fn push(&mut self, first: &[u8], second: &[u8], same: bool) -> Result<()> {
        self.image(first)?;
        self.image(second)?;
        self.same.push(same);
        Ok(())
    }

    /// Writes the labels and gives the file its name.
    pub fn finish(mut self) -> Result<()> {
        // APPENDS; the list of booleans: EMPTY_LIST, MARK, ..., APPENDS; TUPLE2, STOP.
        self.put(b"e](")?;
        let labels: Vec<u8> = self
            .same
            .iter()
            .map(|s| if *s { 0x88 } else { 0x89 })
            .collect();
        self.put(&labels)?;
        self.put(b"e\x86.")?;
        self.out.publish()
    }
}
