//! What a pickle can hold.

use std::ops::Range;
use std::sync::Arc;

/// Index of an object in a [`Heap`](crate::Heap); lists may be shared and are filled after they
/// were made, so values refer to them.
pub type Id = usize;

/// A value on the stack. Text and bytes are ranges of the file.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number of more than 64 bits: its bytes, little-endian, in two's complement.
    Long(Range<usize>),
    Float(f64),
    /// `bytes`, or Python 2's `str`.
    Bytes(Range<usize>),
    Text(Range<usize>),
    Object(Id),
}

/// What values refer to. `T` is what the host knows beyond Python's own.
#[derive(Debug)]
pub enum Object<T> {
    List(Vec<Value>),
    Tuple(Vec<Value>),
    /// In the order in which it was filled; a key may occur again, and its last value counts.
    Dict(Vec<(Value, Value)>),
    Set(Vec<Value>),
    /// Bytes or text that are not in the file as such (escaped or re-encoded).
    Decoded(Arc<[u8]>),
    Item(T),
}

/// Where bytes are.
#[derive(Clone, Debug)]
pub enum Payload {
    /// In the file.
    Range(Range<usize>),
    Owned(Arc<[u8]>),
}

impl Payload {
    /// The bytes themselves.
    pub fn of<'a>(&'a self, file: &'a [u8]) -> &'a [u8] {
        match self {
            Payload::Range(range) => &file[range.clone()],
            Payload::Owned(bytes) => bytes,
        }
    }
}
