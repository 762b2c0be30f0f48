//! The machine: a stack, open marks, a memo.

use crate::decode::{latin1, unescape, whole};
use crate::heap::Heap;
use crate::reader::Reader;
use crate::value::{Object, Value};
use crate::{Fault, Host, MOST, Made};
use std::collections::BTreeMap;
use std::ops::Range;

/// What a pickle holds.
pub struct Pickle<'a, T> {
    pub heap: Heap<'a, T>,
    pub value: Value,
    /// The byte after its STOP.
    pub end: usize,
}

/// Reads the pickle that begins at byte `start` of `file`.
///
/// # Errors
/// What is wrong, and at which byte.
pub fn read<'a, H: Host>(
    file: &'a [u8],
    start: usize,
    host: &H,
) -> Result<Pickle<'a, H::Item>, Fault> {
    let mut machine = Machine {
        host,
        reader: Reader {
            file,
            at: start.min(file.len()),
        },
        stack: Vec::new(),
        marks: Vec::new(),
        memo: BTreeMap::new(),
        heap: Heap {
            file,
            objects: Vec::new(),
        },
        made: 0,
        copied: 0,
    };
    loop {
        let offset = machine.reader.at;
        match machine.step() {
            Ok(None) => {}
            Ok(Some(value)) => {
                return Ok(Pickle {
                    heap: machine.heap,
                    value,
                    end: machine.reader.at,
                });
            }
            Err(what) => return Err(Fault { offset, what }),
        }
    }
}

type Step<T = ()> = Result<T, String>;

struct Machine<'a, 'h, H: Host> {
    host: &'h H,
    reader: Reader<'a>,
    stack: Vec<Value>,
    /// Heights of the stack at open MARKs.
    marks: Vec<usize>,
    memo: BTreeMap<u64, Value>,
    heap: Heap<'a, H::Item>,
    /// Objects, items and memo entries so far.
    made: usize,
    /// Bytes that were decoded and items that calls made so far.
    copied: usize,
}

impl<H: Host> Machine<'_, '_, H> {
    fn count(&mut self) -> Step {
        self.made += 1;
        match self.made <= MOST {
            true => Ok(()),
            false => Err(format!("a pickle of more than {MOST} parts")),
        }
    }

    fn push(&mut self, value: Value) -> Step {
        self.count()?;
        self.stack.push(value);
        Ok(())
    }

    fn make(&mut self, object: Object<H::Item>) -> Step {
        self.heap.objects.push(object);
        self.push(Value::Object(self.heap.objects.len() - 1))
    }

    /// So many bytes or items that are made of others. What is shared is made once, so that all of
    /// them are no more than the file.
    fn copy(&mut self, len: usize) -> Step {
        self.copied = self.copied.saturating_add(len);
        match self.copied <= self.reader.file.len() {
            true => Ok(()),
            false => Err("a value that is copied over and over".into()),
        }
    }

