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
    /// A `numpy.ndarray`; its items once BUILD has set them.
    Array(Option<Array>),
    /// A `numpy.dtype`.
    Type(ItemType),
}

/// The items of an array: as many as its shape says.
#[derive(Clone, Debug)]
pub struct Array {
    pub item: ItemType,
    pub data: Value,
}

/// What an array or a scalar of NumPy holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ItemType {
    pub kind: ItemKind,
    /// Bytes of an item: 1, 2, 4 or 8.
    pub size: usize,
    pub big_endian: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ItemKind {
    Bool,
    Signed,
    Unsigned,
}

impl ItemType {
    /// The type by NumPy's code: `u1`, `b1`, `i8`, perhaps with a byte order before it.
    pub fn named(code: &[u8]) -> Option<Self> {
        let (order, code) = match code {
            [order @ (b'<' | b'>' | b'|' | b'='), code @ ..] => (*order, code),
            code => (b'<', code),
        };
        let [kind, size] = code else {
            return None;
        };
        let kind = match kind {
            b'b' => ItemKind::Bool,
            b'i' => ItemKind::Signed,
            b'u' => ItemKind::Unsigned,
            _ => return None,
        };
        let size = match (kind, size) {
            (_, b'1') => 1,
            (ItemKind::Bool, _) => return None,
            (_, b'2') => 2,
            (_, b'4') => 4,
            (_, b'8') => 8,
            _ => return None,
        };
        Some(ItemType {
            kind,
            size,
            big_endian: order == b'>',
        })
    }

    /// Whether items are unsigned bytes, as those of an encoded image.
    pub fn is_byte(self) -> bool {
        self.kind == ItemKind::Unsigned && self.size == 1
    }

    /// The number that these bytes are; none of 2^63 or more.
    pub fn number(self, bytes: &[u8]) -> Option<i64> {
        if bytes.len() != self.size {
            return None;
        }
        let mut all = [0; 8];
        for (i, byte) in bytes.iter().enumerate() {
            let at = if self.big_endian {
                bytes.len() - 1 - i
            } else {
                i
            };
            all[at] = *byte;
        }
        let unused = 64 - 8 * self.size as u32;
        let raw = u64::from_le_bytes(all);
        match self.kind {
            ItemKind::Bool if raw > 1 => None,
            ItemKind::Bool => Some(raw as i64),
            ItemKind::Signed => Some(((raw << unused) as i64) >> unused),
            ItemKind::Unsigned => i64::try_from(raw).ok(),
        }
    }
}

/// The only globals a pack may name. None of them is called; each has a fixed meaning here.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Global {
    /// `numpy.core.multiarray._reconstruct`.
    Reconstruct,
    /// `numpy.core.numeric._frombuffer`, by which protocol 5 stores arrays.
    FromBuffer,
    /// `numpy.core.multiarray.scalar`, a single boolean or number.
    Scalar,
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
            (b"numpy.core.multiarray" | b"numpy._core.multiarray", b"scalar") => {
                Some(Global::Scalar)
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
