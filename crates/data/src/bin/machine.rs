//! The restricted pickle machine.
//!
//! It never recurses, calls nothing, and each instruction adds at most a constant plus what it
//! takes off the stack, so memory is bounded by the file's size.

use super::value::{Array, Global, Id, ItemType, Object, Value};
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A failure and the byte at which its instruction starts.
#[derive(Debug)]
pub struct Fault {
    pub offset: usize,
    pub what: String,
}

/// The state of unpickling `file`.
pub struct Machine<'a> {
    file: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Heights of the stack at open MARKs.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Value>,
    arena: Vec<Object>,
}

type Step<T = ()> = Result<T, String>;

impl<'a> Machine<'a> {
    pub fn new(file: &'a [u8]) -> Self {
        Machine {
            file,
            at: 0,
            stack: Vec::new(),
            marks: Vec::new(),
            memo: BTreeMap::new(),
            arena: Vec::new(),
        }
    }

    /// Runs to STOP and returns the one value left.
    pub fn run(&mut self) -> Result<Value, Fault> {
        loop {
            let offset = self.at;
            match self.step() {
                Ok(None) => {}
                Ok(Some(value)) => return Ok(value),
                Err(what) => return Err(Fault { offset, what }),
            }
        }
    }

    pub fn object(&self, id: Id) -> &Object {
        &self.arena[id]
    }

    /// The payload of an image: bytes of any kind, or a finished array of bytes.
    pub fn payload(&self, value: &Value) -> Option<Payload> {
        match value {
            Value::Object(id) => match &self.arena[*id] {
                Object::Array(Some(array)) if array.item.is_byte() => self.bytes(&array.data),
                _ => self.bytes(value),
            },
            _ => self.bytes(value),
        }
    }

    /// Bytes as such: in the file, or decoded.
    fn bytes(&self, value: &Value) -> Option<Payload> {
        match value {
            Value::Bytes(range) => Some(Payload::Range(range.clone())),
            Value::Object(id) => match &self.arena[*id] {
                Object::Decoded(bytes) => Some(Payload::Owned(bytes.clone())),
                _ => None,
            },
            _ => None,
        }
    }

    /// The numbers that a list, a tuple or an array holds; none where an item is no number.
    pub fn numbers(&self, value: &Value) -> Option<Vec<Option<i64>>> {
        let Value::Object(id) = value else {
            return None;
        };
        let number = |value: &Value| match value {
            Value::Bool(b) => Some(i64::from(*b)),
            Value::Int(n) => Some(*n),
            _ => None,
        };
        match &self.arena[*id] {
            Object::List(items) | Object::Tuple(items) => Some(items.iter().map(number).collect()),
            Object::Array(Some(array)) => {
                let data = self.bytes(&array.data)?;
                let items = data.of(self.file).chunks_exact(array.item.size);
                Some(items.map(|bytes| array.item.number(bytes)).collect())
            }
            _ => None,
        }
    }

    // Reading

    fn take(&mut self, len: usize) -> Step<Range<usize>> {
        let end = self.at.checked_add(len).filter(|e| *e <= self.file.len());
        let end = end.ok_or_else(|| {
            format!(
                "the file ends: {len} bytes wanted, {} left",
                self.file.len() - self.at
            )
        })?;
        Ok(std::mem::replace(&mut self.at, end)..end)
    }

    /// A little-endian unsigned number of `len <= 8` bytes.
    fn number(&mut self, len: usize) -> Step<u64> {
        let range = self.take(len)?;
        Ok(self.file[range]
            .iter()
            .rev()
            .fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// Bytes behind a length of `len` bytes.
    fn counted(&mut self, len: usize) -> Step<Range<usize>> {
        let n = self.number(len)?;
        self.take(usize::try_from(n).map_err(|e| e.to_string())?)
    }

    /// The rest of the line, without its newline.
    fn line(&mut self) -> Step<&'a [u8]> {
        let rest = &self.file[self.at..];
        let len = rest.iter().position(|b| *b == b'\n');
        let len = len.ok_or("the file ends inside a line")?;
        self.at += len + 1;
        Ok(&rest[..len])
    }

    fn line_number(&mut self) -> Step<i64> {
        let line = self.line()?;
        let text = std::str::from_utf8(line).unwrap_or("?");
        let digits = text.strip_suffix('L').unwrap_or(text);
        digits.parse().map_err(|_| "not a whole number".to_string())
    }

    // Stack

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn make(&mut self, object: Object) {
        self.arena.push(object);
        self.stack.push(Value::Object(self.arena.len() - 1));
    }

    /// Height below which the current MARK's items do not lie.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Step<Value> {
        if self.stack.len() <= self.floor() {
            return Err("nothing on the stack".into());
        }
        self.stack
            .pop()
            .ok_or_else(|| "nothing on the stack".into())
    }

