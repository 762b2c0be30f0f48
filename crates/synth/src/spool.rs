//! Rendered images on their way into a data set, kept so that a killed process loses little.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `FRBSPOOL` |
//! | 64 | what the images are of: a key, in hex |
//! | then per image, in order | u32: bytes of the image; u32: CRC-32 of its number and bytes; the bytes |
//!
//! Numbers are little-endian; an image's number, in its checksum, is a u64.

use frbench_base::key::Key;
use frbench_base::{Error, Result};
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

const MAGIC: &[u8; 8] = b"FRBSPOOL";
const HEADER: usize = 8 + 64;
/// No image of the face world comes near this.
const MOST_BYTES: u32 = 1 << 26;

/// JPEG images in order, appended to a file.
#[derive(Debug)]
pub struct Spool {
    file: File,
    path: PathBuf,
    images: u64,
}

impl Spool {
    /// Goes on with what `file` holds of the images that `key` stands for: all up to the first
    /// that is not whole. A file of anything else is emptied, and the text says what it was.
    /// `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn open(file: File, path: &Path, key: &Key) -> Result<(Spool, Option<String>)> {
        let mut spool = Spool {
            file,
            path: path.to_path_buf(),
            images: 0,
        };
        let failed = |e| Error::io(path, e);
        let mut header = MAGIC.to_vec();
        header.extend(key.0.bytes().chain(std::iter::repeat(b' ')).take(64));
        let mut found = vec![0; HEADER];
        let mut dropped = None;
        let bytes = spool.file.metadata().map_err(failed)?.len();
        spool.file.rewind().map_err(failed)?;
        if bytes > 0 {
            match spool.file.read_exact(&mut found) {
                Ok(()) if found == header => {}
                Ok(()) if found[..8] == *MAGIC => {
                    dropped = Some("it is of another set or another generator".to_string());
                }
                Ok(()) => dropped = Some("it does not start with its header".to_string()),
                Err(e) if e.kind() == ErrorKind::UnexpectedEof => {
                    dropped = Some("it is shorter than its header".to_string());
                }
                Err(e) => return Err(failed(e)),
            }
        }
        if bytes == 0 || dropped.is_some() {
            let start = |file: &mut File| {
                file.set_len(0)?;
                file.rewind()?;
                file.write_all(&header)
            };
            start(&mut spool.file).map_err(failed)?;
            return Ok((spool, dropped));
        }
        let mut end = HEADER as u64;
        let mut images = 0;
        let mut reader = spool.reader()?;
        while let Some(image) = next(&mut reader, images).map_err(failed)? {
            end += 8 + image.len() as u64;
            images += 1;
        }
        spool.images = images;
        spool.file.set_len(end).map_err(failed)?;
        spool.file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok((spool, None))
    }

    /// Images that are kept.
    pub fn len(&self) -> u64 {
        self.images
    }

    pub fn is_empty(&self) -> bool {
        self.images == 0
    }

    /// Keeps further images.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Bug`] for an image of 64 MiB.
    pub fn append(&mut self, images: &[Vec<u8>]) -> Result<()> {
        let mut out = Vec::new();
        for image in images {
            let len = u32::try_from(image.len()).ok().filter(|n| *n < MOST_BYTES);
            let len = len.ok_or_else(|| Error::Bug("a rendered image of 64 MiB".into()))?;
            out.extend(len.to_le_bytes());
            out.extend(checksum(self.images, image).to_le_bytes());
            out.extend_from_slice(image);
            self.images += 1;
        }
        let failed = |e| Error::io(&self.path, e);
        self.file.seek(SeekFrom::End(0)).map_err(failed)?;
        self.file.write_all(&out).map_err(failed)
    }

    /// Hands over all images in order.
    ///
    /// # Errors
    /// [`Error::Data`] if an image is not what was kept, and what `take` returns.
    pub fn each(&self, mut take: impl FnMut(u64, Vec<u8>) -> Result<()>) -> Result<()> {
        let mut reader = self.reader()?;
        for i in 0..self.images {
            let image = next(&mut reader, i).map_err(|e| Error::io(&self.path, e))?;
            let image = image.ok_or_else(|| {
                Error::Data(format!(
                    "{}: image {i} is not what was rendered (checksum mismatch); the same command \
                     renders it again",
                    self.path.display()
                ))
            })?;
            take(i, image)?;
        }
        Ok(())
    }

    /// Reads from the first image on.
    fn reader(&self) -> Result<BufReader<&File>> {
        let mut file = &self.file;
        file.seek(SeekFrom::Start(HEADER as u64))
            .map_err(|e| Error::io(&self.path, e))?;
        Ok(BufReader::with_capacity(1 << 20, file))
    }
}

/// Image `number`, if it is whole.
fn next(reader: &mut impl Read, number: u64) -> std::io::Result<Option<Vec<u8>>> {
    let whole = |read: std::io::Result<()>| match read {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    };
    let (mut len, mut sum) = ([0; 4], [0; 4]);
    if !whole(reader.read_exact(&mut len))? || !whole(reader.read_exact(&mut sum))? {
        return Ok(None);
    }
    let len = u32::from_le_bytes(len);
    if len >= MOST_BYTES {
        return Ok(None);
    }
    let mut image = vec![0; len as usize];
    let same = whole(reader.read_exact(&mut image))?
        && checksum(number, &image) == u32::from_le_bytes(sum);
    Ok(same.then_some(image))
}

fn checksum(number: u64, image: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&number.to_le_bytes());
    sum.update(image);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;

    fn open(path: &Path, key: &str) -> (Spool, Option<String>) {
        let mut how = OpenOptions::new();
        let file = how.read(true).write(true).create(true).truncate(false);
        Spool::open(file.open(path).unwrap(), path, &Key(key.into())).unwrap()
    }

    fn images(spool: &Spool) -> Vec<Vec<u8>> {
        let mut all = Vec::new();
        spool
            .each(|i, image| {
                assert_eq!(i, all.len() as u64);
                all.push(image);
                Ok(())
            })
            .unwrap();
        all
    }

    #[test]
    fn what_is_whole_is_kept_and_the_rest_is_appended_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images");
        let some: Vec<Vec<u8>> = (0..5u8).map(|i| vec![i; 10 + i as usize]).collect();
        open(&path, "a").0.append(&some).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        // Wherever it is cut, or changed, whole images before that are there.
        for at in HEADER..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x20;
            for left in [&bytes[..at], &flipped] {
                std::fs::write(&path, left).unwrap();
                let (mut spool, dropped) = open(&path, "a");
                let kept = spool.len() as usize;
                assert!(kept < 5 && dropped.is_none(), "{at}: {kept}, {dropped:?}");
                spool.append(&some[kept..]).unwrap();
                assert_eq!(images(&spool), some, "{at}");
                assert_eq!(std::fs::read(&path).unwrap(), bytes, "{at}");
            }
        }
    }

    #[test]
    fn the_images_of_another_set_are_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("images");
        open(&path, "a").0.append(&[vec![1, 2, 3]]).unwrap();
        let (spool, dropped) = open(&path, "b");
        assert!(spool.is_empty() && dropped.is_some_and(|why| why.contains("another")));
        assert!(open(&path, "b").1.is_none());
    }
}
