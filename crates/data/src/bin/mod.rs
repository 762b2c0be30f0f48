//! `.bin` verification packs: a Python pickle of `(images, issame)`, where pair `i` is images
//! `2i` and `2i + 1`.
//!
//! Unpickling can run any code, and these files come from strangers' drives. The reader here
//! is a small machine that knows byte strings, lists, tuples, numbers and NumPy's u8 arrays,
//! and refuses everything else.

mod machine;
mod reader;
mod value;
mod writer;

pub use reader::BinReader;
pub use writer::{BinWriter, Protocol};