    fn pop_marked(&mut self) -> Step<Vec<Value>> {
        let mark = self.marks.pop().ok_or("no MARK on the stack")?;
        Ok(self.stack.split_off(mark))
    }

    fn tuple(&mut self, n: usize) -> Step {
        if self.stack.len() < self.floor() + n {
            return Err(format!("a tuple of {n} needs {n} values on the stack"));
        }
        let items = self.stack.split_off(self.stack.len() - n);
        self.make(Object::Tuple(items));
        Ok(())
    }

    fn append(&mut self, items: Vec<Value>) -> Step {
        match self.stack.last() {
            Some(Value::Object(id)) if self.stack.len() > self.floor() => {
                match &mut self.arena[*id] {
                    Object::List(list) => {
                        list.extend(items);
                        Ok(())
                    }
                    _ => Err("only lists are appended to".into()),
                }
            }
            _ => Err("only lists are appended to".into()),
        }
    }

    fn put(&mut self, key: u64) -> Step {
        if self.stack.len() <= self.floor() {
            return Err("nothing on the stack to remember".into());
        }
        let value = self.stack[self.stack.len() - 1].clone();
        self.memo.insert(key, value);
        Ok(())
    }

    fn get(&mut self, key: u64) -> Step {
        let value = self.memo.get(&key).cloned();
        self.push(value.ok_or_else(|| format!("memo {key} was never stored"))?);
        Ok(())
    }

    // Globals

    fn global(&mut self, module: &[u8], name: &[u8]) -> Step {
        let known = Global::named(module, name).ok_or_else(|| {
            let show = |b: &[u8]| String::from_utf8_lossy(&b[..b.len().min(60)]).into_owned();
            format!(
                "the file asks for `{}.{}`; a verification pack holds images and booleans only, \
                 and nothing else is loaded",
                show(module),
                show(name)
            )
        })?;
        self.make(Object::Global(known));
        Ok(())
    }

    fn stack_global(&mut self) -> Step {
        let (name, module) = (self.pop()?, self.pop()?);
        match (module, name) {
            (Value::Text(m), Value::Text(n)) => {
                let file = self.file;
                self.global(&file[m], &file[n])
            }
            _ => Err("the name of a global is not text".into()),
        }
    }

    fn tuple_items(&self, value: &Value) -> Step<&[Value]> {
        match value {
            Value::Object(id) => match &self.arena[*id] {
                Object::Tuple(items) => Ok(items),
                _ => Err("the arguments are not a tuple".into()),
            },
            _ => Err("the arguments are not a tuple".into()),
        }
    }

    fn reduce(&mut self) -> Step {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let global = match function {
            Value::Object(id) => match self.arena[id] {
                Object::Global(global) => global,
                _ => return Err("REDUCE of something that is not a function".into()),
            },
            _ => return Err("REDUCE of something that is not a function".into()),
        };
        let items = self.tuple_items(&arguments)?;
        if global == Global::Scalar {
            let [item, data] = items else {
                return Err("a scalar is made of two parts".into());
            };
            let number = self.item_type(item).and_then(|item| {
                let data = self.bytes(data)?;
                item.number(data.of(self.file))
            });
            let number = number.ok_or("a scalar that is no boolean and no whole number")?;
            self.push(Value::Int(number));
            return Ok(());
        }
        let object = match global {
            Global::Reconstruct => Object::Array(None),
            Global::Dtype => {
                let item = match items.first() {
                    Some(Value::Text(r) | Value::Bytes(r)) => {
                        ItemType::named(&self.file[r.clone()])
                    }
                    Some(Value::Object(id)) => match &self.arena[*id] {
                        Object::Decoded(code) => ItemType::named(code),
                        _ => None,
                    },
                    _ => None,
                };
                Object::Type(item.ok_or("an array whose items are no booleans or whole numbers")?)
            }
            Global::Encode => match items {
                [Value::Text(text), Value::Text(codec)]
                    if matches!(&self.file[codec.clone()], b"latin1" | b"latin-1") =>
                {
                    Object::Decoded(latin1(&self.file[text.clone()])?.into())
                }
                _ => return Err("only latin1 text is re-encoded to bytes".into()),
            },
            Global::FromBuffer => match items {
                [data, dtype, shape, _] => self.array(data, dtype, shape)?,
                _ => return Err("an array is made of four parts".into()),
            },
            Global::Ndarray | Global::Scalar => {
                return Err("`numpy.ndarray` is not called in a pack".into());
            }
        };
        self.make(object);
        Ok(())
    }

