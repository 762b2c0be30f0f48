//! Embeddings: rows that come from elsewhere, or a chunked, memory-mapped f32 matrix on disk whose
//! rows have ids.
//!
//! | bytes | what |
//! |---|---|
//! | 64 | header: magic, version, columns, rows per chunk, rows, owner, checksum |
//! | then per chunk | 16: rows, index, CRC-32 of the payload, 0 |
//! | | rows x u64: ids |
//! | | rows x columns x f32, row-major |
//!
//! All little-endian. Every chunk but the last is full, so a row's place follows from its
//! number. A file is written under another name and renamed when it is complete.

mod writer;

pub use writer::{EmbeddingWriter, Resumed};

use frbench_base::{Error, Result};
use memmap2::Mmap;
use rayon::prelude::*;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Rows per chunk: what a killed writer loses at most.
pub const CHUNK_ROWS: usize = 1024;

#[cfg(target_endian = "big")]
compile_error!("embedding files are mapped as little-endian f32");

const MAGIC: [u8; 8] = *b"FRBEMBED";
const VERSION: u32 = 1;
const HEADER: usize = 64;
const CHUNK_HEADER: usize = 16;

/// What the first 64 bytes say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    dim: u32,
    chunk_rows: u32,
    /// The kernels that compute the rows, as a checksum of their name; 0 where the file is whole,
    /// or nothing computes it.
    kernels: u32,
    rows: u64,
    owner: Owner,
}

/// The start of the key of the job that writes the file; zeros where no job does.
type Owner = [u8; 28];

impl Header {
    fn encode(self) -> [u8; HEADER] {
        let mut out = [0; HEADER];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&VERSION.to_le_bytes());
        out[12..16].copy_from_slice(&self.dim.to_le_bytes());
        out[16..20].copy_from_slice(&self.chunk_rows.to_le_bytes());
        out[20..24].copy_from_slice(&self.kernels.to_le_bytes());
        out[24..32].copy_from_slice(&self.rows.to_le_bytes());
        out[32..60].copy_from_slice(&self.owner);
        let sum = crc32fast::hash(&out[..HEADER - 4]);
        out[HEADER - 4..].copy_from_slice(&sum.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        let wrong = |what: &str| Err(Error::Data(format!("{}: {what}", path.display())));
        if bytes.len() < HEADER {
            return wrong("not an embedding file: shorter than its 64-byte header");
        }
        let u32_at = |i: usize| u32::from_le_bytes(bytes[i..i + 4].try_into().expect("4 bytes"));
        if bytes[..8] != MAGIC {
            return wrong("not an embedding file: it does not start with `FRBEMBED`");
        }
        if crc32fast::hash(&bytes[..HEADER - 4]) != u32_at(HEADER - 4) {
            return wrong("corrupt header (checksum mismatch)");
        }
        if u32_at(8) != VERSION {
            return wrong(&format!(
                "embedding file version {}, want {VERSION}",
                u32_at(8)
            ));
        }
        let header = Header {
            dim: u32_at(12),
            chunk_rows: u32_at(16),
            kernels: u32_at(20),
            rows: u64::from_le_bytes(bytes[24..32].try_into().expect("8 bytes")),
            owner: bytes[32..60].try_into().expect("28 bytes"),
        };
        if header.dim == 0 || header.chunk_rows == 0 || header.chunk_rows % 2 == 1 {
            return wrong("header with 0 columns, or not an even number of rows per chunk");
        }
        Ok(header)
    }

    /// Bytes of a chunk of `rows` rows, its own header included. In u128, for no count that a
    /// header can state overflows it.
    fn chunk_bytes(self, rows: u64) -> u128 {
        CHUNK_HEADER as u128 + u128::from(rows) * (8 + 4 * u128::from(self.dim))
    }

    fn file_bytes(self) -> u128 {
        let chunk = u64::from(self.chunk_rows);
        let full = u128::from(self.rows / chunk) * self.chunk_bytes(chunk);
        let rest = match self.rows % chunk {
            0 => 0,
            rows => self.chunk_bytes(rows),
        };
        HEADER as u128 + full + rest
    }
}

/// Rows that lie together on disk.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Number of the first row.
    pub first: usize,
    pub ids: &'a [u64],
    /// Row-major, `ids.len() x dim`.
    pub data: &'a [f32],
}

/// Embeddings, a row each: a complete, verified embedding file, mapped into memory, or rows that
/// come from elsewhere.
pub struct Embeddings {
    path: PathBuf,
    store: Store,
}

enum Store {
    File {
        map: Mmap,
        header: Header,
    },
    /// Row-major, with the number of each row.
    Rows {
        numbers: Numbers,
        dim: usize,
        ids: Vec<u64>,
    },
}

/// Numbers that lie one after the other, in memory or mapped.
pub type Numbers = Box<dyn AsRef<[f32]> + Send + Sync>;

impl std::fmt::Debug for Embeddings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (path, rows, dim) = (self.path.display(), self.rows(), self.dim());
        write!(f, "Embeddings({path}: {rows} x {dim})")
    }
}

