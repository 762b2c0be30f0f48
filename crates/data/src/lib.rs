//! Everything between files and pixels.
//!
//! | module | what it does |
//! |---|---|
//! | [`record`], [`bin`], [`list`] | the file formats of the field |
//! | [`decode`](mod@decode), [`image`], [`resize`](mod@resize), [`align`] | image files to pixels, their size, their alignment |
//! | [`source`] | random access to images, wherever they are kept |
//! | [`set`] | data sets: images and what is known about them |
//! | [`declarations`] | public data sets: their files, and where users get them |
//! | [`walk`](mod@walk) | what lies below a folder, in one order |
//! | [`manifest`] | what identifies a data set: hashes of files and of pixels |
//! | [`hashes`] | the hashes of files, and what became of them since |
//! | [`seen`] | what was seen of the pixels, and what that depends on |
//! | [`stamps`] | whether a file can have changed since it was hashed |
//! | [`watch`](mod@watch) | whether to go on: how a stop signal ends the reading |
//! | [`degrade`] | what a network sees of an image whose resolution is taken away |
//! | [`noise`] | wrong labels and outliers, planted in a training set |
//! | [`cache`], [`sampler`], [`balanced`] | what a training step sees |

pub mod align;
pub mod balanced;
pub mod bin;
mod budget;
pub mod cache;
pub mod declarations;
pub mod decode;
pub mod degrade;
pub mod export;
pub mod hashes;
pub mod image;
mod jpeg_end;
pub mod list;
pub mod manifest;
pub mod noise;
pub mod overlap;
pub mod record;
pub mod resize;
pub mod sampler;
pub mod seen;
pub mod set;
pub mod source;
pub mod stamps;
mod survey;
pub mod walk;
pub mod watch;
pub mod zoom;

use frbench_base::{Error, Result};
use memmap2::Mmap;
use std::fs::File;
use std::path::Path;

/// Maps a file for reading. A file that another process shortens meanwhile ends the program
/// with SIGBUS, as with any mapped file; data sets are not edited in place.
pub(crate) fn map_file(path: &Path) -> Result<FileBytes> {
    walk::regular(path)?;
    let file = File::open(path).map_err(|e| walk::unreadable(path, e))?;
    // SAFETY: read-only, and the bytes are parsed with bounds checks throughout.
    let map = unsafe { Mmap::map(&file) }.map_err(|e| Error::io(path, e))?;
    Ok(FileBytes::Mapped(map))
}

/// The bytes of a file, mapped or in memory.
pub(crate) enum FileBytes {
    Mapped(Mmap),
    Owned(Vec<u8>),
}

impl std::ops::Deref for FileBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            FileBytes::Mapped(map) => map,
            FileBytes::Owned(bytes) => bytes,
        }
    }
}

/// The sources of this crate, each with the hash of what it says: parts of the keys of jobs.
pub static SOURCES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sources.rs"));
