//! What a pack may hold beyond Python's own values: NumPy's arrays and scalars of whole numbers.

use frbench_pickle::{Heap, Host, Made, Object, Payload, Value, shown};

/// A pack's globals, and what calling them makes. No code of theirs is run; each has a fixed
/// meaning here.
#[derive(Clone, Debug)]
pub enum Item {
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
    /// An array; its items once BUILD has set them.
    Array(Option<Array>),
    /// A dtype.
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
    fn named(code: &[u8]) -> Option<Self> {
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
    fn is_byte(self) -> bool {
        self.kind == ItemKind::Unsigned && self.size == 1
    }

    /// The number that these bytes are; none of 2^63 or more.
    fn number(self, bytes: &[u8]) -> Option<i64> {
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

/// The host of packs.
pub struct Numpy;

impl Host for Numpy {
    type Item = Item;

    fn global(&self, module: &str, name: &str) -> Result<Item, String> {
        Ok(match (module, name) {
            ("numpy.core.multiarray" | "numpy._core.multiarray", "_reconstruct") => {
                Item::Reconstruct
            }
            ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar") => Item::Scalar,
            ("numpy.core.numeric" | "numpy._core.numeric", "_frombuffer") => Item::FromBuffer,
            ("numpy", "ndarray") => Item::Ndarray,
            ("numpy", "dtype") => Item::Dtype,
            ("_codecs", "encode") => Item::Encode,
            _ => {
                return Err(format!(
                    "the file asks for {}; a verification pack holds images and booleans only, \
                     and nothing else is loaded",
                    shown(module, name)
                ));
            }
        })
    }

    fn call(
        &self,
        heap: &Heap<Item>,
        function: &Item,
        arguments: &[Value],
    ) -> Result<Made<Item>, String> {
        Ok(match function {
            Item::Reconstruct => Made::Item(Item::Array(None)),
            Item::Scalar => {
                let [item, data] = arguments else {
                    return Err("a scalar is made of two parts".into());
                };
                let number = item_type(heap, item).and_then(|item| {
                    let data = heap.bytes(data)?;
                    item.number(data.of(heap.file()))
                });
                let number = number.ok_or("a scalar that is no boolean and no whole number")?;
                Made::Value(Value::Int(number))
            }
            Item::Dtype => {
                let code = arguments.first().and_then(|code| heap.text(code));
                let item = code.and_then(|code| ItemType::named(code.as_bytes()));
                let item = item.ok_or("an array whose items are no booleans or whole numbers")?;
                Made::Item(Item::Type(item))
            }
            Item::Encode => match arguments {
                [text, codec] if matches!(heap.text(codec), Some("latin1" | "latin-1")) => {
                    Made::Latin1(text.clone())
                }
                _ => return Err("only latin1 text is re-encoded to bytes".into()),
            },
            Item::FromBuffer => match arguments {
                [data, dtype, shape, _] => Made::Item(array(heap, data, dtype, shape)?),
                _ => return Err("an array is made of four parts".into()),
            },
            Item::Ndarray => return Err("`numpy.ndarray` is not called in a pack".into()),
            Item::Array(_) | Item::Type(_) => {
                return Err("REDUCE of something that is not a function".into());
            }
        })
    }

    /// Sets the state of an array `(version, shape, dtype, is_fortran, bytes)` or a dtype.
    fn build(
        &self,
        heap: &Heap<Item>,
        target: &Object<Item>,
        state: &Value,
    ) -> Result<Option<Item>, String> {
        let parts = || heap.tuple(state).ok_or("a state that is no tuple");
        match target {
            &Object::Item(Item::Type(item)) => {
                // `(version, byte order, ...)`
                let order = parts()?.get(1).and_then(|value| heap.text(value));
                let big_endian = order == Some(">");
                Ok(Some(Item::Type(ItemType { big_endian, ..item })))
            }
            Object::Item(Item::Array(None)) => {
                let [_, shape, dtype, _, data] = parts()? else {
                    return Err("the state of an array has five parts".into());
                };
                Ok(Some(array(heap, data, dtype, shape)?))
            }
            _ => Err("BUILD of something that has no state".into()),
        }
    }
}

fn item_type(heap: &Heap<Item>, value: &Value) -> Option<ItemType> {
    match heap.item(value)? {
        Item::Type(item) => Some(*item),
        _ => None,
    }
}

/// A finished array, if it holds as many bytes as its shape says.
fn array(heap: &Heap<Item>, data: &Value, dtype: &Value, shape: &Value) -> Result<Item, String> {
    let len = heap.bytes(data).map(|bytes| bytes.of(heap.file()).len());
    let shape = heap.tuple(shape).ok_or("a shape that is no tuple")?;
    let items = shape.iter().try_fold(1usize, |n, side| match side {
        Value::Int(side) => n.checked_mul(usize::try_from(*side).ok()?),
        _ => None,
    });
    let item = item_type(heap, dtype);
    let wanted = item.and_then(|item| items?.checked_mul(item.size));
    match item {
        Some(item) if len.is_some() && wanted == len => Ok(Item::Array(Some(Array {
            item,
            data: data.clone(),
        }))),
        _ => Err(
            "an array that is not bytes, booleans or whole numbers, or whose shape is not its \
             length"
                .into(),
        ),
    }
}

/// The payload of an image: bytes of any kind, or a finished array of bytes.
pub fn payload(heap: &Heap<Item>, value: &Value) -> Option<Payload> {
    match heap.item(value) {
        Some(Item::Array(Some(array))) if array.item.is_byte() => heap.bytes(&array.data),
        _ => heap.bytes(value),
    }
}

/// The numbers that a list, a tuple or an array holds; none where an item is no number.
pub fn numbers(heap: &Heap<Item>, value: &Value) -> Option<Vec<Option<i64>>> {
    if let Some(Item::Array(Some(array))) = heap.item(value) {
        let data = heap.bytes(&array.data)?;
        let items = data.of(heap.file()).chunks_exact(array.item.size);
        return Some(items.map(|bytes| array.item.number(bytes)).collect());
    }
    let number = |value: &Value| match value {
        Value::Bool(b) => Some(i64::from(*b)),
        Value::Int(n) => Some(*n),
        _ => None,
    };
    Some(heap.sequence(value)?.iter().map(number).collect())
}