    /// Text, in whichever of the three ways pickles write it.
    fn text(&self, value: &Value) -> Option<&[u8]> {
        match value {
            Value::Text(range) | Value::Bytes(range) => self.file.get(range.clone()),
            Value::Object(id) => match &self.arena[*id] {
                Object::Decoded(bytes) => Some(bytes),
                _ => None,
            },
            _ => None,
        }
    }

    fn item_type(&self, value: &Value) -> Option<ItemType> {
        match value {
            Value::Object(id) => match self.arena[*id] {
                Object::Type(item) => Some(item),
                _ => None,
            },
            _ => None,
        }
    }

    /// A finished array, if it holds as many bytes as its shape says.
    fn array(&self, data: &Value, dtype: &Value, shape: &Value) -> Step<Object> {
        let len = self.bytes(data).map(|bytes| bytes.of(self.file).len());
        let mut sides = self.tuple_items(shape)?.iter();
        let items = sides.try_fold(1usize, |n, side| match side {
            Value::Int(side) => n.checked_mul(usize::try_from(*side).ok()?),
            _ => None,
        });
        let item = self.item_type(dtype);
        let wanted = item.and_then(|item| items?.checked_mul(item.size));
        match item {
            Some(item) if len.is_some() && wanted == len => Ok(Object::Array(Some(Array {
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

    /// Sets the state of an array `(version, shape, dtype, is_fortran, bytes)` or a dtype.
    fn build(&mut self) -> Step {
        let state = self.pop()?;
        let target = match self.stack.last() {
            Some(Value::Object(id)) if self.stack.len() > self.floor() => *id,
            _ => return Err("BUILD of something that has no state".into()),
        };
        match &self.arena[target] {
            &Object::Type(item) => {
                // `(version, byte order, ...)`
                let order = self.tuple_items(&state)?.get(1);
                let order = order.and_then(|value| self.text(value));
                let big_endian = order == Some(b">");
                self.arena[target] = Object::Type(ItemType { big_endian, ..item });
                Ok(())
            }
            Object::Array(None) => {
                let [_, shape, dtype, _, data] = self.tuple_items(&state)? else {
                    return Err("the state of an array has five parts".into());
                };
                self.arena[target] = self.array(data, dtype, shape)?;
                Ok(())
            }
            _ => Err("BUILD of something that has no state".into()),
        }
    }

    /// One instruction; a value if it was STOP.
    fn step(&mut self) -> Step<Option<Value>> {
        let code = self.number(1).map_err(|_| "the file ends before STOP")? as u8;
        match code {
            0x80 => {
                let version = self.number(1)?;
                if version > 5 {
                    return Err(format!("pickle protocol {version}; 0 to 5 exist"));
                }
            }
            0x95 => {
                self.number(8)?;
            }
            b'.' => {
                let value = self.pop()?;
                if !self.stack.is_empty() || !self.marks.is_empty() {
                    return Err("STOP with values left on the stack".into());
                }
                return Ok(Some(value));
            }
            b'(' => self.marks.push(self.stack.len()),
            b']' => self.make(Object::List(Vec::new())),
            b')' => self.make(Object::Tuple(Vec::new())),
            b'l' => {
                let items = self.pop_marked()?;
                self.make(Object::List(items));
            }
            b't' => {
                let items = self.pop_marked()?;
                self.make(Object::Tuple(items));
            }
            0x85..=0x87 => self.tuple(usize::from(code - 0x84))?,
            b'a' => {
                let item = self.pop()?;
                self.append(vec![item])?;
            }
            b'e' => {
                let items = self.pop_marked()?;
                self.append(items)?;
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.global(module, name)?;
            }
            0x93 => self.stack_global()?,
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            b'p' => {
                let key = self.line_number()?;
                self.put(u64::try_from(key).map_err(|_| "a negative memo key")?)?;
            }
            b'q' => {
                let key = self.number(1)?;
                self.put(key)?;
            }
            b'r' => {
                let key = self.number(4)?;
                self.put(key)?;
            }
            0x94 => self.put(self.memo.len() as u64)?,
            b'g' => {
                let key = self.line_number()?;
                self.get(u64::try_from(key).map_err(|_| "a negative memo key")?)?;
            }
            b'h' => {
                let key = self.number(1)?;
                self.get(key)?;
            }
            b'j' => {
                let key = self.number(4)?;
                self.get(key)?;
            }
            b'J' => {
                let n = self.number(4)? as u32 as i32;
                self.push(Value::Int(n.into()));
            }
            b'K' | b'M' => {
                let n = self.number(if code == b'K' { 1 } else { 2 })?;
                self.push(Value::Int(n as i64));
            }
            b'I' => {
                let start = self.at;
                match self.line()? {
                    // Booleans of protocols 0 and 1.
                    b"00" => self.push(Value::Bool(false)),
                    b"01" => self.push(Value::Bool(true)),
                    _ => {
                        self.at = start;
                        let n = self.line_number()?;
                        self.push(Value::Int(n));
                    }
                }
            }
            b'L' => {
                let n = self.line_number()?;
                self.push(Value::Int(n));
            }
            b'S' => {
                let line = self.line()?;
                self.make(Object::Decoded(unescape(line)?.into()));
            }
            b'U' | b'C' => {
                let range = self.counted(1)?;
                self.push(Value::Bytes(range));
            }
            b'T' => {
                let n = self.number(4)? as u32 as i32;
                let n = usize::try_from(n).map_err(|_| "a string of negative length")?;
                let range = self.take(n)?;
                self.push(Value::Bytes(range));
            }
            b'B' => {
                let range = self.counted(4)?;
                self.push(Value::Bytes(range));
            }
            // BINBYTES8 and protocol 5's BYTEARRAY8.
            0x8e | 0x96 => {
                let range = self.counted(8)?;
                self.push(Value::Bytes(range));
            }
            0x8c => {
                let range = self.counted(1)?;
                self.push(Value::Text(range));
            }
            b'X' => {
                let range = self.counted(4)?;
                self.push(Value::Text(range));
            }
            b'N' => self.push(Value::None),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            _ => {
                return Err(format!(
                    "pickle instruction {code:#04x} has no place in a verification pack"
                ));
            }
        }
        Ok(None)
    }
}

/// Where the bytes of an image are.
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

/// The bytes whose latin1 reading is `utf8`.
fn latin1(utf8: &[u8]) -> Step<Vec<u8>> {
    let text = std::str::from_utf8(utf8).map_err(|_| "text that is not UTF-8")?;
    text.chars()
        .map(|c| u8::try_from(c).map_err(|_| "text beyond latin1".to_string()))
        .collect()
}

/// A quoted string of protocol 0, as Python 2's `repr` writes it.
fn unescape(line: &[u8]) -> Step<Vec<u8>> {
    let inner = match line {
        [q @ (b'\'' | b'"'), inner @ .., end] if q == end => inner,
        _ => return Err("a string without its quotes".into()),
    };
    let mut out = Vec::with_capacity(inner.len());
    let mut rest = inner.iter();
    while let Some(&b) = rest.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        out.push(match rest.next() {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'x') => {
                let digit = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
                match (digit(rest.next()), digit(rest.next())) {
                    (Some(high), Some(low)) => (16 * high + low) as u8,
                    _ => return Err("a broken \\x escape".into()),
                }
            }
            Some(&c @ (b'\\' | b'\'' | b'"')) => c,
            _ => return Err("an unknown escape".into()),
        });
    }
    Ok(out)
}