    /// Height below which the current MARK's items do not lie.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn top(&self) -> Step<&Value> {
        let top = self
            .stack
            .last()
            .filter(|_| self.stack.len() > self.floor());
        top.ok_or_else(|| "nothing on the stack".into())
    }

    fn pop(&mut self) -> Step<Value> {
        let top = self.top()?.clone();
        self.stack.pop();
        Ok(top)
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
        self.make(Object::Tuple(items))
    }

    /// The object on top of the stack.
    fn target(&mut self) -> Option<&mut Object<H::Item>> {
        match self.top() {
            Ok(&Value::Object(id)) => self.heap.objects.get_mut(id),
            _ => None,
        }
    }

    fn append(&mut self, items: Vec<Value>) -> Step {
        match self.target() {
            Some(Object::List(list)) => list.extend(items),
            _ => return Err("only lists are appended to".into()),
        }
        Ok(())
    }

    fn add(&mut self, items: Vec<Value>) -> Step {
        match self.target() {
            Some(Object::Set(set)) => set.extend(items),
            _ => return Err("only sets are added to".into()),
        }
        Ok(())
    }

    fn set_items(&mut self, items: Vec<Value>) -> Step {
        match self.target() {
            Some(Object::Dict(entries)) => entries.extend(pairs(items)?),
            _ => return Err("items are set of what is no dictionary".into()),
        }
        Ok(())
    }

    fn put(&mut self, key: u64) -> Step {
        let top = self.top().map_err(|_| "nothing on the stack to remember")?;
        let value = top.clone();
        self.count()?;
        self.memo.insert(key, value);
        Ok(())
    }

    fn get(&mut self, key: u64) -> Step {
        let value = self.memo.get(&key).cloned();
        self.push(value.ok_or_else(|| format!("memo {key} was never stored"))?)
    }

    fn global(&mut self, module: Range<usize>, name: Range<usize>) -> Step {
        let file = self.reader.file;
        let text = |range| String::from_utf8_lossy(&file[range]);
        let item = self.host.global(&text(module), &text(name))?;
        self.make(Object::Item(item))
    }

    fn stack_global(&mut self) -> Step {
        let (name, module) = (self.pop()?, self.pop()?);
        match (module, name) {
            (Value::Text(m), Value::Text(n)) => self.global(m, n),
            _ => Err("the name of a global is not text".into()),
        }
    }

    /// REDUCE, and NEWOBJ of a class.
    fn call(&mut self) -> Step {
        let (arguments, function) = (self.pop()?, self.pop()?);
        let made = {
            let function = self.heap.item(&function);
            let function = function.ok_or("REDUCE of something that is not a function")?;
            let arguments = self.heap.tuple(&arguments);
            let arguments = arguments.ok_or("the arguments are not a tuple")?;
            self.host.call(&self.heap, function, arguments)?
        };
        match made {
            Made::Value(value) => self.push(value),
            Made::Item(item) => self.make(Object::Item(item)),
            Made::Dict(entries) => {
                self.copy(entries.len())?;
                self.make(Object::Dict(entries))
            }
            Made::List(items) => {
                self.copy(items.len())?;
                self.make(Object::List(items))
            }
            Made::Latin1(text) => {
                let bytes = latin1(self.heap.text(&text).ok_or("text that is not UTF-8")?)?;
                self.copy(bytes.len())?;
                self.make(Object::Decoded(bytes.into()))
            }
        }
    }

    fn build(&mut self) -> Step {
        let state = self.pop()?;
        let wrong = || "BUILD of something that has no state".to_string();
        let &Value::Object(id) = self.top().map_err(|_| wrong())? else {
            return Err(wrong());
        };
        let target = self.heap.objects.get(id).ok_or_else(wrong)?;
        if let Some(item) = self.host.build(&self.heap, target, &state)? {
            self.heap.objects[id] = Object::Item(item);
        }
        Ok(())
    }

    fn persistent(&mut self, id: &Value) -> Step {
        let item = self.host.persistent(&self.heap, id)?;
        self.make(Object::Item(item))
    }

    /// A whole number in so many bytes of two's complement.
    fn long(&mut self, range: Range<usize>) -> Step {
        match whole(&self.reader.file[range.clone()]) {
            Some(n) => self.push(Value::Int(n)),
            None => self.push(Value::Long(range)),
        }
    }

    /// A length of four bytes with a sign.
    fn signed_length(&mut self) -> Step<usize> {
        let n = self.reader.number(4)? as u32 as i32;
        usize::try_from(n).map_err(|_| "a string of negative length".into())
    }

    /// One instruction; a value if it was STOP.
    fn step(&mut self) -> Step<Option<Value>> {
        let code = self.reader.number(1);
        let code = code.map_err(|_| "the file ends before STOP")? as u8;
        match code {
            0x80 => {
                let version = self.reader.number(1)?;
                if version > 5 {
                    return Err(format!("pickle protocol {version}; 0 to 5 exist"));
                }
            }
            // A frame is a hint for readers.
            0x95 => {
                self.reader.number(8)?;
            }
            b'.' => {
                let value = self.pop()?;
                if !self.stack.is_empty() || !self.marks.is_empty() {
                    return Err("STOP with values left on the stack".into());
                }
                return Ok(Some(value));
            }
            b'(' => {
                self.count()?;
                self.marks.push(self.stack.len());
            }
            b'0' => {
                self.pop()?;
            }
            b'1' => {
                self.pop_marked()?;
            }
            b'2' => {
                let top = self.top()?.clone();
                self.push(top)?;
            }
            b']' => self.make(Object::List(Vec::new()))?,
            b')' => self.make(Object::Tuple(Vec::new()))?,
            b'}' => self.make(Object::Dict(Vec::new()))?,
            0x8f => self.make(Object::Set(Vec::new()))?,
            b'l' => {
                let items = self.pop_marked()?;
                self.make(Object::List(items))?;
            }
            b't' => {
                let items = self.pop_marked()?;
                self.make(Object::Tuple(items))?;
            }
            b'd' => {
                let items = self.pop_marked()?;
                let entries = pairs(items)?.collect();
                self.make(Object::Dict(entries))?;
            }
            0x91 => {
                let items = self.pop_marked()?;
                self.make(Object::Set(items))?;
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
            0x90 => {
                let items = self.pop_marked()?;
                self.add(items)?;
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(vec![key, value])?;
            }
            b'u' => {
                let items = self.pop_marked()?;
                self.set_items(items)?;
            }
            b'c' => {
                let (module, name) = (self.reader.line()?, self.reader.line()?);
                self.global(module, name)?;
            }
            0x93 => self.stack_global()?,
            b'R' | 0x81 => self.call()?,
            b'b' => self.build()?,
            b'Q' => {
                let id = self.pop()?;
                self.persistent(&id)?;
            }
            b'P' => {
                let id = self.reader.line()?;
                self.persistent(&Value::Bytes(id))?;
            }
            b'p' => {
                let key = self.reader.line_of("a memo key")?;
                self.put(key)?;
            }
            b'q' => {
                let key = self.reader.number(1)?;
                self.put(key)?;
            }
            b'r' => {
                let key = self.reader.number(4)?;
                self.put(key)?;
            }
            0x94 => self.put(self.memo.len() as u64)?,
            b'g' => {
                let key = self.reader.line_of("a memo key")?;
                self.get(key)?;
            }
            b'h' => {
                let key = self.reader.number(1)?;
                self.get(key)?;
            }
            b'j' => {
                let key = self.reader.number(4)?;
                self.get(key)?;
            }
            b'J' => {
                let n = self.reader.number(4)? as u32 as i32;
                self.push(Value::Int(n.into()))?;
            }
            b'K' | b'M' => {
                let n = self.reader.number(if code == b'K' { 1 } else { 2 })?;
                self.push(Value::Int(n as i64))?;
            }
            b'I' => {
                let start = self.reader.at;
                let line = self.reader.line()?;
                match &self.reader.file[line] {
                    // Booleans of protocols 0 and 1.
                    b"00" => self.push(Value::Bool(false))?,
                    b"01" => self.push(Value::Bool(true))?,
                    _ => {
                        self.reader.at = start;
                        let n = self.reader.line_of("a whole number")?;
                        self.push(Value::Int(n))?;
                    }
                }
            }
            b'L' => {
                let n = self.reader.line_of("a whole number")?;
                self.push(Value::Int(n))?;
            }
            0x8a => {
                let range = self.reader.counted(1)?;
                self.long(range)?;
            }
            0x8b => {
                let n = self.signed_length()?;
                let range = self.reader.take(n)?;
                self.long(range)?;
            }
            b'F' => {
                let n = self.reader.line_of("a number")?;
                self.push(Value::Float(n))?;
            }
            b'G' => {
                // The one number of pickles that is big-endian.
                let n = self.reader.number(8)?.swap_bytes();
                self.push(Value::Float(f64::from_bits(n)))?;
            }
            b'S' => {
                let line = self.reader.line()?;
                let bytes = unescape(&self.reader.file[line])?;
                self.make(Object::Decoded(bytes.into()))?;
            }
            b'U' | b'C' => {
                let range = self.reader.counted(1)?;
                self.push(Value::Bytes(range))?;
            }
            b'T' => {
                let n = self.signed_length()?;
                let range = self.reader.take(n)?;
                self.push(Value::Bytes(range))?;
            }
            b'B' => {
                let range = self.reader.counted(4)?;
                self.push(Value::Bytes(range))?;
            }
            // BINBYTES8 and protocol 5's BYTEARRAY8.
            0x8e | 0x96 => {
                let range = self.reader.counted(8)?;
                self.push(Value::Bytes(range))?;
            }
            0x8c => {
                let range = self.reader.counted(1)?;
                self.push(Value::Text(range))?;
            }
            b'X' => {
                let range = self.reader.counted(4)?;
                self.push(Value::Text(range))?;
            }
            0x8d => {
                let range = self.reader.counted(8)?;
                self.push(Value::Text(range))?;
            }
            b'N' => self.push(Value::None)?,
            0x88 => self.push(Value::Bool(true))?,
            0x89 => self.push(Value::Bool(false))?,
            _ => return Err(format!("pickle instruction {code:#04x} is not read here")),
        }
        Ok(None)
    }
}

/// Keys and values in turns, as pairs.
fn pairs(items: Vec<Value>) -> Step<impl Iterator<Item = (Value, Value)>> {
    if !items.len().is_multiple_of(2) {
        return Err("a key without its value".into());
    }
    let mut items = items.into_iter();
    Ok(std::iter::from_fn(move || {
        Some((items.next()?, items.next()?))
    }))
}

#[cfg(test)]
mod tests;
