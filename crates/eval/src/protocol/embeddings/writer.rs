//! Writing an embedding file chunk by chunk, so that a killed run loses little.

use super::{CHUNK_HEADER, CHUNK_ROWS, HEADER, Header, Owner, chunk_header, chunk_is_whole};
use frbench_base::files::publish_part;
use frbench_base::key::Key;
use frbench_base::{Error, Result};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// Appends rows to `<path>.part` and renames it to `path` when finished.
#[derive(Debug)]
pub struct EmbeddingWriter {
    path: PathBuf,
    part: PathBuf,
    file: File,
    dim: usize,
    owner: Owner,
    /// Chunks on disk.
    chunks: usize,
    ids: Vec<u64>,
    rows: Vec<f32>,
}

/// What became of a file that an earlier writer left unfinished.
#[derive(Debug)]
pub enum Resumed {
    /// It is continued, or there was none. `dropped` counts rows that were there and are damaged,
    /// or come after such rows; a chunk that the writer did not live to finish is none.
    Writer {
        writer: EmbeddingWriter,
        dropped: usize,
    },
    /// It cannot be continued, and this is why; it was left as it is.
    Refused(String),
}

impl EmbeddingWriter {
    /// Starts a new file of `dim` columns that is no job's; what an earlier writer left
    /// unfinished is dropped.
    ///
    /// # Errors
    /// [`Error::Usage`] if `dim` is 0 or above 2^20; [`Error::Io`].
    pub fn create(path: impl AsRef<Path>, dim: usize) -> Result<Self> {
        Self::start(path.as_ref(), dim, Owner::default(), 0)
    }

    fn start(path: &Path, dim: usize, owner: Owner, kernels: u32) -> Result<Self> {
        if dim == 0 || dim > 1 << 20 {
            return Err(Error::Usage(format!(
                "embeddings of {dim} columns; want 1 to {}",
                1 << 20
            )));
        }
        let (path, part) = names(path);
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(&part)
            .map_err(|e| Error::io(&part, e))?;
        file.write_all(&header(dim, 0, owner, kernels).encode())
            .map_err(|e| Error::io(&part, e))?;
        Ok(EmbeddingWriter {
            path,
            part,
            file,
            dim,
            owner,
            chunks: 0,
            ids: Vec::new(),
            rows: Vec::new(),
        })
    }