impl Embeddings {
    /// Maps a file and verifies its header, its length and the checksum of every chunk.
    ///
    /// # Errors
    /// [`Error::Data`] if the file is not an embedding file, truncated, too long or corrupt.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let file = File::open(path).map_err(|e| Error::io(path, e))?;
        // SAFETY: files are renamed into place when complete and never written again.
        let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io(path, e))?;
        let header = Header::decode(&map, path)?;
        if header.file_bytes() != map.len() as u128 {
            return Err(Error::Data(format!(
                "{}: {} bytes, but {} rows of {} columns need {}",
                path.display(),
                map.len(),
                header.rows,
                header.dim,
                header.file_bytes()
            )));
        }
        let opened = Embeddings {
            path: path.to_path_buf(),
            store: Store::File { map, header },
        };
        (0..opened.chunk_count())
            .into_par_iter()
            .try_for_each(|index| opened.verify(index))?;
        Ok(opened)
    }

    /// Rows of `dim` numbers that were not written here; `path` is where they are from.
    ///
    /// # Errors
    /// [`Error::Data`] if the numbers are no whole rows.
    pub fn of_rows(path: impl AsRef<Path>, numbers: Numbers, dim: usize) -> Result<Self> {
        let (path, len) = (path.as_ref(), (*numbers).as_ref().len());
        if dim == 0 || !len.is_multiple_of(dim) {
            return Err(Error::Data(format!(
                "{}: {len} numbers are no rows of {dim}",
                path.display()
            )));
        }
        Ok(Embeddings {
            path: path.to_path_buf(),
            store: Store::Rows {
                ids: (0..(len / dim) as u64).collect(),
                numbers,
                dim,
            },
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn rows(&self) -> usize {
        match &self.store {
            Store::File { header, .. } => header.rows as usize,
            Store::Rows { ids, .. } => ids.len(),
        }
    }

    /// Columns.
    pub fn dim(&self) -> usize {
        match &self.store {
            Store::File { header, .. } => header.dim as usize,
            Store::Rows { dim, .. } => *dim,
        }
    }

    /// One row. Panics if `i` is not below [`rows`](Self::rows), like a slice.
    pub fn row(&self, i: usize) -> &[f32] {
        assert!(i < self.rows(), "row {i} of {}", self.rows());
        if let Store::Rows { numbers, dim, .. } = &self.store {
            return &(**numbers).as_ref()[i * dim..(i + 1) * dim];
        }
        let chunk = self.chunk(i / self.chunk_rows());
        let at = (i - chunk.first) * self.dim();
        &chunk.data[at..at + self.dim()]
    }

    /// The id of a row. Panics if `i` is not below [`rows`](Self::rows), like a slice.
    pub fn id(&self, i: usize) -> u64 {
        let chunk = self.chunk(i / self.chunk_rows());
        chunk.ids[i - chunk.first]
    }

    /// All rows, in order, as they lie on disk.
    pub fn chunks(&self) -> impl ExactSizeIterator<Item = Chunk<'_>> {
        (0..self.chunk_count()).map(|index| self.chunk(index))
    }

    /// Rows of a full chunk; what is no file is one chunk.
    fn chunk_rows(&self) -> usize {
        match &self.store {
            Store::File { header, .. } => header.chunk_rows as usize,
            Store::Rows { ids, .. } => ids.len().max(1),
        }
    }

    fn chunk_count(&self) -> usize {
        self.rows().div_ceil(self.chunk_rows())
    }

    /// Place of a chunk and its number of rows.
    fn span(&self, header: &Header, index: usize) -> (usize, usize) {
        let full = header.chunk_bytes(u64::from(header.chunk_rows)) as usize;
        let rows = self
            .chunk_rows()
            .min(self.rows() - index * self.chunk_rows());
        (HEADER + index * full, rows)
    }

    fn chunk(&self, index: usize) -> Chunk<'_> {
        let (map, header) = match &self.store {
            Store::File { map, header } => (map, header),
            Store::Rows { numbers, ids, .. } => {
                return Chunk {
                    first: 0,
                    ids,
                    data: (**numbers).as_ref(),
                };
            }
        };
        let (at, rows) = self.span(header, index);
        let (ids, data) = map[at + CHUNK_HEADER..].split_at(rows * 8);
        let data = &data[..rows * self.dim() * 4];
        // SAFETY: every bit pattern is a valid u64 and f32; `plain` checks the alignment.
        unsafe {
            Chunk {
                first: index * self.chunk_rows(),
                ids: plain(ids),
                data: plain(data),
            }
        }
    }

    fn verify(&self, index: usize) -> Result<()> {
        let Store::File { map, header } = &self.store else {
            return Ok(());
        };
        let (at, rows) = self.span(header, index);
        let bytes = header.chunk_bytes(rows as u64) as usize;
        if chunk_is_whole(&map[at..at + bytes], rows, index) {
            return Ok(());
        }
        Err(Error::Data(format!(
            "{}: rows {}..{} are corrupt (checksum mismatch)",
            self.path.display(),
            index * self.chunk_rows(),
            index * self.chunk_rows() + rows
        )))
    }
}

/// Views bytes as numbers without copying.
///
/// # Safety
/// Every bit pattern must be a valid `T`.
unsafe fn plain<T>(bytes: &[u8]) -> &[T] {
    // The map is page-aligned, headers are multiples of 16, and a full chunk holds an even
    // number of rows, so that every chunk starts at a multiple of 8.
    let (before, values, after) = unsafe { bytes.align_to::<T>() };
    assert!(before.is_empty() && after.is_empty(), "misaligned chunk");
    values
}

fn chunk_header(rows: usize, index: usize, payload: &[u8]) -> [u8; CHUNK_HEADER] {
    let mut out = [0; CHUNK_HEADER];
    out[..4].copy_from_slice(&(rows as u32).to_le_bytes());
    out[4..8].copy_from_slice(&(index as u32).to_le_bytes());
    out[8..12].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    out
}

fn chunk_is_whole(bytes: &[u8], rows: usize, index: usize) -> bool {
    bytes[..CHUNK_HEADER] == chunk_header(rows, index, &bytes[CHUNK_HEADER..])
}
