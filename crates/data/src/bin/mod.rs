//! `.bin` verification packs: a Python pickle of `(images, issame)`, where pair `i` is images
//! `2i` and `2i + 1`.
//!
//! Beside Python's own values a pack may hold NumPy's arrays of bytes, booleans and whole numbers.
//! Everything else is refused (`frbench_pickle`).

mod numpy;
mod reader;
mod writer;

pub use reader::BinReader;
pub use writer::{BinWriter, Protocol, in_blocks};