    /// Continues the file of the job `owner` after the last whole chunk of a writer that was
    /// stopped, or starts it if there is none. Rows of other `kernels`, by name, are not
    /// continued: their bits may differ. [`rows`](Self::rows) then says how many rows are
    /// kept: the next row to append.
    ///
    /// # Errors
    /// As [`EmbeddingWriter::create`].
    pub fn resume(
        path: impl AsRef<Path>,
        dim: usize,
        owner: &Key,
        kernels: &str,
    ) -> Result<Resumed> {
        let kernels = crc32fast::hash(kernels.as_bytes());
        let mut tag = Owner::default();
        for (to, from) in tag.iter_mut().zip(owner.0.bytes()) {
            *to = from;
        }
        let owner = tag;
        let (path, part) = names(path.as_ref());
        let mut file = match OpenOptions::new().read(true).write(true).open(&part) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let writer = Self::start(&path, dim, owner, kernels)?;
                return Ok(Resumed::Writer { writer, dropped: 0 });
            }
            Err(e) => return Err(Error::io(&part, e)),
        };
        let failed = |e| Error::io(&part, e);
        let mut first = [0; HEADER];
        if !read_whole(&mut file, &mut first).map_err(failed)? {
            return Ok(Resumed::Refused("shorter than its header".into()));
        }
        let found = match Header::decode(&first, Path::new("its header")) {
            Ok(found) => found,
            Err(e) => return Ok(Resumed::Refused(e.to_string())),
        };
        if found.owner != owner {
            return Ok(Resumed::Refused("it belongs to another job".into()));
        }
        // The number of rows is there, and no kernels, if the writer was stopped at its very end.
        if found.rows == 0 && found.kernels != kernels {
            return Ok(Resumed::Refused("it was begun on other kernels".into()));
        }
        if found != header(dim, found.rows, owner, found.kernels) {
            let what = format!("its header is not that of {dim} columns");
            return Ok(Resumed::Refused(what));
        }
        let bytes = found.chunk_bytes(CHUNK_ROWS as u64) as usize;
        let mut chunk = vec![0; bytes];
        let mut chunks = 0;
        let mut whole = read_whole(&mut file, &mut chunk).map_err(failed)?;
        while whole && chunk_is_whole(&chunk, CHUNK_ROWS, chunks) {
            chunks += 1;
            whole = read_whole(&mut file, &mut chunk).map_err(failed)?;
        }
        let end = HEADER + chunks * bytes;
        let all = file.metadata().map_err(failed)?.len() as usize;
        let dropped = match whole {
            true => all.saturating_sub(end) / bytes * CHUNK_ROWS,
            false => 0,
        };
        file.set_len(end as u64)
            .and_then(|()| file.seek(SeekFrom::Start(end as u64)))
            .map_err(failed)?;
        let writer = EmbeddingWriter {
            path,
            part,
            file,
            dim,
            owner,
            chunks,
            ids: Vec::new(),
            rows: Vec::new(),
        };
        Ok(Resumed::Writer { writer, dropped })
    }

    /// The file under the name that it has until it is finished.
    pub fn part(path: impl AsRef<Path>) -> PathBuf {
        names(path.as_ref()).1
    }

    /// Rows appended so far, those of a resumed file included.
    pub fn rows(&self) -> usize {
        self.chunks * CHUNK_ROWS + self.ids.len()
    }

    /// Appends whole rows, row-major; their ids are their numbers.
    pub fn append(&mut self, rows: &[f32]) -> Result<()> {
        let first = self.rows() as u64;
        let ids: Vec<u64> = (0..(rows.len() / self.dim) as u64)
            .map(|i| first + i)
            .collect();
        self.append_with_ids(&ids, rows)
    }

    /// Appends whole rows, row-major, with an id each.
    ///
    /// # Errors
    /// [`Error::Compute`] if `rows` is not `ids.len()` rows, or holds a NaN or infinity.
    pub fn append_with_ids(&mut self, ids: &[u64], rows: &[f32]) -> Result<()> {
        if rows.len() != ids.len() * self.dim {
            return Err(Error::Compute(format!(
                "{} values for {} rows of {} columns",
                rows.len(),
                ids.len(),
                self.dim
            )));
        }
        if let Some(bad) = rows.iter().position(|v| !v.is_finite()) {
            return Err(Error::Compute(format!(
                "embedding {} (id {}) holds {} in column {}",
                self.rows() + bad / self.dim,
                ids[bad / self.dim],
                rows[bad],
                bad % self.dim
            )));
        }
        for (id, row) in ids.iter().zip(rows.chunks_exact(self.dim)) {
            self.ids.push(*id);
            self.rows.extend_from_slice(row);
            if self.ids.len() == CHUNK_ROWS {
                self.write_chunk()?;
                self.chunks += 1;
            }
        }
        Ok(())
    }

    /// Writes what is left, states the number of rows, syncs and renames the file into place.
    pub fn finish(mut self) -> Result<()> {
        let rows = self.rows() as u64;
        if !self.ids.is_empty() {
            self.write_chunk()?;
        }
        self.file
            .seek(SeekFrom::Start(0))
            .and_then(|_| {
                self.file
                    .write_all(&header(self.dim, rows, self.owner, 0).encode())
            })
            .map_err(|e| Error::io(&self.part, e))?;
        // The rename itself survives a power cut before anyone writes `done`.
        publish_part(&self.file, &self.part, &self.path)
    }

    /// Writes the buffered rows as one chunk.
    fn write_chunk(&mut self) -> Result<()> {
        let rows = self.ids.len();
        let mut payload = Vec::with_capacity(rows * (8 + 4 * self.dim));
        payload.extend(self.ids.iter().flat_map(|v| v.to_le_bytes()));
        payload.extend(self.rows.iter().flat_map(|v| v.to_le_bytes()));
        let head: [u8; CHUNK_HEADER] = chunk_header(rows, self.chunks, &payload);
        self.file
            .write_all(&head)
            .and_then(|()| self.file.write_all(&payload))
            .map_err(|e| Error::io(&self.part, e))?;
        self.ids.clear();
        self.rows.clear();
        Ok(())
    }
}

fn header(dim: usize, rows: u64, owner: Owner, kernels: u32) -> Header {
    Header {
        dim: dim as u32,
        chunk_rows: CHUNK_ROWS as u32,
        kernels,
        rows,
        owner,
    }
}

/// The final name and the name while it is being written.
fn names(path: &Path) -> (PathBuf, PathBuf) {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    (path.to_path_buf(), PathBuf::from(part))
}

/// Fills `buffer`; false if the file ends before.
fn read_whole(file: &mut File, buffer: &mut [u8]) -> std::io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}
