//! What a pickle of images can hold.

use std::ops::Range;
use std::sync::Arc;

/// Index of an object in the machine's arena; lists may be shared and are filled after they
/// were made, so values refer to them.
pub type Id = usize;

/// A value on the stack. Text and bytes are ranges of the file.
#[derive(Clone, Debug)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// `bytes`, or Python 2's `str`.
    Bytes(Range<usize>),
    Text(Range<usize>),
    Object(Id),
}

/// What lives in the arena.
#[derive(Debug)]
pub enum Object {
    List(Vec<Value>),
    Tuple(Vec<Value>),
    Global(Global),
    /// Bytes that are not in the file as such (escaped or re-encoded).
    Decoded(Arc<[u8]>),
    /// A `numpy.ndarray`; its bytes once BUILD has set them.
    Array(Option<Value>),
    /// A `numpy.dtype` of one unsigned byte per item.
    ByteType,
}

/// The only globals a pack may name. None of them is called; each has a fixed meaning here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Global {
    /// `numpy.core.multiarray._reconstruct`.
    Reconstruct,
    /// `numpy.core.numeric._frombuffer`, by which protocol 5 stores arrays.
    FromBuffer,
    /// `numpy.ndarray`.
    Ndarray,
    /// `numpy.dtype`.
    Dtype,
    /// `_codecs.encode`, by which Python 3 writes `bytes` in protocols 0 to 2.
    Encode,
}

impl Global {
    pub fn named(module: &[u8], name: &[u8]) -> Option<Self> {
        match (module, name) {
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"_reconstruct") => {
                Some(Global::Reconstruct)
            }
            (b"numpy.core.numeric" | b"numpy._core.numeric", b"_frombuffer") => {
                Some(Global::FromBuffer)
            }
            (b"numpy", b"ndarray") => Some(Global::Ndarray),
            (b"numpy", b"dtype") => Some(Global::Dtype),
            (b"_codecs", b"encode") => Some(Global::Encode),
            _ => None,
        }
    }
}
