//! Files of weights: one format each here, one line each in `READERS`.

mod archive;
mod legacy;
mod pytorch;
mod safetensors;
mod torch;

use crate::tree::Tree;
use frbench_base::{Error, Result};
use memmap2::Mmap;
use sha2::{Digest, Sha256};
use std::fs::File;
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// A format. A file is recognised by its bytes, whatever its name is.
struct Reader {
    name: &'static str,
    recognises: fn(&[u8]) -> bool,
    read: fn(&[u8]) -> Result<Contents, String>,
}

/// What a reader found.
struct Contents {
    tree: Tree,
    /// What is odd, in words.
    notes: Vec<String>,
}

static READERS: &[Reader] = &[pytorch::READER, legacy::READER, safetensors::READER];

/// Files that users bring and that are none of these: how they begin, what they are and what to do.
const OTHERS: &[(&[u8], &str)] = &[
    (
        b"\x89HDF\r\n\x1a\n",
        "an HDF5 file (Keras): export the network as ONNX",
    ),
    (b"\x1f\x8b", "a gzip file: unpack it first"),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS: fetch the file itself (`git lfs pull`)",
    ),
    (b"<", "a web page or XML: download the file itself"),
    (b"{", "JSON"),
    (
        b"\x12\x01\0\0\0\0\0\0",
        "an MXNet file (`.params`): export the network as ONNX",
    ),
    (b"\x93NUMPY", "a NumPy array: one array is no network"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"GGUF", "a GGUF file"),
];

/// A file of weights, mapped, with what it holds.
pub struct WeightsFile {
    path: PathBuf,
    bytes: Bytes,
    /// The name of its format.
    pub format: &'static str,
    pub tree: Tree,
    /// What is odd about the file, in words.
    pub notes: Vec<String>,
}

impl WeightsFile {
    /// Opens a file of any format that is known.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is no such file; [`Error::Data`] for one that is none of these
    /// formats, is damaged, or asks for what is not read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        Self::read(map(path)?, path)
    }

    /// The same from memory; `path` is for messages.
    ///
    /// # Errors
    /// [`Error::Data`], as [`WeightsFile::open`].
    pub fn from_bytes(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<Self> {
        Self::read(Bytes::Owned(bytes), path.as_ref())
    }

    fn read(bytes: Bytes, path: &Path) -> Result<Self> {
        let wrong = |what: String| Error::Data(format!("{}: {what}", path.display()));
        let reader = READERS.iter().find(|r| (r.recognises)(&bytes));
        let reader = reader.ok_or_else(|| wrong(unknown(&bytes)))?;
        let Contents { tree, notes } = (reader.read)(&bytes).map_err(wrong)?;
        if tree.count() == 0 {
            return Err(wrong(format!("{}: there is no tensor in it", reader.name)));
        }
        Ok(WeightsFile {
            path: path.to_path_buf(),
            bytes,
            format: reader.name,
            tree,
            notes,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes that its tensors lie in.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The sha256 of the file, in hexadecimal. Reads all of it.
    pub fn sha256(&self) -> String {
        sha256(&self.bytes)
    }
}

/// The sha256 of bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

fn unknown(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "the file is empty".into();
    }
    if let Some((_, what)) = OTHERS.iter().find(|(magic, _)| bytes.starts_with(magic)) {
        return format!("no file of weights but {what}");
    }
    if crate::onnx::looks_like(bytes) {
        return "an ONNX model, which is read as a network of its own, not as weights".into();
    }
    if bytes.starts_with(b"\x80") {
        return "a pickle that is none of PyTorch's files; save the state dictionary with \
                `torch.save(model.state_dict(), ...)`"
            .into();
    }
    let known: Vec<&str> = READERS.iter().map(|r| r.name).collect();
    format!("none of the formats that are read: {}", known.join(", "))
}

/// The bytes of a file, mapped or in memory.
pub(crate) enum Bytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Bytes::Mapped(map) => map,
            Bytes::Owned(bytes) => bytes,
        }
    }
}

/// Maps a file for reading. A file that another process shortens meanwhile ends the program with
/// SIGBUS, as any mapped file.
pub(crate) fn map(path: &Path) -> Result<Bytes> {
    let missing = |e: &std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
    // Before it is opened: opening a pipe would wait for its other end.
    let meta = std::fs::metadata(path).map_err(|e| match missing(&e) {
        true => Error::Usage(format!("{}: no such file", path.display())),
        false => Error::io(path, e),
    })?;
    if !meta.is_file() {
        return Err(Error::Usage(format!("{}: not a file", path.display())));
    }
    // An empty file cannot be mapped everywhere.
    if meta.len() == 0 {
        return Ok(Bytes::Owned(Vec::new()));
    }
    let file = File::open(path).map_err(|e| Error::io(path, e))?;
    // SAFETY: read-only, and the bytes are parsed with bounds checks throughout.
    let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io(path, e))?;
    Ok(Bytes::Mapped(map))
}

#[cfg(test)]
pub(crate) mod tests;
