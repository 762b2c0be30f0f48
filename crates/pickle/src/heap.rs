//! The objects of a pickle, and what can be asked of values that refer to them.

use crate::value::{Id, Object, Payload, Value};

/// The objects that a pickle has made so far.
pub struct Heap<'a, T> {
    pub(crate) file: &'a [u8],
    pub(crate) objects: Vec<Object<T>>,
}

impl<'a, T> Heap<'a, T> {
    /// The bytes that the ranges of values refer to.
    pub fn file(&self) -> &'a [u8] {
        self.file
    }

    pub fn object(&self, id: Id) -> &Object<T> {
        &self.objects[id]
    }

    /// All of them, in the order in which they were made.
    pub fn objects(&self) -> &[Object<T>] {
        &self.objects
    }

    /// The object that a value refers to.
    pub fn of(&self, value: &Value) -> Option<&Object<T>> {
        match value {
            Value::Object(id) => self.objects.get(*id),
            _ => None,
        }
    }

    /// What the host knows of a value.
    pub fn item(&self, value: &Value) -> Option<&T> {
        match self.of(value)? {
            Object::Item(item) => Some(item),
            _ => None,
        }
    }

    pub fn tuple(&self, value: &Value) -> Option<&[Value]> {
        match self.of(value)? {
            Object::Tuple(items) => Some(items),
            _ => None,
        }
    }

    /// The items of a list or a tuple.
    pub fn sequence(&self, value: &Value) -> Option<&[Value]> {
        match self.of(value)? {
            Object::List(items) | Object::Tuple(items) => Some(items),
            _ => None,
        }
    }

    pub fn dict(&self, value: &Value) -> Option<&[(Value, Value)]> {
        match self.of(value)? {
            Object::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// Text in UTF-8, in whichever of the three ways pickles write it.
    pub fn text(&self, value: &Value) -> Option<&str> {
        let bytes = match value {
            Value::Text(range) | Value::Bytes(range) => self.file.get(range.clone())?,
            _ => match self.of(value)? {
                Object::Decoded(bytes) => bytes,
                _ => return None,
            },
        };
        std::str::from_utf8(bytes).ok()
    }

    /// Bytes as such: in the file, or decoded.
    pub fn bytes(&self, value: &Value) -> Option<Payload> {
        match value {
            Value::Bytes(range) => Some(Payload::Range(range.clone())),
            _ => match self.of(value)? {
                Object::Decoded(bytes) => Some(Payload::Owned(bytes.clone())),
                _ => None,
            },
        }
    }
}
