//! MXNet RecordIO: `train.rec` with its `train.idx` and `property`.
//!
//! A file is a sequence of framed records; each record is a header (labels, id) and an
//! encoded image. Two layouts are in use:
//!
//! * **insightface**: record 0 holds `[first identity key, end)`, keys `1..first` are images
//!   and one record per identity follows, holding its range of image keys;
//! * **plain** (MXNet's `im2rec`): every record is an image.
//!
//! Labels are stored as f32, which is exact up to 2^24 only. Ranges stored in records are
//! therefore never trusted: what is an image is read off the record itself, and the class off
//! the image's own label.

mod frame;
mod index;
mod reader;
mod writer;

pub use index::parse_index;
pub use reader::{RecReader, RecordRef};
pub use writer::{RecWriter, RecordLayout};

/// Largest whole number up to which every whole number is an exact f32.
pub const F32_EXACT: u64 = 1 << 24;
