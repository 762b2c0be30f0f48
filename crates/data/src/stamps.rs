//! Whether a file can have changed since it was hashed, without reading it.

pub use frbench_base::stamp::Stamp;
use frbench_base::{Error, Result, files};
use sha2::{Digest, Sha256};
use std::path::Path;

/// One file of a set, as it was when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hashed {
    /// The bytes of its path, relative to the folder of the set.
    pub path: Vec<u8>,
    pub bytes: u64,
    pub sha256: [u8; 32],
    /// None where the file has to be read to know whether it is the same.
    pub stamp: Option<Stamp>,
}

/// All files of a set, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamps(Vec<Hashed>);

/// How a table begins on disk.
const MAGIC: &[u8] = b"frbench-stamps-1\n";

impl Stamps {
    pub fn new(mut files: Vec<Hashed>) -> Stamps {
        files.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        Stamps(files)
    }

    /// In bytewise order of their paths.
    pub fn files(&self) -> &[Hashed] {
        &self.0
    }

    /// Bytes of all files.
    pub fn bytes(&self) -> u64 {
        self.0.iter().map(|f| f.bytes).sum()
    }

    pub fn get(&self, path: &[u8]) -> Option<&Hashed> {
        let at = self.0.binary_search_by(|f| f.path.as_slice().cmp(path));
        at.ok().map(|i| &self.0[i])
    }

    /// The table that was written to `path`; an empty one where there is none or it is damaged,
    /// which makes all files be read.
    pub fn read(path: &Path) -> Stamps {
        let bytes = files::read(path).unwrap_or_default();
        Self::parse(&bytes).unwrap_or_default()
    }

    /// # Errors
    /// What the disk refuses.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut out = MAGIC.to_vec();
        for file in &self.0 {
            let length = u32::try_from(file.path.len());
            let length = length.map_err(|_| Error::Bug("a path of 4 GiB".into()))?;
            out.extend(length.to_le_bytes());
            out.extend(&file.path);
            out.extend(file.bytes.to_le_bytes());
            out.extend(file.sha256);
            out.push(u8::from(file.stamp.is_some()));
            if let Some(s) = &file.stamp {
                out.extend(s.modified.to_le_bytes());
                out.extend(s.changed.to_le_bytes());
                out.extend(s.inode.to_le_bytes());
            }
        }
        let check = Sha256::digest(&out);
        out.extend(check);
        files::write_atomic(path, &out)
    }

    fn parse(bytes: &[u8]) -> Option<Stamps> {
        let (table, check) = bytes.split_last_chunk::<32>()?;
        if Sha256::digest(table)[..] != check[..] {
            return None;
        }
        let mut rest = table.strip_prefix(MAGIC)?;
        let mut files = Vec::new();
        while !rest.is_empty() {
            let length = u32::from_le_bytes(take(&mut rest)?);
            let (path, after) = rest.split_at_checked(length as usize)?;
            rest = after;
            let bytes = u64::from_le_bytes(take(&mut rest)?);
            let sha256 = take(&mut rest)?;
            let [stamped] = take(&mut rest)?;
            let stamp = match stamped {
                0 => None,
                _ => Some(Stamp {
                    bytes,
                    modified: i64::from_le_bytes(take(&mut rest)?),
                    changed: i64::from_le_bytes(take(&mut rest)?),
                    inode: u64::from_le_bytes(take(&mut rest)?),
                }),
            };
            files.push(Hashed {
                path: path.to_vec(),
                bytes,
                sha256,
                stamp,
            });
        }
        Some(Stamps::new(files))
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hashed(path: &[u8], n: u64, stamped: bool) -> Hashed {
        let stamp = Stamp {
            bytes: n,
            modified: -(n as i64),
            changed: n as i64,
            inode: n / 2,
        };
        Hashed {
            path: path.to_vec(),
            bytes: n,
            sha256: [n as u8; 32],
            stamp: stamped.then_some(stamp),
        }
    }

    proptest! {
        #[test]
        fn tables_come_back_whole_or_not_at_all(
            files in prop::collection::vec((prop::collection::vec(any::<u8>(), 0..20), any::<u64>(), any::<bool>()), 0..20),
            flip in any::<prop::sample::Index>(),
        ) {
            let table = Stamps::new(files.iter().map(|(p, n, s)| hashed(p, n >> 1, *s)).collect());
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("stamps");
            table.write(&path).unwrap();
            prop_assert_eq!(&Stamps::read(&path), &table);
            let mut bytes = std::fs::read(&path).unwrap();
            let at = flip.index(bytes.len());
            bytes[at] ^= 1;
            prop_assert_eq!(Stamps::parse(&bytes), None);
            prop_assert_eq!(Stamps::parse(&bytes[..at]), None);
        }
    }
}
